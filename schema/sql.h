/* SPDX-License-Identifier: BSD-3-Clause */
/* The numbered files of schema/sql and schema/traffic, embedded by schema/sql2c.sh. Read by
 * management/store/migrate. */
#ifndef SCHEMA_SQL_H
#define SCHEMA_SQL_H

#include <stddef.h>

struct schema_sql {
    unsigned number;  /* 1, 2, …: no gaps */
    const char *name; /* "0001_init" */
    const char *text; /* with the @words@ that migrate replaces */
};

extern const struct schema_sql SCHEMA_SQL[];
extern const size_t SCHEMA_SQL_N;

extern const struct schema_sql SCHEMA_TRAFFIC_SQL[]; /* of the store of traffic events */
extern const size_t SCHEMA_TRAFFIC_SQL_N;

#endif
