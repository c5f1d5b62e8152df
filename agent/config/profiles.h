/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The profiles of a machine: files of the state folder in the places where official agents have
 * them, so that their folder can be taken over.
 *
 *   DIR/default.json          DIR/state.json            the profile that is always there
 *   DIR/USER/ID.json          DIR/USER/ID.state.json    those that a user of this machine has added
 *   DIR/active_profile.json   {"name": ID, "username": USER}
 *
 * An ID is 32 hexadecimal digits; files that official agents have named otherwise keep their names.
 * A handle is what people type: an ID, the beginning of one, or a display name, when only one
 * profile of that user (or "default") fits. Loop thread or main thread; reads and writes at once.
 */
#ifndef RK_AGENT_PROFILES_H
#define RK_AGENT_PROFILES_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define PROFILES_NAME_MAX 128 /* characters of a display name */
#define PROFILES_ID_MAX   64  /* of a file's name before ".json" */

struct profiles;

/** dir: state folder. file: the one profile of a daemon that was started with --config, or empty.
 *  A state folder of official agents without default.json gets the file of their early versions
 *  (`legacy`, may be NULL). A damaged active_profile.json means "default". Owned: profiles_free. */
struct profiles *profiles_open(struct rk_str dir, struct rk_str file, const char *legacy);
void profiles_free(struct profiles *ps); /* accepts NULL */

struct profile_ref {        /* texts of an arena */
    struct rk_str id, user; /* user is empty for "default" */
    struct rk_str name;     /* for people */
    struct rk_str path, state_path;
};

/** The active one. arena */
struct profile_ref profiles_active(struct profiles *ps, struct rk_arena *mem);
/** Make one active; kept over restarts. */
enum rk_code profiles_activate(struct profiles *ps, const struct profile_ref *r,
                               struct rk_err *err) RK_MUST;

/** What a user of the machine (by profiles_user) means. arena. Errors: RK_NOT_FOUND, RK_INVALID
 *  (more than one fits; --config allows one profile only). */
enum rk_code profiles_find(struct profiles *ps, struct rk_arena *mem, struct rk_str user,
                           struct rk_str handle, struct profile_ref *out,
                           struct rk_err *err) RK_MUST;

/** [{"id", "name", "active"}], "default" first. Owned by the caller. */
json_t *profiles_list(struct profiles *ps, struct rk_str user);

/** A new one, whose file is made with its first use. arena. RK_INVALID, RK_INTERNAL. */
enum rk_code profiles_add(struct profiles *ps, struct rk_arena *mem, struct rk_str user,
                          struct rk_str name, struct profile_ref *out, struct rk_err *err) RK_MUST;
enum rk_code profiles_rename(struct profiles *ps, const struct profile_ref *r, struct rk_str name,
                             struct rk_err *err) RK_MUST;
/** With its state. RK_INVALID: the active one, or "default". */
enum rk_code profiles_remove(struct profiles *ps, const struct profile_ref *r,
                             struct rk_err *err) RK_MUST;

/** The folder of a user: the name by /etc/passwd without what may not stand in a path, else
 *  "uid-N". (Not by NSS, which may ask the network.) arena */
struct rk_str profiles_user(struct rk_arena *mem, uid_t uid);

#endif
