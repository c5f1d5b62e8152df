/* SPDX-License-Identifier: BSD-3-Clause */
/* From the official server's tables to our entities, one account at a time. */
#ifndef RK_SERVER_IMPORT_MAP_H
#define RK_SERVER_IMPORT_MAP_H

#include "server/import_row.h"

struct imp_tables { /* open: what was read, by name */
    struct foreign_table accounts, onboardings, users, pats, setup_keys, peers, groups, group_peers,
        policies, rules, routes, ns_groups, postures, networks, routers, resources, zones, records,
        invites;
};

/** Read all of them. Errors: those of foreign_read; RK_PRECONDITION (too old a schema). */
enum rk_code imp_tables_read(struct imp *im, struct foreign *f, struct imp_tables *t,
                             struct rk_err *err) RK_MUST;

/** The account of a row. Faults are in im->err. arena */
void imp_account(struct imp *im, const struct imp_tables *t, imp_row account,
                 struct account_data *out);

#endif
