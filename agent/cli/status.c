/* SPDX-License-Identifier: BSD-3-Clause */
/* Printing the answer of `status`; the lines are those of official agents. */
#include "config.h"

#include "agent/cli/status.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "lib/base/num.h"

static const json_t *at(const json_t *o, const char *name)
{
    return json_object_get(o, name);
}

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(at(o, name));

    return s ? s : "";
}

static bool flag(const json_t *o, const char *name)
{
    return json_is_true(at(o, name));
}

static json_int_t number(const json_t *o, const char *name)
{
    return json_integer_value(at(o, name));
}

static void print_server(FILE *out, const char *label, const json_t *s, bool detail)
{
    if (flag(s, "connected"))
        (void)fprintf(out, "%s: Connected%s%s\n", label, detail ? " to " : "",
                      detail ? text(s, "url") : "");
    else
        (void)fprintf(out, "%s: Disconnected%s%s\n", label, *text(s, "error") ? ", reason: " : "",
                      text(s, "error"));
}

static void print_relays(FILE *out, const json_t *relays, bool detail)
{
    const json_t *one, *details = at(relays, "details");
    size_t i;

    if (!detail) {
        (void)fprintf(out, "Relays: %" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT " Available\n",
                      number(relays, "available"), number(relays, "total"));
        return;
    }
    (void)fprintf(out, "Relays:\n");
    json_array_foreach (details, i, one) {
        if (flag(one, "available"))
            (void)fprintf(out, "  [%s] is Available%s%s\n", text(one, "uri"),
                          *text(one, "transport") ? " via " : "", text(one, "transport"));
        else if (*text(one, "error"))
            (void)fprintf(out, "  [%s] is Unavailable, reason: %s\n", text(one, "uri"),
                          text(one, "error"));
        else
            (void)fprintf(out, "  [%s] is Checking...\n", text(one, "uri"));
    }
}

static void print_list(FILE *out, const char *label, const json_t *list)
{
    const json_t *one;
    size_t i;

    (void)fprintf(out, "%s: ", label);
    if (!json_array_size(list))
        (void)fprintf(out, "-");
    json_array_foreach (list, i, one)
        (void)fprintf(out, "%s%s", i ? ", " : "", json_string_value(one));
    (void)fprintf(out, "\n");
}

static void print_bytes(FILE *out, json_int_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    json_int_t tenths = n * 10;
    size_t u = 0;

    while (tenths >= 10240 && u + 1 < sizeof units / sizeof *units) {
        tenths /= 1024;
        u++;
    }
    if (u == 0)
        (void)fprintf(out, "%" JSON_INTEGER_FORMAT " B", n);
    else
        (void)fprintf(out, "%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT " %s", tenths / 10,
                      tenths % 10, units[u]);
}

static const char *time_or_dash(const char *t)
{
    return strncmp(t, "0001-", 5) == 0 || !*t ? "-" : t;
}

static void print_peer(FILE *out, const json_t *p)
{
    const json_t *type = at(p, "iceCandidateType"), *end = at(p, "iceCandidateEndpoint");
    json_int_t ns = number(p, "latency");

    (void)fprintf(out, "\n %s:\n", text(p, "fqdn"));
    (void)fprintf(out, "  NetBird IP: %s\n", text(p, "netbirdIp"));
    if (*text(p, "netbirdIpv6"))
        (void)fprintf(out, "  NetBird IPv6: %s\n", text(p, "netbirdIpv6"));
    (void)fprintf(out, "  Public key: %s\n  Status: %s\n  -- detail --\n", text(p, "publicKey"),
                  text(p, "status"));
    (void)fprintf(out, "  Connection type: %s\n", text(p, "connectionType"));
    (void)fprintf(out, "  ICE candidate (Local/Remote): %s/%s\n",
                  *text(type, "local") ? text(type, "local") : "-",
                  *text(type, "remote") ? text(type, "remote") : "-");
    (void)fprintf(out, "  ICE candidate endpoints (Local/Remote): %s/%s\n",
                  *text(end, "local") ? text(end, "local") : "-",
                  *text(end, "remote") ? text(end, "remote") : "-");
    (void)fprintf(out, "  Relay server address: %s\n", text(p, "relayAddress"));
    (void)fprintf(out, "  Last connection update: %s\n", time_or_dash(text(p, "lastStatusUpdate")));
    (void)fprintf(out, "  Last WireGuard handshake: %s\n",
                  time_or_dash(text(p, "lastWireguardHandshake")));
    (void)fprintf(out, "  Transfer status (received/sent) ");
    print_bytes(out, number(p, "transferReceived"));
    (void)fprintf(out, "/");
    print_bytes(out, number(p, "transferSent"));
    (void)fprintf(out, "\n  Quantum resistance: %s\n",
                  flag(p, "quantumResistance") ? "true" : "false");
    print_list(out, "  Networks", at(p, "networks"));
    (void)fprintf(out, "  Latency: %" JSON_INTEGER_FORMAT ".%03" JSON_INTEGER_FORMAT " ms\n",
                  ns / 1000000, ns / 1000 % 1000);
}

static bool needs_login(const char *status)
{
    return strcmp(status, "NeedsLogin") == 0 || strcmp(status, "LoginFailed") == 0 ||
           strcmp(status, "SessionExpired") == 0;
}

static void print_words(FILE *out, const json_t *list, const char *none)
{
    const json_t *one;
    size_t i;

    (void)fprintf(out, "[%s", json_array_size(list) ? "" : none);
    json_array_foreach (list, i, one)
        (void)fprintf(out, "%s%s", i ? ", " : "", json_string_value(one));
    (void)fprintf(out, "]");
}

/* A group for no domain in particular is the one for all: ".". */
static void print_nameservers(FILE *out, const json_t *groups, bool detail)
{
    const json_t *g;
    size_t i, ok = 0;

    json_array_foreach (groups, i, g)
        ok += flag(g, "enabled") && !*text(g, "error");
    if (!detail || !json_array_size(groups)) {
        (void)fprintf(out, "Nameservers: %zu/%zu Available\n", ok, json_array_size(groups));
        return;
    }
    (void)fprintf(out, "Nameservers:\n");
    json_array_foreach (groups, i, g) {
        (void)fprintf(out, "  ");
        print_words(out, at(g, "servers"), "");
        (void)fprintf(out, " for ");
        print_words(out, at(g, "domains"), ".");
        (void)fprintf(out, " is %s%s%s\n",
                      flag(g, "enabled") && !*text(g, "error") ? "Available" : "Unavailable",
                      *text(g, "error") ? ", reason: " : "", text(g, "error"));
    }
}

static void print_session(FILE *out, const char *at_text)
{
    int64_t us, left_min;

    if (!*at_text)
        return;
    (void)fprintf(out, "Session expires: %s", at_text);
    if (rk_time_parse_us(rk_str_z(at_text), &us, NULL) == RK_OK) {
        left_min = (us / 1000 - rk_unix_ms()) / 60000;
        if (left_min < 0)
            (void)fprintf(out, " (is over)");
        else if (left_min < 60)
            (void)fprintf(out, " (in %" PRId64 "m)", left_min);
        else if (left_min < 24 * 60)
            (void)fprintf(out, " (in %" PRId64 "h %" PRId64 "m)", left_min / 60, left_min % 60);
        else
            (void)fprintf(out, " (in %" PRId64 "d %" PRId64 "h)", left_min / 1440,
                          left_min / 60 % 24);
    }
    (void)fprintf(out, "\n");
}

/* ---- filter */

static bool in_list(const struct rk_strs *l, const char *value, bool labels)
{
    for (size_t i = 0; i < l->n; i++) {
        size_t n = l->items[i].n;

        if (strncasecmp(value, l->items[i].p, n) == 0 && (!value[n] || (labels && value[n] == '.')))
            return true;
    }
    return false;
}

static bool wanted(const json_t *p, const struct status_filter *f)
{
    if (f->ips->n && !in_list(f->ips, text(p, "netbirdIp"), false) &&
        !in_list(f->ips, text(p, "netbirdIpv6"), false))
        return false;
    if (f->names->n && !in_list(f->names, text(p, "fqdn"), true))
        return false;
    if (f->status.n && (strlen(text(p, "status")) != f->status.n ||
                        strncasecmp(text(p, "status"), f->status.p, f->status.n) != 0))
        return false;
    return !f->path.n || (strlen(text(p, "connectionType")) == f->path.n &&
                          strncasecmp(text(p, "connectionType"), f->path.p, f->path.n) == 0);
}

static bool one_of(struct rk_str word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (word.n == strlen(words[i]) && strncasecmp(word.p, words[i], word.n) == 0)
            return true;
    return !word.n;
}

bool cli_status_filter(json_t *status, const struct status_filter *f)
{
    static const char *const states[] = {"idle", "connecting", "connected"};
    static const char *const paths[] = {"P2P", "Relayed"};
    json_t *details = json_object_get(json_object_get(status, "peers"), "details");

    if (!one_of(f->status, states, RK_ARRAY_LEN(states)) ||
        !one_of(f->path, paths, RK_ARRAY_LEN(paths)))
        return false;
    for (size_t i = json_array_size(details); i-- > 0;)
        if (!wanted(json_array_get(details, i), f))
            (void)json_array_remove(details, i);
    return true;
}

/* Only while management wants them. */
static void print_traffic(FILE *out, const json_t *t)
{
    if (t)
        (void)fprintf(out,
                      "Traffic events: recorded, server %s, %" JSON_INTEGER_FORMAT
                      " waiting, %" JSON_INTEGER_FORMAT " told, %" JSON_INTEGER_FORMAT " lost\n",
                      flag(t, "connected") ? "connected" : "not connected", number(t, "waiting"),
                      number(t, "acknowledged"), number(t, "lost"));
}

static void print_events(FILE *out, const json_t *events)
{
    const json_t *e;
    size_t i;

    (void)fprintf(out, "Events:%s\n", json_array_size(events) ? "" : " No events recorded");
    json_array_foreach (events, i, e) {
        (void)fprintf(out, "  [%s] %s (%s)\n    Message: %s\n    Time: %s\n", text(e, "severity"),
                      text(e, "category"), text(e, "id"), text(e, "userMessage"),
                      text(e, "timestamp"));
    }
}

void cli_status_print(FILE *out, const json_t *s, bool detail)
{
    const json_t *peers = at(s, "peers"), *p;
    const char *status = text(s, "daemonStatus");
    struct utsname un = {0};
    size_t i;

    if (needs_login(status)) {
        (void)fprintf(out,
                      "Daemon status: %s\n%s%s\nRun \"rook up --management-url URL --setup-key "
                      "KEY\" to log in.\n",
                      status, *text(s, "daemonError") ? "Reason: " : "", text(s, "daemonError"));
        return;
    }
    if (detail) {
        (void)fprintf(out, "Peers detail:");
        json_array_foreach (at(peers, "details"), i, p)
            print_peer(out, p);
        (void)fprintf(out, "\n");
        print_events(out, at(s, "events"));
    }
    (void)uname(&un);
    (void)fprintf(out, "OS: linux/%s\nDaemon version: %s\nCLI version: %s\nProfile: %s\n",
                  un.machine, text(s, "daemonVersion"), PACKAGE_VERSION, text(s, "profileName"));
    print_server(out, "Management", at(s, "management"), detail);
    print_server(out, "Signal", at(s, "signal"), detail);
    if (detail && *text(s, "adminUrl"))
        (void)fprintf(out, "Dashboard: %s\n", text(s, "adminUrl"));
    print_relays(out, at(s, "relays"), detail);
    print_nameservers(out, at(s, "dnsServers"), detail);
    (void)fprintf(out, "FQDN: %s\nNetBird IP: %s\n", text(s, "fqdn"),
                  *text(s, "netbirdIp") ? text(s, "netbirdIp") : "N/A");
    if (*text(s, "netbirdIpv6"))
        (void)fprintf(out, "NetBird IPv6: %s\n", text(s, "netbirdIpv6"));
    (void)fprintf(out, "Interface type: %s\n",
                  !*text(s, "netbirdIp")           ? "N/A"
                  : flag(s, "usesKernelInterface") ? "Kernel"
                                                   : "Userspace");
    (void)fprintf(out, "Wireguard port: %" JSON_INTEGER_FORMAT "\n", number(s, "wireguardPort"));
    (void)fprintf(out, "Quantum resistance: false\nLazy connection: %s\nSSH Server: Disabled\n",
                  flag(s, "lazyConnectionEnabled") ? "true" : "false");
    print_list(out, "Networks", at(s, "networks"));
    print_traffic(out, at(s, "trafficEvents"));
    print_session(out, text(s, "sessionExpiresAt"));
    (void)fprintf(out, "Peers count: %" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT " Connected\n",
                  number(peers, "connected"), number(peers, "total"));
}

static bool relay_available(const json_t *relays)
{
    const json_t *one;
    bool listed = false;
    size_t i;

    json_array_foreach (at(relays, "details"), i, one) {
        if (strncmp(text(one, "uri"), "rel", 3) != 0)
            continue;
        listed = true;
        if (flag(one, "available"))
            return true;
    }
    return !listed;
}

int cli_status_check(const json_t *s, const char *what)
{
    const char *status = text(s, "daemonStatus");

    if (strcmp(what, "live") == 0)
        return 0; /* it has answered */
    if (strcmp(what, "ready") == 0)
        return strcmp(status, "Idle") != 0 && strcmp(status, "Connecting") != 0 &&
               strcmp(status, "Connected") != 0;
    if (strcmp(what, "startup") == 0)
        return !(flag(at(s, "management"), "connected") && flag(at(s, "signal"), "connected") &&
                 relay_available(at(s, "relays")));
    return 2;
}
