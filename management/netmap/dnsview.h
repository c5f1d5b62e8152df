/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS of maps. struct dns_plan holds zones and nameserver groups already encoded, with the groups
 * they are for; made once per change of DNS objects.
 */
#ifndef MGMT_NETMAP_DNSVIEW_H
#define MGMT_NETMAP_DNSVIEW_H

#include "lib/base/buf.h"
#include "management/snapshot/plan.h"
#include "management/snapshot/state.h"

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

struct view;

/** NetworkMap.DNSConfig of the view's receiver. */
void dnsview_put(const struct view *v, struct rk_buf *out);

/** The user and private-service zones of the receiver as entries of a repeated CustomZone field. */
void dnsview_put_zones(const struct view *v, unsigned field, struct rk_buf *out);

/** Records of the peers in the set: entries of a repeated SimpleRecord field with number 2. */
void dnsview_put_records(const struct view *v, const struct bits *peers, struct rk_buf *out);

#endif
