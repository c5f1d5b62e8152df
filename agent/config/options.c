/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables; see options.h. */
#include "config.h"

#include "agent/config/options.h"

#include <string.h>

#define SETTING(member) .at = offsetof(struct settings, member)
#define DAEMON(member)  .at = offsetof(struct daemon_opts, member)
#define CLI(member)     .at = offsetof(struct cli_opts, member)
#define ENV(name)       .env = "ROOK_" name " NB_" name

#define DAEMON_ADDR "unix:///run/rook/rook.sock"

static const struct rk_opt SETTINGS[] = {
    {.flag = "management-url",
     .letter = 'm',
     ENV("MANAGEMENT_URL"),
     .type = RK_OPT_TEXT,
     SETTING(management_url),
     .max = 1024,
     .arg = "URL",
     .help = "management server, http:// or https://"},
    {.flag = "admin-url",
     ENV("ADMIN_URL"),
     .type = RK_OPT_TEXT,
     SETTING(admin_url),
     .max = 1024,
     .arg = "URL",
     .help = "address of the dashboard, only shown"},
    {.flag = "interface-name",
     ENV("INTERFACE_NAME"),
     .type = RK_OPT_TEXT,
     .def = "wt0",
     SETTING(interface_name),
     .min = 1,
     .max = 15,
     .arg = "NAME",
     .help = "name of the WireGuard interface"},
    {.flag = "wireguard-port",
     ENV("WIREGUARD_PORT"),
     .type = RK_OPT_I64,
     .def = "51820",
     .max = 65535,
     SETTING(wireguard_port),
     .help = "UDP port that peers send to; another one is taken when it is in use"},
    {.flag = "mtu",
     ENV("MTU"),
     .type = RK_OPT_I64,
     .def = "1280",
     .min = OPTIONS_MTU_MIN,
     .max = OPTIONS_MTU_MAX,
     SETTING(mtu_bytes),
     .help = "MTU of the interface"},
    {.flag = "preshared-key",
     ENV("PRESHARED_KEY"),
     .type = RK_OPT_SECRET,
     SETTING(preshared_key),
     .max = 64,
     .arg = "KEY",
     .help = "WireGuard pre-shared key of the whole network (base64)"},
    {.flag = "hostname",
     .letter = 'n',
     ENV("HOSTNAME"),
     .type = RK_OPT_TEXT,
     SETTING(hostname),
     .max = 255,
     .arg = "NAME",
     .help = "name to register with instead of the system's"},
    {.flag = "network-monitor",
     .letter = 'N',
     ENV("NETWORK_MONITOR"),
     .type = RK_OPT_BOOL,
     SETTING(network_monitor),
     .help = "reconnect when the default route changes"},
    {.flag = "extra-iface-blacklist",
     ENV("EXTRA_IFACE_BLACKLIST"),
     .type = RK_OPT_LIST,
     SETTING(iface_blacklist),
     .max = 64,
     .arg = "PREFIX,…",
     .help = "interfaces whose addresses are not offered to peers"},
    {.flag = "extra-dns-labels",
     ENV("EXTRA_DNS_LABELS"),
     .type = RK_OPT_LIST,
     SETTING(dns_labels),
     .max = 32,
     .arg = "LABEL,…",
     .help = "more names for this peer, if its setup key allows it"},
    {.flag = "dns-router-interval",
     ENV("DNS_ROUTER_INTERVAL"),
     .type = RK_OPT_DURATION,
     .def = "1m",
     .min = 2000,
     .max = 86400000,
     SETTING(dns_route_interval_ms),
     .help = "how often names of domain routes are looked up"},
    {.flag = "dns-resolver-address",
     ENV("DNS_RESOLVER_ADDRESS"),
     .type = RK_OPT_TEXT,
     SETTING(dns_address),
     .max = 64,
     .arg = "IP:PORT",
     .help = "where the local name server listens instead of the overlay address"},
    {.flag = "disable-auto-connect",
     ENV("DISABLE_AUTO_CONNECT"),
     .type = RK_OPT_BOOL,
     SETTING(disable_auto_connect),
     .help = "do not connect when the daemon starts"},
    {.flag = "disable-client-routes",
     ENV("DISABLE_CLIENT_ROUTES"),
     .type = RK_OPT_BOOL,
     SETTING(disable_client_routes),
     .help = "ignore routes to networks behind peers"},
    {.flag = "disable-server-routes",
     ENV("DISABLE_SERVER_ROUTES"),
     .type = RK_OPT_BOOL,
     SETTING(disable_server_routes),
     .help = "never route for other peers"},
    {.flag = "disable-dns",
     ENV("DISABLE_DNS"),
     .type = RK_OPT_BOOL,
     SETTING(disable_dns),
     .help = "leave the name resolution of this host alone"},
    {.flag = "disable-firewall",
     ENV("DISABLE_FIREWALL"),
     .type = RK_OPT_BOOL,
     SETTING(disable_firewall),
     .help = "do not touch the firewall (no access rules at all)"},
    {.flag = "disable-ipv6",
     ENV("DISABLE_IPV6"),
     .type = RK_OPT_BOOL,
     SETTING(disable_ipv6),
     .help = "no IPv6 in the overlay and no IPv6 paths"},
    {.flag = "block-lan-access",
     ENV("BLOCK_LAN_ACCESS"),
     .type = RK_OPT_BOOL,
     SETTING(block_lan_access),
     .help = "as a router, never forward to this host's own networks"},
    {.flag = "block-inbound",
     ENV("BLOCK_INBOUND"),
     .type = RK_OPT_BOOL,
     SETTING(block_inbound),
     .help = "accept no connection from other peers"},
};

static const struct rk_opt DAEMON_OPTS[] = {
    {.flag = "daemon-addr",
     ENV("DAEMON_ADDR"),
     .type = RK_OPT_TEXT,
     .def = DAEMON_ADDR,
     DAEMON(daemon_addr),
     .max = 256,
     .arg = "unix://PATH",
     .help = "control socket of the daemon"},
    {.flag = "state-dir",
     ENV("STATE_DIR"),
     .type = RK_OPT_TEXT,
     .def = "/var/lib/rook",
     DAEMON(state_dir),
     .min = 1,
     .max = 1024,
     .arg = "DIR",
     .help = "folder for profile and state"},
    {.flag = "config",
     .letter = 'c',
     ENV("CONFIG"),
     .type = RK_OPT_TEXT,
     DAEMON(config),
     .max = 1024,
     .arg = "FILE",
     .help = "profile (default: default.json in the state folder)"},
    {.flag = "log-level",
     .letter = 'l',
     ENV("LOG_LEVEL"),
     .type = RK_OPT_CHOICE,
     .def = "info",
     .choices = "trace|debug|info|warn|warning|error",
     DAEMON(log_level),
     .help = "what to log"},
    {.flag = "log-json",
     ENV("LOG_JSON"),
     .type = RK_OPT_BOOL,
     DAEMON(log_json),
     .help = "log lines as JSON"},
    {.flag = "wireguard-go",
     .env = "ROOK_WIREGUARD_GO",
     .type = RK_OPT_TEXT,
     .def = "wireguard-go",
     DAEMON(wireguard_go),
     .max = 1024,
     .arg = "PROGRAM",
     .help = "userspace WireGuard, used when the kernel has none"},
    {.flag = "wireguard-socket-dir",
     .env = "ROOK_WIREGUARD_SOCKET_DIR",
     .type = RK_OPT_TEXT,
     .def = "/var/run/wireguard",
     DAEMON(wireguard_sockets),
     .min = 1,
     .max = 80,
     .arg = "DIR",
     .help = "where the userspace WireGuard makes its socket"},
    {.flag = "wg-kernel-disabled",
     ENV("WG_KERNEL_DISABLED"),
     .type = RK_OPT_BOOL,
     DAEMON(kernel_disabled),
     .help = "never use the kernel's WireGuard"},
    {.flag = "ca-file",
     .env = "ROOK_CA_FILE",
     .type = RK_OPT_TEXT,
     DAEMON(ca_file),
     .max = 1024,
     .arg = "FILE",
     .help = "certificates to trust beside the system's (PEM)"},
    {.flag = "setup-key",
     .letter = 'k',
     ENV("SETUP_KEY"),
     .type = RK_OPT_SECRET,
     DAEMON(setup_key),
     .max = 128,
     .arg = "KEY",
     .help = "register with this setup key"},
    {.flag = "force-relay",
     ENV("FORCE_RELAY"),
     .type = RK_OPT_BOOL,
     DAEMON(force_relay),
     .help = "no direct connections"},
    {.flag = "home-relay-servers",
     ENV("HOME_RELAY_SERVERS"),
     .type = RK_OPT_LIST,
     DAEMON(home_relays),
     .max = 16,
     .arg = "URL,…",
     .help = "relays to use instead of those that management names"},
    {.flag = "use-legacy-routing",
     ENV("USE_LEGACY_ROUTING"),
     .type = RK_OPT_BOOL,
     DAEMON(legacy_routing),
     .help = "routes in the main table, no policy rules"},
    {.flag = "skip-socket-mark",
     ENV("SKIP_SOCKET_MARK"),
     .type = RK_OPT_BOOL,
     DAEMON(skip_socket_mark),
     .help = "as --use-legacy-routing"},
    {.flag = "disable-custom-routing",
     ENV("DISABLE_CUSTOM_ROUTING"),
     .type = RK_OPT_BOOL,
     DAEMON(disable_custom_routing),
     .help = "no routes and no rules at all"},
    {.flag = "nftables-table",
     ENV("NFTABLES_TABLE"),
     .type = RK_OPT_TEXT,
     .def = "netbird",
     DAEMON(nft_table),
     .min = 1,
     .max = 31,
     .arg = "NAME",
     .help = "name of our firewall table"},
    {.flag = "allow-users",
     .env = "ROOK_ALLOW_USERS",
     .type = RK_OPT_BOOL,
     DAEMON(allow_users),
     .help = "let users other than root connect, disconnect and change settings"},
    {.flag = "ice-loopback",
     .env = "ROOK_ICE_LOOPBACK",
     .type = RK_OPT_BOOL,
     DAEMON(ice_loopback),
     .help = "offer loopback addresses to peers too (all on one host, for tests)"},
};

static const struct rk_opt CLI_OPTS[] = {
    {.flag = "daemon-addr",
     ENV("DAEMON_ADDR"),
     .type = RK_OPT_TEXT,
     .def = DAEMON_ADDR,
     CLI(daemon_addr),
     .max = 256,
     .arg = "unix://PATH",
     .help = "control socket of the daemon"},
};

static const struct rk_opt CONNECT_OPTS[] = {
    {.flag = "setup-key",
     .letter = 'k',
     ENV("SETUP_KEY"),
     .type = RK_OPT_SECRET,
     CLI(setup_key),
     .max = 128,
     .arg = "KEY",
     .help = "register with this setup key"},
    {.flag = "foreground-mode",
     .letter = 'F',
     ENV("FOREGROUND_MODE"),
     .type = RK_OPT_BOOL,
     CLI(foreground),
     .help = "up: be the daemon, in this process"},
    {.flag = "timeout",
     .type = RK_OPT_DURATION,
     .def = "50s",
     .min = 100,
     .max = 3600000,
     CLI(timeout_ms),
     .help = "how long to wait for the connection"},
};

static const struct rk_opt STATUS_OPTS[] = {
    {.flag = "json", .letter = 'j', .type = RK_OPT_BOOL, CLI(json), .help = "print JSON"},
    {.flag = "detail",
     .letter = 'd',
     .type = RK_OPT_BOOL,
     CLI(detail),
     .help = "every peer in full"},
    {.flag = "ipv4",
     .letter = '4',
     .type = RK_OPT_BOOL,
     CLI(ipv4),
     .help = "print only the overlay IPv4 address"},
    {.flag = "ipv6",
     .letter = '6',
     .type = RK_OPT_BOOL,
     CLI(ipv6),
     .help = "print only the overlay IPv6 address"},
    {.flag = "check",
     .letter = 'C',
     .type = RK_OPT_TEXT,
     CLI(check),
     .max = 16,
     .arg = "live|ready|startup",
     .help = "say it by the exit status"},
};

static const struct rk_opt NETWORKS_OPTS[] = {
    {.flag = "json", .letter = 'j', .type = RK_OPT_BOOL, CLI(json), .help = "print JSON"},
    {.flag = "append",
     .letter = 'a',
     .type = RK_OPT_BOOL,
     CLI(append),
     .help = "select: keep what is selected"},
};

const struct rk_opt *options_settings(size_t *n)
{
    *n = RK_ARRAY_LEN(SETTINGS);
    return SETTINGS;
}

const struct rk_opt *options_daemon(size_t *n)
{
    *n = RK_ARRAY_LEN(DAEMON_OPTS);
    return DAEMON_OPTS;
}

static void add_rows(struct rk_opt *out, size_t *n, const struct rk_opt *rows, size_t n_rows,
                     size_t base)
{
    for (size_t i = 0; i < n_rows; i++) {
        bool seen = false;

        for (size_t j = 0; j < *n; j++)
            seen = seen || strcmp(out[j].flag, rows[i].flag) == 0;
        if (seen)
            continue;
        out[*n] = rows[i];
        out[(*n)++].at += base;
    }
}

const struct rk_opt *options_table(struct rk_arena *mem, unsigned groups, size_t *n)
{
    static const struct {
        unsigned group;
        const struct rk_opt *rows;
        size_t n, base;
    } parts[] = {
        {OPTIONS_CLI, CLI_OPTS, RK_ARRAY_LEN(CLI_OPTS), offsetof(struct all_opts, cli)},
        {OPTIONS_CONNECT, CONNECT_OPTS, RK_ARRAY_LEN(CONNECT_OPTS), offsetof(struct all_opts, cli)},
        {OPTIONS_STATUS, STATUS_OPTS, RK_ARRAY_LEN(STATUS_OPTS), offsetof(struct all_opts, cli)},
        {OPTIONS_NETWORKS, NETWORKS_OPTS, RK_ARRAY_LEN(NETWORKS_OPTS),
         offsetof(struct all_opts, cli)},
        {OPTIONS_SETTINGS, SETTINGS, RK_ARRAY_LEN(SETTINGS), offsetof(struct all_opts, settings)},
        {OPTIONS_DAEMON, DAEMON_OPTS, RK_ARRAY_LEN(DAEMON_OPTS), offsetof(struct all_opts, daemon)},
    };
    size_t total = 0;
    struct rk_opt *out;

    for (size_t i = 0; i < RK_ARRAY_LEN(parts); i++)
        total += parts[i].n;
    out = rk_new_n(mem, struct rk_opt, total);
    *n = 0;
    for (size_t i = 0; i < RK_ARRAY_LEN(parts); i++)
        if (groups & parts[i].group)
            add_rows(out, n, parts[i].rows, parts[i].n, parts[i].base);
    return out;
}
