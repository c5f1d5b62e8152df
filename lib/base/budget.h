/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct rk_budget: how many bytes all strangers together, and each address, may make us keep
 * (unfinished requests, unsent answers). Who keeps some holds a share and says how much it is; the
 * budget never takes anything away, it only tells how tight it is, and the holder decides what to
 * do without. Any thread; a share belongs to one thread at a time.
 */
#ifndef RK_BASE_BUDGET_H
#define RK_BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

struct rk_budget;
struct rk_budget_key; /* private: what one address holds */

enum rk_budget_level {
    RK_BUDGET_ROOM,
    RK_BUDGET_TIGHT, /* more than half is taken: start nothing that can wait, hurry the slow */
    RK_BUDGET_FULL,  /* refuse */
};

struct rk_budget_share { /* embedded by the holder; zero: holds nothing of no budget */
    struct rk_budget *budget;
    struct rk_budget_key *key;
    size_t held;
};

/** max_bytes of everybody, max_key_bytes of one key. Owned: rk_budget_free, after all shares. */
struct rk_budget *rk_budget_new(size_t max_bytes, size_t max_key_bytes);
void rk_budget_free(struct rk_budget *b); /* accepts NULL */

/** Begin to hold, 0 bytes at first. key: whose share it is (copied, at most RK_BUDGET_KEY_MAX
 *  bytes); empty: it counts for the total only. b NULL: counts nowhere, there is always room. */
void rk_budget_join(struct rk_budget *b, struct rk_str key, struct rk_budget_share *s);
void rk_budget_leave(struct rk_budget_share *s); /* gives all back; harmless twice */
#define RK_BUDGET_KEY_MAX 24

/** The share holds n bytes now. Always counts; the level after it is returned. */
enum rk_budget_level rk_budget_hold(struct rk_budget_share *s, size_t n);
enum rk_budget_level rk_budget_level(const struct rk_budget_share *s);

/** Whether s must do with less: always when the budget is full; when it is tight, who holds much
 *  gives way first. */
bool rk_budget_short(const struct rk_budget_share *s);
#define RK_BUDGET_MUCH ((size_t)64 * 1024)

/** Tell fell(arg) when much has been held and most of it has been given back: the time to return
 *  memory to the system. On whatever thread gave back; before the first share. */
void rk_budget_on_fall(struct rk_budget *b, void (*fell)(void *arg), void *arg);

/** Bytes held by all shares, for metrics and tests. */
size_t rk_budget_used(const struct rk_budget *b);

#endif
