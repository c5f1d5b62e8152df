/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that came before their peer; see early.h. */
#include "config.h"

#include "agent/engine/early.h"

#include <stdlib.h>

#include "lib/base/num.h"

#define EARLY_MAX         512                /* of all peers */
#define EARLY_MESSAGE_MAX ((size_t)16 << 10) /* bytes of one: strangers can send these */
#define EARLY_AGE_MS      5000               /* older ones are repeated by their senders anyway */

struct kept {
    struct rk_list link;
    struct rk_key from;
    struct rk_arena *mem;
    struct rk_str body; /* encoded */
    int64_t at_ms;
};

void early_init(struct early *q)
{
    rk_list_init(&q->msgs);
    q->n = 0;
}

static void drop(struct early *q, struct kept *k)
{
    rk_list_remove(&k->link);
    q->n--;
    rk_arena_free(k->mem);
    free(k);
}

void early_done(struct early *q)
{
    while (q->n)
        drop(q, rk_container_of(q->msgs.next, struct kept, link));
}

static void expire(struct early *q)
{
    int64_t now = rk_mono_ms();

    while (q->n) {
        struct kept *k = rk_container_of(q->msgs.next, struct kept, link);

        if (q->n <= EARLY_MAX && now - k->at_ms <= EARLY_AGE_MS)
            return;
        drop(q, k);
    }
}

static size_t size_of(const struct signal_msg *m)
{
    return m->ufrag.n + m->pwd.n + m->candidate.n + m->version.n + m->relay_url.n;
}

void early_put(struct early *q, const struct rk_key *from, const struct signal_msg *msg)
{
    struct signal_msg lean = *msg;
    struct kept *k;

    if (msg->type != SIGNAL_MSG_OFFER && msg->type != SIGNAL_MSG_ANSWER &&
        msg->type != SIGNAL_MSG_CANDIDATE)
        return;
    lean.rosenpass_key = lean.rosenpass_addr = (struct rk_str){0}; /* half a megabyte, not used */
    if (size_of(&lean) > EARLY_MESSAGE_MAX)
        return;
    k = rk_calloc(1, sizeof *k);
    k->from = *from;
    k->mem = rk_arena_new(0);
    k->at_ms = rk_mono_ms();
    rk_list_push_back(&q->msgs, &k->link);
    q->n++;
    if (signal_msg_encode(k->mem, &lean, &k->body, NULL))
        drop(q, k);
    expire(q);
}

void early_take(struct early *q, const struct rk_key *from, early_give_fn *give, void *arg)
{
    expire(q);
    RK_LIST_FOR_EACH_SAFE (it, &q->msgs) {
        struct kept *k = rk_container_of(it, struct kept, link);
        struct signal_msg msg;

        if (!rk_key_eq(&k->from, from))
            continue;
        if (signal_msg_decode(k->mem, k->body, &msg, NULL) == RK_OK)
            give(arg, &msg);
        drop(q, k);
    }
}
