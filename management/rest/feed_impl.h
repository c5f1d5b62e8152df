/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by feed.c (thread and listeners) and feed_show.c (what a listener may know, as text). */
#ifndef MGMT_REST_FEED_IMPL_H
#define MGMT_REST_FEED_IMPL_H

#include "lib/base/buf.h"
#include "management/engine/presence.h"
#include "management/ops/history.h"
#include "management/rest/feed.h"

struct feed_sub { /* thread only, once it is in feed.subs */
    struct rk_list link;
    struct rk_str account_id, user_id, pat_id; /* owned */
    struct http_live *live;                    /* one reference */
    bool events;
    bool fresh;                      /* has heard nothing yet */
    bool behind;                     /* the journal has more for it */
    bool lost;                       /* of presence: is told to look again once there is room */
    bool reset;                      /* one answer: what is known is of no use */
    int64_t seq;                     /* last entry that it knows; -1: the last there is */
    int64_t since_us;                /* see struct feed_want */
    int64_t end_ms;                  /* one answer: has to be given; else: end of its life */
    int64_t beat_ms;                 /* next sign of life */
    struct rk_buf changes, presence; /* one answer: what it will hold, without the brackets */
    const struct user *user;         /* of the round */
};

/** Does the listener still have its rights? Sets s->user for this round. */
bool feed_sub_valid(struct mgmt *m, const struct snapshot *snap, struct feed_sub *s);

/** Tell a listener of one entry, when it may know. false: no room, nothing was told. */
bool feed_show_entry(struct mgmt *m, const struct snapshot *snap, struct feed_sub *s,
                     const struct history_entry *e, struct rk_arena *mem);

/** Of the present presence of a peer, when it may know. Without room s->lost. */
void feed_show_presence(struct mgmt *m, const struct snapshot *snap, struct feed_sub *s,
                        const struct peer *p);

/** "ready" or "reset" with the place in the journal. false: no room. */
bool feed_show_place(struct mgmt *m, struct feed_sub *s, const char *event);

/** Give the one answer, and end it. */
void feed_show_answer(struct mgmt *m, struct feed_sub *s);

#endif
