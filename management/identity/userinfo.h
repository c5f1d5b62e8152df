/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Name and address of people whose issuer we trust directly and whose tokens lack them: asked at
 * the issuer's userinfo endpoint with the token itself (OpenID Connect Core 5.3), seldom for each
 * person. Store thread: may block on the network.
 */
#ifndef MGMT_IDENTITY_USERINFO_H
#define MGMT_IDENTITY_USERINFO_H

#include <jansson.h>

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

struct userinfo;

/** log is lent, may be NULL. Owned: userinfo_free, after all requests. */
struct userinfo *userinfo_new(struct rk_log *log);
void userinfo_free(struct userinfo *u); /* accepts NULL */

/** Put name and email into verified claims that lack them. Whatever fails leaves them alone and is
 *  logged: a token that is good stays good. */
void userinfo_fill(struct userinfo *u, struct rk_arena *mem, const char *issuer,
                   struct rk_str token, json_t *claims);

#endif
