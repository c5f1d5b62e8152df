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
