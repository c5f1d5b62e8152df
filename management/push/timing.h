/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When to send: two small state machines without clocks or threads of their own. Callers give the
 * time (mono_ms) and run the timers that the functions ask for.
 *
 * struct wake_buffer  per account: the first change wakes peers at once; what comes in while a send
 *                     runs is collected and sent one interval after it ends.
 * struct debounce     per stream: an idle stream sends at once; then everything within a window is
 *                     held, each arrival restarting it, but never longer than a maximum wait.
 */
#ifndef MGMT_PUSH_TIMING_H
#define MGMT_PUSH_TIMING_H

#include "lib/base/list.h"
#include "management/netmap/bits.h"

#define WAKE_INTERVAL_MS     1
#define DEBOUNCE_WINDOW_MS   1000
#define DEBOUNCE_MAX_WAIT_MS 2000 /* a steady flow of changes must not starve a stream */

struct wake_buffer { /* zero-initialise but for interval_ms */
    int64_t interval_ms;
    int64_t due_ms; /* of the next send; 0: none is planned */
    bool sending;
    struct bits waiting; /* owned: wake_done */
};
void wake_done(struct wake_buffer *w);

/** Add peers. true: nothing is under way, so call wake_take() and send now. */
bool wake_add(struct wake_buffer *w, const struct bits *peers);
/** A send starts: moves the collected peers to *out (replaced). */
void wake_take(struct wake_buffer *w, struct bits *out);
/** The send ended. When peers have been collected meanwhile, due_ms says when to take them. */
void wake_sent(struct wake_buffer *w, int64_t now_ms);

struct debounce_item { /* embedded in a message */
    struct rk_list node;
    bool map; /* a network map: it replaces another one directly before it */
};

struct debounce { /* debounce_init; the queue's items are the caller's */
    int64_t window_ms, max_wait_ms;
    int64_t due_ms;    /* when to call debounce_fire; 0: idle */
    int64_t oldest_ms; /* arrival of the first held item */
    struct rk_list held;
};
void debounce_init(struct debounce *d);

/** Hand in a message. true: send it now (it is not held). Else it is held, and *replaced is the
 *  older map that it takes the place of, to be freed, or NULL. */
bool debounce_add(struct debounce *d, struct debounce_item *item, int64_t now_ms,
                  struct debounce_item **replaced);
/** At or after due_ms: moves what is held to the end of *out, in order. */
void debounce_fire(struct debounce *d, int64_t now_ms, struct rk_list *out);

#endif
