/* SPDX-License-Identifier: BSD-3-Clause */
/* libcurl on demand; see curl_dl.h. */
#include "config.h"

#include "lib/http/curl_dl.h"

#include "lib/base/dl.h"
#include "lib/base/num.h"

struct curl_dl curl;

static const struct rk_dl_sym SYMS[] = {
#define X(name) {"curl_" #name, offsetof(struct curl_dl, name)},
    CURL_DL_FUNCTIONS(X)
#undef X
};

static struct rk_dl dl = {.soname = "libcurl.so.4",
                          .purpose = "a call to another server",
                          .syms = SYMS,
                          .n = RK_ARRAY_LEN(SYMS),
                          .table = &curl,
                          .lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
    (void)curl.global_init(CURL_GLOBAL_DEFAULT);
}

enum rk_code curl_dl_load(struct rk_err *err)
{
    enum rk_code rc = rk_dl_load(&dl, err);

    if (rc == RK_OK)
        (void)pthread_once(&once, init);
    return rc;
}
