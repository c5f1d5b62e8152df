/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of rookery-management: flags of the official management where they mean the same, and
 * ours, each with environment names. */
#ifndef MGMT_OPTIONS_H
#define MGMT_OPTIONS_H

#include "lib/serve/svc.h"
#include "management/app.h"
#include "management/options_events.h"

struct mgmt_options { /* open */
    struct svc_common common;
    struct rk_str config, listen_address;
    int64_t port; /* 0: what listen_address says */
    int64_t legacy_port;
    bool no_legacy_port;
    struct rk_str data_dir, store_url, store_key;
    struct rk_str store_engine, postgres_dsn, sqlite_file;
    struct rk_str exposed_address, dns_domain, account_domain;
    bool no_default_policy, component_maps;
    struct rk_str signal;
    struct rk_strs stuns, turns, relays;
    struct rk_str turn_user, turn_password, turn_secret, relay_secret;
    int64_t turn_ttl_ms, relay_ttl_ms;
    struct rk_str setup_token, geo_path;
    bool console, setup_open, setup_pat, geo_off, api_rate_limit;
    int64_t api_rate_per_minute, api_rate_burst;
    int64_t store_threads, build_threads;
    struct mgmt_events events;
    struct rk_strs notes; /* what the file says without effect; made by mgmt_options_make */
};

extern const struct svc_program MGMT_PROGRAM;

/** What cannot be seen in one value, and the secrets of the data folder (made where they are
 *  missing). out borrows from o and mem; edge, loops, log and metrics are left to the caller.
 *  Errors: RK_INVALID, RK_FORBIDDEN, RK_UNAVAILABLE naming flag or file. arena */
enum rk_code mgmt_options_make(struct rk_arena *mem, struct mgmt_options *o,
                               struct edge_listen listen[2], size_t *n_listen,
                               struct mgmt_app_opts *out, struct rk_err *err) RK_MUST;

#endif
