/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values as the official server's ORM writes them (spec of its store: JSON in text columns,
 * addresses in quotes, durations in ns, times as text with a zone, AES-256-GCM for names).
 * Faults are sticky in struct imp: the first one stops the import, with table and id.
 */
#ifndef RK_SERVER_IMPORT_ROW_H
#define RK_SERVER_IMPORT_ROW_H

#include <jansson.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "management/domain/account_data.h"
#include "management/store/foreign.h"

struct imp {              /* open */
    struct rk_arena *mem; /* wiping */
    uint8_t key[32];      /* of the encrypted columns */
    bool has_key;
    const char *table; /* what is read now, for errors */
    struct rk_err err; /* sticky */
    json_t *notes;     /* array of sentences: what was left out, and why */
};

typedef const struct foreign_row *imp_row;

struct rk_str imp_text(struct imp *im, imp_row r, const char *col);
int64_t imp_i64(struct imp *im, imp_row r, const char *col);
bool imp_bool(struct imp *im, imp_row r, const char *col);
int64_t imp_time_us(struct imp *im, imp_row r, const char *col);      /* year 1 and NULL: 0 */
struct rk_str imp_secret(struct imp *im, imp_row r, const char *col); /* opened */
json_t *imp_json(struct imp *im, imp_row r, const char *col);         /* owned; NULL for empty */
struct str_list imp_list(struct imp *im, imp_row r, const char *col);
struct str_list imp_list_of(struct imp *im, const json_t *j);
struct rk_ip imp_ip(struct imp *im, imp_row r, const char *col);
struct rk_prefix imp_prefix(struct imp *im, imp_row r, const char *col);
struct rk_prefix imp_net(struct imp *im, imp_row r, const char *col); /* {"IP":…,"Mask":…} */
struct rk_str imp_str_of(struct imp *im, const json_t *object, const char *key);

/** Open a sealed text. "" stays "". Errors are sticky: RK_UNAUTHENTICATED (another key). */
struct rk_str imp_open(struct imp *im, struct rk_str sealed);

/** Key from its configured text. RK_INVALID. */
enum rk_code imp_key(struct imp *im, struct rk_str base64, struct rk_err *err) RK_MUST;

__attribute__((format(printf, 2, 3))) void imp_note(struct imp *im, const char *fmt, ...);
void imp_fault(struct imp *im, enum rk_code rc, const char *col, const char *what);

#endif
