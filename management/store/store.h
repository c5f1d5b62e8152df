/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entities in the database: write one, load an account. Knows tables and columns, not rules; the
 * engine (management/engine/engine.h) decides what is written when. Store thread; inside a
 * transaction where it writes.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "management/domain/account_data.h"
#include "management/store/db.h"

struct vault;

struct store { /* what each call needs; open, filled by the caller */
    struct db *db;
    const struct vault *vault; /* for encrypted columns */
    struct rk_arena *mem;      /* results and scratch */
};

/** Insert a new entity with all that belongs to it (rules, resources, lists of groups).
 *  taken NULL: a taken unique column is RK_EXISTS. Else it sets *taken and answers RK_OK, and
 * nothing was written. Not for ENT_GROUP_PEER. */
enum rk_code store_insert(struct store *s, struct rk_str account_id, enum entity_kind kind,
                          const void *entity, bool *taken, struct rk_err *err) RK_MUST;

/** Write the differences between two states of one entity. RK_NOT_FOUND when the row is not there.
 */
enum rk_code store_update(struct store *s, struct rk_str account_id, enum entity_kind kind,
                          const void *before, const void *after, struct rk_err *err) RK_MUST;

/** Delete an entity and the rows that belong to it alone. Rows of other entities that hang on it by
 *  foreign key go too (memberships, records, tokens); the caller accounts for them. */
enum rk_code store_delete(struct store *s, enum entity_kind kind, const void *entity,
                          struct rk_err *err) RK_MUST;

/** One membership; no error when it is so already. */
enum rk_code store_member_add(struct store *s, struct rk_str account_id, struct rk_str group_id,
                              struct rk_str peer_id, struct rk_err *err) RK_MUST;
enum rk_code store_member_del(struct store *s, struct rk_str group_id, struct rk_str peer_id,
                              struct rk_err *err) RK_MUST;

/** All tables of an account into s->mem. RK_NOT_FOUND. */
enum rk_code store_load(struct store *s, struct rk_str account_id, struct account_data *out,
                        struct rk_err *err) RK_MUST;

/** One entity by id, NULL when absent. Not for ENT_GROUP_PEER. */
enum rk_code store_load_one(struct store *s, struct rk_str account_id, enum entity_kind kind,
                            struct rk_str id, const void **out, struct rk_err *err) RK_MUST;

/** Journal form of an entity: JSON object with sealed fields sealed. arena */
enum rk_code store_json(struct store *s, enum entity_kind kind, const void *entity,
                        struct rk_str *out, struct rk_err *err) RK_MUST;

/** The way back from store_json: every column of the entity, as this program knows it. id and json
 *  live as long as *out, which is in the arena. before: the state that it replaces, whose presence
 *  (not journaled) is kept; NULL: presence as in the text. Not for ENT_GROUP_PEER. Errors:
 *  RK_PRECONDITION: columns are missing, an older version wrote it; RK_INTERNAL: not that form, or
 *  sealed with another key. */
enum rk_code store_from_json(struct store *s, struct rk_str account_id, enum entity_kind kind,
                             struct rk_str id, struct rk_str json, const void *before,
                             const void **out, struct rk_err *err) RK_MUST;

/** Whether two sealed texts of a column, as store_json wrote them, say the same: each sealing gives
 *  another text. false for what cannot be opened. Any thread. */
bool store_same_sealed(const struct vault *v, enum entity_kind kind, struct rk_str id,
                       struct rk_str column, struct rk_str a, struct rk_str b);

/** Write the account's id into an entity that has a field for it. */
void store_set_account(enum entity_kind kind, void *entity, struct rk_str account_id);

/** Same content, whatever the pointers. */
bool store_equal(enum entity_kind kind, const void *a, const void *b);

#endif
