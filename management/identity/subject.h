/* SPDX-License-Identifier: BSD-3-Clause */
/* Subjects of tokens: who somebody is, and at which connector. Any thread. */
#ifndef MGMT_IDENTITY_SUBJECT_H
#define MGMT_IDENTITY_SUBJECT_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

#define IDP_LOCAL_CONNECTOR "local"
#define IDP_SUBJECT_PART    512 /* OpenID Connect Core says 255, directories take more */

/**
 * Subject of a token: unpadded standard base64 of the protobuf {1: user id, 2: connector id}. Each
 * at most IDP_SUBJECT_PART bytes. arena
 */
struct rk_str idp_subject_encode(struct rk_arena *mem, struct rk_str user_id,
                                 struct rk_str connector);

/** false when the text is no such subject. *user_id and *connector in mem. */
bool idp_subject_decode(struct rk_arena *mem, struct rk_str subject, struct rk_str *user_id,
                        struct rk_str *connector);

#endif
