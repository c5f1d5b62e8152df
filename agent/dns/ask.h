/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_ask: one question to a list of name servers, one after the other until one gives an
 * answer: UDP with repeats from a port of its own, TCP when the answer was cut or the client came
 * by TCP. SERVFAIL and REFUSED send it to the next server, except where an extended error says that
 * another server would find the same (RFC 8914: DNSSEC, filters). NXDOMAIN is an answer.
 *
 *   server 1: UDP ─ repeat ─ repeat ─ (cut: TCP) ─ time over ─► server 2 … ─► done(answer or why)
 *
 * Loop thread. Callbacks never run inside the functions below.
 */
#ifndef RK_AGENT_DNS_ASK_H
#define RK_AGENT_DNS_ASK_H

#include "lib/base/loop.h"
#include "lib/net/addr.h"
#include "lib/net/dnsmsg.h"

struct dns_ask;
struct dns_ask_user;

#define DNS_ASK_SERVERS_MAX 16

struct dns_ask_ops {
    /** Exactly once unless cancelled; the handle is gone when this returns. answer NULL: no server
     *  answered, why says so (RK_TIMEOUT, RK_UNAVAILABLE). Else the bytes may be changed. */
    void (*done)(struct dns_ask_user *u, uint8_t *bytes, const struct dns_msg *answer,
                 const struct rk_err *why);
    /** What a server made of it; may be NULL. */
    void (*tried)(struct dns_ask_user *u, const struct rk_addr *server, bool ok);
};

struct dns_ask_user { /* embed */
    const struct dns_ask_ops *ops;
};

struct dns_ask_opts { /* open; borrowed for the call */
    struct rk_loop *loop;
    const struct dns_msg *query;
    const struct rk_addr *servers; /* at most DNS_ASK_SERVERS_MAX are used */
    size_t n;
    uint32_t fwmark;   /* SO_MARK of the sockets; 0: none */
    bool around;       /* around the overlay, also where sockets cannot be marked */
    uint16_t udp_size; /* what we take over UDP */
    bool tcp;          /* no UDP */
    int64_t each_ms;   /* for one server */
    int64_t total_ms;  /* for all */
};

/** Owned until done; dns_ask_cancel. */
struct dns_ask *dns_ask_start(const struct dns_ask_opts *opts, struct dns_ask_user *user);

/** No callback follows. Accepts NULL. */
void dns_ask_cancel(struct dns_ask *a);

#endif
