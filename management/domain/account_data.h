/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All tables of one account: what the store loads and snap_build() reads. Also says how entities
 * are copied, because this is where all their headers meet.
 */
#ifndef MGMT_DOMAIN_ACCOUNT_DATA_H
#define MGMT_DOMAIN_ACCOUNT_DATA_H

#include "lib/base/arena.h"
#include "management/domain/account.h"
#include "management/domain/change.h"
#include "management/domain/dns.h"
#include "management/domain/event.h"
#include "management/domain/group.h"
#include "management/domain/job.h"
#include "management/domain/network.h"
#include "management/domain/peer.h"
#include "management/domain/policy.h"
#include "management/domain/posture.h"
#include "management/domain/route.h"
#include "management/domain/service.h"
#include "management/domain/settings.h"
#include "management/domain/setup_key.h"
#include "management/domain/token.h"
#include "management/domain/types.h"
#include "management/domain/user.h"

/* Open; arrays in any order; references may dangle. A table may be left empty when the owner does
 * not keep it in memory (jobs, for example): lookups then find nothing. */
struct account_data {
    struct account account;
    struct settings settings;
    struct dns_settings dns_settings;
    struct user *users;
    size_t n_users;
    struct pat *pats;
    size_t n_pats;
    struct setup_key *setup_keys;
    size_t n_setup_keys;
    struct peer *peers;
    size_t n_peers;
    struct group *groups;
    size_t n_groups;
    struct group_peer *group_peers;
    size_t n_group_peers;
    struct policy *policies;
    size_t n_policies;
    struct posture *postures;
    size_t n_postures;
    struct route *routes;
    size_t n_routes;
    struct network *networks;
    size_t n_networks;
    struct resource *resources;
    size_t n_resources;
    struct router *routers;
    size_t n_routers;
    struct ns_group *ns_groups;
    size_t n_ns_groups;
    struct zone *zones;
    size_t n_zones;
    struct record *records; /* order inside a zone is kept in maps */
    size_t n_records;
    struct invite *invites;
    size_t n_invites;
    struct job *jobs;
    size_t n_jobs;
    struct service *services;
    size_t n_services;
    struct proxy_domain *proxy_domains;
    size_t n_proxy_domains;
};

/** sizeof the struct of a kind. */
size_t entity_size(enum entity_kind k);

/** The id field of an entity (ENT_GROUP_PEER: the group's id; settings have none: empty). */
struct rk_str entity_id(enum entity_kind k, const void *entity);

/** Deep copy of an entity: struct, texts and arrays. arena */
void *entity_dup(struct rk_arena *mem, enum entity_kind k, const void *entity);

/** Deep copy in one malloc'd block with `head` bytes of the caller's before the struct; the entity
 *  is at (char *)result + head, head being rounded up to 16 by the caller. Owned: free(). */
void *entity_dup_block(enum entity_kind k, const void *entity, size_t head);

/** One array of account_data: its address and length by kind. false for the three single structs.
 */
bool account_data_table(const struct account_data *d, enum entity_kind k, const void **items,
                        size_t *n);

#endif
