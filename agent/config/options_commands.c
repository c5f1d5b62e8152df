/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of the commands, a table for each group of them; see options.h. */
#include "config.h"

#include "agent/config/options_priv.h"

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

const struct options_part *options_commands(size_t *n)
{
    static const struct options_part parts[] = {
        OPTIONS_PART(OPTIONS_CLI, CLI_OPTS, cli),
        OPTIONS_PART(OPTIONS_CONNECT, CONNECT_OPTS, cli),
        OPTIONS_PART(OPTIONS_LOGIN, LOGIN_OPTS, cli),
        OPTIONS_PART(OPTIONS_PROFILE, PROFILE_OPTS, cli),
        OPTIONS_PART(OPTIONS_STATUS, STATUS_OPTS, cli),
        OPTIONS_PART(OPTIONS_NETWORKS, NETWORKS_OPTS, cli),
        OPTIONS_PART(OPTIONS_PROFILES, PROFILES_OPTS, cli),
        OPTIONS_PART(OPTIONS_STATE, STATE_OPTS, cli),
        OPTIONS_PART(OPTIONS_BUNDLE, BUNDLE_OPTS, cli),
        OPTIONS_PART(OPTIONS_DOCTOR, DOCTOR_OPTS, cli),
        OPTIONS_PART(OPTIONS_ANON, ANON_OPTS, cli),
        OPTIONS_PART(OPTIONS_SERVICE, SERVICE_OPTS, cli),
    };

    *n = RK_ARRAY_LEN(parts);
    return parts;
}
