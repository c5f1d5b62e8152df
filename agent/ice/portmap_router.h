/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking a router for a port: blocking, for a thread that has the time. See portmap.h. */
#ifndef RK_AGENT_ICE_PORTMAP_ROUTER_H
#define RK_AGENT_ICE_PORTMAP_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/net/addr.h"

enum portmap_method { PORTMAP_NONE, PORTMAP_PCP, PORTMAP_NATPMP, PORTMAP_UPNP };

#define PORTMAP_NONCE_SIZE 12

struct portmap_ask { /* open */
    struct rk_ip gateway, own;
    uint16_t port;                     /* ours */
    uint16_t wanted;                   /* outside: the one that we had, or ours */
    enum portmap_method method;        /* the one that worked; NONE: try all */
    uint8_t nonce[PORTMAP_NONCE_SIZE]; /* PCP: shows that a mapping is ours */
};

struct portmap_answer { /* open */
    enum portmap_method method;
    struct rk_addr outside; /* ip family 0: unknown */
    int64_t lifetime_s;
};

/** Ask; takes up to about 6 s. RK_NOT_FOUND: no router that does it; RK_UNAVAILABLE: it refused. */
enum rk_code portmap_router_ask(const struct portmap_ask *a, struct portmap_answer *out,
                                struct rk_err *err) RK_MUST;

/** Take a mapping back. By PCP and NAT-PMP that is one datagram and waits for nothing. */
void portmap_router_forget(const struct portmap_ask *a);

const char *portmap_method_name(enum portmap_method m);

#endif
