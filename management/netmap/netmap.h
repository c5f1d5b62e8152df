/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network map of one peer: a pure function of (snapshot, peer, options). No SQL, no I/O, no
 * locks; equal inputs give equal bytes. Any thread.
 */
#ifndef MGMT_NETMAP_NETMAP_H
#define MGMT_NETMAP_NETMAP_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "management/snapshot/snapshot.h"

/* SSH by JWT: where agents get the keys that sign users' tokens. Absent when issuer is empty. */
struct netmap_jwt {
    struct rk_str issuer;
    struct rk_str audience; /* for agents before 0.63.0: the CLI's when configured */
    struct rk_str keys_location;
    struct str_list audiences; /* the main one, then the CLI's when it differs */
};

struct netmap_opts {          /* borrowed for the call */
    int64_t now_us;           /* unix time that login expiry is judged by */
    struct rk_str user_claim; /* claim that names the user in SSH tokens; empty: "sub" */
    struct netmap_jwt jwt;
    const struct peer_meta *meta; /* the receiver's meta instead of the stored one (Login); NULL */
};

/**
 * Append the bytes of management.NetworkMap (all fields but those that no server sends), for the
 * peer at `index`. out should be empty or prepared by the caller; when it is `full` afterwards the
 * map did not fit. A free index gives the map of a deleted peer (netmap_encode_deleted).
 */
void netmap_encode(const struct snapshot *s, uint32_t index, const struct netmap_opts *opts,
                   struct rk_buf *out);

/** Bytes of management.PeerConfig as in the map: for the copies in SyncResponse and LoginResponse.
 *  ssh_by_policy: what netmap_ssh_by_policy() says; netmap_encode() works it out by itself. */
void netmap_encode_peer_config(const struct snapshot *s, uint32_t index,
                               const struct netmap_opts *opts, bool ssh_by_policy,
                               struct rk_buf *out);

/** Whether some policy switches on the SSH server of the peer. */
bool netmap_ssh_by_policy(const struct snapshot *s, uint32_t index, const struct netmap_opts *opts);

/** NetworkMap bytes for a peer that was deleted: serial, empty lists with their flags, forwarder
 *  port. */
void netmap_encode_deleted(const struct snapshot *s, struct rk_buf *out);

/** Bytes of management.NetworkMapEnvelope (component form): nothing for a free index. Send it only
 *  to peers whose meta.sync_message_version is exactly 1, and never NetworkMap beside it. */
void netmap_encode_envelope(const struct snapshot *s, uint32_t index,
                            const struct netmap_opts *opts, struct rk_buf *out);

/** Process paths of the posture checks that apply to the peer: one entry per check (Checks.Files).
 *  arena; *n entries. */
struct str_list *netmap_checks(const struct snapshot *s, uint32_t index, struct rk_arena *mem,
                               size_t *n);

/** Who the peer can reach, or is reached by: the peers in its map, online and offline. Replaces
 *  *out. */
void netmap_accessible(const struct snapshot *s, uint32_t index, const struct netmap_opts *opts,
                       struct bits *out);

/** 22054 when every peer of the account runs 0.59.0 or newer, else 5353. */
int64_t netmap_forwarder_port(const struct snapshot *s);

#endif
