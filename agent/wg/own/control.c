/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread: handshake messages from a bounded ring, and the timers. It works on a message
 * at a time and gives the core back in between, so that data waits for one Diffie-Hellman at most.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "agent/wg/own/own_priv.h"
#include "lib/base/num.h"

void wgo_control_poke(struct wgo *d)
{
    pthread_mutex_lock(&d->queue_lock);
    d->poked = true;
    pthread_cond_signal(&d->control_bell);
    pthread_mutex_unlock(&d->queue_lock);
}

void wgo_handshake_put(struct wgo *d, const struct wgc_endpoint *from, struct rk_str msg)
{
    pthread_mutex_lock(&d->queue_lock);
    if (d->ring_n < WGO_RING) { /* else it is a flood: who means it tries again */
        struct wgo_handshake *h = &d->ring[(d->ring_at + d->ring_n++) % WGO_RING];

        h->from = *from;
        h->n = (uint8_t)msg.n;
        memcpy(h->p, msg.p, msg.n);
        if (d->ring_n == 1)
            pthread_cond_signal(&d->control_bell);
    }
    pthread_mutex_unlock(&d->queue_lock);
}

static void wait_until(struct wgo *d, int64_t until)
{
    int64_t at = until == INT64_MAX ? 0 : rk_mono_ms() + (until - wgo_now_ms());
    struct timespec t = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};

    if (until == INT64_MAX)
        pthread_cond_wait(&d->control_bell, &d->queue_lock);
    else
        (void)pthread_cond_timedwait(&d->control_bell, &d->queue_lock, &t);
}

/* The next message, or false when a timer is due or somebody poked. *waiting: how many there were.
 */
static bool next(struct wgo *d, int64_t until, struct wgo_handshake *out, size_t *waiting)
{
    bool got;

    pthread_mutex_lock(&d->queue_lock);
    while (!d->ring_n && !d->poked && !atomic_load(&d->stop) && wgo_now_ms() < until)
        wait_until(d, until);
    d->poked = false;
    got = d->ring_n != 0;
    *waiting = d->ring_n;
    if (got) {
        *out = d->ring[d->ring_at];
        d->ring_at = (d->ring_at + 1) % WGO_RING;
        d->ring_n--;
    }
    pthread_mutex_unlock(&d->queue_lock);
    return got;
}

void *wgo_control_run(void *arg)
{
    struct wgo *d = arg;
    struct wgo_handshake h;
    int64_t loaded_until = 0;

    while (!atomic_load(&d->stop)) {
        int64_t now = wgo_now_ms(), until;
        size_t waiting;

        wgo_lock(d);
        wgc_tick(d->core, now);
        until = wgc_deadline(d->core);
        atomic_store(&d->control_until, until);
        wgo_unlock(d);
        if (!next(d, until, &h, &waiting))
            continue;
        now = wgo_now_ms();
        if (waiting >= WGO_LOAD_AT)
            loaded_until = now + WGO_LOAD_MS;
        wgo_lock(d);
        wgc_input(d->core, rk_str_of(h.p, h.n), &h.from, now < loaded_until, now);
        wgo_unlock(d);
    }
    return NULL;
}
