/* SPDX-License-Identifier: BSD-3-Clause */
/* The metadata message about this machine and the other parts of a login request. Loop thread. */
#ifndef RK_AGENT_META_H
#define RK_AGENT_META_H

#include "agent/config/profile.h"
#include "agent/os/nl.h"
#include "lib/base/arena.h"
#include "schema/gen/management.pb-c.h"

/** files: paths that management asked about (posture checks), n 0 for none. arena */
Management__PeerSystemMeta *meta_build(struct rk_arena *mem, struct nl_sock *route,
                                       const struct profile *p, const struct rk_str *files,
                                       size_t n);

/** A login request; setup_key and token empty for a plain one. arena */
Management__LoginRequest *meta_login(struct rk_arena *mem, struct nl_sock *route,
                                     const struct profile *p, struct rk_str setup_key,
                                     struct rk_str token);

#endif
