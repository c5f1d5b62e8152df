/* SPDX-License-Identifier: BSD-3-Clause */
/* The device flow: its endpoints, its pages, and what a poll of a device grants. */
#ifndef MGMT_IDP_DEVICE_H
#define MGMT_IDP_DEVICE_H

#include "management/idp/request.h"
#include "management/idp/session.h"

http_handler idp_device_code, idp_device_page, idp_device_entered, idp_device_answer;
/** The page that asks to let the device in. */
enum rk_code idp_device_ask(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, const struct idp_session *s,
                            struct rk_err *err) RK_MUST;

/* A grant that /token turns into tokens. */
struct idp_grant { /* open; arena */
    struct rk_str client_id, subject, scope, nonce, family;
    struct rk_str groups; /* JSON array or empty */
    int64_t auth_time_s;
    int64_t gen;       /* of the subject's logins when it was given */
    const char *error; /* of RFC 6749 or 8628; NULL: granted */
    const char *why;
};

/** A poll of a device. */
enum rk_code idp_device_poll(struct idp *i, struct db *db, struct rk_arena *mem, struct rk_str code,
                             struct rk_str client_id, struct idp_grant *out,
                             struct rk_err *err) RK_MUST;

#endif
