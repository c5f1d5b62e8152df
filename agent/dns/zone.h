/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_zones: the names that management gave us: peers, zones of the account, and the reverse
 * zones that follow from them (RFC 1034 4.3.2, wildcards after RFC 4592 for one label). Immutable
 * once made; pure.
 *
 * A zone is authoritative (what is not in it does not exist) or not (what is not in it is asked of
 * the next handler).
 */
#ifndef RK_AGENT_DNS_ZONE_H
#define RK_AGENT_DNS_ZONE_H

#include "lib/base/arena.h"
#include "lib/net/dnsmsg.h"
#include "schema/gen/management.pb-c.h"

#define DNS_ZONES_MAX       1024
#define DNS_ZONE_RECORDS    400000u /* 100000 peers with two names and two families */
#define DNS_ZONE_ANSWER_MAX 128     /* records of one answer */
#define DNS_ZONE_ALIASES    8

struct dns_zone { /* lent */
    struct dns_name apex;
    bool authoritative;
    bool search; /* people may leave it out at the end of a name */
    bool reverse;
};

struct dns_zones;

struct dns_zones_opts {      /* borrowed for the call */
    struct rk_prefix v4, v6; /* of the overlay: reverse zones; family 0: none */
};

/** Records and zones that cannot be used are left out and counted in *skipped. Owned:
 *  dns_zones_free. */
struct dns_zones *dns_zones_new(const Management__DNSConfig *config, const struct dns_zones_opts *o,
                                size_t *skipped);
void dns_zones_free(struct dns_zones *z); /* accepts NULL */

const struct dns_zone *dns_zones_at(const struct dns_zones *z, size_t i); /* NULL at the end */

struct dns_record {      /* lent */
    struct rk_str owner; /* wire form */
    uint16_t type;
    uint32_t ttl;
    struct rk_str data; /* wire form */
};

enum dns_found {
    DNS_FOUND_RECORDS,  /* maybe none: the name exists without that type */
    DNS_FOUND_NOTHING,  /* no such name, and the zone would know */
    DNS_FOUND_PASS,     /* no such name here: ask somebody else */
    DNS_FOUND_ELSEWHERE /* aliases lead out of our zones, to `target` */
};

struct dns_zone_answer { /* open */
    enum dns_found found;
    struct dns_name target;
    /* in order; an owner that came from a wildcard is replaced by the name asked for */
    const struct dns_record *v[DNS_ZONE_ANSWER_MAX];
    struct dns_name owner[DNS_ZONE_ALIASES + 1];
    uint8_t owner_of[DNS_ZONE_ANSWER_MAX];
    size_t n, n_owners;
};

void dns_zones_find(const struct dns_zones *z, const struct dns_name *name, uint16_t type,
                    struct dns_zone_answer *out);

/** True: leave this address out (its peer is known to be away). */
typedef bool dns_away_fn(void *arg, const struct rk_ip *ip);

/** Put the records into an answer. Addresses begin at another one with every `turn`; of two or more
 *  those that are away are left out, unless all are. away may be NULL. */
void dns_zones_write(const struct dns_zone_answer *a, struct dns_writer *w, unsigned turn,
                     dns_away_fn *away, void *arg);

#endif
