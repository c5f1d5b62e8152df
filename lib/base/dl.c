/* SPDX-License-Identifier: BSD-3-Clause */
/* Libraries on demand; see dl.h. */
#include "config.h"

#include "lib/base/dl.h"

#include <dlfcn.h>
#include <string.h>

static enum rk_code load(struct rk_dl *dl, struct rk_err *err)
{
    void *lib = dlopen(dl->soname, RTLD_NOW | RTLD_LOCAL);

    if (!lib)
        return rk_fail(err, RK_UNAVAILABLE, "%s needs the library %s: %s", dl->purpose, dl->soname,
                       dlerror());
    for (size_t i = 0; i < dl->n; i++) {
        void *fn = dlsym(lib, dl->syms[i].name);

        if (!fn) {
            (void)dlclose(lib);
            return rk_fail(err, RK_UNAVAILABLE, "%s: %s has no %s: too old", dl->purpose,
                           dl->soname, dl->syms[i].name);
        }
        memcpy((char *)dl->table + dl->syms[i].at, &fn, sizeof fn); /* POSIX: same representation */
    }
    return RK_OK; /* never closed: threads and atexit handlers of the library may be about */
}

enum rk_code rk_dl_load(struct rk_dl *dl, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_lock(&dl->lock);
    if (!dl->loaded)
        rc = load(dl, err);
    dl->loaded = rc == RK_OK;
    (void)pthread_mutex_unlock(&dl->lock);
    return rc;
}
