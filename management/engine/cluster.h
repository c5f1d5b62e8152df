/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who else lives: the processes that share one PostgreSQL, each a row of table `node`.
 *
 *   every second   beat: our row gets the database's time; all rows are read
 *   a row whose time has not moved for CLUSTER_DEAD_MS of our own, unbroken watching is dead:
 *   one of us deletes it and ends its presence in the same transaction; its leases are free then
 *
 * A process that was only paused finds its row gone at the next beat. It joins again with a new
 * epoch and says anew who is connected to it; what it still wanted to write under a lease of the
 * old epoch is refused (lease.h). A pause of the database ends nobody: watching begins anew.
 *
 * On SQLite a process is alone: it has an id and an epoch, and nobody ever joins or dies.
 */
#ifndef MGMT_CLUSTER_H
#define MGMT_CLUSTER_H

#include "management/engine/engine.h"

#define CLUSTER_BEAT_MS     1000
#define CLUSTER_DEAD_MS     7000
#define CLUSTER_DEAD_OLD_MS 30000 /* of processes of the release before: they beat every 5 s */

struct cluster_node {            /* open */
    struct rk_str id;            /* RK_XID_LEN characters */
    int64_t epoch;               /* of its present membership; 0: a process of the release before */
    struct rk_str version;       /* of the program; empty as above */
    struct rk_str host;          /* name of its machine */
    int64_t started_us, seen_us; /* by the database's clock */
    struct rk_str relay;         /* address of its relay as agents are told it; may be empty */
    struct rk_str secret_check;  /* tells whether its relay takes our agents' tokens */
    int64_t lag_versions, lag_us; /* how far it is behind the store, as it says */
    bool self;
};

struct cluster_nodes {
    const struct cluster_node *v; /* in the order of their start; ours among them */
    size_t n;
};

/** Our id and the epoch of our membership. The id stays, the epoch changes when we joined again.
 *  Any thread. */
const char *cluster_self(struct mgmt *m);
int64_t cluster_epoch(struct mgmt *m);

/** Who lived at the last beat. arena. Any thread. */
struct cluster_nodes cluster_list(struct mgmt *m, struct rk_arena *mem);

/** Channel on which others send to that process (NOTIFY): a name of PostgreSQL. */
#define CLUSTER_CHANNEL_TEXT 40
void cluster_channel(struct rk_str node_id, char out[CLUSTER_CHANNEL_TEXT]);

/** Relay address that the others shall tell their agents ("": none), and a hash of the secret that
 *  its tokens are made with; copied. Shown with the next beat, which is asked for at once. A living
 *  process with another hash is logged as an error. Any thread. */
void cluster_announce(struct mgmt *m, struct rk_str relay, struct rk_str secret_check);

/** How far this process is behind the store; shown with the next beat. Any thread. */
void cluster_set_lag(struct mgmt *m, int64_t versions, int64_t us);

enum cluster_event {
    CLUSTER_JOINED,   /* is there, perhaps since long */
    CLUSTER_CHANGED,  /* another relay address */
    CLUSTER_LEFT,     /* said farewell, or was declared dead; what it owned is free */
    CLUSTER_REJOINED, /* ours: we were taken for dead meanwhile and have a new epoch */
};

/* Embedded in the listener's struct. changed() runs on the cluster's thread, which must not be kept
 * long; node is borrowed for the call. */
struct cluster_observer {
    void (*changed)(struct cluster_observer *o, enum cluster_event what,
                    const struct cluster_node *node);
    struct rk_list link; /* private */
};

/** Stays until mgmt_close. The others that live are told as JOINED, with the next beat at the
 *  latest, on the cluster's thread. Any thread. */
void cluster_observe(struct mgmt *m, struct cluster_observer *o);

/** The database's clock, as of the last beat carried on by ours, in ns; never twice the same and
 *  never smaller than before in this process. Numbers of sessions come from it, so that a later
 *  stream has the larger one whichever process it reached. Any thread. */
int64_t cluster_session(struct mgmt *m);

#endif
