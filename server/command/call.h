/* SPDX-License-Identifier: BSD-3-Clause */
/* What the commands share; included by server/command only. */
#ifndef RK_SERVER_COMMAND_CALL_H
#define RK_SERVER_COMMAND_CALL_H

#include "management/ops/op.h"
#include "server/command/command.h"

struct call {
    struct commands *commands;
    struct rk_arena *mem; /* wiping */
    struct db *db;
    struct op op;       /* as the owner; op.m NULL: the server has no account yet */
    const json_t *args; /* object of texts, numbers and booleans */
    json_t *result;     /* set by the command, owned by command_run */
};

typedef enum rk_code command_fn(struct call *c, struct rk_err *err);

struct command_row { /* a row */
    const char *name;
    command_fn *fn;
    bool changes; /* something in the store, or how the server works: worth a line in the log */
};

/* Tables of the files of this folder; the last row has no name. */
extern const struct command_row COMMAND_USERS[], COMMAND_KEYS[], COMMAND_PEERS[], COMMAND_STATE[],
    COMMAND_QUESTIONS[], COMMAND_NETWORK[];

/** Argument as text, empty when absent. Lent by args. */
struct rk_str arg_text(const struct call *c, const char *name);
int64_t arg_i64(const struct call *c, const char *name, int64_t otherwise);
bool arg_bool(const struct call *c, const char *name);
/** RK_INVALID naming the option when it is absent. */
enum rk_code arg_need(const struct call *c, const char *name, struct rk_str *out,
                      struct rk_err *err) RK_MUST;
/** Comma-separated names or ids of groups as ids. arena */
enum rk_code arg_groups(const struct call *c, const char *name, struct str_list *out,
                        struct rk_err *err) RK_MUST;
/** The user that email or user-id names. Errors: RK_INVALID (neither), RK_NOT_FOUND. */
enum rk_code arg_user(const struct call *c, const struct user **out, struct rk_err *err) RK_MUST;

/** JSON text as the result; the text is released. Errors: RK_LIMIT (too long). */
enum rk_code call_answer(struct call *c, struct rk_buf *text, struct rk_err *err) RK_MUST;

json_t *j_text(struct rk_str s);
json_t *j_time(int64_t unix_us); /* RFC 3339, null for 0 */

#endif
