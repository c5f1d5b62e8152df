/* SPDX-License-Identifier: BSD-3-Clause */
/* The buffer that the HTTP/2 sessions of a loop share; see h2_mem.h. */
#include "config.h"

#include "lib/http/h2_mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/list.h"

enum {
    /* A frame of RFC 9113's smallest maximum with its head and the octet of padding: the size that
     * nghttp2 asks for. Another size, another version: then each session has its own, as made. */
    FRAME_BYTES = H2_MEM_FRAME_HEAD + 1 + 16384,
};

struct h2_mem_shared {
    struct rk_list link;
    const struct rk_loop *loop;
    size_t refs;
    uint8_t frame[FRAME_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all and refs */
static struct rk_list all = {&all, &all};

static struct h2_mem_shared *shared_ref(const struct rk_loop *loop)
{
    struct h2_mem_shared *found = NULL;

    (void)pthread_mutex_lock(&lock);
    RK_LIST_FOR_EACH (node, &all) {
        struct h2_mem_shared *s = rk_container_of(node, struct h2_mem_shared, link);

        if (s->loop == loop)
            found = s;
    }
    if (!found) {
        found = rk_calloc(1, sizeof *found);
        found->loop = loop;
        rk_list_push_back(&all, &found->link);
    }
    found->refs++;
    (void)pthread_mutex_unlock(&lock);
    return found;
}

static void shared_unref(struct h2_mem_shared *s)
{
    (void)pthread_mutex_lock(&lock);
    if (--s->refs == 0) {
        rk_list_remove(&s->link);
        free(s);
    }
    (void)pthread_mutex_unlock(&lock);
}

/* ---- nghttp2's allocator: the C library's but for one block */

static void *mem_malloc(size_t size, void *arg)
{
    struct h2_mem *m = arg;

    if (m->making && !m->taken && size == FRAME_BYTES) {
        m->taken = true;
        return m->shared->frame;
    }
    return malloc(size);
}

static void mem_free(void *p, void *arg)
{
    const struct h2_mem *m = arg;

    if (p != m->shared->frame)
        free(p);
}

static void *mem_calloc(size_t n, size_t size, void *arg)
{
    (void)arg;
    return calloc(n, size);
}

static void *mem_realloc(void *p, size_t size, void *arg)
{
    const struct h2_mem *m = arg;
    void *own;

    if (!p)
        return mem_malloc(size, arg);
    if (p != m->shared->frame)
        return realloc(p, size);
    own = malloc(size);
    if (own)
        memcpy(own, p, size < FRAME_BYTES ? size : FRAME_BYTES);
    return own;
}

void h2_mem_init(struct h2_mem *m, const struct rk_loop *loop, bool server)
{
    *m = (struct h2_mem){.ng = {m, mem_malloc, mem_free, mem_calloc, mem_realloc},
                         .shared = shared_ref(loop),
                         .making = server};
}

void h2_mem_made(struct h2_mem *m)
{
    m->making = false;
}

void h2_mem_done(struct h2_mem *m)
{
    if (m->shared)
        shared_unref(m->shared);
    m->shared = NULL;
}

void h2_mem_keep(struct h2_mem *m, const uint8_t *at)
{
    size_t off = (size_t)(at - m->shared->frame);

    if (!m->taken || at < m->shared->frame || off > FRAME_BYTES - H2_MEM_FRAME_HEAD)
        return; /* in memory of its own */
    m->kept_at = m->shared->frame + off;
    memcpy(m->kept, at, H2_MEM_FRAME_HEAD);
}

void h2_mem_restore(struct h2_mem *m)
{
    if (m->kept_at)
        memcpy(m->kept_at, m->kept, H2_MEM_FRAME_HEAD);
    m->kept_at = NULL;
}
