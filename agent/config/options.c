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
     .def = "true",
     SETTING(network_monitor),
     .help = "reconnect at once when addresses or default routes of this host change"},
    {.flag = "extra-iface-blacklist",
     ENV("EXTRA_IFACE_BLACKLIST"),
     .type = RK_OPT_LIST,
     SETTING(iface_blacklist),
     .max = 64,
     .arg = "PREFIX,…",
     .help = "interfaces whose addresses are not offered to peers"},
    {.flag = "external-ip-map",
     ENV("EXTERNAL_IP_MAP"),
     .type = RK_OPT_LIST,
     SETTING(external_ips),
     .max = 16,
     .arg = "IP[/IP|/IFACE],…",
     .help = "addresses outside that lead to this host, in the place of those inside"},
    {.flag = "extra-dns-labels",
     ENV("EXTRA_DNS_LABELS"),
     .type = RK_OPT_LIST,
     SETTING(dns_labels),
     .max = 32,
     .arg = "LABEL,…",
     .help =
         "more names for this peer, if its setup key allows them; \"rook logout\" takes all back"},
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
    {.flag = "device",
     .env = "ROOK_DEVICE",
     .type = RK_OPT_CHOICE,
     .def = "auto",
     .choices = "auto|kernel|own|daemon",
     DAEMON(device),
     .help = "who moves the packets; auto: the kernel if it can, else rook itself"},
    {.flag = "wireguard-go",
     .env = "ROOK_WIREGUARD_GO",
     .type = RK_OPT_TEXT,
     .def = "wireguard-go",
     DAEMON(wireguard_go),
     .max = 1024,
     .arg = "PROGRAM",
     .help = "the WireGuard daemon of --device daemon"},
    {.flag = "wireguard-socket-dir",
     .env = "ROOK_WIREGUARD_SOCKET_DIR",
     .type = RK_OPT_TEXT,
     .def = "/var/run/wireguard",
     DAEMON(wireguard_sockets),
     .min = 1,
     .max = 80,
     .arg = "DIR",
     .help = "where that daemon makes its socket"},
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
    {.flag = "setup-key-file",
     ENV("SETUP_KEY_FILE"),
     .type = RK_OPT_TEXT,
     DAEMON(setup_key_file),
     .max = 1024,
     .arg = "FILE",
     .help = "take the setup key from this file"},
    {.flag = "force-relay",
     ENV("FORCE_RELAY"),
     .type = RK_OPT_BOOL,
     DAEMON(force_relay),
     .help = "no direct connections"},
    {.flag = "lazy-conn",
     ENV("LAZY_CONN"),
     .type = RK_OPT_CHOICE,
     .def = "auto",
     .choices = "auto|on|off|true|false|1|0",
     DAEMON(lazy_conn),
     .arg = "WHEN",
     .help = "connect to peers when there is traffic; auto: as management says"},
    {.flag = "lazy-conn-inactivity-threshold",
     ENV("LAZY_CONN_INACTIVITY_THRESHOLD"),
     .type = RK_OPT_TEXT,
     .def = "15m",
     .max = 32,
     DAEMON(lazy_idle),
     .arg = "TIME",
     .help = "without traffic for so long such a connection ends; a bare number is minutes, at "
             "least one"},
    {.flag = "disable-nat-mapper",
     ENV("DISABLE_NAT_MAPPER"),
     .type = RK_OPT_BOOL,
     DAEMON(disable_nat_mapper),
     .help = "do not ask the router for a port (NAT-PMP, UPnP)"},
    {.flag = "home-relay-servers",
     ENV("HOME_RELAY_SERVERS"),
     .type = RK_OPT_LIST,
     DAEMON(home_relays),
     .max = 16,
     .arg = "URL,…",
     .help = "relays to use instead of those that management names"},
    {.flag = "relay-transport",
     ENV("RELAY_TRANSPORT"),
     .type = RK_OPT_CHOICE,
     .def = "auto",
     .choices = "auto|quic|ws|prefer-quic|prefer-ws",
     DAEMON(relay_transport),
     .help = "how relays are reached; auto: QUIC and WebSocket at once, the first that answers"},
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
    {.flag = "dns-forwarder-port",
     ENV("DNS_FORWARDER_PORT"),
     .type = RK_OPT_I64,
     .def = "22054",
     .min = 1,
     .max = 65535,
     DAEMON(dns_forwarder_port),
     .help = "as a router: where peers ask about domains that this host routes (and 5353)"},
    {.flag = "disable-custom-routing",
     ENV("DISABLE_CUSTOM_ROUTING"),
     .type = RK_OPT_BOOL,
     DAEMON(disable_custom_routing),
     .help = "no routes and no rules at all"},
    {.flag = "firewall",
     .env = "ROOK_FIREWALL",
     .type = RK_OPT_CHOICE,
     .def = "auto",
     .choices = "auto|nftables|iptables|iptables-legacy|own",
     DAEMON(firewall),
     .help = "what carries out the rules; auto: nftables, else iptables, else a filter of our own"},
    {.flag = "nftables-table",
     ENV("NFTABLES_TABLE"),
     .type = RK_OPT_TEXT,
     .def = "netbird",
     DAEMON(nft_table),
     .min = 1,
     .max = 31,
     .arg = "NAME",
     .help = "name of our firewall table, first word of our chains with iptables"},
    {.flag = "allow-users",
     .env = "ROOK_ALLOW_USERS",
     .type = RK_OPT_BOOL,
     DAEMON(allow_users),
     .help = "let users other than root connect, disconnect and change settings"},
    {.flag = "disable-profiles",
     ENV("DISABLE_PROFILES"),
     .type = RK_OPT_BOOL,
     DAEMON(disable_profiles),
     .help = "refuse to add, change and switch profiles"},
    {.flag = "disable-update-settings",
     ENV("DISABLE_UPDATE_SETTINGS"),
     .type = RK_OPT_BOOL,
     DAEMON(disable_update_settings),
     .help = "refuse commands that change settings"},
    {.flag = "disable-networks",
     ENV("DISABLE_NETWORKS"),
     .type = RK_OPT_BOOL,
     DAEMON(disable_networks),
     .help = "refuse to list and select networks"},
    {.flag = "job-upload-url",
     .env = "ROOK_JOB_UPLOAD_URL",
     .type = RK_OPT_TEXT,
     DAEMON(upload_url),
     .max = 1024,
     .arg = "URL",
     .help = "service that takes the debug bundles that management asks for; without it they are "
             "refused"},
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
    {.flag = "setup-key-file",
     ENV("SETUP_KEY_FILE"),
     .type = RK_OPT_TEXT,
     CLI(setup_key_file),
     .max = 1024,
     .arg = "FILE",
     .help = "take the setup key from this file"},
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
    {.flag = "no-browser",
     ENV("NO_BROWSER"),
     .type = RK_OPT_BOOL,
     CLI(no_browser),
     .help = "only show the address to log in at"},
    {.flag = "qr",
     ENV("QR"),
     .type = RK_OPT_BOOL,
     CLI(qr),
     .help = "show the address to log in at as a QR code too"},
};

static const struct rk_opt LOGIN_OPTS[] = {
    {.flag = "extend",
     ENV("EXTEND"),
     .type = RK_OPT_BOOL,
     CLI(extend),
     .help = "log in anew while connected, so that the session lasts longer"},
};

static const struct rk_opt PROFILE_OPTS[] = {
    {.flag = "profile",
     ENV("PROFILE"),
     .type = RK_OPT_TEXT,
     CLI(profile),
     .max = 512,
     .arg = "NAME|ID",
     .help = "with this profile instead of the active one; up and login make it the active one"},
};

static const struct rk_opt PROFILES_OPTS[] = {
    {.flag = "show-id", .type = RK_OPT_BOOL, CLI(show_id), .help = "list: ids too"},
    {.flag = "json", .letter = 'j', .type = RK_OPT_BOOL, CLI(json), .help = "print JSON"},
};

static const struct rk_opt STATE_OPTS[] = {
    {.flag = "all", .letter = 'a', .type = RK_OPT_BOOL, CLI(all), .help = "all of them"},
};

static const struct rk_opt ANON_OPTS[] = {
    {.flag = "anonymize",
     .letter = 'A',
     ENV("ANONYMIZE"),
     .type = RK_OPT_BOOL,
     CLI(anonymize),
     .help = "replace public addresses, MAC addresses and domains"},
    {.flag = "anonymize-level",
     ENV("ANONYMIZE_LEVEL"),
     .type = RK_OPT_CHOICE,
     .choices = "default|strict",
     CLI(anonymize_level),
     .help = "strict: private addresses, names of peers and public keys too"},
};

static const struct rk_opt BUNDLE_OPTS[] = {
    {.flag = "output",
     .letter = 'o',
     .type = RK_OPT_TEXT,
     CLI(output),
     .max = 1024,
     .arg = "FILE",
     .help = "where to write the archive (default: a new file in $TMPDIR or /tmp)"},
    {.flag = "log-file-count",
     .letter = 'C',
     .type = RK_OPT_I64,
     .def = "1",
     .max = 100,
     CLI(log_files),
     .help = "0: without the log (the daemon keeps one, of a bounded length)"},
    {.flag = "system-info",
     .letter = 'S',
     .type = RK_OPT_BOOL,
     .def = "true",
     CLI(system_info),
     .help = "routes, rules, firewall and interfaces of this machine too"},
    {.flag = "upload-bundle",
     .letter = 'U',
     .type = RK_OPT_BOOL,
     CLI(upload),
     .help = "upload the archive to --upload-bundle-url"},
    {.flag = "upload-bundle-url",
     .type = RK_OPT_TEXT,
     CLI(upload_url),
     .max = 1024,
     .arg = "URL",
     .help = "service that gives addresses to upload to (none by default)"},
    {.flag = "upload-bundle-insecure",
     .type = RK_OPT_BOOL,
     CLI(upload_insecure),
     .help = "allow http and certificates that nobody vouches for; root only"},
};

static const struct rk_opt DOCTOR_OPTS[] = {
    {.flag = "json", .letter = 'j', .type = RK_OPT_BOOL, CLI(json), .help = "print JSON"},
};

static const struct rk_opt STATUS_OPTS[] = {
    {.flag = "json", .letter = 'j', .type = RK_OPT_BOOL, CLI(json), .help = "print JSON"},
    {.flag = "yaml", .letter = 'y', .type = RK_OPT_BOOL, CLI(yaml), .help = "print YAML"},
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
    {.flag = "filter-by-ips",
     .letter = 'I',
     .type = RK_OPT_LIST,
     CLI(filter_ips),
     .max = 1024,
     .arg = "IP,…",
     .help = "only peers with these overlay addresses; filters show peers in full"},
    {.flag = "filter-by-names",
     .letter = 'N',
     .type = RK_OPT_LIST,
     CLI(filter_names),
     .max = 1024,
     .arg = "NAME,…",
     .help = "only peers with these names, with or without the domain"},
    {.flag = "filter-by-status",
     .letter = 'S',
     .type = RK_OPT_TEXT,
     CLI(filter_status),
     .max = 16,
     .arg = "idle|connecting|connected",
     .help = "only peers in this state"},
    {.flag = "filter-by-connection-type",
     .letter = 'T',
     .type = RK_OPT_TEXT,
     CLI(filter_path),
     .max = 16,
     .arg = "P2P|Relayed",
     .help = "only peers that are reached this way"},
};

static const struct rk_opt NETWORKS_OPTS[] = {
    {.flag = "json", .letter = 'j', .type = RK_OPT_BOOL, CLI(json), .help = "print JSON"},
    {.flag = "append",
     .letter = 'a',
     .type = RK_OPT_BOOL,
     CLI(append),
     .help = "select: keep what is selected"},
};

static const struct rk_opt SERVICE_OPTS[] = {
    {.flag = "service",
     .letter = 's',
     .type = RK_OPT_TEXT,
     .def = "rook",
     CLI(service),
     .min = 1,
     .max = 100,
     .arg = "NAME",
     .help = "name of the unit"},
    {.flag = "root",
     .type = RK_OPT_TEXT,
     CLI(root),
     .max = 1024,
     .arg = "DIR",
     .help = "install, uninstall: below this folder, as into an image"},
    {.flag = "service-env",
     .type = RK_OPT_TEXT,
     CLI(service_env),
     .max = 4096,
     .arg = "NAME=VALUE,…",
     .help = "install: environment of the daemon"},
};

/* ---- what others have and we do not */

#define NO_SSH       "this agent has no SSH server"
#define NO_ROSENPASS "this agent has no Rosenpass: there is no maintained library of it for C"
#define ELSEWHERE    "it is an option of \"rook up\" and \"rook service\""
#define NO(name, why)                                                                              \
    {                                                                                              \
        .flag = name, .type = RK_OPT_BOOL, .refuse = why, .quiet = "false|0"                       \
    }

static const struct rk_opt FOREIGN_UP[] = {
    NO("allow-server-ssh", NO_SSH),
    NO("enable-ssh-root", NO_SSH),
    NO("enable-ssh-sftp", NO_SSH),
    NO("enable-ssh-local-port-forwarding", NO_SSH),
    NO("enable-ssh-remote-port-forwarding", NO_SSH),
    {.flag = "disable-ssh-auth", .type = RK_OPT_BOOL, .idle = NO_SSH, .quiet = "false|0"},
    {.flag = "ssh-jwt-cache-ttl", .type = RK_OPT_TEXT, .idle = NO_SSH, .quiet = "0"},
    NO("enable-rosenpass", NO_ROSENPASS),
    NO("rosenpass-permissive", NO_ROSENPASS),
    {.flag = "enable-lazy-connection",
     .type = RK_OPT_BOOL,
     .idle = "the account's setting decides",
     .quiet = "false|0"},
};

static const struct rk_opt FOREIGN_SERVICE[] = {
    NO("enable-capture", "this agent captures no packets: use tcpdump on its interface"),
    NO("enable-json-socket",
       "this agent has no HTTP gateway: \"rook status --json\" and its control "
       "socket speak JSON"),
    {.flag = "json-socket",
     .type = RK_OPT_TEXT,
     .idle = "this agent has no HTTP gateway: its control socket speaks JSON"},
};

static const struct rk_opt FOREIGN_FOR[] = {
    NO("capture", "this agent captures no packets: use tcpdump on its interface"),
};

/* Official ones that every command takes and few use. */
static const struct rk_opt GLOBALS[] = {
    {.flag = "daemon-addr", .type = RK_OPT_TEXT, .idle = "this command asks no daemon"},
    {.flag = "log-file",
     .type = RK_OPT_TEXT,
     .refuse = "the daemon logs to stderr: its service manager keeps that",
     .quiet = "console"},
    {.flag = "management-url", .letter = 'm', .type = RK_OPT_TEXT, .idle = ELSEWHERE},
    {.flag = "admin-url", .type = RK_OPT_TEXT, .idle = ELSEWHERE},
    {.flag = "preshared-key", .type = RK_OPT_SECRET, .idle = ELSEWHERE},
    {.flag = "hostname", .letter = 'n', .type = RK_OPT_TEXT, .idle = ELSEWHERE},
    {.flag = "setup-key", .letter = 'k', .type = RK_OPT_SECRET, .idle = ELSEWHERE},
    {.flag = "setup-key-file", .type = RK_OPT_TEXT, .idle = ELSEWHERE},
    {.flag = "config",
     .letter = 'c',
     .type = RK_OPT_TEXT,
     .idle = "it is an option of \"rook service run\"; profiles are chosen by \"rook profile\""},
    {.flag = "log-level",
     .letter = 'l',
     .type = RK_OPT_TEXT,
     .idle = "commands write no log; \"rook debug log level\" changes the daemon's"},
    {.flag = "service",
     .letter = 's',
     .type = RK_OPT_TEXT,
     .idle = "it is an option of \"rook service\""},
    {.flag = "anonymize",
     .letter = 'A',
     .type = RK_OPT_BOOL,
     .idle = "it is an option of \"rook status\" and \"rook debug\"",
     .quiet = "false|0"},
    {.flag = "anonymize-level",
     .type = RK_OPT_TEXT,
     .idle = "it is an option of \"rook status\" and \"rook debug\""},
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

const struct rk_opt *options_foreign(size_t *n)
{
    *n = RK_ARRAY_LEN(FOREIGN_UP);
    return FOREIGN_UP;
}

/* A letter that an earlier row has stays there. */
static bool letter_taken(const struct rk_opt *rows, size_t n, char letter)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].letter == letter)
            return true;
    return false;
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
        if (rows[i].letter && letter_taken(out, *n, rows[i].letter))
            out[*n].letter = 0;
        out[(*n)++].at += base;
    }
}

const struct rk_opt *options_table(struct rk_arena *mem, unsigned groups, size_t *n)
{
#define PART(mask, rows, member)                                                                   \
    {                                                                                              \
        mask, rows, RK_ARRAY_LEN(rows), offsetof(struct all_opts, member)                          \
    }
    static const unsigned any = ~0u;
    const struct {
        unsigned group;
        const struct rk_opt *rows;
        size_t n, base;
    } parts[] = {
        PART(OPTIONS_CLI, CLI_OPTS, cli),           PART(OPTIONS_CONNECT, CONNECT_OPTS, cli),
        PART(OPTIONS_LOGIN, LOGIN_OPTS, cli),       PART(OPTIONS_PROFILE, PROFILE_OPTS, cli),
        PART(OPTIONS_STATUS, STATUS_OPTS, cli),     PART(OPTIONS_NETWORKS, NETWORKS_OPTS, cli),
        PART(OPTIONS_PROFILES, PROFILES_OPTS, cli), PART(OPTIONS_STATE, STATE_OPTS, cli),
        PART(OPTIONS_BUNDLE, BUNDLE_OPTS, cli),     PART(OPTIONS_DOCTOR, DOCTOR_OPTS, cli),
        PART(OPTIONS_ANON, ANON_OPTS, cli),         PART(OPTIONS_SERVICE, SERVICE_OPTS, cli),
        PART(OPTIONS_SETTINGS, SETTINGS, settings), PART(OPTIONS_DAEMON, DAEMON_OPTS, daemon),
        PART(OPTIONS_SETTINGS, FOREIGN_UP, cli),    PART(OPTIONS_SERVICE, FOREIGN_SERVICE, cli),
        PART(OPTIONS_BUNDLE, FOREIGN_FOR, cli),     PART(any, GLOBALS, cli),
    };
#undef PART
    size_t total = 0;
    struct rk_opt *out;

    for (size_t i = 0; i < RK_ARRAY_LEN(parts); i++)
        total += parts[i].n;
    out = rk_new_n(mem, struct rk_opt, total);
    *n = 0;
    for (size_t i = 0; i < RK_ARRAY_LEN(parts); i++)
        if (groups & parts[i].group || parts[i].group == any)
            add_rows(out, n, parts[i].rows, parts[i].n, parts[i].base);
    return out;
}
