/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's firewall, forwarding for networks behind us, and names of domain routes. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/host_priv.h"
#include "agent/os/firewall.h"
#include "agent/os/link.h"
#include "lib/base/num.h"

/* Text of the largest firewall: 100000 peers and as many route rules. */
#define FW_TEXT_MAX ((size_t)64 << 20)

/* Between two listings of our tables, and after a change of ours. */
#define LOOK_WAIT_MS 300

/* How often our rules are written anew because somebody else was writing at the same time. */
#define UNSURE_MAX 3

static bool serves_routes(const struct host *h)
{
    const struct settings *s = h->o.settings;

    return !s->disable_server_routes && !s->block_inbound && !s->disable_firewall;
}

/* ---- forwarding for networks behind us */

static void forwarding_up(struct host *h)
{
    struct sysctls keep = {0};
    struct rk_err err = {0};

    if (h->f.forwarding)
        return;
    h->f.forwarding = true;
    /* never switched off again: others may have begun to rely on it */
    if (sysctl_change(&keep, "net/ipv4/ip_forward", NULL, "1", &err))
        rk_log(h->o.log, RK_WARN, "no IPv4 forwarding", KV_ERR(&err));
    sysctls_done(&keep);
    if (!h->v6.ip.family)
        return;
    /* a forwarding host ignores router advertisements unless told so */
    if (sysctl_change_ifaces(&h->sysctls, "ipv6", "accept_ra", host_iface(h), "1", "2", &err) ||
        sysctl_change(&h->sysctls, "net/ipv6/conf/all/forwarding", NULL, "1", &err))
        rk_log(h->o.log, RK_WARN, "no IPv6 forwarding", KV_ERR(&err));
    host_save_sysctls(h);
}

/* ---- running it */

/* Every transaction counts the generation of the whole ruleset up by one. As long as it is what
 * ours made it, nobody else has changed anything, and a picture of our tables may be taken. */
static enum rk_code run(struct host *h, const char *text, struct rk_err *err)
{
    uint32_t before = 0;
    enum rk_code rc = firewall_generation(&before, NULL);

    h->f.expected = rc == RK_OK ? before + 1 : 0;
    rc = firewall_run(text, err);
    h->f.picture = 0;
    h->f.look_after_ms = rk_mono_ms() + LOOK_WAIT_MS; /* more of it may follow */
    if (rc == RK_OK)
        host_mend_soon(h, NETMON_FIREWALL); /* takes the picture */
    return rc;
}

/* ---- names of domain routes */

static int by_ip(const void *a, const void *b)
{
    return rk_ip_cmp(a, b);
}

static void names_clear(struct host_firewall *f)
{
    for (size_t i = 0; i < f->n_names; i++) {
        free(f->names[i].domain);
        free(f->names[i].ips);
    }
    free(f->names);
    f->names = NULL;
    f->n_names = f->n_ips = 0;
}

static bool in_sets(const struct fw_domain_sets *s, const char *domain)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->items[i].n; j++)
            if (rk_str_eqz(s->items[i].domains[j], domain))
                return true;
    return false;
}

/* What the map no longer routes is forgotten. */
static void names_prune(struct host_firewall *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->n_names; i++) {
        if (in_sets(&f->sets, f->names[i].domain)) {
            f->names[kept++] = f->names[i];
            continue;
        }
        f->n_ips -= f->names[i].n;
        free(f->names[i].domain);
        free(f->names[i].ips);
    }
    f->n_names = kept;
}

static struct host_name *name_of(struct host_firewall *f, struct rk_str domain)
{
    struct host_name *name;

    for (size_t i = 0; i < f->n_names; i++)
        if (rk_str_eqz(domain, f->names[i].domain))
            return &f->names[i];
    f->names = rk_realloc(f->names, f->n_names + 1, sizeof *f->names);
    name = &f->names[f->n_names++];
    *name = (struct host_name){.domain = rk_str_dupz(domain)};
    return name;
}

static void name_add(struct host_firewall *f, struct host_name *name, const struct rk_ip *ip)
{
    size_t at = name->n;

    if (name->n == name->cap) {
        name->cap = name->cap ? name->cap * 2 : 4;
        name->ips = rk_realloc(name->ips, name->cap, sizeof *name->ips);
    }
    while (at && rk_ip_cmp(&name->ips[at - 1], ip) > 0)
        at--;
    memmove(&name->ips[at + 1], &name->ips[at], (name->n - at) * sizeof *name->ips);
    name->ips[at] = *ip;
    name->n++;
    f->n_ips++;
}

enum rk_code host_resolved(struct host *h, struct rk_str domain, const struct rk_ip *ip,
                           struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *key = rk_str_dupz(domain);
    struct host_firewall *f = &h->f;
    struct host_name *name;
    enum rk_code rc = RK_OK;
    struct rk_buf text;

    if (!h->up || !f->by_name || !in_sets(&f->sets, key) || (ip->family == 6 && !h->v6.ip.family))
        return RK_OK;
    name = name_of(f, domain);
    if (name->n && bsearch(ip, name->ips, name->n, sizeof *ip, by_ip))
        return RK_OK;
    if (f->n_ips == HOST_NAMES_MAX)
        return rk_fail(err, RK_LIMIT, "more than %d addresses of domain routes", HOST_NAMES_MAX);
    rk_buf_init(&text, 65536);
    fw_text_add(h->o.daemon->nft_table, &f->sets, domain, ip, &text);
    rk_buf_addc(&text, '\0');
    rc = run(h, text.p, err);
    rk_buf_done(&text);
    if (rc == RK_OK)
        name_add(f, name, ip);
    return rc;
}

/* ---- the text */

/* The networks that this host is directly in, for block_lan_access. */
static const struct rk_prefix *own_networks(struct host *h, struct rk_arena *mem, size_t *n)
{
    struct link_addr_list list = {0};
    struct rk_prefix *out;

    *n = 0;
    if (!h->o.settings->block_lan_access || link_addrs(h->o.route, 0, mem, &list, NULL))
        return NULL;
    out = rk_new_n(mem, struct rk_prefix, list.n + 1);
    for (size_t i = 0; i < list.n; i++) {
        const struct rk_prefix *p = &list.items[i].prefix;

        if (list.items[i].index == h->ifindex || rk_ip_is_loopback(&p->ip) ||
            rk_ip_is_link_local(&p->ip) || rk_ip_is_multicast(&p->ip))
            continue;
        out[(*n)++] = rk_prefix_masked(p);
    }
    return out;
}

static const struct fw_name *names_list(const struct host *h, struct rk_arena *mem)
{
    struct fw_name *out = rk_new_n(mem, struct fw_name, h->f.n_names + 1);

    for (size_t i = 0; i < h->f.n_names; i++)
        out[i] = (struct fw_name){.domain = rk_str_z(h->f.names[i].domain),
                                  .ips = h->f.names[i].ips,
                                  .n = h->f.names[i].n};
    return out;
}

enum rk_code host_firewall_set(struct host *h, const Management__NetworkMap *map,
                               struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    const struct settings *s = h->o.settings;
    struct fw_opts o = {.table = h->o.daemon->nft_table,
                        .iface = s->interface_name,
                        .mtu_bytes = (uint32_t)s->mtu_bytes,
                        .v4 = h->v4,
                        .v6 = h->v6,
                        .own_key = rk_str_z(h->own_text),
                        .block_inbound = s->block_inbound,
                        .serve_routes = serves_routes(h),
                        .block_lan = s->block_lan_access,
                        .by_name = h->f.by_name,
                        .names = names_list(h, mem),
                        .n_names = h->f.n_names,
                        .names_port = (uint16_t)h->o.daemon->dns_forwarder_port};
    struct rk_arena *keep = rk_arena_new(0);
    struct fw_domain_sets sets;
    struct fw_stats stats;
    struct rk_buf text;
    enum rk_code rc;

    o.lan = own_networks(h, mem, &o.n_lan);
    rk_buf_init(&text, FW_TEXT_MAX);
    rc = fw_text_build(&o, map, keep, &sets, &text, &stats, err);
    rk_buf_addc(&text, '\0');
    if (rc == RK_OK && (!h->f.text || strcmp(h->f.text, text.p) != 0)) {
        rc = run(h, text.p, err);
        free(h->f.text); /* after a failure the next map tries again */
        h->f.text = rc ? NULL : rk_str_dupz(rk_str_z(text.p));
        if (rc == RK_OK)
            rk_log(h->o.log, RK_INFO, "firewall set",
                   kv_i64("peer_rules", (int64_t)stats.peer_rules),
                   kv_i64("route_rules", (int64_t)stats.route_rules),
                   kv_i64("skipped", (int64_t)stats.skipped));
    }
    rk_buf_done(&text);
    if (rc) {
        rk_arena_free(keep);
        return rc;
    }
    rk_arena_free(h->f.mem);
    h->f.mem = keep;
    h->f.sets = sets;
    names_prune(&h->f);
    if (stats.skipped)
        host_trouble(h, "%zu firewall rules of the network map cannot be used and are left out",
                     stats.skipped);
    if (stats.routes)
        forwarding_up(h);
    return rc;
}

/* ---- others */

/* Our tables as the kernel has them, as a number; false: they cannot be listed. */
static bool picture(const struct host *h, uint64_t *out)
{
    return firewall_picture(h->o.daemon->nft_table, h->v6.ip.family != 0, out, NULL) == RK_OK;
}

/* The running text, with what names have resolved to since it was written. */
static enum rk_code again(struct host *h, struct rk_err *err)
{
    struct rk_buf text;
    enum rk_code rc;

    rk_buf_init(&text, FW_TEXT_MAX);
    rk_buf_addz(&text, h->f.text);
    for (size_t i = 0; i < h->f.n_names; i++)
        for (size_t j = 0; j < h->f.names[i].n; j++)
            fw_text_add(h->o.daemon->nft_table, &h->f.sets, rk_str_z(h->f.names[i].domain),
                        &h->f.names[i].ips[j], &text);
    rk_buf_addc(&text, '\0');
    rc = text.full ? rk_fail(err, RK_LIMIT, "firewall rules are too long") : run(h, text.p, err);
    rk_buf_done(&text);
    return rc;
}

static bool put_back(struct host *h)
{
    struct rk_err err = {0};

    if (again(h, &err))
        rk_log(h->o.log, RK_ERROR, "somebody changed our firewall and it cannot be put back",
               KV_ERR(&err));
    else
        host_trouble(h, "somebody changed our firewall, put back");
    return true;
}

static bool compare(struct host *h)
{
    struct host_firewall *f = &h->f;
    uint32_t before = 0, after = 0;
    uint64_t now = 0;
    bool listed, quiet;

    if (!f->text || firewall_generation(&before, NULL))
        return false;
    if (f->picture && before == f->generation)
        return false;
    listed = picture(h, &now) && firewall_generation(&after, NULL) == RK_OK;
    quiet = listed && before == after;
    if (f->picture && (!listed || now != f->picture))
        return put_back(h);
    if (!f->picture && !listed)
        return put_back(h);
    if (!f->picture && (!quiet || before != f->expected) && f->unsure++ < UNSURE_MAX) {
        RK_IGNORE(
            again(h, NULL)); /* others work at the ruleset right now: who knows what they did */
        return true;
    }
    f->unsure = 0;
    f->picture = now;
    f->generation = quiet ? before : 0;
    return false;
}

static void look_again(void *arg)
{
    host_mend_soon(arg, NETMON_FIREWALL);
}

/* Looking takes a fifth of the time at most, whoever changes the ruleset how often. */
bool host_firewall_mend(struct host *h)
{
    struct host_firewall *f = &h->f;
    int64_t start = rk_mono_ms(), end;
    bool mended;

    if (start < f->look_after_ms) {
        rk_timer_start(h->o.loop, &f->look_timer, f->look_after_ms - start, look_again, h);
        return false;
    }
    mended = compare(h);
    end = rk_mono_ms();
    f->look_after_ms =
        rk_max_i64(f->look_after_ms, end + rk_max_i64(LOOK_WAIT_MS, 4 * (end - start)));
    return mended;
}

/* ---- life */

enum rk_code host_firewall_up(struct host *h, struct rk_err *err)
{
    const struct daemon_opts *d = h->o.daemon;

    if (h->o.settings->disable_firewall)
        return RK_OK;
    state_set(h->o.state, STATE_FIREWALL,
              json_pack("{s:s%}", "table", d->nft_table.p, d->nft_table.n));
    if (host_firewall_set(h, NULL, err))
        return rk_wrap(err, "firewall (--disable-firewall goes on without)");
    return RK_OK;
}

void host_firewall_down(struct host *h)
{
    struct rk_err err = {0};
    struct rk_buf text;
    enum rk_code rc;

    names_clear(&h->f);
    rk_timer_cancel(&h->f.look_timer);
    rk_arena_free(h->f.mem);
    free(h->f.text);
    h->f = (struct host_firewall){0};
    if (!state_get(h->o.state, STATE_FIREWALL))
        return;
    rk_buf_init(&text, 4096);
    rc = fw_text_remove(h->o.daemon->nft_table, &text, &err);
    rk_buf_addc(&text, '\0');
    if (rc == RK_OK)
        rc = firewall_run(text.p, &err);
    if (rc)
        rk_log(h->o.log, RK_WARN, "firewall table is not removed", KV_ERR(&err));
    else
        state_set(h->o.state, STATE_FIREWALL, NULL);
    rk_buf_done(&text);
}
