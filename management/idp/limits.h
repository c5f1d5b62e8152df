/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of guessing: tries that fail are counted. */
#ifndef MGMT_IDP_LIMITS_H
#define MGMT_IDP_LIMITS_H

#include "management/idp/base.h"

struct idp_try { /* open; what a try has taken, to be given back when it succeeds */
    struct rk_ratelimit *limit[3];
    struct rk_str key[3];
    size_t n;
};

/** One try at something secret of `who` (a login name, in any case), by this browser and address;
 *  who may be empty: by this address only. RK_LIMIT. */
enum rk_code idp_try_begin(struct http_req *req, struct rk_str who, struct idp_try *t,
                           struct rk_err *err) RK_MUST;
/** It was right: it does not count. */
void idp_try_right(struct http_req *req, const struct idp_try *t);
/** Remember in the browser that `who` has signed in here, so that others' mistakes do not count. */
enum rk_code idp_browser_known(struct http_req *req, struct http_resp *resp, struct rk_str who,
                               struct rk_err *err) RK_MUST;
/** One more device code for this address. */
bool idp_may_make_code(struct http_req *req);

#endif
