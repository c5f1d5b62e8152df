/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct recorder: the traffic events of this host (spec/agent.md 10.3). Which connections begin
 * and end comes from the kernel's connection tracking; those over the tunnel are summed up and
 * brought to the server that management names.
 *
 *   conntrack ─▶ ours? direction, policy, resource ─▶ table (a window) ─▶ sender (until
 * acknowledged)
 *
 * Loop thread.
 */
#ifndef RK_AGENT_RECORDER_H
#define RK_AGENT_RECORDER_H

#include <jansson.h>

#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/tls.h"
#include "lib/net/addr.h"
#include "schema/gen/management.pb-c.h"

struct recorder;

struct recorder_opts { /* open; copied, handles lent until closed */
    struct rk_loop *loop;
    struct rk_log *log;
    struct tls_ctx *tls;
    uint32_t fwmark;
    struct rk_key public_key;
    struct rk_prefix overlay4, overlay6; /* own addresses with their networks; family 0: none */
};

/** Records nothing until it is configured so. Owned: recorder_close. */
struct recorder *recorder_open(const struct recorder_opts *opts);
void recorder_close(struct recorder *r); /* restores what it changed on the host; accepts NULL */

/** What management says; NULL: no news. Errors: RK_INVALID (no interval, bad URL), those of
 *  conntrack_open: nothing is recorded then. */
enum rk_code recorder_config(struct recorder *r, const Management__FlowConfig *fc,
                             struct rk_err *err) RK_MUST;

/** Policies and routes by which flows are named. */
void recorder_map(struct recorder *r, const Management__NetworkMap *map);

/** For status: NULL while nothing is recorded; owned by the caller. */
json_t *recorder_json(const struct recorder *r);

#endif
