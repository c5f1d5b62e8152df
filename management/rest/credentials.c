/* SPDX-License-Identifier: BSD-3-Clause */
/* The Authorization header of the REST API; see credentials.h. */
#include "config.h"

#include "management/rest/credentials.h"

enum rk_code rest_credentials(const struct http_req *req, struct rk_str *token, bool *is_pat,
                              struct rk_err *err)
{
    struct rk_str header, scheme, rest;
    bool is_bearer;

    if (!http_req_header(req, "Authorization", &header))
        return rk_fail(err, RK_UNAUTHENTICATED, "no valid authentication provided");
    (void)rk_str_cut(header, ' ', &scheme, &rest);
    is_bearer = rk_str_ieq(scheme, RK_STR("Bearer"));
    if (!is_bearer && !rk_str_ieq(scheme, RK_STR("Token")))
        return rk_fail(err, RK_UNAUTHENTICATED, "no valid authentication provided");
    if (!rest.n || rk_str_find_c(rest, ' ') < rest.n)
        return rk_fail(err, RK_UNAUTHENTICATED, "token invalid");
    *token = rest;
    *is_pat = !is_bearer || rk_str_starts(rest, RK_STR("nbp_"));
    return RK_OK;
}
