/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct snapshot: an immutable, reference-counted picture of ONE account, made for fast maps.
 *
 *   store --account_data--> snap_build() --> snapshot v7 --changes--> snap_apply() --> snapshot v8
 *                                                 |  shares every unchanged page and row  |
 *                                                 +------------- readers: ref, read, unref
 *
 * Any thread may read, ref and unref; nothing takes a lock. What a function lends (struct peer * …)
 * lives as long as the caller's reference. References between rows may dangle (a group that names a
 * peer that is gone, a rule that names an unknown group): such references select nothing.
 *
 * Peers have dense indexes: small numbers for bit sets. A peer keeps its index from version to
 * version while snap_epoch() stays the same; a freed index is not given to another peer in that
 * epoch. After many deletions a new epoch renumbers all peers.
 */
#ifndef MGMT_NETMAP_SNAPSHOT_H
#define MGMT_NETMAP_SNAPSHOT_H

#include "management/domain/account_data.h"
#include "management/snapshot/bits.h"

struct snapshot;

#define SNAP_NO_PEER UINT32_MAX

struct snap_opts {
    struct rk_str dns_domain; /* the server's, used while settings.dns_domain is empty; copied */
};

/** Snapshot of full tables with serial d->account.serial. Everything is copied. Never NULL (no
 *  memory aborts). Duplicate ids: the later row wins. Owned: snap_unref. */
struct snapshot *snap_build(const struct account_data *d, const struct snap_opts *opts);

/**
 * The next version: `old` with n changes applied in order, and a serial of its own (normally old's,
 * or plus one). The cost is that of what changed, not of the account: one peer or membership in a
 * 10,000-peer account takes tens of microseconds. Changes are copied; old is untouched.
 * Owned: snap_unref.
 */
struct snapshot *snap_apply(const struct snapshot *old, const struct change *changes, size_t n,
                            uint64_t serial);

struct snapshot *snap_ref(const struct snapshot *s); /* same object; NULL gives NULL */
void snap_unref(const struct snapshot *s);           /* accepts NULL */
void snap_unrefp(struct snapshot **s);               /* for RK_CLEANUP */

uint64_t snap_serial(const struct snapshot *s);
uint64_t snap_epoch(const struct snapshot *s); /* unique in the process; see above */
const struct account *snap_account(const struct snapshot *s);
const struct settings *snap_settings(const struct snapshot *s);
const struct dns_settings *snap_dns_settings(const struct snapshot *s);

/** settings.dns_domain or the server's; may be empty. */
struct rk_str snap_dns_domain(const struct snapshot *s);

/* ---- rows by id. NULL when there is none. ENT_GROUP_PEER has no rows here: see members below. */
const void *snap_find(const struct snapshot *s, enum entity_kind k, struct rk_str id);
size_t snap_count(const struct snapshot *s, enum entity_kind k);

static inline const struct user *snap_user(const struct snapshot *s, struct rk_str id)
{
    return (const struct user *)snap_find(s, ENT_USER, id);
}

static inline const struct setup_key *snap_setup_key(const struct snapshot *s, struct rk_str id)
{
    return (const struct setup_key *)snap_find(s, ENT_SETUP_KEY, id);
}

static inline const struct group *snap_group(const struct snapshot *s, struct rk_str id)
{
    return (const struct group *)snap_find(s, ENT_GROUP, id);
}

static inline const struct policy *snap_policy(const struct snapshot *s, struct rk_str id)
{
    return (const struct policy *)snap_find(s, ENT_POLICY, id);
}

static inline const struct peer *snap_peer(const struct snapshot *s, struct rk_str id)
{
    return (const struct peer *)snap_find(s, ENT_PEER, id);
}

/** Rows of a kind in id order (ids are time-ordered, so mostly by age; peers: by index):
 *      for (struct snap_iter it = snap_iter(s, ENT_ROUTE); (r = snap_next(&it)) != NULL;) */
struct snap_iter {
    const struct snapshot *s;
    enum entity_kind kind;
    size_t page, at;
};
struct snap_iter snap_iter(const struct snapshot *s, enum entity_kind k);
const void *snap_next(struct snap_iter *it);

/** First group with exactly this name, NULL when there is none; the group named All. */
const struct group *snap_group_by_name(const struct snapshot *s, struct rk_str name);
const struct group *snap_group_all(const struct snapshot *s);

/* ---- peers and dense indexes */

/** Indexes below this number may be in use. Size bit sets by it. */
uint32_t snap_peer_limit(const struct snapshot *s);

/** All peers as a set; borrowed. */
const struct bits *snap_peers(const struct snapshot *s);

/** SNAP_NO_PEER when unknown. key: WireGuard public key, base64. */
uint32_t snap_index_of(const struct snapshot *s, struct rk_str peer_id);
uint32_t snap_index_by_key(const struct snapshot *s, struct rk_str key);
uint32_t snap_index_by_label(const struct snapshot *s, struct rk_str dns_label);
uint32_t snap_index_by_ip(const struct snapshot *s, const struct rk_ip *ip); /* IPv4 or IPv6 */

/** NULL for a free index. */
const struct peer *snap_peer_at(const struct snapshot *s, uint32_t index);

/* ---- membership */

/** Members of a group as peer indexes, borrowed; the empty set for an unknown group. Members that
 *  are not in the peer table are not in it. */
const struct bits *snap_group_members(const struct snapshot *s, struct rk_str group_id);
size_t snap_group_size(const struct snapshot *s, struct rk_str group_id);

/** Groups of a peer in id order, as an arena array of *n borrowed rows. */
const struct group **snap_peer_groups(const struct snapshot *s, uint32_t index,
                                      struct rk_arena *mem, size_t *n);

bool snap_is_member(const struct snapshot *s, struct rk_str group_id, uint32_t index);

#endif
