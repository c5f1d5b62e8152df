/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct wgo_filter: a packet filter on the data path of our own device, for hosts whose kernel has
 * none: what peers send comes in by rule or as an answer, what this host sends always goes out and
 * is remembered.
 *
 *   TUN --> wgo_filter_out (remember) --> seal --> network
 *   TUN <-- wgo_filter_in (answer? rule?) <-- open <-- network
 *
 * Trailing fragments follow their first one; ICMP errors pass when they are about a remembered
 * flow. Flows and fragments are a table of fixed size, in shards with locks of their own; who fills
 * it costs others nothing but their oldest flows of that shard. Any thread.
 */
#ifndef RK_AGENT_WG_OWN_FILTER_H
#define RK_AGENT_WG_OWN_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net/addr.h"

enum wgo_filter_proto { WGO_ALL, WGO_TCP, WGO_UDP, WGO_ICMP };

struct wgo_filter_rule { /* open */
    bool drop;
    enum wgo_filter_proto proto;
    uint16_t port_lo, port_hi; /* of the destination; 0, 0: all */
    struct rk_prefix src, dst; /* family counts also with 0 bits; dst of peers' rules: 0 bits */
};

/* Plain data, copied. Within a list, drops count before accepts. */
struct wgo_filter_rules {
    struct rk_ip own[2];                 /* addresses of this host in the overlay; family 0: none */
    const struct wgo_filter_rule *local; /* to this host */
    size_t n_local;
    const struct wgo_filter_rule *routed; /* to networks behind it */
    size_t n_routed;
};

struct wgo_filter;

/** Without rules: nothing comes in but answers. Owned: wgo_filter_free. */
struct wgo_filter *wgo_filter_new(void);
void wgo_filter_free(struct wgo_filter *f); /* accepts NULL */

void wgo_filter_set(struct wgo_filter *f, const struct wgo_filter_rules *r);

/** A packet from this host; n bytes of IP, as many as there are (large ones of offload too). */
void wgo_filter_out(struct wgo_filter *f, const uint8_t *p, size_t n, int64_t now_ms);
/** May a packet of a peer come in? */
bool wgo_filter_in(struct wgo_filter *f, const uint8_t *p, size_t n, int64_t now_ms);

#endif
