/* SPDX-License-Identifier: BSD-3-Clause */
/* Databases of other products; see foreign.h. */
#include "config.h"

#include "management/store/foreign_impl.h"

enum rk_code foreign_open(const char *place, struct foreign **out, struct rk_err *err)
{
    return db_url_is_pg(place) ? foreign_open_pg(place, out, err)
                               : foreign_open_file(place, out, err);
}

void foreign_close(struct foreign *f)
{
    if (f)
        f->ops->close(f);
}

void foreign_closep(struct foreign **f)
{
    foreign_close(*f);
    *f = NULL;
}

bool foreign_has(struct foreign *f, const char *table, const char *column)
{
    return f->ops->has(f, table, column);
}

enum rk_code foreign_read(struct foreign *f, const char *table, struct rk_arena *mem,
                          struct foreign_table *out, struct rk_err *err)
{
    *out = (struct foreign_table){0};
    return foreign_has(f, table, NULL) ? f->ops->read(f, table, mem, out, err) : RK_OK;
}

struct db_val foreign_get(const struct foreign_row *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (rk_str_eqz(r->names[i], name))
            return r->v[i];
    return db_null();
}
