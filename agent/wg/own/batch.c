/* SPDX-License-Identifier: BSD-3-Clause */
/* Batches and single datagrams between threads; see own_priv.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/wg/own/own_priv.h"
#include "lib/base/pages.h"

#define TRAIN_MAX   64    /* datagrams in one message: what every kernel with UDP_SEGMENT takes */
#define TRAIN_BYTES 65000 /* IP and UDP headers fit beside it in 64 KiB */

struct wgo_batch *wgo_batch_take(struct wgo *d)
{
    struct rk_list *l;
    struct wgo_batch *b;

    pthread_mutex_lock(&d->queue_lock);
    l = rk_list_pop_front(&d->spare);
    d->n_spare -= l != NULL;
    pthread_mutex_unlock(&d->queue_lock);
    b = l ? rk_container_of(l, struct wgo_batch, link) : rk_pages_new(sizeof *b);
    b->link = (struct rk_list){0};
    b->used = b->n_msgs = b->n_ways = 0;
    return b;
}

void wgo_batch_give(struct wgo *d, struct wgo_batch *b)
{
    bool keep;

    if (!b)
        return;
    pthread_mutex_lock(&d->queue_lock);
    keep = d->n_spare < WGO_SPARE_MAX;
    if (keep) {
        rk_list_push_front(&d->spare, &b->link);
        d->n_spare++;
    }
    pthread_mutex_unlock(&d->queue_lock);
    if (!keep)
        wgo_batch_free(b);
}

void wgo_batch_free(struct wgo_batch *b)
{
    rk_pages_free(b, sizeof *b);
}

void wgo_batches_free(struct rk_list *batches)
{
    struct rk_list *l;

    while ((l = rk_list_pop_front(batches)))
        wgo_batch_free(rk_container_of(l, struct wgo_batch, link));
}

void wgo_spares_free(struct wgo *d)
{
    struct rk_list all;

    rk_list_init(&all);
    pthread_mutex_lock(&d->queue_lock);
    rk_list_splice(&all, &d->spare);
    d->n_spare = 0;
    pthread_mutex_unlock(&d->queue_lock);
    wgo_batches_free(&all);
}

uint8_t *wgo_batch_room(struct wgo_batch *b, size_t n)
{
    if (n > WGO_BATCH_BYTES - b->used || b->n_msgs == WGO_BATCH_MSGS)
        return NULL;
    return b->bytes + b->used;
}

static bool same_place(const struct wgc_endpoint *a, const struct wgc_endpoint *b)
{
    return a->way == b->way && rk_addr_eq(&a->addr, &b->addr) && rk_ip_eq(&a->src, &b->src);
}

void wgo_batch_added(struct wgo_batch *b, const struct wgc_endpoint *to, size_t n)
{
    struct wgo_msg *m = b->n_msgs ? &b->msgs[b->n_msgs - 1] : NULL;

    if (!m || m->ended || n > m->seg || m->count == TRAIN_MAX || m->n + n > TRAIN_BYTES ||
        !same_place(&m->to, to)) {
        m = &b->msgs[b->n_msgs++];
        *m = (struct wgo_msg){.to = *to, .off = (uint32_t)b->used, .seg = (uint32_t)n};
    }
    m->ended = n < m->seg;
    m->n += (uint32_t)n;
    m->count++;
    b->used += n;
    b->n_ways += to->way != 0;
}

void wgo_ring(struct wgo *d)
{
    if (!d->rung)
        rk_loop_post(d->loop, &d->bell);
    d->rung = true;
}

bool wgo_batch_to_loop(struct wgo *d, struct wgo_batch *b)
{
    bool room;

    pthread_mutex_lock(&d->queue_lock);
    room = d->n_to_loop < WGO_QUEUED_MAX;
    if (room) {
        rk_list_push_back(&d->to_loop, &b->link);
        d->n_to_loop++;
        wgo_ring(d);
    }
    pthread_mutex_unlock(&d->queue_lock);
    return room;
}

bool wgo_batch_to_worker(struct wgo *d, struct wgo_worker *w, struct wgo_batch *b)
{
    bool room;

    pthread_mutex_lock(&d->queue_lock);
    room = d->n_in < WGO_QUEUED_MAX;
    if (room) {
        rk_list_push_back(&w->in, &b->link);
        d->n_in++;
    }
    pthread_mutex_unlock(&d->queue_lock);
    if (room)
        wgo_worker_wake(w);
    return room;
}

struct wgo_note *wgo_note_new(const struct wgc_endpoint *at, struct rk_str bytes)
{
    struct wgo_note *n = rk_calloc(1, sizeof *n + bytes.n);

    n->at = *at;
    n->n = bytes.n;
    memcpy(n->p, bytes.p, bytes.n);
    return n;
}

void wgo_other_to_loop(struct wgo *d, const struct wgc_endpoint *from, struct rk_str bytes)
{
    struct wgo_note *n;
    bool room;

    if (bytes.n > WGO_OTHER_BYTES)
        return; /* STUN is never that long */
    n = wgo_note_new(from, bytes);
    pthread_mutex_lock(&d->queue_lock);
    room = d->n_others < WGO_OTHERS_MAX;
    if (room) {
        rk_list_push_back(&d->others, &n->link);
        d->n_others++;
        wgo_ring(d);
    }
    pthread_mutex_unlock(&d->queue_lock);
    if (!room)
        free(n);
}

void wgo_list_free(struct rk_list *notes)
{
    struct rk_list *l;

    while ((l = rk_list_pop_front(notes)))
        free(rk_container_of(l, struct wgo_note, link));
}
