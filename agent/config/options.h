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
    struct rk_strs iface_blacklist, dns_labels, external_ips;
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
    bool force_relay, turn_only, disable_nat_mapper;
    struct rk_str lazy_conn; /* auto: as management says; on, off */
    struct rk_str lazy_idle; /* a duration, or a number of minutes */
    bool disable_ssh_config, force_ssh_config;
    struct rk_strs home_relays;
    struct rk_str relay_transport; /* auto, quic, ws, prefer-quic, prefer-ws */
    int64_t dns_forwarder_port;
    bool legacy_routing, skip_socket_mark, disable_custom_routing;
    struct rk_str firewall; /* auto, nftables, iptables, iptables-legacy, own */
    struct rk_str nft_table;
    bool ice_loopback;
    bool allow_users;
    bool disable_profiles, disable_update_settings, disable_networks;
    struct rk_str upload_url; /* where bundles that management asks for go; empty: nowhere */
};

struct cli_opts { /* open; one group of each kind of command in it */
    struct rk_str daemon_addr;
    /* up, login */
    struct rk_str setup_key, setup_key_file;
    bool foreground;
    int64_t timeout_ms;
    bool no_browser, qr, extend;
    struct rk_str profile; /* also logout */
    /* status, networks, profile list, doctor */
    bool json, yaml, detail, ipv4, ipv6, show_id;
    bool anonymize;
    struct rk_str anonymize_level; /* empty: as anonymize says */
    struct rk_str check;
    struct rk_strs filter_ips, filter_names;
    struct rk_str filter_status, filter_path;
    bool append;
    /* state */
    bool all;
    /* debug bundle, debug for */
    struct rk_str output;
    int64_t log_files;
    bool system_info, upload, upload_insecure;
    struct rk_str upload_url;
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
    OPTIONS_ANON = 128,    /* what is printed or packed may be anonymised */
    OPTIONS_PROFILE = 256, /* --profile */
    OPTIONS_PROFILES = 512,
    OPTIONS_STATE = 1024,
    OPTIONS_BUNDLE = 2048,
    OPTIONS_DOCTOR = 4096,
    OPTIONS_LOGIN = 8192,
};

/** One table for the groups in the mask, with `at` counting from struct all_opts; an option in two
 *  of the groups appears once. Behind them rows that store nothing: options of the official client
 *  that are refused or have no effect with that command, each with its reason. arena */
const struct rk_opt *options_table(struct rk_arena *mem, unsigned groups, size_t *n);

/** Rows of the official client's that this agent has nowhere; for the environment. */
const struct rk_opt *options_foreign(size_t *n);

/** Variables of the official client that no option stands for and that have no effect here. */
struct options_variable {
    const char *name; /* without NB_; one that ends in "*": all that begin so */
    const char *why;
    const char *quiet; /* as in a row */
};
const struct options_variable *options_variables(size_t *n);

#endif
