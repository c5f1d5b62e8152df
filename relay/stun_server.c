/* SPDX-License-Identifier: BSD-3-Clause */
/* STUN over UDP in batches; see stun_server.h. */
#include "config.h"

#include "relay/stun_server.h"

#include <stdlib.h>

#include "lib/base/ratelimit.h"
#include "lib/net/stun.h"
#include "lib/net/udp.h"

enum {
    BATCH = 32,              /* datagrams per loop turn and system call */
    SOURCES = 4096,          /* addresses remembered for the limit, per socket */
    RATE_MILLI = 100 * 1000, /* answers per second, address and socket, in thousandths ... */
    BURST = 1000,            /* ... and at once: many peers behind one NAT */
};

struct relay_stun {
    struct udp_user user;
    struct rk_loop *loop;
    struct udp_sock *sock;
    struct udp_scratch *scratch;
    struct rk_addr addr; /* with the port that was chosen */
    struct rk_metric *answered, *ignored, *limited;
    struct rk_ratelimit *limit;
    struct udp_out answers[BATCH];
    uint8_t bytes[BATCH][RELAY_STUN_ANSWER_MAX];
};

struct rk_str relay_stun_answer(struct rk_str in, const struct rk_addr *from,
                                uint8_t out[RELAY_STUN_ANSWER_MAX])
{
    struct stun_writer w;
    struct stun_msg m;

    if (stun_decode(in, &m, NULL) || m.cls != STUN_REQUEST || m.method != STUN_METHOD_BINDING)
        return (struct rk_str){0};
    stun_begin(&w, out, RELAY_STUN_ANSWER_MAX, STUN_SUCCESS, STUN_METHOD_BINDING, &m.txid);
    stun_put_xor_mapped(&w, from);
    stun_put_fingerprint(&w);
    return stun_end(&w);
}

/* IPv4 by address, IPv6 by /64. */
static bool within_limit(struct relay_stun *s, const struct rk_ip *ip)
{
    return rk_ip_is_loopback(ip) ||
           rk_ratelimit_take(s->limit, rk_str_of(ip->b, ip->family == 4 ? 4 : 8),
                             rk_loop_now_ms(s->loop));
}

static void on_received(struct udp_user *u, const struct udp_in *v, size_t n)
{
    struct relay_stun *s = rk_container_of(u, struct relay_stun, user);
    size_t k = 0, limited = 0;

    for (size_t i = 0; i < n && k < BATCH; i++) {
        struct rk_str answer = relay_stun_answer(v[i].bytes, &v[i].from, s->bytes[k]);

        if (!answer.n)
            continue;
        if (!within_limit(s, &v[i].from.ip)) {
            limited++;
            continue;
        }
        /* a client takes an answer only from the address that it asked */
        s->answers[k++] = (struct udp_out){.to = v[i].from, .src = v[i].to, .bytes = answer};
    }
    if (k)
        (void)udp_sendv(s->sock, s->answers, k);
    rk_metric_add(s->answered, (int64_t)k);
    rk_metric_add(s->limited, (int64_t)limited);
    rk_metric_add(s->ignored, (int64_t)(n - k - limited));
}

static const struct udp_ops UDP_OPS = {.received = on_received};

struct opening {
    struct relay_stun *s;
    bool first;
    enum rk_code rc;
    struct rk_err *err;
};

static void open_on_loop(void *arg)
{
    struct opening *o = arg;
    struct udp_opts opts = {.bind = o->s->addr,
                            .want_dst = true,
                            .served = o->first,
                            .share_port = !o->first,
                            .scratch = o->s->scratch};

    o->rc = udp_open(o->s->loop, &opts, &o->s->user, &o->s->sock, o->err);
    if (o->rc)
        return;
    o->s->addr.port = udp_local(o->s->sock)->port;
    if (o->first)
        udp_share_port(o->s->sock);
}

static enum rk_code open_one(struct rk_loop *loop, const struct rk_addr *addr, bool first,
                             struct rk_metrics *metrics, struct relay_stun **out,
                             struct rk_err *err)
{
    struct relay_stun *s = rk_calloc(1, sizeof *s);
    struct opening o = {.s = s, .first = first, .err = err};
    char text[RK_ADDR_TEXT];

    s->user.ops = &UDP_OPS;
    s->loop = loop;
    s->addr = *addr;
    /* a datagram above the size of a message fills the slot, and the decoder refuses it */
    s->scratch = udp_scratch_new(BATCH, STUN_MAX_SIZE + 1);
    s->limit = rk_ratelimit_new(SOURCES, RATE_MILLI, BURST);
    rk_loop_call(loop, open_on_loop, &o);
    if (o.rc) {
        if (err)
            (void)rk_wrap(err, "STUN on UDP %s",
                          addr->ip.family ? rk_addr_format(addr, text).p : "(all addresses)");
        relay_stun_close(s);
        return o.rc;
    }
    s->answered = rk_metric_counter(metrics, "relay_stun_answers_total", NULL,
                                    "STUN Binding requests that were answered.");
    s->ignored = rk_metric_counter(metrics, "relay_stun_ignored_total", NULL,
                                   "Datagrams on STUN ports that deserve no answer.");
    s->limited = rk_metric_counter(metrics, "relay_stun_limited_total", NULL,
                                   "STUN requests over the limit of their address.");
    *out = s;
    return RK_OK;
}

enum rk_code relay_stun_open(struct rk_loop *loop, const struct rk_addr *addr,
                             struct rk_metrics *metrics, struct relay_stun **out,
                             struct rk_err *err)
{
    return open_one(loop, addr, true, metrics, out, err);
}

enum rk_code relay_stun_join(struct rk_loop *loop, const struct relay_stun *first,
                             struct rk_metrics *metrics, struct relay_stun **out,
                             struct rk_err *err)
{
    return open_one(loop, &first->addr, false, metrics, out, err);
}

uint16_t relay_stun_port(const struct relay_stun *s)
{
    return s->addr.port;
}

void relay_stun_close(struct relay_stun *s)
{
    if (!s)
        return;
    udp_close(s->sock);
    udp_scratch_free(s->scratch);
    rk_ratelimit_free(s->limit);
    free(s);
}
