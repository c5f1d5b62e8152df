/* SPDX-License-Identifier: BSD-3-Clause */
/* The servers of the overlay and the way to peers; see doctor.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/doctor.h"
#include "agent/client/probe.h"
#include "agent/config/profile.h"
#include "agent/os/link.h"
#include "lib/crypto/tls.h"
#include "lib/net/relayproto.h"

#define SERVERS_MAX  32
#define SKEW_WARN_S  60
#define MAPPINGS_MAX 16

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

/* ---- one server, step by step */

/* Its name, then a connection to each address: at least one must work. */
static bool reach(struct doctor *d, const char *what, const char *host, uint16_t port)
{
    struct rk_ip ips[PROBE_ADDRS_MAX];
    struct rk_err err = {0};
    size_t n = probe_names(host, ips, &err), good = 0;
    char buf[RK_ADDR_TEXT];
    int64_t ms = 0;

    if (!n) {
        doctor_find(d, what, FINDING_PROBLEM,
                    "look at /etc/resolv.conf, and whether the name is right: \"rook up "
                    "--management-url\" sets the one of management",
                    "the name cannot be resolved: %s", err.msg);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (probe_tcp(&ips[i], port, d->mark, &ms, &err) == RK_OK)
            good++;
        else
            doctor_find(d, what, FINDING_WARNING,
                        "a firewall in between, or the server does not run; other addresses of the "
                        "name are tried",
                        "%s port %u: %s", rk_ip_format(&ips[i], buf).p, port, err.msg);
    }
    if (!good)
        doctor_find(d, what, FINDING_PROBLEM,
                    "is the server up, the port right, and does a firewall let TCP out to it?",
                    "%s port %u cannot be reached over TCP", host, port);
    return good > 0;
}

static void judge(struct doctor *d, const char *what, const char *url, enum rk_code rc,
                  const struct rk_err *err)
{
    if (rc == RK_OK)
        doctor_find(d, what, FINDING_OK, NULL, "%s answers", url);
    else if (rc == RK_UNAUTHENTICATED)
        doctor_find(d, what, FINDING_PROBLEM,
                    "renew the server's certificate, or name its authority to the daemon: "
                    "--ca-file; a wrong clock makes good certificates look bad",
                    "%s: the certificate is refused: %s", url, err->msg);
    else
        doctor_find(d, what, FINDING_PROBLEM,
                    "a proxy in front of the server must pass HTTP/2 (gRPC) and WebSockets on; see "
                    "\"rookery config proxy\"",
                    "%s takes connections, but does not answer as it should: %s", url, err->msg);
}

static void look_at_grpc(struct doctor *d, const char *what, const char *url, struct tls_ctx *tls)
{
    struct rk_err err = {0};
    char *host;
    uint16_t port;
    bool https;
    enum rk_code rc;

    if (!*url)
        return;
    if (profile_url(d->mem, rk_str_z(url), &https, &host, &port, &err)) {
        doctor_find(d, what, FINDING_PROBLEM, "\"rook up --management-url\" sets another", "%s",
                    err.msg);
        return;
    }
    if (!reach(d, what, host, port))
        return;
    rc = probe_grpc(host, port, https ? tls : NULL, d->mark, &err);
    judge(d, what, url, rc, &err);
}

static void look_at_relay(struct doctor *d, const char *uri, struct tls_ctx *tls)
{
    struct rk_err err = {0};
    struct rly_url to;
    enum rk_code rc;

    if (rly_url_parse(rk_str_z(uri), &to, &err)) {
        doctor_find(d, "relay", FINDING_PROBLEM,
                    "the server's configuration has it: relay addresses", "%s", err.msg);
        return;
    }
    if (!reach(d, "relay", rk_arena_dupz(d->mem, to.host), to.port))
        return;
    rc = probe_relay(rk_str_z(uri), tls, d->mark, &err);
    judge(d, "relay", uri, rc, &err);
}

static void look_at_relays(struct doctor *d, struct tls_ctx *tls)
{
    const json_t *one;
    size_t i, n = 0;

    json_array_foreach (json_object_get(json_object_get(d->status, "relays"), "details"), i, one) {
        const char *uri = text(one, "uri");

        if (strncmp(uri, "rel", 3) != 0 || n++ == SERVERS_MAX)
            continue;
        look_at_relay(d, uri, tls);
    }
    if (!n && strcmp(text(d->status, "daemonStatus"), "Connected") == 0)
        doctor_find(d, "relay", FINDING_WARNING,
                    "configure a relay on the server: without one, peers behind difficult NATs do "
                    "not reach each other",
                    "management names no relay");
}

static void look_at_clock(struct doctor *d, const char *url, const char *ca)
{
    int64_t ahead = 0;
    struct rk_err err = {0};

    if (!*url || probe_clock(d->mem, url, *ca ? ca : NULL, &ahead, &err))
        return; /* that the server is away is told elsewhere */
    if (ahead > SKEW_WARN_S || ahead < -SKEW_WARN_S)
        doctor_find(d, "clock", FINDING_PROBLEM,
                    "set it, and keep it set: timedatectl set-ntp true; logins and certificates "
                    "depend on it",
                    "this machine's clock is %lld s %s the server's",
                    (long long)(ahead < 0 ? -ahead : ahead), ahead < 0 ? "behind" : "ahead of");
    else
        doctor_find(d, "clock", FINDING_OK, NULL, "agrees with the server's");
}

/* ---- NAT */

static bool is_own_ip(struct doctor *d, const struct rk_ip *ip)
{
    struct link_addr_list addrs = {0};

    if (!d->route || link_addrs(d->route, 0, d->mem, &addrs, NULL))
        return false;
    for (size_t i = 0; i < addrs.n; i++)
        if (rk_ip_cmp(&addrs.items[i].prefix.ip, ip) == 0)
            return true;
    return false;
}

/* RFC 5780 4.3, as far as the servers that are there allow: the mapping seen from different
 * addresses. */
static void judge_mappings(struct doctor *d, const struct probe_mapping *m, size_t n,
                           uint16_t local)
{
    const struct probe_mapping *first = NULL;
    size_t answers = 0;
    bool same = true, preserved = true;
    char buf[RK_ADDR_TEXT];

    for (size_t i = 0; i < n; i++) {
        if (!m[i].mapped.ip.family)
            continue;
        answers++;
        if (!first)
            first = &m[i];
        same = same && rk_ip_cmp(&m[i].mapped.ip, &first->mapped.ip) == 0 &&
               m[i].mapped.port == first->mapped.port;
        preserved = preserved && m[i].mapped.port == local;
    }
    d->udp_blocked = !answers;
    d->nat_symmetric = !same;
    if (!answers)
        doctor_find(d, "NAT", FINDING_WARNING,
                    "let UDP out (to port 3478 of the STUN servers, and to any port of peers): "
                    "until then everything is relayed",
                    "no STUN server answers: UDP seems to be blocked");
    else if (is_own_ip(d, &first->mapped.ip))
        doctor_find(d, "NAT", FINDING_OK, NULL, "none: %s is an address of this machine",
                    rk_ip_format(&first->mapped.ip, buf).p);
    else if (!same)
        doctor_find(d, "NAT", FINDING_WARNING,
                    "forward the WireGuard port to this machine, or make the NAT's mapping "
                    "endpoint-independent (\"full cone\"): two peers behind such NATs are relayed",
                    "the mapping depends on the destination (\"symmetric\")");
    else
        doctor_find(d, "NAT", FINDING_OK, NULL, "behind %s, %s%s",
                    rk_ip_format(&first->mapped.ip, buf).p,
                    answers > 1 ? "one mapping for all destinations"
                                : "seen from one address only, so its kind is not known",
                    preserved ? ", ports are kept" : "");
}

static void look_at_nat(struct doctor *d)
{
    struct probe_mapping m[MAPPINGS_MAX];
    struct rk_str uris[SERVERS_MAX];
    const json_t *one;
    size_t i, n = 0;
    uint16_t local = 0;

    json_array_foreach (json_object_get(json_object_get(d->status, "relays"), "details"), i, one)
        if (n < SERVERS_MAX && strncmp(text(one, "uri"), "stun:", 5) == 0)
            uris[n++] = rk_str_z(text(one, "uri"));
    if (!n)
        return;
    n = probe_stun(uris, n, d->mark, m, MAPPINGS_MAX, &local);
    judge_mappings(d, m, n, local);
}

/* ---- peers */

static void look_at_peers(struct doctor *d)
{
    const json_t *p;
    size_t i, n = 0;

    json_array_foreach (json_object_get(json_object_get(d->status, "peers"), "details"), i, p) {
        const char *type = text(p, "connectionType");

        n += strcmp(type, "P2P") == 0;
        if (strcmp(type, "Relayed") != 0)
            continue;
        doctor_find(d, "relayed peer", FINDING_NOTE,
                    d->udp_blocked     ? "UDP is blocked here, see NAT"
                    : d->nat_symmetric ? "the NAT here maps each destination differently, see NAT; "
                                         "one such NAT is enough when the other side filters"
                                       : "nothing here stands in the way: run \"rook doctor\" on "
                                         "that peer, and look for firewalls that drop UDP",
                    "%s (%s) is reached by the relay %s", text(p, "fqdn"), text(p, "netbirdIp"),
                    text(p, "relayAddress"));
    }
    if (n)
        doctor_find(d, "direct peers", FINDING_OK, NULL, "%zu", n);
}

/* The resolver of this machine asks ours. */
static void look_at_names(struct doctor *d)
{
    const char *fqdn = text(d->status, "fqdn"), *cidr = text(d->status, "netbirdIp");
    struct rk_ip ips[PROBE_ADDRS_MAX];
    struct rk_prefix own;
    struct rk_err err = {0};
    size_t n;

    if (!*fqdn || json_is_true(json_object_get(d->about, "disableDns")) ||
        rk_prefix_parse(rk_str_z(cidr), &own, NULL))
        return;
    n = probe_names(fqdn, ips, &err);
    for (size_t i = 0; i < n; i++)
        if (rk_ip_cmp(&ips[i], &own.ip) == 0) {
            doctor_find(d, "names", FINDING_OK, NULL, "%s resolves", fqdn);
            return;
        }
    doctor_find(
        d, "names", FINDING_WARNING,
        "look at \"resolvectl status\" or /etc/resolv.conf: something else may have written "
        "it after rook; \"rook down\" and \"rook up\" write it anew",
        "%s, the name of this machine, does not resolve here%s%s", fqdn, *err.msg ? ": " : "",
        err.msg);
}

void doctor_net(struct doctor *d)
{
    const char *management = text(json_object_get(d->status, "management"), "url");
    const char *ca = text(d->about, "caFile");
    struct tls_client_opts o = {.ca_file = *ca ? ca : NULL};
    struct tls_ctx *tls = NULL;
    struct rk_err err = {0};

    if (!d->status)
        return;
    if (tls_client_new(&o, &tls, &err)) {
        doctor_find(d, "certificates", FINDING_PROBLEM, "see --ca-file of the daemon", "%s",
                    err.msg);
        return;
    }
    if (!*management)
        doctor_find(d, "management", FINDING_NOTE, "\"rook up --management-url URL\" names one",
                    "no management server yet");
    look_at_grpc(d, "management", management, tls);
    look_at_clock(d, management, ca);
    look_at_grpc(d, "signal", text(json_object_get(d->status, "signal"), "url"), tls);
    look_at_relays(d, tls);
    look_at_nat(d);
    look_at_names(d);
    look_at_peers(d);
    tls_ctx_free(tls);
}
