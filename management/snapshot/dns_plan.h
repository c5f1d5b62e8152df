/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_plan: zones and nameserver groups already encoded, with the groups they are for; made
 * once per change of DNS objects and shared by the versions of a snapshot. Any thread.
 */
#ifndef MGMT_SNAPSHOT_DNS_PLAN_H
#define MGMT_SNAPSHOT_DNS_PLAN_H

#include "lib/base/buf.h"
#include "management/snapshot/plan.h"
#include "management/snapshot/state.h"

/* fields of CustomZone */
enum { ZONE_DOMAIN = 1, ZONE_RECORDS, ZONE_SEARCH_DISABLED, ZONE_NON_AUTHORITATIVE };
/* fields of DNSConfig whose entries are encoded here */
enum { CONFIG_SERVERS = 2, CONFIG_ZONES };

struct dns_zone {
    struct glist groups;
    struct rk_str field; /* DNSConfig.CustomZones entry with tag */
    struct rk_str body;  /* the same CustomZone without tag and length */
};

struct dns_servers {
    const struct ns_group *g;
    struct glist groups;
    struct rk_str field; /* DNSConfig.NameServerGroups entry with tag */
};

struct dns_service { /* a private service: one A record per proxy peer in its apex's zone */
    struct glist groups;
    struct rk_str apex;    /* with trailing dot */
    struct rk_str records; /* CustomZone.Records entries with tag */
};

struct dns_plan {
    _Atomic uint32_t refs;
    struct rk_arena *mem;
    struct sorted_array *keep_ns, *keep_zones; /* tables whose rows are borrowed */
    struct glist disabled;                     /* groups without DNS management */
    struct dns_zone *zones;
    uint32_t n_zones;
    struct dns_servers *servers;
    uint32_t n_servers;
    struct dns_service *services; /* those with records, by apex */
    uint32_t n_services;
};

struct dns_plan *dns_plan_new(const struct snapshot *s);
struct dns_plan *dns_plan_ref(struct dns_plan *d);
void dns_plan_unref(struct dns_plan *d); /* accepts NULL */

/** Some group of the set is in the list. */
bool gset_meets(const struct gset *set, const struct glist *l);

#endif
