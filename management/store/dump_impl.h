/* SPDX-License-Identifier: BSD-3-Clause */
/* What dump.c and dump_load.c share; nobody else includes this. */
#ifndef STORE_DUMP_IMPL_H
#define STORE_DUMP_IMPL_H

#include "management/domain/types.h"
#include "management/store/dump.h"

#define DUMP_MAGIC    "rookery-backup 1"
#define DUMP_LINE_MAX ((size_t)64 << 20)

/** Names of tables in alphabetical order, without those that are not dumped. arena */
enum rk_code dump_tables(struct db *db, struct rk_arena *mem, struct str_list *out,
                         struct rk_err *err) RK_MUST;
/** First column of a query with at most one argument. `sql` must outlive db. arena */
enum rk_code dump_names(struct db *db, const char *sql, struct rk_arena *mem, struct rk_str table,
                        struct str_list *out, struct rk_err *err) RK_MUST;
/** Add a row (without its line end) to the sum of its table. */
void dump_sum_add(uint64_t sum[2], struct rk_str line);

#endif
