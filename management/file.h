/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The official management's configuration file (management.json), as far as it means something
 * here: servers that agents are told, relay and TURN secrets, the store's key, who signs tokens,
 * where agents get them, trusted proxies. Keys are matched without regard to case; what has no
 * effect and what nobody knows is noted (file_keys.h);
 * {{ .NAME }} in the text is replaced by the environment variable NAME before it is read. Main
 * thread.
 */
#ifndef MGMT_FILE_H
#define MGMT_FILE_H

#include "lib/base/arena.h"
#include "lib/base/cfg.h"
#include "lib/base/err.h"
#include "management/app.h"

#define MGMT_FILE_MAX ((size_t)1 << 20) /* bytes of the file, before and after replacing */

struct mgmt_file { /* open, arena; zero where the file says nothing */
    struct rk_strs stuns, relays;
    struct servers_turn *turns;
    size_t n_turns;
    struct rk_str turn_secret; /* empty: static credentials */
    int64_t turn_ttl_ms, relay_ttl_ms;
    struct rk_str relay_secret;
    struct rk_str signal; /* "https://host:port" */
    struct rk_str store_key, store_engine, data_dir;
    struct rk_str cert_file, cert_key;
    bool no_default_policy, component_maps;
    struct rk_strs trusted_proxies;

    struct mgmt_app_issuer issuer; /* external; issuer.issuer NULL: none */
    struct rk_str user_claim;
    struct rpc_flow device, pkce;

    bool embedded, local_auth_disabled;
    struct rk_str embedded_issuer;
    struct rk_strs dashboard_redirects, cli_redirects, logout_redirects;
    struct rk_strs notes; /* what stands in the file without effect, a sentence each */
};

/** Errors: RK_NOT_FOUND, RK_FORBIDDEN, RK_LIMIT (file); RK_INVALID naming line or key. arena */
enum rk_code mgmt_file_load(struct rk_arena *mem, const char *path, struct mgmt_file *out,
                            struct rk_err *err) RK_MUST;

/** The same from a text. */
enum rk_code mgmt_file_parse(struct rk_arena *mem, struct rk_str text, struct mgmt_file *out,
                             struct rk_err *err) RK_MUST;

#endif
