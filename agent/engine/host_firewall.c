/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's firewall, forwarding for networks behind us, and names of domain routes. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/host_priv.h"
#include "agent/os/firewall.h"
#include "agent/os/iptables.h"
#include "agent/os/link.h"
#include "lib/base/num.h"

/* Text of the largest firewall: 100000 peers and as many route rules. */
#define FW_TEXT_MAX ((size_t)64 << 20)

/* Between two listings of our tables, and after a change of ours. */
#define LOOK_WAIT_MS 300

/* A text of this length is a matter of milliseconds. */
#define SMALL_BYTES ((size_t)24 << 10)

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

/* ---- what a successor has to know */

static void remember(struct host *h)
{
    const struct daemon_opts *d = h->o.daemon;

    state_set(h->o.state, STATE_FIREWALL,
              json_pack("{s:s%,s:s,s:b,s:s}", "table", d->nft_table.p, d->nft_table.n, "iface",
                        host_iface(h), "others", (int)h->f.others, "way", fw_way_name(h->f.way)));
}

/* ---- running it */

static struct fw_place place_of(const struct host *h)
{
    return (struct fw_place){.way = h->f.way,
                             .table = h->o.daemon->nft_table,
                             .iface = host_iface(h),
                             .v6 = h->v6.ip.family != 0};
}

/* Every transaction counts the generation of the whole ruleset up by one. As long as it is what
 * ours made it, nobody else has changed anything, and a picture of our tables may be taken. */
static enum rk_code run(struct host *h, const char *text, bool whole, struct rk_err *err)
{
    struct fw_place p = place_of(h);
    uint32_t before = 0;
    enum rk_code rc = firewall_generation(&before, NULL);

    h->f.expected = rc == RK_OK ? before + 1 : 0;
    rc = fw_way_run(&p, text, whole, err);
    h->f.picture = 0;
    h->f.look_after_ms = rk_mono_ms() + LOOK_WAIT_MS; /* more of it may follow */
    if (rc == RK_OK)
        host_mend_soon(h, NETMON_FIREWALL); /* takes the picture */
    return rc;
}

static void put_names(const struct host *h, struct rk_buf *out)
{
    for (size_t i = 0; i < h->f.n_names; i++)
        for (size_t j = 0; j < h->f.names[i].n; j++)
            fw_way_add(h->f.way, h->o.daemon->nft_table, &h->f.sets, rk_str_z(h->f.names[i].domain),
                       &h->f.names[i].ips[j], out);
}

/* Small ones the kernel takes at once, and nothing goes on before they stand. Programs are slow,
 * but the first text, which closes the door, is waited for. */
static bool is_large(const struct host *h)
{
    if (h->f.way != FW_NFTABLES)
        return h->f.stands;
    return h->f.text && strlen(h->f.text) > SMALL_BYTES;
}

/* Our text, with what names have resolved to since it was written. */
static enum rk_code carry_out(struct host *h, struct rk_err *err)
{
    struct host_firewall *f = &h->f;
    struct rk_buf text;
    enum rk_code rc = RK_OK;

    f->text_later = f->job != NULL;
    if (f->job)
        return RK_OK; /* the newest follows it */
    rk_buf_init(&text, FW_TEXT_MAX);
    rk_buf_addz(&text, f->text);
    put_names(h, &text);
    f->names_later = false;
    rk_buf_addc(&text, '\0');
    if (text.full)
        rc = rk_fail(err, RK_LIMIT, "firewall rules are too long");
    else if (is_large(h))
        host_fw_job_start(h, rk_str_dupz(rk_str_z(text.p)), h->f.way == FW_NFTABLES, false);
    else
        rc = run(h, text.p, true, err);
    f->stands = f->stands || rc == RK_OK;
    rk_buf_done(&text);
    return rc;
}

enum rk_code host_fw_open_name(struct host *h, struct rk_str domain, const struct rk_ip *ip,
                               struct rk_err *err)
{
    enum rk_code rc = RK_OK;
    struct rk_buf text;

    if (h->f.job) {
        h->f.names_later = true;
        return RK_OK;
    }
    rk_buf_init(&text, 65536);
    fw_way_add(h->f.way, h->o.daemon->nft_table, &h->f.sets, domain, ip, &text);
    rk_buf_addc(&text, '\0');
    rc = run(h, text.p, false, err);
    rk_buf_done(&text);
    return rc;
}

static void open_names(struct host *h)
{
    struct rk_err err = {0};
    struct rk_buf text;

    h->f.names_later = false;
    rk_buf_init(&text, FW_TEXT_MAX);
    put_names(h, &text);
    rk_buf_addc(&text, '\0');
    if (run(h, text.p, false, &err))
        rk_log(h->o.log, RK_WARN, "addresses of domain routes are not let through", KV_ERR(&err));
    rk_buf_done(&text);
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

static enum rk_code replace(struct host *h, const char *text, const struct fw_stats *stats,
                            struct rk_err *err)
{
    enum rk_code rc;

    free(h->f.text);
    h->f.text = rk_str_dupz(rk_str_z(text));
    rc = carry_out(h, err);
    if (rc) { /* the next map tries again */
        free(h->f.text);
        h->f.text = NULL;
        return rc;
    }
    rk_log(h->o.log, RK_INFO, h->f.job ? "firewall is being set" : "firewall set",
           kv_i64("peer_rules", (int64_t)stats->peer_rules),
           kv_i64("route_rules", (int64_t)stats->route_rules),
           kv_i64("skipped", (int64_t)stats->skipped));
    return RK_OK;
}

static void after_set(struct host *h, const struct fw_stats *stats)
{
    if (stats->skipped && stats->skipped != h->f.skipped)
        host_trouble(h, "%zu firewall rules of the network map cannot be used and are left out",
                     stats->skipped);
    h->f.skipped = stats->skipped;
    if (stats->routes || stats->forwards)
        forwarding_up(h);
    /* the kernel's older filter tells nobody of its changes */
    if (iptables_legacy_used(false) || iptables_legacy_used(true))
        h->f.others_seen = 0;
    host_mend_soon(h, NETMON_FIREWALL);
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
                        .names = host_fw_names_list(&h->f, mem),
                        .n_names = h->f.n_names,
                        .names_redirect = h->f.names_redirect,
                        .names_port = (uint16_t)h->o.daemon->dns_forwarder_port};
    struct rk_arena *keep = rk_arena_new(0);
    struct fw_domain_sets sets;
    struct fw_stats stats;
    struct rk_buf text;
    enum rk_code rc;

    o.lan = own_networks(h, mem, &o.n_lan);
    if (h->f.way == FW_OWN) {
        rk_arena_free(keep);
        rc = host_filter_set(h, &o, map, &stats, err);
        if (rc == RK_OK)
            after_set(h, &stats);
        return rc;
    }
    rk_buf_init(&text, FW_TEXT_MAX);
    rc = fw_way_build(h->f.way, &o, map, keep, &sets, &text, &stats, err);
    rk_buf_addc(&text, '\0');
    if (rc) {
        rk_buf_done(&text);
        rk_arena_free(keep);
        return rc;
    }
    rk_arena_free(h->f.mem);
    h->f.mem = keep;
    h->f.sets = sets;
    host_fw_names_prune(&h->f);
    if (!h->f.text || strcmp(h->f.text, text.p) != 0)
        rc = replace(h, text.p, &stats, err);
    rk_buf_done(&text);
    after_set(h, &stats);
    return rc;
}

bool host_names_redirect(struct host *h, uint16_t port)
{
    h->f.names_redirect = h->o.settings->disable_firewall || h->f.way == FW_OWN ? 0 : port;
    return h->f.names_redirect != 0;
}

/* ---- what others do */

static bool put_back(struct host *h)
{
    struct rk_err err = {0};

    if (carry_out(h, &err))
        rk_log(h->o.log, RK_ERROR, "somebody changed our firewall and it cannot be put back",
               KV_ERR(&err));
    else
        host_trouble(h, "somebody changed our firewall, put back");
    return true;
}

/* A listing of our tables: whether they could be listed, and the generations before and after. */
static bool judge(struct host *h, bool listed, uint64_t now, uint32_t before, uint32_t after)
{
    struct host_firewall *f = &h->f;
    bool quiet = listed && before == after;

    if (f->picture && (!listed || now != f->picture))
        return put_back(h);
    if (!f->picture && !listed)
        return put_back(h);
    if (!f->picture && (!quiet || before != f->expected) && f->unsure++ < UNSURE_MAX) {
        RK_IGNORE(carry_out(h, NULL)); /* others work at the ruleset: who knows what they did */
        return true;
    }
    f->unsure = 0;
    f->picture = now;
    f->generation = quiet ? before : 0;
    return false;
}

static bool compare(struct host *h)
{
    struct host_firewall *f = &h->f;
    uint32_t before = 0, after = 0;
    uint64_t now = 0;
    bool listed;

    if (!f->text || f->way != FW_NFTABLES || firewall_generation(&before, NULL))
        return false;
    if (f->picture && before == f->generation)
        return false;
    if (is_large(h)) {
        host_fw_job_start(h, NULL, true, false);
        return false;
    }
    listed = firewall_picture(h->o.daemon->nft_table, h->v6.ip.family != 0, &now, NULL) == RK_OK &&
             firewall_generation(&after, NULL) == RK_OK;
    return judge(h, listed, now, before, after);
}

/* Chains of others that came or changed since the last look. */
static void look_at_others(struct host *h)
{
    struct host_firewall *f = &h->f;
    uint32_t now = 0;

    if (f->job || !f->text || f->way != FW_NFTABLES || firewall_generation(&now, NULL) ||
        now == f->others_seen || !firewall_others_exist(h->o.daemon->nft_table))
        return;
    f->others_seen = now;
    if (!f->others) {
        f->others = true;
        remember(h);
    }
    host_fw_job_start(h, NULL, false, true);
}

static void tell_others(struct host *h, const struct fw_job *j)
{
    if (j->others_err.code)
        host_trouble(h, "another firewall of this host may drop what the overlay allows: %s",
                     j->others_err.msg);
    if (j->opened.added)
        rk_log(h->o.log, RK_INFO, "other firewalls of this host let the overlay through",
               kv_i64("rules", j->opened.added));
    if (j->opened.locked && !h->f.locked)
        host_trouble(h,
                     "table %s of another firewall cannot be changed and may drop what is allowed",
                     j->opened.locked_name);
    h->f.locked = j->opened.locked;
}

static void put_newest(struct host *h)
{
    struct rk_err err = {0};

    if (carry_out(h, &err))
        host_trouble(h, "the firewall of the network map is not set: %s", err.msg);
}

void host_firewall_done(struct host *h, const struct fw_job *j)
{
    struct host_firewall *f = &h->f;

    if (j->others)
        tell_others(h, j);
    if (j->text && j->text_err.code) {
        host_trouble(h, "the firewall of the network map is not set: %s", j->text_err.msg);
        if (!f->text_later) { /* the next map tries again */
            free(f->text);
            f->text = NULL;
        }
    } else if (j->text) {
        rk_log(h->o.log, RK_INFO, "firewall set");
        f->picture = 0;
        f->expected = j->before + 1;
    }
    f->look_after_ms = rk_mono_ms() + LOOK_WAIT_MS;
    if (f->text_later)
        put_newest(h);
    else if (f->names_later)
        open_names(h);
    else if (j->look && !j->text_err.code && f->text)
        (void)judge(h, j->listed, j->picture, j->set, j->after);
    if (f->look_later)
        host_mend_soon(h, NETMON_FIREWALL);
    f->look_later = false;
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
    if (f->job) {
        f->look_later = true;
        return false;
    }
    mended = compare(h);
    look_at_others(h);
    end = rk_mono_ms();
    f->look_after_ms =
        rk_max_i64(f->look_after_ms, end + rk_max_i64(LOOK_WAIT_MS, 4 * (end - start)));
    return mended;
}

/* ---- life */

/* The first text is ours alone, without a map: who refuses it, whatever the words, cannot do what
 * we need (a kernel built without a part of it refuses in many ways). Nothing of the attempt stays.
 */
static enum rk_code try_way(struct host *h, enum fw_way way, struct rk_err *err)
{
    enum rk_code rc;
    struct fw_place p;

    h->f.way = way;
    h->f.others = way == FW_NFTABLES && firewall_others_exist(h->o.daemon->nft_table);
    remember(h);
    rc = host_firewall_set(h, NULL, err);
    if (rc) {
        p = place_of(h);
        RK_IGNORE(fw_way_remove(&p, NULL));
        state_set(h->o.state, STATE_FIREWALL, NULL);
    }
    return rc;
}

enum rk_code host_firewall_up(struct host *h, struct rk_err *err)
{
    struct rk_str wanted = h->o.daemon->firewall;
    bool automatic = !wanted.n || rk_str_eqz(wanted, "auto");
    struct rk_err why;
    enum rk_code rc;

    if (h->o.settings->disable_firewall)
        return RK_OK;
    rc = try_way(h, fw_way_of(wanted), &why);
    if (rc && err)
        *err = why; /* the reason to tell, should there be no other way */
    for (enum fw_way way = FW_IPTABLES; rc && automatic && way <= FW_OWN; way++) {
        rk_log(h->o.log, RK_WARN, "this firewall cannot be used here, trying another",
               kv_z("next", fw_way_name(way)), KV_ERR(&why));
        rc = try_way(h, way, &why);
    }
    if (rc)
        return rk_wrap(err, "firewall (--disable-firewall goes on without)");
    look_at_others(h);
    return RK_OK;
}

enum rk_code host_firewall_remove(const json_t *left, struct rk_err *err)
{
    const char *table = json_string_value(json_object_get(left, "table"));
    const char *iface = json_string_value(json_object_get(left, "iface"));
    const char *way = json_string_value(json_object_get(left, "way"));
    struct fw_place p = {.way = fw_way_of(rk_str_z(way ? way : "")),
                         .table = rk_str_z(table ? table : ""),
                         .iface = iface ? iface : "wt0"};
    enum rk_code rc = RK_OK, one;

    if (!table)
        return RK_OK;
    if (json_is_true(json_object_get(left, "others")))
        rc = firewall_others_close(p.iface, err);
    one = fw_way_remove(&p, err);
    return one ? one : rc;
}

void host_firewall_down(struct host *h)
{
    const json_t *left = state_get(h->o.state, STATE_FIREWALL);
    struct rk_err err = {0};

    host_fw_job_stop(h);
    host_fw_names_clear(&h->f);
    rk_timer_cancel(&h->f.look_timer);
    rk_arena_free(h->f.mem);
    free(h->f.text);
    h->f = (struct host_firewall){0};
    if (!left)
        return;
    if (host_firewall_remove(left, &err))
        rk_log(h->o.log, RK_WARN, "the firewall is not all removed", KV_ERR(&err));
    else
        state_set(h->o.state, STATE_FIREWALL, NULL);
}
