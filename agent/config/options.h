/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every option of `rook` as tables. Three groups: settings (kept in the profile, changed by `up`),
 * options of the daemon, options of the commands. Main thread at start; tables are constant.
 */
#ifndef RK_AGENT_OPTIONS_H
#define RK_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cfg.h"

#define OPTIONS_MTU_MIN 576
#define OPTIONS_MTU_MAX 8192

struct settings { /* open; texts in the arena of whoever loads them */
    struct rk_str management_url, admin_url;
    struct rk_str interface_name;
    struct rk_str preshared_key;
    struct rk_str hostname; /* empty: the system's */
    struct rk_str dns_address;
    int64_t wireguard_port, mtu_bytes, dns_route_interval_ms;
    bool disable_auto_connect;
    bool network_monitor;
    bool disable_client_routes, disable_server_routes, disable_dns, disable_firewall, disable_ipv6;
    bool block_lan_access, block_inbound;
    struct rk_strs iface_blacklist, dns_labels;
};

struct daemon_opts { /* open */
    struct rk_str daemon_addr;
    struct rk_str state_dir;
    struct rk_str config; /* empty: default.json in the state folder */
    struct rk_str log_level;
    bool log_json;
    struct rk_str device; /* auto, kernel, own, daemon */
    struct rk_str wireguard_go;
    struct rk_str wireguard_sockets;
    bool kernel_disabled;
    struct rk_str ca_file;
    struct rk_str setup_key, setup_key_file;
    bool force_relay;
    struct rk_strs home_relays;
    int64_t dns_forwarder_port;
    bool legacy_routing, skip_socket_mark, disable_custom_routing;
    struct rk_str nft_table;
    bool ice_loopback;
    bool allow_users;
};

struct cli_opts { /* open; one group of each kind of command in it */
    struct rk_str daemon_addr;
    /* up, login */
    struct rk_str setup_key, setup_key_file;
    bool foreground;
    int64_t timeout_ms;
    /* status, networks */
    bool json, detail, ipv4, ipv6;
    struct rk_str check;
    struct rk_strs filter_ips, filter_names;
    struct rk_str filter_status, filter_path;
    bool append;
    /* service */
    struct rk_str service, root, service_env;
};

/** The tables; `at` counts from the start of the struct of the same group. */
const struct rk_opt *options_settings(size_t *n);
const struct rk_opt *options_daemon(size_t *n);

/** What one command takes: settings, daemon and command options side by side. */
struct all_opts {
    struct settings settings;
    struct daemon_opts daemon;
    struct cli_opts cli;
};

enum {
    OPTIONS_SETTINGS = 1,
    OPTIONS_DAEMON = 2,
    OPTIONS_CLI = 4,     /* where the daemon is */
    OPTIONS_CONNECT = 8, /* up, login */
    OPTIONS_STATUS = 16,
    OPTIONS_NETWORKS = 32,
    OPTIONS_SERVICE = 64,
};

/** One table for the groups in the mask, with `at` counting from struct all_opts; an option in two
 *  of the groups appears once. arena */
const struct rk_opt *options_table(struct rk_arena *mem, unsigned groups, size_t *n);

#endif
