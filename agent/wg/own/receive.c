/* SPDX-License-Identifier: BSD-3-Clause */
/* From the network (or a relayed way) to the TUN interface; worker thread. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "agent/wg/own/own_priv.h"
#include "lib/base/num.h"
#include "lib/net/stun.h"

#define RUN_MAX  128
#define IOVS_MAX 66 /* header and 64 packets and one to spare */

struct run { /* packets of one session */
    uint32_t index;
    size_t n;
    struct wgc_rx v[RUN_MAX];
};

static void deliver(struct wgo_worker *w, const struct run *r)
{
    struct wgo_filter *filter = atomic_load_explicit(&w->d->filter, memory_order_acquire);
    struct wgo_packet packets[RUN_MAX];
    struct iovec iov[IOVS_MAX];
    struct virtio_net_hdr h;
    size_t at = 0, used;

    for (size_t i = 0; i < r->n; i++) {
        packets[i] = (struct wgo_packet){r->v[i].p, r->v[i].n};
        if (filter && !wgo_filter_in(filter, packets[i].p, packets[i].n, wgo_now_ms()))
            packets[i].n = 0;
    }
    while (at < r->n) {
        size_t n = wgo_join(packets + at, r->n - at, w->d->tun_udp, &h, iov, IOVS_MAX, &used);

        if (n)
            RK_IGNORE(
                writev(w->tun, iov, (int)n)); /* the interface is down, or full: as on a wire */
        at += used;
    }
}

static void finish_run(struct wgo_worker *w, struct run *r, const struct wgc_endpoint *from)
{
    struct wgo *d = w->d;
    struct wgc_hold h;
    size_t authentic = 0, deliverable;

    if (!r->n)
        return;
    wgo_lock(d);
    h = wgc_rx_begin(d->core, r->index, wgo_now_ms());
    wgo_unlock(d);
    if (h.session) {
        for (size_t i = 0; i < r->n; i++)
            if (wgc_open(w->crypt, h.key, r->v[i].counter, r->v[i].p, r->v[i].n + WGC_TAG_SIZE))
                r->v[authentic++] = r->v[i];
        r->n = authentic;
        wgo_lock(d);
        deliverable = wgc_rx_end(d->core, &h, r->v, r->n, from, wgo_now_ms());
        wgo_unlock(d);
        if (deliverable)
            deliver(w, r);
    }
    r->n = 0;
}

void wgo_receive(struct wgo_worker *w, uint8_t *p, size_t n, size_t seg,
                 const struct wgc_endpoint *from)
{
    struct run r;

    r.n = 0;
    for (size_t off = 0; off < n; off += seg) {
        struct rk_str d = rk_str_of(p + off, rk_min_size(seg, n - off));
        unsigned type = wgc_type_of(d);
        uint32_t index;

        if (type != WGC_DATA) {
            if (type)
                wgo_handshake_put(w->d, from, d);
            else if (!from->way && stun_is(d)) /* nothing else is for anybody here */
                wgo_other_to_loop(w->d, from, d);
            continue;
        }
        index = wgc_get32(p + off + 4);
        if (r.n && (index != r.index || r.n == RUN_MAX))
            finish_run(w, &r, from);
        r.index = index;
        r.v[r.n++] = (struct wgc_rx){.counter = wgc_get64(p + off + 8),
                                     .wire_bytes = d.n,
                                     .p = p + off + WGC_DATA_HEADER,
                                     .n = d.n - WGC_DATA_OVERHEAD};
    }
    finish_run(w, &r, from);
}
