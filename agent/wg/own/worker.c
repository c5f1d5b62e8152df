/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker thread, and its way from the TUN interface to the network; see own_priv.h. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/wg/own/own_priv.h"
#include "lib/base/num.h"
#include "lib/base/pages.h"

#define TUN_READS 32 /* large packets per turn, so that the other direction gets its own */
#define RX_ROUNDS 4

enum rk_code wgo_worker_init(struct wgo_worker *w, struct wgo *d, size_t index, struct rk_err *err)
{
    enum rk_code rc = wgc_crypt_new(&w->crypt, err);

    if (rc)
        return rc;
    w->d = d;
    w->index = index;
    w->tun = d->tun[index];
    rk_list_init(&w->in);
    w->tun_bytes = rk_pages_new(WGO_TUN_BYTES);
    w->rx_bytes = rk_pages_new(WGO_RX_SLOTS * WGO_RX_BYTES);
    w->out = wgo_batch_take(d);
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake < 0) {
        wgo_worker_done(w);
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "eventfd");
    }
    return RK_OK;
}

void wgo_worker_done(struct wgo_worker *w)
{
    if (!w->d)
        return;
    wgo_batches_free(&w->in);
    wgo_batch_free(w->out);
    rk_pages_free(w->tun_bytes, WGO_TUN_BYTES);
    rk_pages_free(w->rx_bytes, WGO_RX_SLOTS * WGO_RX_BYTES);
    wgc_crypt_free(w->crypt);
    if (w->wake >= 0)
        (void)close(w->wake);
    *w = (struct wgo_worker){0};
}

void wgo_worker_wake(struct wgo_worker *w)
{
    uint64_t one = 1;

    RK_IGNORE(write(w->wake, &one, sizeof one));
}

/* ---- out */

static void flush(struct wgo_worker *w)
{
    if (!w->out->n_msgs)
        return;
    wgo_socket_send(w->udp, w->out);
    if (w->out->n_ways && wgo_batch_to_loop(w->d, w->out)) {
        w->out = wgo_batch_take(w->d);
        return;
    }
    w->out->used = w->out->n_msgs = w->out->n_ways = 0;
}

static void put_sealed(struct wgo_worker *w, const struct wgc_hold *h, uint64_t counter,
                       struct wgo_split *s, size_t room)
{
    uint8_t *p = wgo_batch_room(w->out, room);
    size_t n, size;

    if (!p) {
        flush(w);
        p = wgo_batch_room(w->out, room);
    }
    n = wgo_split_next(s, p + WGC_DATA_HEADER);
    size = wgc_wire_size(n);
    memset(p + WGC_DATA_HEADER + n, 0, size - WGC_DATA_OVERHEAD - n);
    wgc_put_header(p, h->remote_index, counter);
    wgc_seal(w->crypt, h->key, counter, p + WGC_DATA_HEADER, size - WGC_DATA_OVERHEAD);
    wgo_batch_added(w->out, &h->to, size);
}

static void stage(struct wgo *d, struct wgc_peer *p, struct wgo_split *s, size_t bytes)
{
    uint8_t *one = rk_malloc(bytes);
    size_t n;

    while ((n = wgo_split_next(s, one)))
        wgc_stage(d->core, p, rk_str_of(one, n), wgo_now_ms());
    free(one);
}

/* One packet of the kernel, which may be many of the network. */
static void send_large(struct wgo_worker *w, const struct virtio_net_hdr *h, uint8_t *packet,
                       size_t n)
{
    struct wgo *d = w->d;
    struct wgo_split s;
    struct wgc_peer *p;
    struct wgc_hold hold = {0};
    size_t bytes, count, wire;
    struct wgo_filter *filter = atomic_load_explicit(&d->filter, memory_order_acquire);

    if (!wgo_split_begin(&s, h, packet, n))
        return;
    if (filter)
        wgo_filter_out(filter, packet, n, wgo_now_ms());
    count = wgo_split_count(&s, &bytes);
    wire = (count - 1) * wgc_wire_size(bytes) + wgc_wire_size(wgo_split_last(&s));
    wgo_lock(d);
    wgc_unref(d->core, &w->held);
    p = wgc_route(d->core, rk_str_of(packet, n));
    if (p) {
        hold = wgc_tx_begin(d->core, p, count, wire, wgo_now_ms());
        if (!hold.session)
            stage(d, p, &s, bytes);
    }
    wgo_unlock(d);
    for (size_t i = 0; hold.session && i < count; i++)
        put_sealed(w, &hold, hold.counter + i, &s, wgc_wire_size(bytes));
    w->held = hold;
}

static void from_tun(struct wgo_worker *w)
{
    struct virtio_net_hdr h;

    for (int i = 0; i < TUN_READS; i++) {
        ssize_t n = read(w->tun, w->tun_bytes, WGO_TUN_BYTES);

        if (n < (ssize_t)sizeof h)
            break; /* nothing more, or the interface is down */
        if (n > WGO_LARGE)
            w->heavy_ms = wgo_now_ms();
        memcpy(&h, w->tun_bytes, sizeof h);
        send_large(w, &h, w->tun_bytes + sizeof h, (size_t)n - sizeof h);
    }
    flush(w);
    if (w->held.session) {
        wgo_lock(w->d);
        wgc_unref(w->d->core, &w->held);
        wgo_unlock(w->d);
    }
}

/* ---- in */

static void from_udp(struct wgo_worker *w)
{
    struct wgo_rx rx[WGO_RX_SLOTS];

    for (int round = 0; round < RX_ROUNDS; round++) {
        size_t n = wgo_socket_receive(w->udp, w->rx_bytes, rx);

        if (n > 1 || (n && rx[0].n > WGO_LARGE))
            w->heavy_ms = wgo_now_ms();
        for (size_t i = 0; i < n; i++)
            wgo_receive(w, rx[i].p, rx[i].n, rx[i].seg, &rx[i].from);
        if (n < WGO_RX_SLOTS)
            return;
    }
}

static void from_loop(struct wgo_worker *w)
{
    struct wgo *d = w->d;
    uint64_t count;
    struct rk_list *l;

    RK_IGNORE(read(w->wake, &count, sizeof count));
    for (;;) {
        struct wgo_batch *b;

        pthread_mutex_lock(&d->queue_lock);
        l = rk_list_pop_front(&w->in);
        d->n_in -= l != NULL;
        pthread_mutex_unlock(&d->queue_lock);
        if (!l)
            return;
        b = rk_container_of(l, struct wgo_batch, link);
        for (size_t i = 0; i < b->n_msgs; i++)
            wgo_receive(w, b->bytes + b->msgs[i].off, b->msgs[i].n, b->msgs[i].seg, &b->msgs[i].to);
        wgo_batch_give(d, b);
    }
}

/* The burst is over: its pages may serve somebody else. */
static void rest(struct wgo_worker *w)
{
    w->heavy_ms = 0;
    rk_pages_drop(w->tun_bytes, WGO_TUN_BYTES);
    rk_pages_drop(w->rx_bytes, WGO_RX_SLOTS * WGO_RX_BYTES);
    rk_pages_drop(w->out, sizeof *w->out); /* empty between turns, which is all zero */
    wgo_spares_free(w->d);
}

void *wgo_worker_run(void *arg)
{
    struct wgo_worker *w = arg;
    struct pollfd fds[] = {{.fd = w->udp->fd, .events = POLLIN},
                           {.fd = w->tun, .events = POLLIN},
                           {.fd = w->wake, .events = POLLIN}};

    while (!atomic_load(&w->d->stop)) {
        if (poll(fds, RK_ARRAY_LEN(fds), w->heavy_ms ? WGO_QUIET_MS : -1) < 0 && errno != EINTR)
            break;
        if (w->heavy_ms && wgo_now_ms() - w->heavy_ms >= WGO_QUIET_MS)
            rest(w);
        if (fds[2].revents)
            from_loop(w);
        if (fds[0].revents)
            from_udp(w);
        if (fds[1].revents & POLLIN)
            from_tun(w);
        else if (fds[1].revents) /* the interface was deleted by somebody */
            fds[1].fd = -1;
    }
    return NULL;
}
