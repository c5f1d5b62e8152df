/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of struct snapshot; only for management/netmap and management/push/affected.
 *
 *   snapshot ─ tab[kind]   sorted rows of every kind (peers too)
 *            ─ pages[]     64 peers each: rows, group sets, and their encoded fragments
 *            ─ by_*        hash → peer index
 *            ─ groups[]    dense group index → row and members
 *            ─ failing     posture check → peers that fail it
 *            ─ plan        policies, routes, networks … with references resolved to indexes
 *            ─ dns, users  encoded zones and nameserver groups; who may log in by SSH
 *
 * Everything below a snapshot is reference-counted on its own and shared between versions.
 */
#ifndef MGMT_NETMAP_STATE_H
#define MGMT_NETMAP_STATE_H

#include <stdatomic.h>

#include "management/snapshot/bits.h"
#include "management/snapshot/snapshot.h"
#include "management/snapshot/sorted_array.h"

#define NO_INDEX UINT32_MAX

/* ---- rows: one entity each, in one block */

struct row {
    _Atomic uint32_t refs;
    enum entity_kind kind;
    uint32_t index;   /* ENT_PEER: peer index; ENT_GROUP: group index */
    struct rk_str id; /* points into the entity */
};
#define ROW_HEAD 48 /* the entity starts here; a multiple of 16 */

static inline const void *row_entity(const struct row *r)
{
    return (const char *)r + ROW_HEAD;
}

static inline const struct peer *row_peer(const struct row *r)
{
    return (const struct peer *)row_entity(r);
}

static inline const struct group *row_group(const struct row *r)
{
    return (const struct group *)row_entity(r);
}

struct row *row_new(enum entity_kind k, const void *entity); /* copies; one reference */
struct row *row_ref(const struct row *r);
void row_unref(const struct row *r); /* accepts NULL */

/** The row of a table, NULL when absent. */
const struct row *state_row(const struct snapshot *s, enum entity_kind k, struct rk_str id);

/* ---- group sets: the groups that one peer is in, ascending by group index */

struct gset {
    _Atomic uint32_t refs;
    uint32_t n;
    uint32_t g[];
};

/* ---- pages of 64 peers */

/* Encoded fragments of a page's peers, one behind the other: those of slot i are the bytes
 * off[i] … off[i + 1] (free slots have none). */
struct stream {
    const uint8_t *p;
    uint32_t off[65];
};

enum stream_kind {
    STREAM_REMOTE,  /* NetworkMap.remotePeers entries with tag, IPv4 only */
    STREAM_REMOTE6, /* the same with the IPv6 address */
    STREAM_DNS,     /* CustomZone.Records entries with tag: A records */
    STREAM_DNS6,    /* A and AAAA records */
    STREAM_COMPACT, /* NetworkMapComponentsFull.peers entries with tag */
    STREAM_COUNT
};

/* Pieces of a firewall rule entry, ready to copy; fixed places so that copies can overshoot. */
#define FW_IP4  0  /* field PeerIP, IPv4 */
#define FW_SRC4 32 /* field sourcePrefixes, IPv4 */
#define FW_IP6  40 /* field PeerIP, IPv6 */
#define FW_SRC6 88 /* field sourcePrefixes, IPv6 */
#define FW_SIZE 112
struct fw_addr {
    uint8_t n_ip4, n_src4, n_ip6, n_src6; /* bytes used; n_ip6 0: no IPv6 address */
    uint8_t b[FW_SIZE];
};

struct page_derived { /* made from the rows; shared by pages with equal rows */
    _Atomic uint32_t refs;
    struct stream stream[STREAM_COUNT];
    struct fw_addr fw[64];
    uint8_t bytes[];
};

struct page {
    _Atomic uint32_t refs;
    uint64_t owner;
    uint64_t used;  /* slots with a peer */
    uint64_t valid; /* … that is approved */
    uint64_t sso;   /* … whose login can expire */
    uint64_t stale; /* slots whose derived part must be made anew (only during an edit) */
    struct row *row[64];
    struct gset *groups[64];
    struct page_derived *derived;
};

struct page_list {
    _Atomic uint32_t refs;
    uint64_t owner;
    uint32_t n, cap;
    struct page *page[];
};

/* ---- groups */

struct grp {
    _Atomic uint32_t refs;
    uint64_t owner;
    struct row *row;
    struct bits members;
    uint32_t count;
};

struct grp_list {
    _Atomic uint32_t refs;
    uint64_t owner;
    uint32_t n, cap;
    struct grp *g[]; /* NULL: free index */
};

/* ---- posture verdicts */

struct failing {
    _Atomic uint32_t refs;
    uint32_t n;
    struct failing_check {
        struct row *row; /* the posture check */
        struct bits peers;
    } check[];
};

struct plan;
struct dns_plan;
struct user_plan;

/* ---- the snapshot */

struct dns_name { /* the server's DNS domain, shared by all versions */
    _Atomic uint32_t refs;
    size_t n;
    char text[];
};

struct snapshot {
    _Atomic uint32_t refs;
    uint64_t serial, epoch;
    struct dns_name *server_domain;
    struct row *account, *settings, *dns_settings;
    struct sorted_array *tab[ENT_COUNT];
    struct page_list *pages;
    uint32_t limit; /* peer indexes in use are below */
    uint32_t n_peers;
    uint32_t n_old_dns; /* peers too old for the new DNS forwarder port */
    struct bits all, valid;
    struct sorted_array *by_key, *by_label, *by_ip, *by_ip6;
    struct grp_list *groups;
    uint32_t all_group; /* index of the group named All, NO_INDEX */
    struct failing *failing;
    struct plan *plan;
    struct dns_plan *dns;
    struct user_plan *users;
};

static inline const struct page *state_page(const struct snapshot *s, uint32_t peer)
{
    return s->pages->page[peer / 64];
}

static inline const struct row *state_peer_row(const struct snapshot *s, uint32_t peer)
{
    return peer < s->limit ? state_page(s, peer)->row[peer % 64] : NULL;
}

/** A peer that exists. */
static inline const struct peer *state_peer(const struct snapshot *s, uint32_t peer)
{
    return row_peer(state_page(s, peer)->row[peer % 64]);
}

/** Groups of a peer that exists. */
static inline const struct gset *state_groups_of(const struct snapshot *s, uint32_t peer)
{
    return state_page(s, peer)->groups[peer % 64];
}

/** Dense index of a group, NO_INDEX when unknown. */
uint32_t state_group_index(const struct snapshot *s, struct rk_str id);

/** Members of a group index (empty set for a free one). */
const struct bits *state_members(const struct snapshot *s, uint32_t g);

bool gset_has(const struct gset *set, uint32_t g);

#endif
