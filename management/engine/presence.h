/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Presence of peers: connected, last seen, and which sync stream counts. Not account configuration:
 * kept beside the snapshot, in memory, and written to the database in batches about once a second
 * (so a kill loses at most that much of "last seen"; at start nobody is connected anyway).
 * Any thread, never blocks on SQL.
 */
#ifndef MGMT_PRESENCE_H
#define MGMT_PRESENCE_H

#include "management/engine/engine.h"

struct presence { /* open */
    bool connected;
    int64_t last_seen_us;
    int64_t token; /* of the stream that counts; 0: none */
};

/** A sync stream starts. token: its start in ns, larger than that of any earlier stream. false: a
 *  newer stream is there already, nothing changed. */
bool presence_connect(struct mgmt *m, struct rk_str peer_id, int64_t token);

/** A sync stream ends. false: it was not the one that counts, nothing changed. */
bool presence_disconnect(struct mgmt *m, struct rk_str peer_id, int64_t token);

/** Heard of without a stream (proxy traffic). */
void presence_seen(struct mgmt *m, struct rk_str peer_id);

/** Current presence of a peer of a snapshot. */
struct presence presence_of(struct mgmt *m, const struct peer *p);

/* Embedded in the listener's struct. changed() runs on whatever thread noticed that a stream of a
 * peer began or ended, here or at another process; presence_of says what that comes to. It must be
 * quick. */
struct presence_observer {
    void (*changed)(struct presence_observer *o, struct rk_str peer_id);
    struct rk_list link; /* private */
};

/** Any thread, but before traffic starts. Stays until mgmt_close. */
void presence_observe(struct mgmt *m, struct presence_observer *o);

/** Peers with an open stream on this process. */
size_t presence_connected_count(struct mgmt *m);

/** When a token was used last: the stored time or a newer one that waits for the next batch. */
void pat_used(struct mgmt *m, struct rk_str pat_id);
int64_t pat_last_used_us(struct mgmt *m, const struct pat *p);

/** Write what is pending now, and wait for it. Store thread; for tests and at exit. */
enum rk_code presence_flush(struct mgmt *m, struct rk_err *err) RK_MUST;

#endif
