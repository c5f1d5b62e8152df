/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_listener: UDP and TCP on one address, questions decoded and handed up, answers cut to
 * what the client takes (RFC 1035 4.2, RFC 6891 6.2, RFC 7766).
 *
 * Loop thread. The answer to a question may be given within the callback.
 */
#ifndef RK_AGENT_DNS_LISTEN_H
#define RK_AGENT_DNS_LISTEN_H

#include "agent/dns/chain.h"
#include "lib/net/addr.h"

#define DNS_TCP_CLIENTS_MAX 64
#define DNS_TCP_IDLE_MS     10000
#define DNS_TCP_PENDING_MAX 64 /* questions of one connection at a time */

struct dns_listener;

struct dns_listener_user { /* embed */
    /** A question from a client; answer by the asker, as dns_chain_ask does. *out as there. */
    void (*ask)(struct dns_listener_user *u, const struct dns_msg *msg, bool tcp,
                const struct rk_addr *from, struct dns_asker *asker, struct dns_query **out);
};

/** Both protocols must bind. RK_UNAVAILABLE, RK_FORBIDDEN. Owned: dns_listener_close. */
enum rk_code dns_listener_open(struct rk_loop *loop, const struct rk_addr *addr,
                               struct dns_listener_user *user, struct dns_listener **out,
                               struct rk_err *err) RK_MUST;

/** Questions under way are cancelled. The handle dies within the next loop turns. Accepts NULL. */
void dns_listener_close(struct dns_listener *l);

const struct rk_addr *dns_listener_addr(const struct dns_listener *l); /* lent */

/** For tests and for what comes in by other ways: cut an answer to a client's size. Returns the
 *  new length of bytes. */
size_t dns_cut(uint8_t *bytes, size_t n, const struct dns_msg *query);

#endif
