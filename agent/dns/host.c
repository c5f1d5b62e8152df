/* SPDX-License-Identifier: BSD-3-Clause */
/* Which way this host is configured, and what all ways have in common; see host.h. */
#include "config.h"

#include "agent/dns/host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/dns/host_priv.h"
#include "lib/base/file.h"

#define FILE_MAX ((size_t)1 << 20)

struct dns_host {
    struct dns_host_opts o;
    enum dns_host_kind kind;
    struct dns_host_way *way;
    uint64_t applied; /* hash of the configuration that stands; 0: none */
    struct rk_arena *mem;
    struct dns_host_config c; /* the last one */
    struct rk_timer *timer;   /* another kind has to take over */
};

const char *dns_host_kind_name(enum dns_host_kind kind)
{
    static const char *const names[] = {"file", "resolvconf", "systemd-resolved", "NetworkManager"};

    return names[kind];
}

#ifdef HAVE_SYSTEMD_SD_BUS_H
/* Its own socket takes connections while it runs. */
static bool resolved_runs(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX,
                             .sun_path = "/run/systemd/resolve/io.systemd.Resolve"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0;

    if (fd >= 0)
        (void)close(fd);
    return ok;
}
#else
static bool resolved_runs(void)
{
    return false;
}

bool dns_host_nm_usable(void)
{
    return false;
}
#endif

static bool has_stub(const struct resolvconf *c)
{
    struct rk_ip stub = rk_ip4(127, 0, 0, 53);

    for (size_t i = 0; i < c->n_servers; i++)
        if (rk_ip_eq(&c->servers[i], &stub))
            return true;
    return false;
}

/* The hosts line of nsswitch.conf names resolve before dns: the C library asks it first. */
static bool nss_prefers_resolve(void)
{
    struct rk_str rest, line;
    struct rk_buf text;
    bool yes = false;

    rk_buf_init(&text, FILE_MAX);
    if (rk_file_read("/etc/nsswitch.conf", 0, &text, NULL) == RK_OK)
        for (rest = rk_buf_str(&text); rest.n && !yes;) {
            (void)rk_str_cut(rest, '\n', &line, &rest);
            if (rk_str_starts(line, RK_STR("hosts:")))
                yes = rk_str_find(line, RK_STR(" resolve")) < rk_str_find(line, RK_STR(" dns"));
        }
    rk_buf_done(&text);
    return yes;
}

enum dns_host_kind dns_host_detect(struct dns_resolver *r, const char **why)
{
    struct resolvconf c = {0};
    struct rk_buf text;

    rk_buf_init(&text, FILE_MAX);
    if (rk_file_read(dns_resolver_file(r), 0, &text, NULL) == RK_OK)
        resolvconf_parse(rk_buf_str(&text), &c);
    rk_buf_done(&text);
    if (resolved_runs() && (has_stub(&c) || nss_prefers_resolve())) {
        *why = "programs of this host ask systemd-resolved";
        return DNS_HOST_RESOLVED;
    }
    if (c.networkmanager && !c.ours && dns_host_nm_usable()) {
        *why = "resolv.conf is made by NetworkManager";
        return DNS_HOST_NETWORKMANAGER;
    }
    if (c.resolvconf && !c.ours && dns_resolver_resolvconf(r)) {
        *why = "resolv.conf is made by resolvconf";
        return DNS_HOST_RESOLVCONF;
    }
    *why = "nothing else manages resolv.conf";
    return DNS_HOST_FILE;
}

void dns_host_config_dup(struct rk_arena *mem, const struct dns_host_config *c,
                         struct dns_host_config *out)
{
    struct dns_host_domain *v = rk_new_n(mem, struct dns_host_domain, c->n_domains + 1);

    for (size_t i = 0; i < c->n_domains; i++) {
        v[i].name = rk_str_z(rk_arena_dupz(mem, c->domains[i].name));
        v[i].search = c->domains[i].search;
    }
    *out = *c;
    out->domains = v;
}

static void on_failed(struct dns_host_way *w);

static void make_way(struct dns_host *h)
{
    if (h->kind == DNS_HOST_RESOLVCONF)
        h->way = dns_host_resolvconf_new(&h->o);
#ifdef HAVE_SYSTEMD_SD_BUS_H
    else if (h->kind == DNS_HOST_RESOLVED)
        h->way = dns_host_resolved_new(&h->o);
    else if (h->kind == DNS_HOST_NETWORKMANAGER)
        h->way = dns_host_nm_new(&h->o);
#endif
    else
        h->way = dns_host_file_new(&h->o);
    h->way->host = h;
    h->way->failed = on_failed;
}

/* The plain file always works. */
static void fall_back(void *arg)
{
    struct dns_host *h = arg;
    struct rk_err err = {0};

    h->way->end(h->way);
    h->kind = DNS_HOST_FILE;
    make_way(h);
    rk_log(h->o.log, RK_INFO, "names of this host are managed by",
           kv_z("manager", dns_host_kind_name(h->kind)), kv_z("because", "the other way failed"));
    if (h->applied && h->way->apply(h->way, &h->c, &err)) {
        h->applied = 0;
        rk_log(h->o.log, RK_WARN, "this host is not told of our name server", KV_ERR(&err));
    }
}

static void on_failed(struct dns_host_way *w)
{
    rk_timer_start(w->host->o.loop, &w->host->timer, 0, fall_back, w->host);
}

struct dns_host *dns_host_new(const struct dns_host_opts *opts)
{
    struct dns_host *h = rk_calloc(1, sizeof *h);
    const char *why = "";

    h->o = *opts;
    h->mem = rk_arena_new(0);
    h->kind = dns_host_detect(opts->resolver, &why);
    make_way(h);
    rk_log(opts->log, RK_INFO, "names of this host are managed by",
           kv_z("manager", dns_host_kind_name(h->kind)), kv_z("because", why));
    return h;
}

enum dns_host_kind dns_host_kind_of(const struct dns_host *h)
{
    return h->kind;
}

static uint64_t hash_of(const struct dns_host_config *c)
{
    char text[RK_ADDR_TEXT];
    struct rk_buf b;
    uint64_t h;

    rk_buf_init(&b, (size_t)1 << 20);
    rk_buf_add(&b, rk_addr_format(&c->server, text));
    rk_buf_addc(&b, c->primary ? '1' : '0');
    for (size_t i = 0; i < c->n_domains; i++) {
        rk_buf_addc(&b, c->domains[i].search ? ' ' : '~');
        rk_buf_add(&b, c->domains[i].name);
    }
    h = rk_str_hash(rk_buf_str(&b));
    rk_buf_done(&b);
    return h | 1;
}

enum rk_code dns_host_apply(struct dns_host *h, const struct dns_host_config *c, struct rk_err *err)
{
    uint64_t hash = hash_of(c);
    enum rk_code rc;

    if (h->applied == hash)
        return RK_OK;
    if (c->server.port != 53 && !h->way->any_port)
        return rk_fail(err, RK_PRECONDITION,
                       "our name server is on port %u, which %s cannot express", c->server.port,
                       dns_host_kind_name(h->kind));
    rk_arena_reset(h->mem);
    dns_host_config_dup(h->mem, c, &h->c);
    rc = h->way->apply(h->way, c, err);
    h->applied = rc ? 0 : hash;
    return rc;
}

void dns_host_free(struct dns_host *h)
{
    if (!h)
        return;
    rk_timer_cancel(&h->timer);
    h->way->end(h->way);
    rk_arena_free(h->mem);
    free(h);
}

size_t dns_host_search(const struct dns_host_config *c, struct rk_str *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_domains && n < max; i++)
        if (c->domains[i].search)
            out[n++] = c->domains[i].name;
    return n;
}

enum rk_code dns_host_recover(const json_t *v, struct rk_err *err)
{
    const char *kind = json_string_value(json_object_get(v, "ManagerType"));
    const char *iface = json_string_value(json_object_get(v, "WgIface"));
    const char *path = json_string_value(json_object_get(v, "Program"));

    if (kind && strcmp(kind, dns_host_kind_name(DNS_HOST_FILE)) == 0)
        return dns_host_file_recover(v, err);
    if (kind && iface && path && strcmp(kind, dns_host_kind_name(DNS_HOST_RESOLVCONF)) == 0)
        return dns_host_resolvconf_recover(path, iface, err);
    return RK_OK; /* the others forget our interface when it goes */
}
