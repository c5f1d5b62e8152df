/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_names: which names belong to the control plane (management, signal, STUN, TURN,
 * relays), and their last known addresses. A relay's name is also a root: names below it are other
 * relays of the same pool. Nothing here is ever forgotten because it is old: an address that was
 * right yesterday is better than none while the way to a name server is cut.
 *
 * Pure: takes the time, does no I/O. One thread at a time.
 */
#ifndef RK_AGENT_DNS_NAMES_H
#define RK_AGENT_DNS_NAMES_H

#include "lib/net/addr.h"
#include "lib/net/dnsmsg.h"

enum dns_role {
    DNS_ROLE_MANAGEMENT,
    DNS_ROLE_SIGNAL,
    DNS_ROLE_STUN,
    DNS_ROLE_TURN,
    DNS_ROLE_RELAY,
    DNS_ROLE_COUNT
};

#define DNS_NAMES_PER_ROLE 64
#define DNS_NAMES_MAX      1024 /* entries: what a pool can be made to hold */
#define DNS_NAMES_IPS      16   /* addresses of one name and family */
#define DNS_NAMES_TTL_MS   INT64_C(300000)
#define DNS_NAMES_RETRY_MS INT64_C(30000) /* a failed refresh is not repeated before */

enum dns_names_match { DNS_NAMES_OTHER, DNS_NAMES_LISTED, DNS_NAMES_IN_POOL };

struct dns_entry { /* lent until the next change */
    struct dns_name name;
    uint16_t type; /* DNS_A, DNS_AAAA */
    struct rk_ip ips[DNS_NAMES_IPS];
    size_t n;           /* 0: the name has no address of this family */
    int64_t stored_ms;  /* monotonic */
    int64_t expires_ms; /* a past time: stale, still good to be served */
    int64_t retry_ms;   /* no refresh before */
    int64_t used_ms;
    bool known; /* was answered once; false: only the try is remembered */
    bool refreshing;
};

struct dns_names;

/** ttl_ms 0: DNS_NAMES_TTL_MS. Owned: dns_names_free. */
struct dns_names *dns_names_new(int64_t ttl_ms);
void dns_names_free(struct dns_names *n); /* accepts NULL */

/** The names of one role, in place of those before. Entries that no role covers any more go. More
 *  than DNS_NAMES_PER_ROLE are cut. True: something is new. */
bool dns_names_set(struct dns_names *n, enum dns_role role, const struct dns_name *v, size_t count);

/** Names of a role, lent. */
const struct dns_name *dns_names_of(const struct dns_names *n, enum dns_role role, size_t *count);

enum dns_names_match dns_names_match(const struct dns_names *n, const struct dns_name *name);

/** What is known; NULL: nothing. */
const struct dns_entry *dns_names_find(struct dns_names *n, const struct dns_name *name,
                                       uint16_t type, int64_t now_ms);

/** Ask for it now? True when it is missing or old, nobody asks already and the last failure is not
 *  fresh; then the caller owes one dns_names_store or dns_names_failed. */
bool dns_names_refresh(struct dns_names *n, const struct dns_name *name, uint16_t type,
                       int64_t now_ms);

/** An answer: count 0 says that the name has none of this family. Ignored for a name that nobody
 *  lists any more. */
void dns_names_store(struct dns_names *n, const struct dns_name *name, uint16_t type,
                     const struct rk_ip *ips, size_t count, int64_t now_ms);
void dns_names_failed(struct dns_names *n, const struct dns_name *name, uint16_t type,
                      int64_t now_ms);

/** For status and debugging: entries one by one; *pos starts at 0. */
const struct dns_entry *dns_names_next(const struct dns_names *n, size_t *pos);

/** Host of "scheme:host:port", "scheme://host:port/path", "host:port", "[v6]:port"; empty for an
 *  address literal or nonsense. A view of uri. */
struct rk_str dns_uri_host(struct rk_str uri);

#endif
