/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How commands talk to the daemon: one JSON object per line over its UNIX socket, one request per
 * connection.
 *
 *   > {"call": "up", "args": {"settings": {"mtu": "1280"}, "setup_key": "…"}}
 *   < {"ok": true, "result": {…}}          or {"ok": false, "code": "not_found", "error": "…"}
 *
 * Everybody: version, status, networks, profiles, states. Root, or everybody with --allow-users:
 * up, login, sso, extend, down, logout, networks_select, networks_deselect, profile_add,
 * profile_rename, profile_remove, profile_select, state_clean, state_delete, log_level,
 * persistence, debug. `settings` has the flags of `up` as names and their values as texts.
 */
#ifndef RK_AGENT_CONTROL_PROTO_H
#define RK_AGENT_CONTROL_PROTO_H

#include "lib/base/err.h"
#include "lib/base/str.h"

#define CTL_LINE_MAX_BYTES  ((size_t)256 << 10) /* of a request */
#define CTL_REPLY_MAX_BYTES ((size_t)64 << 20)  /* status of a very large network */

/** Path of "unix://PATH"; false for other addresses. */
static inline bool ctl_path(struct rk_str addr, struct rk_str *path)
{
    if (!rk_str_starts(addr, RK_STR("unix://")))
        return false;
    *path = rk_str_sub(addr, 7, addr.n);
    return path->n > 0;
}

#endif
