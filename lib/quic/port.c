/* SPDX-License-Identifier: BSD-3-Clause */
/* Endpoints on a loop; see port.h. */
#include "config.h"

#include "lib/quic/port.h"

#include "lib/base/num.h"

enum { NS_PER_MS = 1000000 };

int64_t quic_port_now_ns(void)
{
    return rk_mono_us() * 1000;
}

static void on_timer(void *arg);

static void flush(struct quic_port *p)
{
    int64_t now = quic_port_now_ns(), next;

    quic_endpoint_flush(p->ep, now);
    if (p->turned)
        p->turned(p);
    next = p->ep ? quic_endpoint_next(p->ep) : QUIC_NEVER;
    if (next == QUIC_NEVER || (p->timer && p->timer_at_ns <= next))
        return; /* too early a timer looks again */
    p->timer_at_ns = next;
    rk_timer_start(p->loop, &p->timer, rk_max_i64(next - now, 0) / NS_PER_MS + 1, on_timer, p);
}

static void on_timer(void *arg)
{
    flush(arg);
}

static void flush_run(struct rk_task *t)
{
    struct quic_port *p = rk_container_of(t, struct quic_port, flush_task);

    if (p->ep)
        flush(p);
}

void quic_port_receive(struct quic_port *p, const struct udp_in *v, size_t n)
{
    if (!p->ep)
        return;
    quic_endpoint_receive(p->ep, v, n, quic_port_now_ns());
    if (p->turned)
        p->turned(p);
    if (p->ep)
        rk_loop_defer(p->loop, &p->flush_task);
}

static void on_received(struct udp_user *u, const struct udp_in *v, size_t n)
{
    quic_port_receive(rk_container_of(u, struct quic_port, udp_user), v, n);
}

static const struct udp_ops UDP_OPS = {.received = on_received};

void quic_port_init(struct quic_port *p, struct rk_loop *loop, void (*turned)(struct quic_port *))
{
    *p = (struct quic_port){
        .loop = loop, .udp_user.ops = &UDP_OPS, .flush_task.run = flush_run, .turned = turned};
}

enum rk_code quic_port_bind(struct quic_port *p, const struct udp_opts *opts, struct rk_err *err)
{
    struct udp_opts o = *opts;
    struct udp_sock *s;
    enum rk_code rc;

    o.offload = true;
    o.whole = true;
    rc = udp_open(p->loop, &o, &p->udp_user, &s, err);
    if (rc)
        return rc;
    udp_close(p->sock);
    p->sock = s;
    return RK_OK;
}

void quic_port_send(struct quic_port *p, const struct udp_out *v, size_t n)
{
    if (p->sock)
        (void)udp_sendv(p->sock, v, n);
}

void quic_port_sending(struct quic_port *p)
{
    quic_endpoint_time(p->ep, quic_port_now_ns());
    rk_loop_defer(p->loop, &p->flush_task);
}

void quic_port_close(struct quic_port *p)
{
    struct quic_endpoint *ep = p->ep;

    if (ep) {
        quic_endpoint_flush(ep, quic_port_now_ns());
        quic_endpoint_free(ep);
        p->ep = NULL;
    }
    rk_timer_cancel(&p->timer);
    rk_list_remove(&p->flush_task.link);
    udp_close(p->sock);
    p->sock = NULL;
}
