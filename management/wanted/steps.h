/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What leads from an account to what a file says: objects to make, to change and to delete, in an
 * order in which nothing refers to what is not there; and each step as the body that the REST API
 * takes. Pure; any thread.
 */
#ifndef MGMT_WANTED_STEPS_H
#define MGMT_WANTED_STEPS_H

#include "management/wanted/set.h"

enum want_op { WANT_CREATE, WANT_UPDATE, WANT_DELETE };

const char *want_op_text(enum want_op op); /* "create", "update", "delete" */

struct want_step { /* open, arena */
    enum want_op op;
    enum want_kind kind;
    struct want_object *want; /* of the file; NULL: delete */
    struct want_object *have; /* of the account; NULL: create */
    struct str_list fields;   /* that are changed */
};

struct want_names; /* names of the file and the account → objects */

struct want_plan { /* open, arena */
    const struct snapshot *snap;
    struct want_names *names;
    struct want_step *steps;
    size_t n;
};

/** Compare. have: want_present of snap. *out in any case for want_plan_done. Errors: RK_INVALID,
 * "line L: …": an id of nothing, a name that several have, a change that cannot be made. */
enum rk_code want_match(struct rk_arena *mem, const struct snapshot *snap, struct want_set *have,
                        struct want_set *want, struct want_plan *out, struct rk_err *err) RK_MUST;

void want_plan_done(struct want_plan *p);

/** The body of a step that makes or changes something, appended to out; every object before it in
 *  the plan has its id by now. Errors: RK_INVALID, "line L: …": a name of nothing, or of several.
 */
enum rk_code want_body(struct rk_arena *mem, const struct want_plan *p,
                       const struct want_step *step, struct rk_buf *out,
                       struct rk_err *err) RK_MUST;

#endif
