/* SPDX-License-Identifier: BSD-3-Clause */
/* A bounded buffer between whoever has news and one connection; see live.h. */
#include "config.h"

#include "lib/http/live.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"

struct http_live {
    _Atomic unsigned refs;
    size_t max;
    pthread_mutex_t lock; /* guards the rest */
    struct rk_buf buf;
    struct http_live_sink *sink; /* NULL: not yet, or gone */
    bool asleep;
    bool ended; /* by the writer */
    bool gone;  /* the client */
};

struct http_live *http_live_new(size_t max_bytes)
{
    struct http_live *l = rk_calloc(1, sizeof *l);

    l->refs = 1;
    l->max = max_bytes;
    (void)pthread_mutex_init(&l->lock, NULL);
    rk_buf_init(&l->buf, max_bytes);
    return l;
}

struct http_live *http_live_ref(struct http_live *l)
{
    l->refs++;
    return l;
}

void http_live_unref(struct http_live *l)
{
    if (!l || --l->refs)
        return;
    rk_buf_done(&l->buf);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

/* Locked. */
static void wake(struct http_live *l)
{
    if (!l->asleep || !l->sink)
        return;
    l->asleep = false;
    l->sink->wake(l->sink);
}

enum http_live_state http_live_write(struct http_live *l, struct rk_str s)
{
    enum http_live_state st = HTTP_LIVE_OK;

    (void)pthread_mutex_lock(&l->lock);
    if (l->ended || l->gone) {
        st = HTTP_LIVE_OVER;
    } else if (s.n > l->max - l->buf.n) {
        st = HTTP_LIVE_FULL;
    } else if (s.n) {
        rk_buf_add(&l->buf, s);
        wake(l);
    }
    (void)pthread_mutex_unlock(&l->lock);
    return st;
}

size_t http_live_held(struct http_live *l)
{
    size_t n;

    (void)pthread_mutex_lock(&l->lock);
    n = l->gone ? 0 : l->buf.n;
    (void)pthread_mutex_unlock(&l->lock);
    return n;
}

bool http_live_over(struct http_live *l)
{
    bool over;

    (void)pthread_mutex_lock(&l->lock);
    over = l->ended || l->gone;
    (void)pthread_mutex_unlock(&l->lock);
    return over;
}

void http_live_end(struct http_live *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->ended = true;
    wake(l);
    (void)pthread_mutex_unlock(&l->lock);
}

void http_live_attach(struct http_live *l, struct http_live_sink *s)
{
    (void)pthread_mutex_lock(&l->lock);
    l->sink = s;
    (void)pthread_mutex_unlock(&l->lock);
}

void http_live_detach(struct http_live *l)
{
    if (!l)
        return;
    (void)pthread_mutex_lock(&l->lock);
    l->sink = NULL;
    l->gone = true;
    rk_buf_done(&l->buf);
    (void)pthread_mutex_unlock(&l->lock);
}

size_t http_live_take(struct http_live *l, char *to, size_t n, bool *end)
{
    (void)pthread_mutex_lock(&l->lock);
    n = rk_min_size(n, l->buf.n);
    *end = !n && (l->ended || l->gone);
    if (n) {
        memcpy(to, l->buf.p, n);
        rk_buf_drop(&l->buf, n);
        if (!l->buf.n) /* idle ones keep nothing */
            rk_buf_done(&l->buf);
    } else if (!*end) {
        l->asleep = true;
        l->sink->sleep(l->sink);
    }
    (void)pthread_mutex_unlock(&l->lock);
    return n;
}

size_t http_live_max(const struct http_live *l)
{
    return l->max;
}
