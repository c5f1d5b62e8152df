/* SPDX-License-Identifier: BSD-3-Clause */
/* libcurl, loaded when the first request goes out (lib/base/dl.h). */
#ifndef HTTP_CURL_DL_H
#define HTTP_CURL_DL_H

#define CURL_DISABLE_TYPECHECK /* its macros would call the functions by their own names */
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo

#include "lib/base/err.h"

/* What we call; `curl.easy_init` is libcurl's curl_easy_init, and so on. */
#define CURL_DL_FUNCTIONS(X)                                                                       \
    X(easy_cleanup)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_init)                                                                                   \
    X(easy_perform)                                                                                \
    X(easy_setopt)                                                                                 \
    X(easy_strerror)                                                                               \
    X(global_init)                                                                                 \
    X(slist_append)                                                                                \
    X(slist_free_all)

struct curl_dl {
#define X(name) __typeof__(curl_##name) *name;
    CURL_DL_FUNCTIONS(X)
#undef X
};

extern struct curl_dl curl; /* filled by curl_dl_load, never changed after */

/* Load and initialise libcurl. Any thread. Errors: RK_UNAVAILABLE, it is not installed. */
RK_MUST enum rk_code curl_dl_load(struct rk_err *err);

#endif
