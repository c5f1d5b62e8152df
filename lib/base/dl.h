/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A shared library that is loaded when it is first needed: most servers never speak to PostgreSQL
 * or to an identity provider, and should not carry the two dozen libraries that libpq and libcurl
 * bring along.
 *
 * One file per library holds a table of function pointers (named as the functions), the list that
 * fills it and one struct rk_dl; see management/store/pq_dl.c. The headers of the library give the
 * types at build time.
 */
#ifndef RK_BASE_DL_H
#define RK_BASE_DL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

struct rk_dl_sym {
    const char *name;
    size_t at; /* offset of the function pointer in the table */
};

/* Static storage; fill the first five. */
struct rk_dl {
    const char *soname;  /* with its version, as in libpq.so.5: what the headers promise */
    const char *purpose; /* for the error: "PostgreSQL" */
    const struct rk_dl_sym *syms;
    size_t n;
    void *table;
    pthread_mutex_t lock; /* guards loaded; PTHREAD_MUTEX_INITIALIZER */
    bool loaded;
};

/* Load the library and fill the table, once; it stays for the life of the process. Any thread; the
 * first call reads files. Errors: RK_UNAVAILABLE with what is missing, and the next call tries
 * again. Read the table only after success. */
RK_MUST enum rk_code rk_dl_load(struct rk_dl *dl, struct rk_err *err);

#endif
