/* SPDX-License-Identifier: BSD-3-Clause */
/* One QUIC connection: ngtcp2 told what we want of it, and its callbacks; see quic.h. ngtcp2 may
 * not be entered from its own callbacks: what they ask for is done by quic_conn_tick. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/quic/quic_priv.h"

enum {
    DATAGRAM_FRAME_MAX = 16383,   /* what official peers announce; messages have 8820 at most */
    TX_PAYLOAD_MAX = 1452,        /* 1500 without IPv6 and UDP headers: where probing ends */
    ACK_EVERY = 8,                /* packets, unless the delay is over before */
    CIDS_STORED = 4,              /* of the other side, for it to move */
    FRAME_OVERHEAD = 3,           /* DATAGRAM with length */
    PACKET_OVERHEAD = 1 + 4 + 16, /* flags, longest packet number, tag */
    SEND_TRIES = 4,               /* packets of its own that a connection may send first */
    /* Of packets that every path carries (RFC 9000 14): */
    SURE_DATAGRAM = NGTCP2_MAX_UDP_PAYLOAD_SIZE - PACKET_OVERHEAD - FRAME_OVERHEAD - QUIC_CID_SIZE,
    NARROW_LOST = 8, /* longer messages lost ... */
    PROBE_MS = 500,
    ELICIT_MS = 25,
    NARROW_MS = 3000, /* ... for so long, and none arrived: no accident */
};

static ngtcp2_conn *conn_of_ref(ngtcp2_crypto_conn_ref *ref)
{
    struct quic_conn *c = rk_container_of(ref, struct quic_conn, ref);

    return c->nt;
}

static ngtcp2_tstamp ns_of(int64_t ms)
{
    return (ngtcp2_tstamp)ms * NGTCP2_MILLISECONDS;
}

/* ---- the end */

static void end(struct quic_conn *c, enum rk_code code, const char *what)
{
    if (!c->why.code && code)
        (void)rk_fail(&c->why, code, "QUIC: %s", what);
    quic_endpoint_dead(c->ep, c);
}

static void put_packet(struct quic_conn *c, const ngtcp2_path *path, size_t n);

static void write_close(struct quic_conn *c, const ngtcp2_connection_close_error *e)
{
    ngtcp2_path_storage ps;
    ngtcp2_ssize n;

    ngtcp2_path_storage_zero(&ps);
    n = ngtcp2_conn_write_connection_close(c->nt, &ps.path, NULL, quic_endpoint_room(c->ep),
                                           QUIC_UDP_MAX, e, (ngtcp2_tstamp)c->ep->now_ns);
    if (n > 0)
        put_packet(c, &ps.path, (size_t)n);
}

/* The other side has closed. */
static void drained(struct quic_conn *c)
{
    ngtcp2_connection_close_error e;
    char text[120];

    ngtcp2_conn_get_connection_close_error(c->nt, &e);
    if (e.error_code == 0 || c->why.code) {
        end(c, RK_OK, "");
        return;
    }
    (void)snprintf(text, sizeof text, "closed by the other side: error 0x%llx %.*s",
                   (unsigned long long)e.error_code, (int)rk_min_size(e.reasonlen, 60),
                   e.reasonlen ? (const char *)e.reason : "");
    end(c, RK_UNAVAILABLE, text);
}

/* What a function of ngtcp2 said, if it is an end. */
static void failed(struct quic_conn *c, int rv)
{
    ngtcp2_connection_close_error e;
    const char *why = c->tls ? quic_tls_session_why(c->tls) : "";

    ngtcp2_connection_close_error_default(&e);
    switch (rv) {
    case NGTCP2_ERR_DRAINING:
    case NGTCP2_ERR_CLOSING:
        drained(c);
        return;
    case NGTCP2_ERR_IDLE_CLOSE:
        end(c, RK_TIMEOUT, "nothing came for too long");
        return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
        end(c, RK_TIMEOUT, "no handshake in time");
        return;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
        end(c, RK_BAD_REQUEST, "broken first packet");
        return;
    case NGTCP2_ERR_CRYPTO:
        ngtcp2_connection_close_error_set_transport_error_tls_alert(
            &e, ngtcp2_conn_get_tls_alert(c->nt), NULL, 0);
        break;
    default:
        ngtcp2_connection_close_error_set_transport_error_liberr(&e, rv, NULL, 0);
    }
    write_close(c, &e);
    end(c, *why ? RK_UNAUTHENTICATED : RK_BAD_REQUEST, *why ? why : ngtcp2_strerror(rv));
}

/* ---- callbacks */

static int on_handshake(ngtcp2_conn *nt, void *user)
{
    struct quic_conn *c = user;

    (void)nt;
    c->ready = true;
    if (!quic_endpoint_established(c->ep, c))
        c->closing = true;
    return 0;
}

static int on_crypto(ngtcp2_conn *nt, ngtcp2_crypto_level level, uint64_t offset, const uint8_t *p,
                     size_t n, void *user)
{
    const struct quic_conn *c = user;

    /* after the handshake a client has nothing to say that counts (RFC 9001 4.4 forbids the rest)
     */
    return c->tls ? ngtcp2_crypto_recv_crypto_data_cb(nt, level, offset, p, n, user) : 0;
}

static int on_datagram(ngtcp2_conn *nt, uint32_t flags, const uint8_t *p, size_t n, void *user)
{
    struct quic_conn *c = user;

    (void)nt;
    (void)flags;
    if (c->user && c->ready && !c->closing && n)
        /* in ngtcp2's buffer of decrypted bytes, of which it looks at nothing twice */
        c->user->ops->datagram(c->user, (uint8_t *)(uintptr_t)p, n);
    return 0;
}

/* The MTU is looked for once, upwards. That the path carries less than it did nobody tells: longer
 * packets are lost, and others that were sent later are not (RFC 8899 4.3). Ids are 1 for messages
 * that may not fit then. */
static int on_lost(ngtcp2_conn *nt, uint64_t id, void *user)
{
    struct quic_conn *c = user;

    (void)nt;
    if (!id)
        return 0;
    if (!c->big_lost++)
        c->big_lost_ns = c->ep->now_ns;
    if (c->big_lost >= NARROW_LOST && c->ep->now_ns - c->big_lost_ns >= (int64_t)ns_of(NARROW_MS))
        c->narrow = true;
    return 0;
}

static int on_arrived(ngtcp2_conn *nt, uint64_t id, void *user)
{
    struct quic_conn *c = user;

    (void)nt;
    if (id) {
        c->big_lost = 0;
        c->narrow = false;
    }
    return 0;
}

static int on_new_cid(ngtcp2_conn *nt, ngtcp2_cid *cid, uint8_t *token, size_t n, void *user)
{
    struct quic_conn *c = user;

    (void)nt;
    rk_secret_random(cid->data, n);
    cid->data[0] = (uint8_t)c->ep->o.index;
    cid->datalen = n;
    if (ngtcp2_crypto_generate_stateless_reset_token(token, c->ep->secret, QUIC_SECRET_SIZE, cid) ||
        !quic_endpoint_cid_add(c->ep, c, cid->data, n))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_cid_gone(ngtcp2_conn *nt, const ngtcp2_cid *cid, void *user)
{
    struct quic_conn *c = user;

    (void)nt;
    quic_endpoint_cid_del(c->ep, c, cid->data, cid->datalen);
    return 0;
}

static int on_reset(ngtcp2_conn *nt, const ngtcp2_pkt_stateless_reset *sr, void *user)
{
    struct quic_conn *c = user;

    (void)nt;
    (void)sr;
    (void)rk_fail(&c->why, RK_UNAVAILABLE, "QUIC: the other side does not know us any more");
    return 0;
}

static void on_rand(uint8_t *p, size_t n, const ngtcp2_rand_ctx *ctx)
{
    (void)ctx;
    rk_secret_random(p, n);
}

static ngtcp2_callbacks callbacks(bool server)
{
    ngtcp2_callbacks cb = {
        .recv_crypto_data = on_crypto,
        .handshake_completed = on_handshake,
        .encrypt = ngtcp2_crypto_encrypt_cb,
        .decrypt = ngtcp2_crypto_decrypt_cb,
        .hp_mask = ngtcp2_crypto_hp_mask_cb,
        .recv_stateless_reset = on_reset,
        .rand = on_rand,
        .get_new_connection_id = on_new_cid,
        .remove_connection_id = on_cid_gone,
        .update_key = ngtcp2_crypto_update_key_cb,
        .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
        .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
        .recv_datagram = on_datagram,
        .ack_datagram = on_arrived,
        .lost_datagram = on_lost,
        .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
        .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    };

    if (server) {
        cb.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    } else {
        cb.client_initial = ngtcp2_crypto_client_initial_cb;
        cb.recv_retry = ngtcp2_crypto_recv_retry_cb;
    }
    return cb;
}

/* ---- making one */

static void settings_of(const struct quic_endpoint *e, int64_t now_ns, ngtcp2_settings *s,
                        ngtcp2_transport_params *p)
{
    ngtcp2_settings_default(s);
    s->initial_ts = (ngtcp2_tstamp)now_ns;
    s->max_tx_udp_payload_size = TX_PAYLOAD_MAX;
    s->ack_thresh = ACK_EVERY;
    s->handshake_timeout = ns_of(e->o.limits.handshake_ms);
    ngtcp2_transport_params_default(p);
    p->max_idle_timeout = ns_of(e->o.idle_ms);
    p->max_udp_payload_size = QUIC_UDP_MAX;
    p->max_datagram_frame_size = DATAGRAM_FRAME_MAX;
    p->active_connection_id_limit = CIDS_STORED;
}

static struct rk_addr local_of(const struct quic_endpoint *e, const struct rk_ip *ip)
{
    struct rk_addr a = e->o.local;

    if (ip->family)
        a.ip = *ip;
    return a;
}

static void set_path(struct quic_conn *c, const struct rk_addr *peer, const struct rk_ip *local)
{
    struct rk_addr own = local_of(c->ep, local);

    c->peer = *peer;
    c->local = *local;
    memset(&c->peer_sa, 0, sizeof c->peer_sa);
    memset(&c->local_sa, 0, sizeof c->local_sa);
    (void)rk_addr_to_sa(peer, &c->peer_sa);
    (void)rk_addr_to_sa(&own, &c->local_sa);
}

static ngtcp2_socklen sa_size(const struct sockaddr_storage *sa)
{
    return sa->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static ngtcp2_path path_of(struct sockaddr_storage *local, struct sockaddr_storage *peer)
{
    return (ngtcp2_path){.local = {(ngtcp2_sockaddr *)local, sa_size(local)},
                         .remote = {(ngtcp2_sockaddr *)peer, sa_size(peer)}};
}

static struct quic_conn *conn_new(struct quic_endpoint *e, const struct rk_addr *peer,
                                  const struct rk_ip *local, const char *server_name)
{
    struct quic_conn *c = rk_calloc(1, sizeof *c);

    c->ep = e;
    c->ref.get_conn = conn_of_ref;
    set_path(c, peer, local);
    c->tls = quic_tls_session_new(e->creds, e->alpn, server_name, &c->ref);
    if (!c->tls) {
        free(c);
        return NULL;
    }
    return c;
}

static void cid_random(const struct quic_endpoint *e, ngtcp2_cid *cid, size_t n)
{
    rk_secret_random(cid->data, n);
    cid->data[0] = (uint8_t)e->o.index;
    cid->datalen = n;
}

enum rk_code quic_conn_new_server(struct quic_endpoint *e, const struct udp_in *in,
                                  const ngtcp2_pkt_hd *hd, const ngtcp2_cid *retried_odcid,
                                  int64_t now_ns, struct quic_conn **out)
{
    struct quic_conn *c = conn_new(e, &in->from, &in->to, NULL);
    ngtcp2_callbacks cb = callbacks(true);
    ngtcp2_settings s;
    ngtcp2_transport_params p;
    ngtcp2_path path;
    ngtcp2_cid scid;

    if (!c)
        return RK_INTERNAL;
    settings_of(e, now_ns, &s, &p);
    s.token = hd->token;
    p.original_dcid = retried_odcid ? *retried_odcid : hd->dcid;
    p.retry_scid_present = retried_odcid != NULL;
    if (retried_odcid)
        p.retry_scid = hd->dcid;
    cid_random(e, &scid, QUIC_CID_SIZE);
    p.stateless_reset_token_present = 1;
    path = path_of(&c->local_sa, &c->peer_sa);
    if (ngtcp2_crypto_generate_stateless_reset_token(p.stateless_reset_token, e->secret,
                                                     QUIC_SECRET_SIZE, &scid) ||
        ngtcp2_conn_server_new(&c->nt, &hd->scid, &scid, &path, hd->version, &cb, &s, &p, NULL,
                               c) ||
        !quic_endpoint_cid_add(e, c, scid.data, scid.datalen) ||
        !quic_endpoint_cid_add(e, c, hd->dcid.data, hd->dcid.datalen)) {
        quic_conn_free(c);
        return RK_INTERNAL;
    }
    ngtcp2_conn_set_tls_native_handle(c->nt, c->tls);
    *out = c;
    return RK_OK;
}

enum rk_code quic_conn_new_client(struct quic_endpoint *e, const struct rk_addr *to,
                                  const char *server_name, int64_t now_ns, struct quic_conn **out,
                                  struct rk_err *err)
{
    struct quic_conn *c = conn_new(e, to, &e->o.local.ip, server_name);
    ngtcp2_callbacks cb = callbacks(false);
    ngtcp2_settings s;
    ngtcp2_transport_params p;
    ngtcp2_cid scid, dcid;
    ngtcp2_path path;

    if (!c)
        return rk_fail(err, RK_INTERNAL, "QUIC: no TLS session");
    settings_of(e, now_ns, &s, &p);
    cid_random(e, &scid, QUIC_CID_SIZE);
    cid_random(e, &dcid, NGTCP2_MIN_INITIAL_DCIDLEN * 2);
    rk_secret_random(dcid.data, 1);
    path = path_of(&c->local_sa, &c->peer_sa);
    if (ngtcp2_conn_client_new(&c->nt, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &cb, &s, &p, NULL,
                               c) ||
        !quic_endpoint_cid_add(e, c, scid.data, scid.datalen)) {
        quic_conn_free(c);
        return rk_fail(err, RK_INTERNAL, "QUIC: no connection");
    }
    ngtcp2_conn_set_tls_native_handle(c->nt, c->tls);
    if (e->o.keepalive_ms)
        ngtcp2_conn_set_keep_alive_timeout(c->nt, ns_of(e->o.keepalive_ms));
    *out = c;
    return RK_OK;
}

void quic_conn_free(struct quic_conn *c)
{
    for (size_t i = 0; i < QUIC_CIDS_MAX; i++)
        if (c->cids[i].n)
            quic_endpoint_cid_del(c->ep, c, c->cids[i].b, c->cids[i].n);
    if (c->nt)
        ngtcp2_conn_del(c->nt);
    quic_tls_session_free(c->tls);
    free(c);
}

/* ---- packets in */

static void look_for_move(struct quic_conn *c)
{
    const ngtcp2_path *now = ngtcp2_conn_get_path(c->nt);
    struct rk_addr peer, local;

    if (now->remote.addrlen == sa_size(&c->peer_sa) &&
        memcmp(now->remote.addr, &c->peer_sa, now->remote.addrlen) == 0)
        return;
    if (rk_addr_from_sa((const struct sockaddr *)now->remote.addr, &peer, NULL) ||
        rk_addr_from_sa((const struct sockaddr *)now->local.addr, &local, NULL))
        return;
    set_path(c, &peer, &local.ip);
    c->big_lost = 0;
    c->narrow = false;
    rk_metric_add(c->ep->o.metrics.moved, 1);
    if (c->user && c->user->ops->moved)
        c->user->ops->moved(c->user);
}

void quic_conn_read(struct quic_conn *c, const struct udp_in *in, struct rk_str packet,
                    int64_t now_ns)
{
    struct sockaddr_storage peer = {0}, local = {0};
    bool same = rk_addr_eq(&in->from, &c->peer) && rk_ip_eq(&in->to, &c->local);
    struct rk_addr own;
    ngtcp2_path path;
    int rv;

    if (c->closing)
        return;
    if (same) {
        path = path_of(&c->local_sa, &c->peer_sa);
    } else {
        own = local_of(c->ep, &in->to);
        (void)rk_addr_to_sa(&in->from, &peer);
        (void)rk_addr_to_sa(&own, &local);
        path = path_of(&local, &peer);
    }
    c->reading = true;
    rv = ngtcp2_conn_read_pkt(c->nt, &path, NULL, (const uint8_t *)packet.p, packet.n,
                              (ngtcp2_tstamp)now_ns);
    c->reading = false;
    c->asked_ns = 0;
    if (rv) {
        failed(c, rv);
        return;
    }
    if (!same)
        look_for_move(c);
    quic_endpoint_dirty(c->ep, c);
}

/* ---- packets out */

static void put_packet(struct quic_conn *c, const ngtcp2_path *path, size_t n)
{
    bool probe = n > ngtcp2_conn_get_path_max_tx_udp_payload_size(c->nt);
    struct rk_addr to = c->peer, from = {.ip = c->local};

    if ((memcmp(path->remote.addr, &c->peer_sa, path->remote.addrlen) != 0 ||
         memcmp(path->local.addr, &c->local_sa, path->local.addrlen) != 0) &&
        (rk_addr_from_sa((const struct sockaddr *)path->remote.addr, &to, NULL) ||
         rk_addr_from_sa((const struct sockaddr *)path->local.addr, &from, NULL)))
        return;
    if (probe)
        quic_endpoint_alone(c->ep, &to, &from.ip, n);
    else
        quic_endpoint_put(c->ep, &to, &from.ip, n);
}

size_t quic_conn_max_datagram(const struct quic_conn *c)
{
    const ngtcp2_transport_params *p;
    size_t n;

    if (!c->ready)
        return 0;
    p = ngtcp2_conn_get_remote_transport_params(c->nt);
    if (!p || p->max_datagram_frame_size <= FRAME_OVERHEAD)
        return 0;
    n = ngtcp2_conn_get_path_max_tx_udp_payload_size(c->nt) - PACKET_OVERHEAD - FRAME_OVERHEAD -
        ngtcp2_conn_get_dcid(c->nt)->datalen;
    if (c->narrow)
        n = rk_min_size(n, SURE_DATAGRAM);
    return rk_min_size(n, (size_t)p->max_datagram_frame_size - FRAME_OVERHEAD);
}

/* ngtcp2 wants no empty pieces. */
static size_t put_vec(ngtcp2_vec *v, size_t n, struct rk_str part)
{
    if (part.n)
        v[n++] = (ngtcp2_vec){(uint8_t *)(uintptr_t)part.p, part.n};
    return n;
}

/* A probe that ngtcp2 makes of a message would be lost like the others where the path has shrunk:
 * its own, which are small, go first then. */
static bool unanswered(const struct quic_conn *c)
{
    return c->asked_ns && c->ep->now_ns - c->asked_ns > (int64_t)ns_of(PROBE_MS);
}

/* ngtcp2 sends no probe (RFC 9002 6.2) when all that is under way is datagrams: if they are lost
 * together, congestion control would wait for ever for what becomes of them. A frame of another
 * kind goes with them, now and then: more data that streams may carry, of which there are none. */
static void elicit(struct quic_conn *c)
{
    if (c->ep->now_ns - c->elicited_ns < (int64_t)ns_of(ELICIT_MS))
        return;
    c->elicited_ns = c->ep->now_ns;
    ngtcp2_conn_extend_max_offset(c->nt, 1);
}

enum quic_sent quic_conn_send(struct quic_conn *c, struct rk_str head, struct rk_str body)
{
    ngtcp2_vec v[2];
    size_t n_v = put_vec(v, put_vec(v, 0, head), body), n = head.n + body.n;
    ngtcp2_path_storage ps;
    int taken = 0;

    if (c->closing || !c->ready || !n_v)
        return QUIC_SENT;
    if (n > quic_conn_max_datagram(c))
        return QUIC_TOO_BIG;
    quic_endpoint_dirty(c->ep, c);
    if (c->reading || (n > SURE_DATAGRAM && unanswered(c))) {
        c->blocked = true;
        return QUIC_BLOCKED;
    }
    elicit(c);
    ngtcp2_path_storage_zero(&ps);
    for (int i = 0; i < SEND_TRIES; i++) {
        ngtcp2_ssize wrote = ngtcp2_conn_writev_datagram(
            c->nt, &ps.path, NULL, quic_endpoint_room(c->ep), QUIC_UDP_MAX, &taken, 0,
            n > SURE_DATAGRAM, v, n_v, (ngtcp2_tstamp)c->ep->now_ns);

        if (wrote < 0) {
            failed(c, (int)wrote);
            return QUIC_SENT;
        }
        if (wrote > 0)
            put_packet(c, &ps.path, (size_t)wrote);
        if (taken) {
            if (!c->asked_ns)
                c->asked_ns = c->ep->now_ns;
            return QUIC_SENT;
        }
        if (wrote == 0)
            break;
    }
    c->blocked = true;
    return QUIC_BLOCKED;
}

static void write_own(struct quic_conn *c)
{
    ngtcp2_path_storage ps;
    ngtcp2_ssize n;

    ngtcp2_path_storage_zero(&ps);
    while ((n = ngtcp2_conn_write_pkt(c->nt, &ps.path, NULL, quic_endpoint_room(c->ep),
                                      QUIC_UDP_MAX, (ngtcp2_tstamp)c->ep->now_ns)) > 0)
        put_packet(c, &ps.path, (size_t)n);
    if (n < 0)
        failed(c, (int)n);
}

int64_t quic_conn_next(const struct quic_conn *c)
{
    ngtcp2_tstamp at = ngtcp2_conn_get_expiry(c->nt);
    int64_t next = at >= (ngtcp2_tstamp)QUIC_NEVER ? QUIC_NEVER : (int64_t)at;

    if (c->asked_ns && c->ep->o.unanswered_ms)
        next = rk_min_i64(next, c->asked_ns + (int64_t)ns_of(c->ep->o.unanswered_ms));
    return next;
}

void quic_conn_tick(struct quic_conn *c, int64_t now_ns)
{
    ngtcp2_connection_close_error e;
    int rv;

    if (c->closing) {
        ngtcp2_connection_close_error_default(&e);
        ngtcp2_connection_close_error_set_application_error(&e, 0, NULL, 0);
        write_close(c, &e);
        end(c, RK_OK, "");
        return;
    }
    if (c->asked_ns && c->ep->o.unanswered_ms &&
        now_ns >= c->asked_ns + (int64_t)ns_of(c->ep->o.unanswered_ms)) {
        end(c, RK_TIMEOUT, "the other side does not answer");
        return;
    }
    if (ngtcp2_conn_get_expiry(c->nt) <= (ngtcp2_tstamp)now_ns) {
        rv = ngtcp2_conn_handle_expiry(c->nt, (ngtcp2_tstamp)now_ns);
        if (rv) {
            failed(c, rv);
            return;
        }
    }
    if (c->tls && c->ready && c->ep->server) { /* the keys are ngtcp2's now */
        ngtcp2_conn_set_tls_native_handle(c->nt, NULL);
        quic_tls_session_free(c->tls);
        c->tls = NULL;
    }
    if (c->blocked && c->user) {
        c->blocked = false;
        c->user->ops->writable(c->user);
    }
    if (!c->dead && !c->closing)
        write_own(c);
}

/* ---- for the owner */

void quic_conn_set_user(struct quic_conn *c, struct quic_conn_user *user)
{
    c->user = user;
}

struct rk_addr quic_conn_peer(const struct quic_conn *c)
{
    return c->peer;
}

void quic_conn_close(struct quic_conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    quic_endpoint_dirty(c->ep, c);
}

enum rk_code quic_conn_move(struct quic_conn *c, const struct rk_addr *local, int64_t now_ns,
                            struct rk_err *err)
{
    struct sockaddr_storage own = {0};
    ngtcp2_path path;
    int rv;

    (void)rk_addr_to_sa(local, &own);
    path = path_of(&own, &c->peer_sa);
    c->ep->now_ns = now_ns;
    rv = ngtcp2_conn_initiate_immediate_migration(c->nt, &path, (ngtcp2_tstamp)now_ns);
    if (rv)
        return rk_fail(err, RK_PRECONDITION, "QUIC: cannot move: %s", ngtcp2_strerror(rv));
    c->ep->o.local = *local;
    set_path(c, &c->peer, &local->ip);
    quic_endpoint_dirty(c->ep, c);
    return RK_OK;
}
