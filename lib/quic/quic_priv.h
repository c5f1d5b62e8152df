/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of lib/quic: what the endpoint (endpoint.c), its connections (conn.c) and TLS (tls.c) know
 * of each other. The libraries are loaded (dl.c) by who makes credentials. */
#ifndef RK_QUIC_PRIV_H
#define RK_QUIC_PRIV_H

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/base/ratelimit.h"
#include "lib/quic/dl.h"
#include "lib/quic/quic.h"

enum {
    QUIC_CID_SIZE = 8,  /* of ours: the endpoint's index and random bytes */
    QUIC_CIDS_MAX = 12, /* of one connection: ngtcp2 gives out at most 8, and the client's first */
    QUIC_TX_PACKETS = 128,
};

/* ---- TLS */

struct quic_creds; /* made of a context as it was at one time; counted references */

enum rk_code quic_creds_new(struct tls_ctx *tls, bool server, struct quic_creds **out,
                            struct rk_err *err) RK_MUST;
void quic_creds_unref(struct quic_creds *c); /* accepts NULL */

/** The context has loaded something else since. */
bool quic_creds_stale(const struct quic_creds *c);

/** One handshake. ref leads to its connection. server_name: of clients. Takes a reference of creds.
 *  NULL: out of memory. */
gnutls_session_t quic_tls_session_new(struct quic_creds *creds, const char *alpn,
                                      const char *server_name, ngtcp2_crypto_conn_ref *ref);
void quic_tls_session_free(gnutls_session_t s);

/** Why it failed, in words; "" when it did not. Lent by the session. */
const char *quic_tls_session_why(gnutls_session_t s);

/* ---- connections */

struct quic_cid {
    uint8_t n, b[NGTCP2_MAX_CIDLEN];
};

struct quic_conn {
    struct quic_endpoint *ep;
    struct quic_conn_user *user; /* NULL: nobody has it (yet) */
    ngtcp2_conn *nt;
    ngtcp2_crypto_conn_ref ref;
    gnutls_session_t tls;
    struct rk_addr peer;
    struct rk_ip local; /* what the peer sends to; family 0: the endpoint's own */
    struct sockaddr_storage peer_sa, local_sa;     /* the same, as ngtcp2 compares them */
    struct rk_heap_node expiry;                    /* nanoseconds */
    struct rk_list in_all, in_half_open, in_dirty; /* in_all also in the list of dead ones */
    struct quic_cid cids[QUIC_CIDS_MAX];           /* keys of the endpoint's table; n 0: free */
    struct rk_ip counted_ip;                       /* with counted: whose place it has */
    int64_t asked_ns;    /* first message since the last packet came; 0: none */
    unsigned big_lost;   /* longer messages than every path carries, since one of them arrived */
    int64_t big_lost_ns; /* when the first of them was missed */
    int64_t elicited_ns; /* a frame went that is probed for */
    bool ready, blocked, closing, counted, reading, dead;
    bool narrow; /* the path has carried more and does not any longer */
    struct rk_err why;
};

enum rk_code quic_conn_new_server(struct quic_endpoint *e, const struct udp_in *in,
                                  const ngtcp2_pkt_hd *hd, const ngtcp2_cid *retried_odcid,
                                  int64_t now_ns, struct quic_conn **out);
enum rk_code quic_conn_new_client(struct quic_endpoint *e, const struct rk_addr *to,
                                  const char *server_name, int64_t now_ns, struct quic_conn **out,
                                  struct rk_err *err);
void quic_conn_free(struct quic_conn *c);

/** A packet of this connection. */
void quic_conn_read(struct quic_conn *c, const struct udp_in *in, struct rk_str packet,
                    int64_t now_ns);

/** Timers that are due, then what there is to send of its own accord. */
void quic_conn_tick(struct quic_conn *c, int64_t now_ns);

/** When quic_conn_tick has something to do. */
int64_t quic_conn_next(const struct quic_conn *c);

/* ---- the endpoint, for its connections */

struct quic_endpoint {
    struct quic_endpoint_opts o;
    char alpn[QUIC_ALPN_MAX];
    uint8_t secret[QUIC_SECRET_SIZE];
    struct quic_endpoint_user *user;
    struct quic_creds *creds;
    struct rk_map cids; /* connection id → connection */
    struct rk_map per_addr;
    struct rk_heap timers;
    struct rk_list all, half_open, dirty, dead;
    size_t n_conns, n_half_open;
    struct rk_bucket answers; /* those without a connection */
    bool server, stopped;
    int64_t now_ns; /* of the call under way */
    size_t n_out;
    struct udp_out out[QUIC_TX_PACKETS];
    uint8_t bytes[QUIC_TX_PACKETS][QUIC_UDP_MAX];
};

/** Room for one packet of QUIC_UDP_MAX bytes; sends what waits when there is none. Then
 *  quic_endpoint_put with its length, or nothing. */
uint8_t *quic_endpoint_room(struct quic_endpoint *e);
void quic_endpoint_put(struct quic_endpoint *e, const struct rk_addr *to, const struct rk_ip *src,
                       size_t n);

/** As put, but it leaves now and in no message with others, which would be lost with it where it is
 *  longer than the path carries. */
void quic_endpoint_alone(struct quic_endpoint *e, const struct rk_addr *to, const struct rk_ip *src,
                         size_t n);

void quic_endpoint_dirty(struct quic_endpoint *e, struct quic_conn *c);

bool quic_endpoint_cid_add(struct quic_endpoint *e, struct quic_conn *c, const uint8_t *cid,
                           size_t n);
void quic_endpoint_cid_del(struct quic_endpoint *e, struct quic_conn *c, const uint8_t *cid,
                           size_t n);

/** The handshake is done: false when nobody wants it. */
bool quic_endpoint_established(struct quic_endpoint *e, struct quic_conn *c);

/** Take the certificate that the context has loaded since. */
void quic_endpoint_renew(struct quic_endpoint *e);

/** It has ended: closed() comes with the next flush. */
void quic_endpoint_dead(struct quic_endpoint *e, struct quic_conn *c);

#endif
