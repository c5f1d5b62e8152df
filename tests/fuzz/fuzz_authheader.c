/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz the Authorization header: what is taken as a token is one word, and is a personal access
 * token exactly when it was sent as one. */
#include "config.h"

#include "management/rest/credentials.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_header h = {RK_STR("Authorization"), rk_str_of(data, size)};
    struct http_req req = {.headers = &h, .n_headers = 1};
    struct rk_err err = {0};
    struct rk_str token;
    bool is_pat;
    enum rk_code rc = rest_credentials(&req, &token, &is_pat, &err);

    FUZZ_CHECK(rc == RK_OK || rc == RK_UNAUTHENTICATED);
    if (rc)
        return 0;
    FUZZ_CHECK(token.n && rk_str_find_c(token, ' ') == token.n);
    if (!is_pat)
        FUZZ_CHECK(!rk_str_starts(token, RK_STR("nbp_")));
    return 0;
}
