/* SPDX-License-Identifier: BSD-3-Clause */
/* systemd-resolved: our interface gets our server and the domains that lead there, and the rest of
 * the host stays as it is. resolved forgets a link with its interface. */
#include "config.h"

#ifdef HAVE_SYSTEMD_SD_BUS_H

#include <stdlib.h>
#include <sys/socket.h>

#include "agent/dns/bus.h"
#include "agent/dns/host_priv.h"
#include "lib/base/num.h"

#define SERVICE "org.freedesktop.resolve1"
#define NO_LINK SERVICE ".NoSuchLink"

struct resolved {
    struct dns_host_way way;
    struct dns_host_opts o;
    struct dns_bus_user bus_user;
    struct dns_bus *bus;
    /* what it was told last */
    struct rk_arena *mem;
    struct dns_host_config c;
    bool told;
};

static sd_bus_message *call(struct resolved *r, const char *method)
{
    return dns_bus_call(r->bus, SERVICE, "/org/freedesktop/resolve1", SERVICE ".Manager", method);
}

static void send_server(struct resolved *r)
{
    const struct rk_addr *a = &r->c.server;
    bool port = a->port != 53;
    sd_bus_message *m = call(r, port ? "SetLinkDNSEx" : "SetLinkDNS");
    const char *item = port ? "iayqs" : "iay";
    int rc = 0;

    if (m) {
        rc = bus_dl.message_append(m, "i", (int)r->o.ifindex);
        rc = rc < 0 ? rc : bus_dl.message_open_container(m, 'a', port ? "(iayqs)" : "(iay)");
        rc = rc < 0 ? rc : bus_dl.message_open_container(m, 'r', item);
        rc = rc < 0 ? rc : bus_dl.message_append(m, "i", a->ip.family == 4 ? AF_INET : AF_INET6);
        rc = rc < 0 ? rc : bus_dl.message_append_array(m, 'y', a->ip.b, rk_ip_size(&a->ip));
        if (port)
            rc = rc < 0 ? rc : bus_dl.message_append(m, "qs", (int)a->port, "");
        rc = rc < 0 ? rc : bus_dl.message_close_container(m);
        rc = rc < 0 ? rc : bus_dl.message_close_container(m);
    }
    dns_bus_send(r->bus, m, rc);
}

/* Neither validation nor encryption: the way to us is this host, and peers' names are not signed.
 */
static void send_plain(struct resolved *r, const char *method)
{
    sd_bus_message *m = call(r, method);

    dns_bus_send(r->bus, m, m ? bus_dl.message_append(m, "is", (int)r->o.ifindex, "no") : 0);
}

static void send_default_route(struct resolved *r)
{
    sd_bus_message *m = call(r, "SetLinkDefaultRoute");

    dns_bus_send(r->bus, m,
                 m ? bus_dl.message_append(m, "ib", (int)r->o.ifindex, (int)r->c.primary) : 0);
}

static void send_domains(struct resolved *r)
{
    sd_bus_message *m = call(r, "SetLinkDomains");
    int rc = 0;

    if (m) {
        rc = bus_dl.message_append(m, "i", (int)r->o.ifindex);
        rc = rc < 0 ? rc : bus_dl.message_open_container(m, 'a', "(sb)");
        for (size_t i = 0; i < r->c.n_domains && rc >= 0; i++)
            rc = bus_dl.message_append(m, "(sb)", r->c.domains[i].name.p,
                                       (int)!r->c.domains[i].search);
        if (r->c.primary)
            rc = rc < 0 ? rc : bus_dl.message_append(m, "(sb)", ".", 1);
        rc = rc < 0 ? rc : bus_dl.message_close_container(m);
    }
    dns_bus_send(r->bus, m, rc);
}

static void send_all(struct resolved *r)
{
    send_server(r);
    send_plain(r, "SetLinkDNSSEC");
    send_plain(r, "SetLinkDNSOverTLS");
    send_default_route(r);
    send_domains(r);
    dns_bus_send(r->bus, call(r, "FlushCaches"), 0);
}

static void on_appeared(struct dns_bus_user *u)
{
    struct resolved *r = rk_container_of(u, struct resolved, bus_user);

    if (!r->told)
        return;
    rk_log(r->o.log, RK_INFO, "systemd-resolved is new, told again");
    send_all(r);
}

static void remember(struct resolved *r, const struct dns_host_config *c)
{
    rk_arena_reset(r->mem);
    dns_host_config_dup(r->mem, c, &r->c);
    r->told = true;
}

static enum rk_code apply(struct dns_host_way *w, const struct dns_host_config *c,
                          struct rk_err *err)
{
    struct resolved *r = rk_container_of(w, struct resolved, way);
    enum rk_code rc;

    if (!r->bus) {
        r->bus_user.appeared = on_appeared;
        rc = dns_bus_open(r->o.loop, r->o.log, SERVICE, &r->bus_user, &r->bus, err);
        if (rc)
            return rc;
    }
    remember(r, c);
    send_all(r);
    return RK_OK;
}

static void end(struct dns_host_way *w)
{
    struct resolved *r = rk_container_of(w, struct resolved, way);
    sd_bus_message *m = r->told ? call(r, "RevertLink") : NULL;

    if (m)
        dns_bus_last(r->bus, m, bus_dl.message_append(m, "i", (int)r->o.ifindex), NO_LINK);
    dns_bus_close(r->bus);
    rk_arena_free(r->mem);
    free(r);
}

struct dns_host_way *dns_host_resolved_new(const struct dns_host_opts *o)
{
    struct resolved *r = rk_calloc(1, sizeof *r);

    r->way = (struct dns_host_way){.any_port = true, .apply = apply, .end = end};
    r->o = *o;
    r->mem = rk_arena_new(0);
    return &r->way;
}

#else
typedef int dns_host_resolved_is_not_built; /* ISO C wants something in every file */
#endif
