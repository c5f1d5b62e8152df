/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The firewall that a network map asks for, as one nftables transaction that replaces our table as
 * a whole: no moment without rules, and equal maps give equal text. Pure; any thread. Every name
 * and address in the text was made by us or parsed before: nothing of the map is copied as text.
 */
#ifndef RK_AGENT_FW_TEXT_H
#define RK_AGENT_FW_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"
#include "lib/net/addr.h"
#include "schema/gen/management.pb-c.h"

/* Marks, the same on every agent. */
#define FW_CT_IN          0x1bd10u /* connection came in from the overlay */
#define FW_CT_OUT         0x1bd11u
#define FW_MARK_LOCAL     0x1bd20u /* allowed to this host, even if redirected into forward */
#define FW_MARK_MASQ      0x1bd21u
#define FW_MARK_MASQ_BACK 0x1bd22u

/* A firewall rule count above this is refused as a whole. */
#define FW_RULES_MAX 1000000u

/* What a name of a domain route has resolved to so far. */
struct fw_name {
    struct rk_str domain; /* as the map writes it: "example.com", "*.example.com" */
    const struct rk_ip *ips;
    size_t n;
};

/* One list of domains of the map and the set of addresses that stands for it in the rules. */
struct fw_domain_set {
    const struct rk_str *domains; /* sorted, each once */
    size_t n;
    char name[16];
};

struct fw_domain_sets {
    struct fw_domain_set *items;
    size_t n;
};

struct fw_opts {         /* borrowed for the call */
    struct rk_str table; /* name of our table */
    struct rk_str iface; /* of the overlay */
    uint32_t mtu_bytes;
    struct rk_prefix v4, v6; /* of the overlay; v6 family 0: no IPv6 */
    struct rk_str own_key;   /* text: routes of this peer are ours to serve */
    bool block_inbound;      /* only answers come in */
    bool serve_routes;       /* this host may route for others */
    bool block_lan;          /* but not to its own networks, which are: */
    const struct rk_prefix *lan;
    size_t n_lan;
    /* Domain routes lead to what their names resolved to and nowhere else; false: this network has
     * its clients resolve themselves, so that nothing is known and every destination is allowed. */
    bool by_name;
    const struct fw_name *names;
    size_t n_names;
    /* Where our forwarder answers peers that ask about domains of ours (and at
     * DNS_FORWARD_OLD_PORT); open only while there are such domains. */
    uint16_t names_port;
    /* Our name server listens on this port of our overlay address, and programs of this host ask at
     * 53; 0: it listens there itself. */
    uint16_t names_redirect;
};

struct fw_stats { /* for the log */
    size_t peer_rules, route_rules, skipped;
    bool routes;   /* some route is ours to serve: forwarding is needed */
    bool forwards; /* ports of this host lead to peers: as well */
};

/** Append the transaction to out. map NULL: before the first map (nothing comes in but answers).
 *  sets: the address sets of the map's domains, for fw_text_add; in the arena keep. Errors:
 * RK_LIMIT (too many rules, or out is full), RK_INVALID (a name that cannot stand in such a text).
 */
enum rk_code fw_text_build(const struct fw_opts *o, const Management__NetworkMap *map,
                           struct rk_arena *keep, struct fw_domain_sets *sets, struct rk_buf *out,
                           struct fw_stats *stats, struct rk_err *err) RK_MUST;

/** Append the commands that add an address of a domain to every set that stands for it; nothing
 *  when there is none. */
void fw_text_add(struct rk_str table, const struct fw_domain_sets *sets, struct rk_str domain,
                 const struct rk_ip *ip, struct rk_buf *out);

/** The transaction that removes our tables, whether they exist or not. RK_INVALID: see above. */
enum rk_code fw_text_remove(struct rk_str table, struct rk_buf *out, struct rk_err *err) RK_MUST;

#endif
