/* SPDX-License-Identifier: BSD-3-Clause */
/* Options that others have and we do not, each with what is said of it; see options.h. */
#include "config.h"

#include "agent/config/options_priv.h"

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

#define NO_USERSPACE                                                                               \
    "it is of the official client's packet filter and router in userspace: here the kernel routes"
#define NO_NETSTACK "this agent always makes an interface"
#define FIXED_TIMES "direct paths are watched by times of this agent's own"
#define KEEPS_ON    "this agent goes on trying for ever"
#define NO_FILES    "the daemon logs to stderr: its service manager keeps that"
#define STATE_FILES "what is to be undone is kept in the state folder (--state-dir)"
#define NO_METRICS  "this agent sends no figures to anybody"

static const struct options_variable VARIABLES[] = {
    {"ICE_KEEP_ALIVE_INTERVAL_SEC", FIXED_TIMES, NULL},
    {"ICE_DISCONNECTED_TIMEOUT_SEC", FIXED_TIMES, NULL},
    {"ICE_FAILED_TIMEOUT_SEC", FIXED_TIMES, NULL},
    {"ICE_RELAY_ACCEPTANCE_MIN_WAIT_SEC", FIXED_TIMES, NULL},
    {"ICE_MONITOR_PERIOD", FIXED_TIMES, NULL},
    {"RELAY_HC_ATTEMPT_THRESHOLD", "a silent relay is left after a time of this agent's own", NULL},
    {"CONN_*", KEEPS_ON, NULL},
    {"MGMT_CACHE_TTL", "addresses of servers are kept for five minutes", "5m|300s|5m0s"},
    {"DNS_HEALTH_WARNING_DELAY", "name servers that fail are told at once", NULL},
    {"DNS_LAZY_WARMUP_TIMEOUT", "a question for an idle peer waits by this agent's own time", NULL},
    {"DNS_STATE_FILE", STATE_FILES, NULL},
    {"UNCLEAN_SHUTDOWN_RESOLV_FILE", STATE_FILES, NULL},
    {"DISABLE_EBPF_WG_PROXY", "this agent has no such proxy", "true|1"},
    {"WG_DEBUG", "\"--log-level debug\" tells what WireGuard does", "false|0"},
    {"USE_NETSTACK_MODE", NO_NETSTACK, "false|0"},
    {"SOCKS5_LISTENER_*", NO_NETSTACK, NULL},
    {"NETSTACK_SKIP_PROXY", NO_NETSTACK, "false|0"},
    {"ENABLE_NETSTACK_LOCAL_FORWARDING", NO_NETSTACK, "false|0"},
    {"ENABLE_LOCAL_FORWARDING", NO_USERSPACE, "true|1"},
    {"FORCE_USERSPACE_ROUTER", NO_USERSPACE, "false|0"},
    {"DISABLE_USERSPACE_ROUTING", NO_USERSPACE, "true|1"},
    {"DISABLE_CONNTRACK", NO_USERSPACE, "false|0"},
    {"CONNTRACK_*", NO_USERSPACE, NULL},
    {"DISABLE_MSS_CLAMPING", NO_USERSPACE, "false|0"},
    {"FRAGMENT_MAX_ENTRIES", NO_USERSPACE, NULL},
    {"FORCE_TCP_RACK", NO_USERSPACE, "false|0"},
    {"USPFILTER_LOG_BUFFER", NO_USERSPACE, NULL},
    {"ROUTE_PROTO_FLAG", "it is of BSD and macOS", NULL},
    {"DISABLE_ROUTE_CACHE", "it is of Windows", NULL},
    {"LISTEN_DEBUG_EVENT", "it is of Windows", NULL},
    {"DISABLE_PCP_HEALTH_CHECK", "a port of the router is only asked for again in time", NULL},
    {"DISABLE_SLEEP_DETECTOR", "that the machine slept is seen by its clocks", "false|0"},
    {"LOG_MAX_SIZE_MB", NO_FILES, NULL},
    {"LOG_DISABLE_ROTATION", NO_FILES, NULL},
    {"ROSENPASS_LOG_LEVEL", NO_ROSENPASS, NULL},
    {"METRICS_*", NO_METRICS, "false|0"},
    {"MANAGEMENT_GRPC_MAX_MSG_SIZE", "messages of management may have 16 MiB", NULL},
    {"PPROF_ADDR", "it is of programs in Go", NULL},
    {"AUTO_UPDATE_DRY_RUN", "the package manager of this machine updates", NULL},
};

const struct options_variable *options_variables(size_t *n)
{
    *n = RK_ARRAY_LEN(VARIABLES);
    return VARIABLES;
}

const struct rk_opt *options_foreign(size_t *n)
{
    *n = RK_ARRAY_LEN(FOREIGN_UP);
    return FOREIGN_UP;
}

const struct options_part *options_elsewhere(size_t *n)
{
    static const struct options_part parts[] = {
        OPTIONS_PART(OPTIONS_SETTINGS, FOREIGN_UP, cli),
        OPTIONS_PART(OPTIONS_SERVICE, FOREIGN_SERVICE, cli),
        OPTIONS_PART(OPTIONS_BUNDLE, FOREIGN_FOR, cli),
        OPTIONS_PART(OPTIONS_ANY, GLOBALS, cli),
    };

    *n = RK_ARRAY_LEN(parts);
    return parts;
}
