/* SPDX-License-Identifier: BSD-3-Clause */
/* libpq on demand; see pq_dl.h. */
#include "config.h"

#include "management/store/pq_dl.h"

#include "lib/base/dl.h"
#include "lib/base/num.h"

struct pq_dl pq;

static const struct rk_dl_sym SYMS[] = {
#define X(name) {#name, offsetof(struct pq_dl, name)},
    PQ_DL_FUNCTIONS(X)
#undef X
};

static struct rk_dl dl = {.soname = "libpq.so.5",
                          .purpose = "PostgreSQL",
                          .syms = SYMS,
                          .n = RK_ARRAY_LEN(SYMS),
                          .table = &pq,
                          .lock = PTHREAD_MUTEX_INITIALIZER};

enum rk_code pq_dl_load(struct rk_err *err)
{
    return rk_dl_load(&dl, err);
}
