/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A UDP port that speaks QUIC: which connection a packet belongs to, who may open one, when each
 * has something to do; see quic.h.
 *
 * A stranger's first packet costs a handshake, so there is a limit of those under way; from
 * retry_from on a newcomer must show with a Retry token that its address is its own (RFC 9000 8.1).
 */
#include "config.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/base/ratelimit.h"
#include "lib/crypto/secret.h"
#include "lib/quic/quic_priv.h"

enum {
    MAX_CONNS = 50000,
    MAX_HALF_OPEN = 1024,
    RETRY_FROM = 64,
    HANDSHAKE_MS = 10000,
    TOKEN_MS = 30000, /* a Retry token is used at once */
    RESET_MIN = 41,   /* a shorter packet gets no reset: two servers could go on for ever */
    RESET_SIZE = 40,  /* bytes, below what caused it (RFC 9000 10.3.3) */
    ANSWERS_MILLI = 500 * 1000, /* stateless answers in a second, in thousandths ... */
    ANSWERS_BURST = 500,        /* ... and at once */
    TICK_NS = 1000000,
    INVALID_TOKEN = 0x0b,
    CONNECTION_REFUSED = 0x02,
};

struct count { /* of one address */
    size_t n;
};

/* ---- packets of this turn */

static void send_out(struct quic_endpoint *e)
{
    if (e->n_out)
        e->user->ops->send(e->user, e->out, e->n_out);
    e->n_out = 0;
}

uint8_t *quic_endpoint_room(struct quic_endpoint *e)
{
    if (e->n_out == QUIC_TX_PACKETS)
        send_out(e);
    return e->bytes[e->n_out];
}

void quic_endpoint_put(struct quic_endpoint *e, const struct rk_addr *to, const struct rk_ip *src,
                       size_t n)
{
    e->out[e->n_out] =
        (struct udp_out){.to = *to, .src = *src, .bytes = rk_str_of(e->bytes[e->n_out], n)};
    e->n_out++;
}

void quic_endpoint_alone(struct quic_endpoint *e, const struct rk_addr *to, const struct rk_ip *src,
                         size_t n)
{
    struct udp_out one = {.to = *to, .src = *src, .bytes = rk_str_of(e->bytes[e->n_out], n)};

    e->user->ops->send(e->user, &one, 1);
}

/* ---- table of connections */

void quic_endpoint_dirty(struct quic_endpoint *e, struct quic_conn *c)
{
    if (!c->dead && !rk_list_linked(&c->in_dirty))
        rk_list_push_back(&e->dirty, &c->in_dirty);
}

bool quic_endpoint_cid_add(struct quic_endpoint *e, struct quic_conn *c, const uint8_t *cid,
                           size_t n)
{
    for (size_t i = 0; i < QUIC_CIDS_MAX; i++) {
        struct quic_cid *slot = &c->cids[i];

        if (slot->n)
            continue;
        if (!n || n > sizeof slot->b || rk_map_get(&e->cids, rk_str_of(cid, n)))
            return false;
        slot->n = (uint8_t)n;
        memcpy(slot->b, cid, n);
        (void)rk_map_put(&e->cids, rk_str_of(slot->b, n), c);
        return true;
    }
    return false;
}

void quic_endpoint_cid_del(struct quic_endpoint *e, struct quic_conn *c, const uint8_t *cid,
                           size_t n)
{
    for (size_t i = 0; i < QUIC_CIDS_MAX; i++) {
        struct quic_cid *slot = &c->cids[i];

        if (slot->n != n || memcmp(slot->b, cid, n) != 0)
            continue;
        (void)rk_map_del(&e->cids, rk_str_of(slot->b, n));
        slot->n = 0;
        return;
    }
}

static struct rk_str addr_key(const struct rk_ip *ip, char key[9])
{
    key[0] = (char)ip->family;
    memcpy(key + 1, ip->b, 8);
    return rk_str_of(key, ip->family == 6 ? 9 : 5); /* IPv6: the /64 */
}

/* The address is that of one user, or a few behind a NAT. */
static bool counts(const struct rk_ip *ip)
{
    return !rk_ip_is_loopback(ip) && !rk_ip_is_private(ip);
}

static bool count_add(struct quic_endpoint *e, struct quic_conn *c, const struct rk_ip *ip)
{
    char key[9];
    struct count *n;

    if (!counts(ip))
        return true;
    n = rk_map_get(&e->per_addr, addr_key(ip, key));
    if (!n) {
        n = rk_calloc(1, sizeof *n);
        (void)rk_map_put(&e->per_addr, addr_key(ip, key), n);
    }
    if (n->n >= e->o.limits.max_per_addr)
        return false;
    n->n++;
    c->counted = true;
    c->counted_ip = *ip;
    return true;
}

static void count_del(struct quic_endpoint *e, struct quic_conn *c)
{
    char key[9];
    struct count *n;

    if (!c->counted)
        return;
    c->counted = false;
    n = rk_map_get(&e->per_addr, addr_key(&c->counted_ip, key));
    if (n && --n->n == 0)
        free(rk_map_del(&e->per_addr, addr_key(&c->counted_ip, key)));
}

static void half_open_end(struct quic_endpoint *e, struct quic_conn *c)
{
    if (rk_list_linked(&c->in_half_open))
        e->n_half_open--;
    rk_list_remove(&c->in_half_open);
}

bool quic_endpoint_established(struct quic_endpoint *e, struct quic_conn *c)
{
    half_open_end(e, c);
    if (!e->server) {
        if (c->user && c->user->ops->ready)
            c->user->ops->ready(c->user);
        return true;
    }
    if (e->stopped || !e->user->ops->accept(e->user, c))
        return false;
    rk_metric_add(e->o.metrics.accepted, 1);
    return true;
}

void quic_endpoint_dead(struct quic_endpoint *e, struct quic_conn *c)
{
    if (c->dead)
        return;
    c->dead = c->closing = true;
    half_open_end(e, c);
    count_del(e, c);
    rk_list_remove(&c->in_dirty);
    rk_list_remove(&c->in_all);
    rk_heap_remove(&e->timers, &c->expiry);
    rk_list_push_back(&e->dead, &c->in_all);
    e->n_conns--;
}

static void add(struct quic_endpoint *e, struct quic_conn *c)
{
    rk_list_push_back(&e->all, &c->in_all);
    rk_list_push_back(&e->half_open, &c->in_half_open);
    e->n_half_open++;
    e->n_conns++;
    quic_endpoint_dirty(e, c);
}

/* ---- answers without a connection */

static bool may_answer(struct quic_endpoint *e)
{
    return rk_bucket_take(&e->answers, e->now_ns / 1000000, ANSWERS_MILLI, ANSWERS_BURST);
}

static void answer(struct quic_endpoint *e, const struct udp_in *in, ngtcp2_ssize n)
{
    if (n > 0)
        quic_endpoint_put(e, &in->from, &in->to, (size_t)n);
}

static void negotiate_version(struct quic_endpoint *e, const struct udp_in *in,
                              const ngtcp2_version_cid *vc)
{
    static const uint32_t versions[] = {NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2_DRAFT};
    uint8_t rand = 0;

    if (!e->server || in->bytes.n < NGTCP2_MAX_UDP_PAYLOAD_SIZE || !may_answer(e))
        return;
    rk_secret_random(&rand, 1);
    answer(e, in,
           ngtcp2_pkt_write_version_negotiation(quic_endpoint_room(e), QUIC_UDP_MAX, rand, vc->scid,
                                                vc->scidlen, vc->dcid, vc->dcidlen, versions,
                                                RK_ARRAY_LEN(versions)));
}

/* To who talks to a connection that is gone. */
static void reset(struct quic_endpoint *e, const struct udp_in *in, const ngtcp2_version_cid *vc,
                  size_t packet_n)
{
    uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN];
    uint8_t rand[RESET_SIZE - NGTCP2_STATELESS_RESET_TOKENLEN];
    ngtcp2_cid cid;

    if (!e->server || packet_n < RESET_MIN || !may_answer(e))
        return;
    ngtcp2_cid_init(&cid, vc->dcid, vc->dcidlen);
    rk_secret_random(rand, sizeof rand);
    if (ngtcp2_crypto_generate_stateless_reset_token(token, e->secret, QUIC_SECRET_SIZE, &cid))
        return;
    answer(e, in,
           ngtcp2_pkt_write_stateless_reset(quic_endpoint_room(e), RESET_SIZE, token, rand,
                                            sizeof rand));
    rk_metric_add(e->o.metrics.resets, 1);
}

static void refuse(struct quic_endpoint *e, const struct udp_in *in, const ngtcp2_pkt_hd *hd,
                   uint64_t code)
{
    rk_metric_add(e->o.metrics.refused, 1);
    if (may_answer(e))
        answer(e, in,
               ngtcp2_crypto_write_connection_close(quic_endpoint_room(e), QUIC_UDP_MAX,
                                                    hd->version, &hd->scid, &hd->dcid, code, NULL,
                                                    0));
}

static void retry(struct quic_endpoint *e, const struct udp_in *in, const ngtcp2_pkt_hd *hd)
{
    uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN];
    struct sockaddr_storage sa = {0};
    socklen_t sa_n = rk_addr_to_sa(&in->from, &sa);
    ngtcp2_ssize n;
    ngtcp2_cid scid;

    rk_secret_random(scid.data, QUIC_CID_SIZE);
    scid.data[0] = (uint8_t)e->o.index;
    scid.datalen = QUIC_CID_SIZE;
    n = ngtcp2_crypto_generate_retry_token(token, e->secret, QUIC_SECRET_SIZE, hd->version,
                                           (ngtcp2_sockaddr *)&sa, sa_n, &scid, &hd->dcid,
                                           (ngtcp2_tstamp)e->now_ns);
    if (n < 0)
        return;
    rk_metric_add(e->o.metrics.retries, 1);
    answer(e, in,
           ngtcp2_crypto_write_retry(quic_endpoint_room(e), QUIC_UDP_MAX, hd->version, &hd->scid,
                                     &scid, &hd->dcid, token, (size_t)n));
}

/* ---- newcomers */

enum verdict { WELCOME, WELCOME_BACK, TURNED_AWAY };

/* Is the address the sender's own? WELCOME_BACK with *odcid: it shows our token. */
static enum verdict check_address(struct quic_endpoint *e, const struct udp_in *in,
                                  ngtcp2_pkt_hd *hd, ngtcp2_cid *odcid)
{
    struct sockaddr_storage sa = {0};
    socklen_t sa_n = rk_addr_to_sa(&in->from, &sa);

    if (hd->token.len && hd->token.base[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) {
        if (ngtcp2_crypto_verify_retry_token(
                odcid, hd->token.base, hd->token.len, e->secret, QUIC_SECRET_SIZE, hd->version,
                (ngtcp2_sockaddr *)&sa, sa_n, &hd->dcid,
                (ngtcp2_duration)TOKEN_MS * NGTCP2_MILLISECONDS, (ngtcp2_tstamp)e->now_ns) == 0)
            return WELCOME_BACK;
        refuse(e, in, hd, INVALID_TOKEN);
        return TURNED_AWAY;
    }
    hd->token = (ngtcp2_vec){0}; /* of another server: it means nothing */
    if (e->n_half_open < e->o.limits.retry_from)
        return WELCOME;
    if (may_answer(e))
        retry(e, in, hd);
    return TURNED_AWAY;
}

/* Handshakes that do not end give way to those that come. */
static bool make_room(struct quic_endpoint *e)
{
    bool full = e->n_conns >= e->o.limits.max_conns;
    struct rk_list *oldest = e->half_open.next;

    if (!full && e->n_half_open < e->o.limits.max_half_open)
        return true;
    if (rk_list_empty(&e->half_open))
        return false;
    rk_metric_add(e->o.metrics.refused, 1);
    quic_endpoint_dead(e, rk_container_of(oldest, struct quic_conn, in_half_open));
    return true;
}

static void welcome(struct quic_endpoint *e, const struct udp_in *in, struct rk_str packet)
{
    struct quic_conn *c;
    ngtcp2_pkt_hd hd;
    ngtcp2_cid odcid;
    enum verdict v;

    if (ngtcp2_accept(&hd, (const uint8_t *)packet.p, packet.n) || e->stopped)
        return;
    v = check_address(e, in, &hd, &odcid);
    if (v == TURNED_AWAY)
        return;
    if (quic_creds_stale(e->creds))
        quic_endpoint_renew(e);
    if ((e->user->ops->admit && !e->user->ops->admit(e->user, &in->from)) || !make_room(e)) {
        refuse(e, in, &hd, CONNECTION_REFUSED);
        return;
    }
    if (quic_conn_new_server(e, in, &hd, v == WELCOME_BACK ? &odcid : NULL, e->now_ns, &c))
        return;
    add(e, c);
    if (!count_add(e, c, &in->from.ip)) {
        refuse(e, in, &hd, CONNECTION_REFUSED);
        quic_endpoint_dead(e, c);
        return;
    }
    quic_conn_read(c, in, packet, e->now_ns);
}

static void receive_one(struct quic_endpoint *e, const struct udp_in *in, struct rk_str packet)
{
    struct udp_in one = {.from = in->from, .to = in->to, .bytes = packet};
    ngtcp2_version_cid vc;
    struct quic_conn *c;
    int rv;

    if (!packet.n)
        return;
    rv = ngtcp2_pkt_decode_version_cid(&vc, (const uint8_t *)packet.p, packet.n, QUIC_CID_SIZE);
    if (rv == NGTCP2_ERR_VERSION_NEGOTIATION) {
        negotiate_version(e, &one, &vc);
        return;
    }
    if (rv)
        return;
    c = rk_map_get(&e->cids, rk_str_of(vc.dcid, vc.dcidlen));
    if (!c && !e->server && !rk_list_empty(&e->all)) /* a reset looks like any other packet */
        c = rk_container_of(e->all.next, struct quic_conn, in_all);
    if (c)
        quic_conn_read(c, &one, packet, e->now_ns);
    else if (vc.dcidlen == QUIC_CID_SIZE && vc.dcid[0] != e->o.index &&
             vc.dcid[0] < e->o.n_endpoints && !vc.version && e->user->ops->foreign)
        e->user->ops->foreign(e->user, vc.dcid[0], &one);
    else if (!vc.version)
        reset(e, &one, &vc, packet.n);
    else if (e->server)
        welcome(e, &one, packet);
}

void quic_endpoint_receive(struct quic_endpoint *e, const struct udp_in *v, size_t n,
                           int64_t now_ns)
{
    e->now_ns = now_ns;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < udp_in_count(&v[i]); k++)
            receive_one(e, &v[i], udp_in_at(&v[i], k));
}

/* ---- time */

static void bury(struct quic_endpoint *e)
{
    struct rk_list *node;

    while ((node = rk_list_pop_front(&e->dead))) {
        struct quic_conn *c = rk_container_of(node, struct quic_conn, in_all);

        if (c->user)
            c->user->ops->closed(c->user, &c->why);
        quic_conn_free(c);
    }
}

void quic_endpoint_flush(struct quic_endpoint *e, int64_t now_ns)
{
    struct rk_heap_node *due;
    struct rk_list *node;

    e->now_ns = now_ns;
    while ((due = rk_heap_min(&e->timers)) && due->key <= now_ns) {
        rk_heap_remove(&e->timers, due);
        quic_endpoint_dirty(e, rk_container_of(due, struct quic_conn, expiry));
    }
    while ((node = rk_list_pop_front(&e->dirty))) {
        struct quic_conn *c = rk_container_of(node, struct quic_conn, in_dirty);

        quic_conn_tick(c, now_ns);
        rk_list_remove(&c->in_dirty); /* what it did itself is done */
        if (!c->dead && !c->closing)  /* later than now, for a packet that may not be sent yet */
            rk_heap_set(&e->timers, &c->expiry, rk_max_i64(quic_conn_next(c), now_ns + TICK_NS));
        else if (!c->dead)
            quic_endpoint_dirty(e, c);
    }
    send_out(e);
    bury(e);
}

void quic_endpoint_time(struct quic_endpoint *e, int64_t now_ns)
{
    e->now_ns = now_ns;
}

int64_t quic_endpoint_next(const struct quic_endpoint *e)
{
    const struct rk_heap_node *first = rk_heap_min(&e->timers);

    return first ? first->key : QUIC_NEVER;
}

/* ---- life */

void quic_endpoint_renew(struct quic_endpoint *e)
{
    struct quic_creds *fresh;

    /* bad files never get into the context, so this fails for want of memory only */
    if (quic_creds_new(e->o.tls, e->server, &fresh, NULL))
        return;
    quic_creds_unref(e->creds);
    e->creds = fresh;
}

static void set_default(size_t *v, size_t def)
{
    if (!*v)
        *v = def;
}

static enum rk_code endpoint_new(const struct quic_endpoint_opts *o, bool server,
                                 struct quic_endpoint_user *user, struct quic_endpoint **out,
                                 struct rk_err *err)
{
    struct quic_endpoint *e;
    struct quic_creds *creds;
    enum rk_code rc;

    if (strlen(o->alpn) >= QUIC_ALPN_MAX)
        return rk_fail(err, RK_INVALID, "QUIC: protocol name %s", o->alpn);
    rc = quic_creds_new(o->tls, server, &creds, err);
    if (rc)
        return rc;
    e = rk_calloc(1, sizeof *e);
    e->o = *o;
    memcpy(e->alpn, o->alpn, strlen(o->alpn) + 1);
    if (o->secret)
        memcpy(e->secret, o->secret, QUIC_SECRET_SIZE);
    else
        rk_secret_random(e->secret, QUIC_SECRET_SIZE);
    e->o.secret = NULL;
    e->o.n_endpoints = o->n_endpoints ? o->n_endpoints : 1;
    set_default(&e->o.limits.max_conns, MAX_CONNS);
    set_default(&e->o.limits.max_per_addr, (e->o.limits.max_conns + 1) / 2);
    set_default(&e->o.limits.max_half_open, MAX_HALF_OPEN);
    set_default(&e->o.limits.retry_from, RETRY_FROM);
    if (!e->o.limits.handshake_ms)
        e->o.limits.handshake_ms = HANDSHAKE_MS;
    e->server = server;
    e->user = user;
    e->creds = creds;
    rk_map_init(&e->cids, true);
    rk_map_init(&e->per_addr, false);
    rk_heap_init(&e->timers);
    rk_list_init(&e->all);
    rk_list_init(&e->half_open);
    rk_list_init(&e->dirty);
    rk_list_init(&e->dead);
    *out = e;
    return RK_OK;
}

enum rk_code quic_server_new(const struct quic_endpoint_opts *opts, struct quic_endpoint_user *user,
                             struct quic_endpoint **out, struct rk_err *err)
{
    return endpoint_new(opts, true, user, out, err);
}

enum rk_code quic_client_new(const struct quic_endpoint_opts *opts, const struct rk_addr *to,
                             const char *server_name, int64_t now_ns,
                             struct quic_endpoint_user *user, struct quic_conn_user *conn_user,
                             struct quic_endpoint **out, struct quic_conn **conn,
                             struct rk_err *err)
{
    struct quic_endpoint *e;
    enum rk_code rc = endpoint_new(opts, false, user, &e, err);

    if (rc)
        return rc;
    e->now_ns = now_ns;
    rc = quic_conn_new_client(e, to, server_name, now_ns, conn, err);
    if (rc) {
        quic_endpoint_free(e);
        return rc;
    }
    (*conn)->user = conn_user;
    add(e, *conn);
    *out = e;
    return RK_OK;
}

void quic_endpoint_free(struct quic_endpoint *e)
{
    if (!e)
        return;
    while (!rk_list_empty(&e->all))
        quic_endpoint_dead(e, rk_container_of(e->all.next, struct quic_conn, in_all));
    bury(e);
    rk_map_done(&e->cids);
    rk_map_done(&e->per_addr);
    rk_heap_done(&e->timers);
    quic_creds_unref(e->creds);
    rk_secret_wipe(e->secret, sizeof e->secret);
    free(e);
}

void quic_endpoint_stop(struct quic_endpoint *e)
{
    e->stopped = true;
}

size_t quic_endpoint_conns(const struct quic_endpoint *e)
{
    return e->n_conns;
}
