/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct user_plan: active people, the hashes of their ids that maps carry, and their groups; made
 * once per change of users and shared by the versions of a snapshot. Any thread.
 */
#ifndef MGMT_SNAPSHOT_USER_PLAN_H
#define MGMT_SNAPSHOT_USER_PLAN_H

#include "lib/base/map.h"
#include "management/snapshot/state.h"

#define SSH_HASH_SIZE 16

struct ssh_user { /* an active human user */
    const struct user *u;
    uint8_t hash[SSH_HASH_SIZE]; /* BLAKE2b-128 of the id */
};

struct user_plan {
    _Atomic uint32_t refs;
    struct rk_arena *mem;
    struct sorted_array *keep; /* the users table */
    struct ssh_user *users;    /* in id order */
    uint32_t n_users;
    struct rk_str all_id;   /* id of the group All, which holds every user; empty: none */
    struct rk_map by_group; /* group id → struct ssh_members */
};

struct ssh_members {
    uint32_t *v; /* into users, ascending */
    uint32_t n;
    size_t cap;
};

/** Make s->users fit s: shares the old one when nothing that matters has changed. */
void user_plan_update(struct snapshot *s);
struct user_plan *user_plan_ref(struct user_plan *u);
void user_plan_unref(struct user_plan *u); /* accepts NULL */

/** Users of a group id, *n of them; NULL when the group has none. */
const uint32_t *user_plan_group(const struct user_plan *u, struct rk_str group_id, uint32_t *n);

#endif
