/* SPDX-License-Identifier: BSD-3-Clause */
/* Life and configuration of rook's own WireGuard device, and the loop's side of it; see own.h. */
#include "config.h"

#include "agent/wg/own/own.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/wg/own/own_priv.h"
#include "agent/wg/own/tun.h"
#include "lib/base/num.h"
#include "lib/base/pages.h"

#define STACK_BYTES ((size_t)256 << 10)
#define WAYS_MAX    ((uint32_t)1 << 22)
#define LOOP_BATCH  64 /* datagrams told to a way at once */

/* ---- the core and its lock */

int64_t wgo_now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void wgo_lock(struct wgo *d)
{
    pthread_mutex_lock(&d->core_lock);
}

static void send_note(struct wgo *d, const struct wgo_note *n)
{
    struct wgo_batch *b;

    if (!n->at.way) {
        if (d->running)
            (void)wgo_socket_send_one(&d->udp[0], &n->at, rk_str_of(n->p, n->n));
        return;
    }
    b = wgo_batch_take(d);
    memcpy(wgo_batch_room(b, n->n), n->p, n->n);
    wgo_batch_added(b, &n->at, n->n);
    if (!wgo_batch_to_loop(d, b))
        wgo_batch_give(d, b);
}

void wgo_unlock(struct wgo *d)
{
    int64_t deadline = wgc_deadline(d->core);
    struct rk_list out, *l;

    rk_list_init(&out);
    rk_list_splice(&out, &d->outbox);
    pthread_mutex_unlock(&d->core_lock);
    while ((l = rk_list_pop_front(&out))) {
        struct wgo_note *n = rk_container_of(l, struct wgo_note, link);

        send_note(d, n);
        free(n);
    }
    if (deadline < atomic_load(&d->control_until))
        wgo_control_poke(d);
}

static void on_send(struct wgc_user *u, const struct wgc_endpoint *to, struct rk_str datagram)
{
    struct wgo *d = rk_container_of(u, struct wgo, core_user);

    rk_list_push_back(&d->outbox, &wgo_note_new(to, datagram)->link);
}

static struct rk_ip way_ip(uint32_t number)
{
    return rk_ip4(127, 1 + (number >> 16), number >> 8 & 255, number & 255);
}

/* Loop thread, from inside wgo_apply. */
static uint32_t on_way_of(struct wgc_user *u, const struct rk_addr *a)
{
    struct wgo *d = rk_container_of(u, struct wgo, core_user);
    uint32_t number;

    if (a->ip.family != 4 || a->ip.b[0] != 127 || a->ip.b[1] < 1)
        return 0;
    number = (uint32_t)(a->ip.b[1] - 1) << 16 | (uint32_t)a->ip.b[2] << 8 | a->ip.b[3];
    return rk_map_get(&d->ways, rk_str_of(&number, sizeof number)) ? number : 0;
}

static int64_t on_unix_us(struct wgc_user *u RK_UNUSED)
{
    return rk_unix_us();
}

static const struct wgc_user_ops CORE_OPS = {
    .send = on_send, .way_of = on_way_of, .unix_us = on_unix_us};

/* ---- threads */

static void stop_threads(struct wgo *d)
{
    if (!d->running)
        return;
    atomic_store(&d->stop, true);
    wgo_control_poke(d);
    for (size_t i = 0; i < d->n_workers; i++)
        wgo_worker_wake(&d->worker[i]);
    (void)pthread_join(d->control, NULL);
    for (size_t i = 0; i < d->n_workers; i++) {
        (void)pthread_join(d->worker[i].thread, NULL);
        (void)close(d->udp[i].fd);
    }
    d->running = false;
}

static void start_threads(struct wgo *d)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int failed;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the loop's */
    atomic_store(&d->stop, false);
    d->running = true;
    failed = pthread_create(&d->control, &attr, wgo_control_run, d);
    if (!failed)
        (void)pthread_setname_np(d->control, "wg-control");
    for (size_t i = 0; i < d->n_workers && !failed; i++) {
        d->worker[i].udp = &d->udp[i];
        failed = pthread_create(&d->worker[i].thread, &attr, wgo_worker_run, &d->worker[i]);
        if (!failed)
            (void)pthread_setname_np(d->worker[i].thread, "wg-data");
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    if (failed)
        abort(); /* no thread is like no memory */
}

static enum rk_code set_port(struct wgo *d, uint16_t port, struct rk_err *err)
{
    uint16_t bound = port;
    struct wgo_sock fds[WGO_WORKERS_MAX] = {0};
    enum rk_code rc;

    if (d->running && port == d->port.number)
        return RK_OK;
    rc = wgo_sockets_open(fds, d->n_workers, &bound, d->mark, err);
    if (rc)
        return rc;
    stop_threads(d);
    memcpy(d->udp, fds, sizeof d->udp);
    d->port.number = bound;
    start_threads(d);
    return RK_OK;
}

/* ---- configuration */

enum rk_code wgo_apply(struct wgo *d, const struct wg_change *c, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (c->has_mark) {
        d->mark = c->mark;
        if (d->running)
            wgo_sockets_mark(d->udp, d->n_workers, d->mark);
    }
    if (c->has_port)
        rc = set_port(d, c->port, err);
    if (rc)
        return rc;
    wgo_lock(d);
    rc = wgc_apply(d->core, c, wgo_now_ms(), err);
    wgo_unlock(d);
    return rc;
}

enum rk_code wgo_read(struct wgo *d, struct rk_arena *mem, struct wg_state *out,
                      struct rk_err *err RK_UNUSED)
{
    *out = (struct wg_state){.port = d->port.number, .mark = d->mark};
    wgo_lock(d);
    wgc_read(d->core, mem, out);
    wgo_unlock(d);
    return RK_OK;
}

/* ---- ways and the shared port */

static struct wgo *of_port(struct wg_port *p)
{
    return rk_container_of(p, struct wgo, port);
}

static size_t port_sendv(struct wg_port *p, const struct udp_out *v, size_t n)
{
    struct wgo *d = of_port(p);
    size_t sent = 0;

    for (size_t i = 0; i < n && d->running; i++) {
        struct wgc_endpoint to = {.addr = v[i].to, .src = v[i].src};

        sent += wgo_socket_send_train(&d->udp[0], &to, v[i].bytes, v[i].seg);
    }
    return sent;
}

static bool port_way_open(struct wg_port *p, struct wg_way *w)
{
    struct wgo *d = of_port(p);

    do
        d->next_way = d->next_way % (WAYS_MAX - 1) + 1;
    while (rk_map_get(&d->ways, rk_str_of(&d->next_way, sizeof d->next_way)));
    w->number = d->next_way;
    w->addr = (struct rk_addr){way_ip(w->number), d->port.number};
    (void)rk_map_put(&d->ways, rk_str_of(&w->number, sizeof w->number), w);
    return true;
}

static void port_way_close(struct wg_port *p, struct wg_way *w)
{
    if (w->number)
        (void)rk_map_del(&of_port(p)->ways, rk_str_of(&w->number, sizeof w->number));
    w->number = 0;
}

static void flush_filling(struct wgo *d)
{
    struct wgo_batch *b = d->filling;
    struct wgo_worker *w;

    if (!b || !b->n_msgs)
        return;
    w = &d->worker[b->msgs[0].to.way % d->n_workers];
    d->filling = NULL;
    if (!d->running || !wgo_batch_to_worker(d, w, b))
        wgo_batch_give(d, b);
}

static void on_flush(struct rk_task *t)
{
    flush_filling(rk_container_of(t, struct wgo, flush));
}

static void port_way_input(struct wg_port *p, const struct wg_way *w, struct rk_str datagram)
{
    struct wgo *d = of_port(p);
    struct wgc_endpoint from = {.addr = w->addr, .way = w->number};
    uint8_t *room;

    if (!wgc_type_of(datagram) || datagram.n > WGO_RX_BYTES)
        return;
    if (d->filling && d->filling->n_msgs &&
        d->filling->msgs[0].to.way % d->n_workers != w->number % d->n_workers)
        flush_filling(d); /* what one peer sent stays in order */
    if (!d->filling)
        d->filling = wgo_batch_take(d);
    room = wgo_batch_room(d->filling, datagram.n);
    if (!room) {
        flush_filling(d);
        d->filling = wgo_batch_take(d);
        room = wgo_batch_room(d->filling, datagram.n);
    }
    memcpy(room, datagram.p, datagram.n);
    wgo_batch_added(d->filling, &from, datagram.n);
    rk_loop_defer(d->loop, &d->flush);
}

static const struct wg_port_ops PORT_OPS = {.sendv = port_sendv,
                                            .way_open = port_way_open,
                                            .way_close = port_way_close,
                                            .way_input = port_way_input};

struct wg_port *wgo_port(struct wgo *d)
{
    return &d->port;
}

/* ---- what threads hand to the loop */

static void tell_batch(struct wgo *d, const struct wgo_batch *b)
{
    struct udp_in v[LOOP_BATCH];
    size_t i = 0;

    while (i < b->n_msgs) {
        uint32_t number = b->msgs[i].to.way;
        struct wg_way *w = rk_map_get(&d->ways, rk_str_of(&number, sizeof number));
        size_t n = 0;

        for (; i < b->n_msgs && n < LOOP_BATCH && b->msgs[i].to.way == number; i++)
            v[n++] = (struct udp_in){.bytes = rk_str_of(b->bytes + b->msgs[i].off, b->msgs[i].n),
                                     .seg = b->msgs[i].count > 1 ? b->msgs[i].seg : 0};
        if (w)
            w->ops->data(w, v, n);
    }
}

static void tell_others(struct wgo *d, struct rk_list *others)
{
    struct rk_list *l;

    while ((l = rk_list_pop_front(others))) {
        struct wgo_note *n = rk_container_of(l, struct wgo_note, link);
        struct udp_in in = {.from = n->at.addr, .to = n->at.src, .bytes = rk_str_of(n->p, n->n)};

        if (d->port.user)
            d->port.user->ops->other(d->port.user, &in, 1);
        free(n);
    }
}

/* ---- life */

static void finish_close(struct wgo *d)
{
    void (*closed)(void *arg) = d->closed;
    void *arg = d->closed_arg;

    wgc_free(d->core);
    wgo_filter_free(atomic_load(&d->filter));
    wgo_batches_free(&d->to_loop);
    wgo_batches_free(&d->spare);
    wgo_list_free(&d->others);
    wgo_list_free(&d->outbox);
    wgo_batch_free(d->filling);
    rk_pages_free(d->ring, WGO_RING * sizeof *d->ring);
    rk_map_done(&d->ways);
    (void)pthread_mutex_destroy(&d->core_lock);
    (void)pthread_mutex_destroy(&d->queue_lock);
    (void)pthread_cond_destroy(&d->control_bell);
    free(d);
    if (closed)
        closed(arg);
}

/* ---- the bell */

static void on_bell(struct rk_task *t)
{
    struct wgo *d = rk_container_of(t, struct wgo, bell);
    struct rk_list batches, others, *l;
    bool closing;

    rk_list_init(&batches);
    rk_list_init(&others);
    pthread_mutex_lock(&d->queue_lock);
    rk_list_splice(&batches, &d->to_loop);
    rk_list_splice(&others, &d->others);
    d->n_to_loop = d->n_others = 0;
    d->rung = false;
    closing = d->closing;
    pthread_mutex_unlock(&d->queue_lock);
    if (closing) {
        wgo_batches_free(&batches);
        wgo_list_free(&others);
        finish_close(d);
        return;
    }
    tell_others(d, &others);
    while ((l = rk_list_pop_front(&batches))) {
        struct wgo_batch *b = rk_container_of(l, struct wgo_batch, link);

        tell_batch(d, b);
        wgo_batch_give(d, b);
    }
}

void wgo_close(struct wgo *d, void (*closed)(void *arg), void *arg)
{
    stop_threads(d);
    for (size_t i = 0; i < d->n_workers; i++) {
        wgo_worker_done(&d->worker[i]);
        (void)close(d->tun[i]);
    }
    rk_list_remove(&d->flush.link);
    d->closed = closed;
    d->closed_arg = arg;
    pthread_mutex_lock(&d->queue_lock);
    d->closing = true;
    wgo_ring(d); /* also when it is on its way: it comes once */
    pthread_mutex_unlock(&d->queue_lock);
}

void wgo_filter_rules(struct wgo *d, const struct wgo_filter_rules *r)
{
    struct wgo_filter *f = atomic_load(&d->filter);

    if (!f) {
        f = wgo_filter_new();
        wgo_filter_set(f, r);
        atomic_store_explicit(&d->filter, f, memory_order_release);
        return;
    }
    wgo_filter_set(f, r);
}

static size_t cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : rk_min_size((size_t)n, WGO_WORKERS_MAX);
}

static void init(struct wgo *d, const struct wgo_opts *o)
{
    pthread_condattr_t attr;

    d->port.ops = &PORT_OPS;
    d->loop = o->loop;
    d->log = o->log;
    d->core_user.ops = &CORE_OPS;
    d->flush.run = on_flush;
    d->ring = rk_pages_new(WGO_RING * sizeof *d->ring);
    rk_list_init(&d->outbox);
    rk_list_init(&d->to_loop);
    rk_list_init(&d->others);
    rk_list_init(&d->spare);
    rk_map_init(&d->ways, false);
    atomic_store(&d->control_until, INT64_MIN);
    (void)pthread_mutex_init(&d->core_lock, NULL);
    (void)pthread_mutex_init(&d->queue_lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&d->control_bell, &attr);
    (void)pthread_condattr_destroy(&attr);
}

enum rk_code wgo_new(const struct wgo_opts *o, struct wgo **out, struct rk_err *err)
{
    struct wgo *d = rk_calloc(1, sizeof *d);
    size_t n = o->workers ? rk_min_size(o->workers, WGO_WORKERS_MAX) : cores();
    enum rk_code rc;

    init(d, o);
    d->bell.run = on_bell;
    rc = wgc_new(&d->core_user, &d->core, err);
    if (rc == RK_OK)
        rc = wgo_tun_open(o->name, d->tun, n, &d->tun_udp, err);
    if (rc == RK_OK)
        d->n_workers = n;
    for (size_t i = 0; i < n && rc == RK_OK; i++)
        rc = wgo_worker_init(&d->worker[i], d, i, err);
    if (rc) {
        wgo_close(d, NULL, NULL);
        return rc;
    }
    *out = d;
    return RK_OK;
}
