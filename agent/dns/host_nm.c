/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NetworkManager by D-Bus: our name server becomes part of what is applied to our interface, and
 * NetworkManager tells whatever answers names here (a dnsmasq of its own, resolv.conf).
 *
 *   GetDeviceByIpIface -> GetAppliedConnection -> Reapply, the same with our server in it
 *
 * Where it does not know our interface or refuses, the host gets the plain file instead.
 */
#include "config.h"

#ifdef HAVE_SYSTEMD_SD_BUS_H

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dns/bus.h"
#include "agent/dns/host_priv.h"
#include "lib/base/arena.h"
#include "lib/base/num.h"

#define SERVICE "org.freedesktop.NetworkManager"
#define ROOT    "/org/freedesktop/NetworkManager"
#define DEVICE  SERVICE ".Device"

/* Of all connections: ours before all, between, and behind for search domains alone. */
#define PRIORITY_PRIMARY (-500)
#define PRIORITY_MATCH   0
#define PRIORITY_SEARCH  50

struct nm {
    struct dns_host_way way;
    struct dns_host_opts o;
    struct dns_bus_user bus_user;
    struct dns_bus *bus;
    char *device; /* path; NULL: not asked yet */
    bool busy, again, told;
    struct rk_arena *mem;
    struct dns_host_config c;
};

/* ---- reading versions */

/* 1.16 to 1.26 and 1.44: others lose the interface's addresses with Reapply, or have no names in
 * it.
 */
static bool version_is_good(const char *text)
{
    unsigned long major, minor;
    char *end;

    major = strtoul(text, &end, 10);
    if (*end != '.' || major != 1)
        return false;
    minor = strtoul(end + 1, &end, 10);
    return (minor >= 16 && minor < 27) || minor == 44;
}

bool dns_host_nm_usable(void)
{
    char version[32] = "", mode[32] = "", rc[32] = "";

    if (!dns_bus_property(SERVICE, ROOT, SERVICE, "Version", version, sizeof version) ||
        !version_is_good(version))
        return false;
    RK_IGNORE(dns_bus_property(SERVICE, ROOT "/DnsManager", SERVICE ".DnsManager", "Mode", mode,
                               sizeof mode));
    RK_IGNORE(dns_bus_property(SERVICE, ROOT "/DnsManager", SERVICE ".DnsManager", "RcManager", rc,
                               sizeof rc));
    return strcmp(mode, "dnsmasq") == 0 || strcmp(mode, "unbound") == 0 ||
           strcmp(mode, "systemd-resolved") == 0 || (rc[0] && strcmp(rc, "unmanaged") != 0);
}

/* ---- the connection with our server in it */

static bool is_ours(const char *key)
{
    static const char *const keys[] = {"addresses", "routes",       "dns",
                                       "dns-data",  "dns-priority", "dns-search"};

    for (size_t i = 0; i < RK_ARRAY_LEN(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static int begin_entry(sd_bus_message *m, const char *key, const char *type)
{
    int rc = bus_dl.message_open_container(m, 'e', "sv");

    rc = rc < 0 ? rc : bus_dl.message_append(m, "s", key);
    return rc < 0 ? rc : bus_dl.message_open_container(m, 'v', type);
}

static int end_entry(sd_bus_message *m, int rc)
{
    rc = rc < 0 ? rc : bus_dl.message_close_container(m);
    return rc < 0 ? rc : bus_dl.message_close_container(m);
}

static int put_server(sd_bus_message *m, const struct rk_ip *ip)
{
    bool v4 = ip->family == 4;
    uint32_t word;
    int rc = begin_entry(m, "dns", v4 ? "au" : "aay");

    rc = rc < 0 ? rc : bus_dl.message_open_container(m, 'a', v4 ? "u" : "ay");
    memcpy(&word, ip->b, sizeof word); /* in the network's order */
    if (v4)
        rc = rc < 0 ? rc : bus_dl.message_append(m, "u", word);
    else
        rc = rc < 0 ? rc : bus_dl.message_append_array(m, 'y', ip->b, rk_ip_size(ip));
    rc = rc < 0 ? rc : bus_dl.message_close_container(m);
    return end_entry(m, rc);
}

static int put_search(sd_bus_message *m, const struct dns_host_config *c)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    int rc = begin_entry(m, "dns-search", "as");

    rc = rc < 0 ? rc : bus_dl.message_open_container(m, 'a', "s");
    for (size_t i = 0; i < c->n_domains && rc >= 0; i++) /* "~": asked of us, not searched */
        rc = bus_dl.message_append(m, "s",
                                   rk_arena_printf(mem, "%s%.*s", c->domains[i].search ? "" : "~",
                                                   RK_STR_ARG(c->domains[i].name))
                                       .p);
    if (c->primary)
        rc = rc < 0 ? rc : bus_dl.message_append(m, "s", "~.");
    rc = rc < 0 ? rc : bus_dl.message_close_container(m);
    return end_entry(m, rc);
}

static int put_ours(sd_bus_message *m, const struct dns_host_config *c)
{
    int priority = PRIORITY_SEARCH, rc;

    for (size_t i = 0; i < c->n_domains; i++)
        if (!c->domains[i].search)
            priority = PRIORITY_MATCH;
    if (c->primary)
        priority = PRIORITY_PRIMARY;
    rc = put_server(m, &c->server.ip);
    rc = rc < 0 ? rc : begin_entry(m, "dns-priority", "i");
    rc = rc < 0 ? rc : bus_dl.message_append(m, "i", priority);
    rc = end_entry(m, rc);
    return rc < 0 ? rc : put_search(m, c);
}

/* One of the settings: what it has but for the keys that are ours; c not NULL: and ours. */
static int copy_keys(sd_bus_message *m, sd_bus_message *from, bool ip,
                     const struct dns_host_config *c)
{
    const char *key;
    int rc = bus_dl.message_open_container(m, 'a', "{sv}"), more = 0;

    rc = rc < 0 ? rc : bus_dl.message_enter_container(from, 'a', "{sv}");
    while (rc >= 0 && (more = bus_dl.message_enter_container(from, 'e', "sv")) > 0) {
        rc = bus_dl.message_read(from, "s", &key);
        if (rc >= 0 && ip && is_ours(key)) {
            rc = bus_dl.message_skip(from, "v");
        } else {
            rc = rc < 0 ? rc : bus_dl.message_open_container(m, 'e', "sv");
            rc = rc < 0 ? rc : bus_dl.message_append(m, "s", key);
            rc = rc < 0 ? rc : bus_dl.message_copy(m, from, 0);
            rc = rc < 0 ? rc : bus_dl.message_close_container(m);
        }
        rc = rc < 0 ? rc : bus_dl.message_exit_container(from);
    }
    rc = rc < 0 ? rc : more < 0 ? more : bus_dl.message_exit_container(from);
    rc = rc < 0 || !c ? rc : put_ours(m, c);
    return rc < 0 ? rc : bus_dl.message_close_container(m);
}

/* c NULL: as it was without us. */
static int fill(sd_bus_message *m, sd_bus_message *from, const struct dns_host_config *c)
{
    const char *mine = c && c->server.ip.family == 6 ? "ipv6" : "ipv4", *name;
    uint64_t version = 0;
    int rc = bus_dl.message_open_container(m, 'a', "{sa{sv}}"), more = 0;

    rc = rc < 0 ? rc : bus_dl.message_enter_container(from, 'a', "{sa{sv}}");
    while (rc >= 0 && (more = bus_dl.message_enter_container(from, 'e', "sa{sv}")) > 0) {
        bool ip;

        rc = bus_dl.message_read(from, "s", &name);
        if (rc < 0)
            break;
        ip = strcmp(name, "ipv4") == 0 || strcmp(name, "ipv6") == 0;
        rc = bus_dl.message_open_container(m, 'e', "sa{sv}");
        rc = rc < 0 ? rc : bus_dl.message_append(m, "s", name);
        rc = rc < 0 ? rc : copy_keys(m, from, ip, strcmp(name, mine) == 0 ? c : NULL);
        rc = rc < 0 ? rc : bus_dl.message_close_container(m);
        rc = rc < 0 ? rc : bus_dl.message_exit_container(from);
    }
    rc = rc < 0 ? rc : more < 0 ? more : bus_dl.message_exit_container(from);
    rc = rc < 0 ? rc : bus_dl.message_close_container(m);
    rc = rc < 0 ? rc : bus_dl.message_read(from, "t", &version);
    return rc < 0 ? rc : bus_dl.message_append(m, "tu", version, 0);
}

/* ---- step by step */

static void start(struct nm *n);

static sd_bus_message *device_call(struct nm *n, const char *method)
{
    return dns_bus_call(n->bus, SERVICE, n->device, DEVICE, method);
}

static void give_up(struct nm *n, const char *why)
{
    rk_log(n->o.log, RK_WARN, "NetworkManager does not take our name server", kv_z("error", why));
    n->busy = n->told = false;
    n->way.failed(&n->way); /* on a later turn n is gone */
}

static void on_applied(void *arg, sd_bus_message *reply, const char *text)
{
    struct nm *n = arg;

    if (!reply) {
        give_up(n, text);
        return;
    }
    n->busy = false;
    n->told = true;
    if (n->again)
        start(n);
}

static void on_connection(void *arg, sd_bus_message *reply, const char *text)
{
    struct nm *n = arg;
    sd_bus_message *m = reply ? device_call(n, "Reapply") : NULL;

    if (!m) {
        give_up(n, text);
        return;
    }
    dns_bus_ask(n->bus, m, fill(m, reply, &n->c), on_applied, n);
}

static void on_device(void *arg, sd_bus_message *reply, const char *text)
{
    struct nm *n = arg;
    const char *path = NULL;
    sd_bus_message *m;

    if (!reply || bus_dl.message_read(reply, "o", &path) < 0) {
        give_up(n, text);
        return;
    }
    free(n->device);
    n->device = rk_str_dupz(rk_str_z(path));
    m = device_call(n, "GetAppliedConnection");
    dns_bus_ask(n->bus, m, m ? bus_dl.message_append(m, "u", 0) : 0, on_connection, n);
}

static void start(struct nm *n)
{
    sd_bus_message *m = dns_bus_call(n->bus, SERVICE, ROOT, SERVICE, "GetDeviceByIpIface");

    n->again = false;
    n->busy = true;
    dns_bus_ask(n->bus, m, m ? bus_dl.message_append(m, "s", n->o.iface) : 0, on_device, n);
}

static void on_appeared(struct dns_bus_user *u)
{
    struct nm *n = rk_container_of(u, struct nm, bus_user);

    if (n->busy || !n->told)
        return;
    rk_log(n->o.log, RK_INFO, "NetworkManager is new, told again");
    start(n);
}

static enum rk_code apply(struct dns_host_way *w, const struct dns_host_config *c,
                          struct rk_err *err)
{
    struct nm *n = rk_container_of(w, struct nm, way);
    enum rk_code rc;

    if (!n->bus) {
        n->bus_user.appeared = on_appeared;
        rc = dns_bus_open(n->o.loop, n->o.log, SERVICE, &n->bus_user, &n->bus, err);
        if (rc)
            return rc;
    }
    rk_arena_reset(n->mem);
    dns_host_config_dup(n->mem, c, &n->c);
    n->again = n->busy;
    if (!n->busy)
        start(n);
    return RK_OK;
}

/* Before the interface goes: the same connection without our server. */
static void take_back(struct nm *n)
{
    sd_bus_message *m = device_call(n, "GetAppliedConnection"), *reply;

    reply = dns_bus_wait(n->bus, m, m ? bus_dl.message_append(m, "u", 0) : 0, NULL);
    m = reply ? device_call(n, "Reapply") : NULL;
    if (m)
        dns_bus_last(n->bus, m, fill(m, reply, NULL), NULL);
    (void)bus_dl.message_unref(reply);
}

static void end(struct dns_host_way *w)
{
    struct nm *n = rk_container_of(w, struct nm, way);

    if (n->bus && n->device && (n->told || n->busy))
        take_back(n);
    dns_bus_close(n->bus);
    free(n->device);
    rk_arena_free(n->mem);
    free(n);
}

struct dns_host_way *dns_host_nm_new(const struct dns_host_opts *o)
{
    struct nm *n = rk_calloc(1, sizeof *n);

    n->way = (struct dns_host_way){.apply = apply, .end = end};
    n->o = *o;
    n->mem = rk_arena_new(0);
    return &n->way;
}

#else
typedef int dns_host_nm_is_not_built; /* ISO C wants something in every file */
#endif
