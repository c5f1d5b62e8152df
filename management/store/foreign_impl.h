/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands behind foreign.h: a file (db_sqlite_foreign.c) or a server (foreign_pg.c). */
#ifndef STORE_FOREIGN_IMPL_H
#define STORE_FOREIGN_IMPL_H

#include "management/store/foreign.h"

struct foreign_ops {
    bool (*has)(struct foreign *f, const char *table, const char *column);
    enum rk_code (*read)(struct foreign *f, const char *table, struct rk_arena *mem,
                         struct foreign_table *out, struct rk_err *err); /* the table is there */
    void (*close)(struct foreign *f);
};

struct foreign { /* first member of what stands behind */
    const struct foreign_ops *ops;
};

enum rk_code foreign_open_file(const char *path, struct foreign **out, struct rk_err *err) RK_MUST;
enum rk_code foreign_open_pg(const char *url, struct foreign **out, struct rk_err *err) RK_MUST;

#endif
