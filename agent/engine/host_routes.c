/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's routes to networks behind peers. Two ways:
 *
 *   policy routing  rules 105 and 110 lead unmarked packets that no specific route of the main
 *                   table takes into table ROUTE_TABLE_OVERLAY. An exit node's route has a guard
 *                   beside it: unreachable, of the worst metric.
 *   legacy routing  where sockets cannot be marked: routes stand in the main table, an exit node's
 *                   as two halves (more specific than any default), and each address that our own
 *                   packets go to (servers, peers) gets a host route along the default of the host.
 */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/engine/host_priv.h"
#include "lib/net/way.h"

/* Worse than any metric that people use; the largest that stays positive in every tool. */
#define GUARD_METRIC 0x7fffffffu

static bool want_routes(const struct host *h)
{
    return !h->o.daemon->disable_custom_routing && !h->o.settings->disable_client_routes;
}

/* ---- several agents in one namespace: rules and table are common, the last one removes them */

#define PRESENCE "rook-routes/"

static struct rk_str presence_name(const char *text)
{
    return rk_str_z(text);
}

/* An abstract UNIX socket dies with its process and is seen in this network namespace only. */
static int presence_open(const char *iface)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n;

    if (fd < 0)
        return -1;
    n = snprintf(sa.sun_path + 1, sizeof sa.sun_path - 1, PRESENCE "%s/%ld", iface, (long)getpid());
    if (bind(fd, (const struct sockaddr *)&sa,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static bool others_present(void)
{
    char own[32], line[512];
    bool found = false;
    FILE *f = fopen("/proc/net/unix", "re");

    if (!f)
        return false;
    (void)snprintf(own, sizeof own, "/%ld", (long)getpid());
    while (!found && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "@" PRESENCE);
        struct rk_str name = rk_str_trim(presence_name(at ? at : ""));

        found = at && !rk_str_ends(name, rk_str_z(own));
    }
    (void)fclose(f);
    return found;
}

/* ---- rules */

/* Replies of an exit node come in by another way than the main table says: a strict reverse path
 * filter would drop them. */
void host_relax_rp_filter(struct host *h)
{
    size_t before = h->sysctls.n;
    struct rk_err err = {0};

    if (sysctl_change(&h->sysctls, "net/ipv4/conf/all/src_valid_mark", NULL, "1", &err) ||
        sysctl_change(&h->sysctls, "net/ipv4/conf/all/rp_filter", "1", "2", &err) ||
        sysctl_change_ifaces(&h->sysctls, "ipv4", "rp_filter", host_iface(h), "1", "2", &err))
        rk_log(h->o.log, RK_WARN, "reverse path filter is not relaxed, exit nodes may not work",
               KV_ERR(&err));
    if (h->sysctls.n != before)
        host_save_sysctls(h);
}

static bool is_guard(const struct kernel_route *r)
{
    return r->unreachable && r->dst.bits == 0;
}

/* Of a table that an earlier engine left: guards stay until the first map says otherwise. */
static void sweep_table(struct nl_sock *route, bool guards)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    for (uint8_t family = 4; family <= 6; family += 2) {
        struct kernel_route_list list = {0};

        RK_IGNORE(kernel_route_list(route, family, ROUTE_TABLE_OVERLAY, mem, &list, NULL));
        for (size_t i = 0; i < list.n; i++)
            if (is_guard(&list.items[i]) == guards)
                RK_IGNORE(kernel_route_delete(route, &list.items[i], NULL));
    }
}

static void on_way(void *arg, const struct rk_ip *to)
{
    host_bypass(arg, to);
}

void host_routes_up(struct host *h)
{
    struct rk_err err = {0};
    size_t added = 0;

    if (!want_routes(h))
        return;
    state_set(h->o.state, STATE_ROUTES, json_pack("{s:i}", "table", (int)ROUTE_TABLE_OVERLAY));
    h->r.presence = presence_open(host_iface(h));
    if (!h->o.marks) { /* routes go to the main table */
        if (!others_present())
            RK_IGNORE(kernel_route_flush_own(h->o.route, NULL));
        h->r.on = true;
        net_way_listen(on_way, h);
        return;
    }
    if (!others_present()) {
        sweep_table(h->o.route, false);
        h->r.stale = true;
    }
    if (kernel_route_table_name(ROUTE_TABLE_OVERLAY, ROUTE_TABLE_NAME, &err))
        rk_log(h->o.log, RK_INFO, "the routing table has no name of ours", KV_ERR(&err));
    /* without rules the overlay itself still works, only routed networks do not */
    if (rule_overlay_install(h->o.route, &added, &err)) {
        rk_log(h->o.log, RK_WARN, "no policy rules, networks behind peers are not reached",
               KV_ERR(&err));
        return;
    }
    h->r.on = true;
    host_relax_rp_filter(h);
}

size_t host_rules_mend(struct host *h)
{
    struct rk_err err = {0};
    size_t added = 0;

    if (!h->r.on || !h->o.marks)
        return 0;
    if (rule_overlay_install(h->o.route, &added, &err))
        rk_log(h->o.log, RK_WARN, "policy rules are missing and cannot be put back", KV_ERR(&err));
    return added;
}

/* ---- one network's kernel routes */

#define KERNEL_ROUTES_MAX 2

static size_t halves(const struct kernel_route *whole, struct kernel_route *out)
{
    for (size_t i = 0; i < 2; i++) {
        out[i] = *whole;
        out[i].dst.bits = 1;
        out[i].dst.ip.b[0] = i ? 0x80 : 0;
    }
    return 2;
}

static size_t kernel_routes(const struct host *h, const struct routed *r,
                            struct kernel_route out[KERNEL_ROUTES_MAX])
{
    struct kernel_route k = {.dst = r->prefix,
                             .table = h->o.marks ? ROUTE_TABLE_OVERLAY : ROUTE_TABLE_MAIN,
                             .ifindex = r->block ? 0 : h->ifindex,
                             .unreachable = r->block,
                             .protocol = h->o.marks ? 0 : ROUTE_PROTOCOL_OWN};

    if (r->prefix.bits == 0 && !h->o.marks)
        return halves(&k, out);
    out[0] = k;
    if (r->prefix.bits || r->block)
        return 1;
    out[1] = k;
    out[1].ifindex = 0;
    out[1].unreachable = true;
    out[1].metric = GUARD_METRIC;
    return 2;
}

static void log_route(struct host *h, const char *what, const struct routed *r,
                      const struct rk_err *err)
{
    char text[RK_ADDR_TEXT];

    (void)rk_prefix_format(&r->prefix, text);
    if (err)
        rk_log(h->o.log, RK_WARN, what, kv_z("network", text), KV_ERR(err));
    else
        rk_log(h->o.log, RK_INFO, what, kv_z("network", text));
}

static void drop_route(struct host *h, const struct routed *r)
{
    struct kernel_route k[KERNEL_ROUTES_MAX];
    size_t n = kernel_routes(h, r, k);
    enum rk_code rc = RK_OK, one;
    struct rk_err err = {0};

    if (r->has_peer)
        h->user->ops->carry(h->user, &r->peer, &r->prefix, false);
    for (size_t i = 0; i < n; i++) {
        one = kernel_route_delete(h->o.route, &k[i], &err);
        if (one && one != RK_NOT_FOUND)
            rc = one;
    }
    log_route(h, "network removed", r, rc ? &err : NULL);
}

static void make_route(struct host *h, const struct routed *r)
{
    struct kernel_route k[KERNEL_ROUTES_MAX];
    size_t n = kernel_routes(h, r, k);
    enum rk_code rc = RK_OK, one;
    struct rk_err err = {0};

    if (r->has_peer)
        h->user->ops->carry(h->user, &r->peer, &r->prefix, true);
    for (size_t i = n; i-- > 0;) { /* the guard first */
        one = kernel_route_add(h->o.route, &k[i], &err);
        if (one && one != RK_EXISTS)
            rc = one;
    }
    log_route(h, "network added", r, rc ? &err : NULL);
}

size_t host_routes_mend(struct host *h)
{
    size_t added = 0;

    if (!h->r.on || h->told_lost)
        return 0;
    for (size_t i = 0; i < h->r.n_now; i++) {
        struct kernel_route k[KERNEL_ROUTES_MAX];
        size_t n = kernel_routes(h, &h->r.now[i], k);

        while (n-- > 0)
            added += kernel_route_add(h->o.route, &k[n], NULL) == RK_OK;
    }
    return added;
}

/* ---- legacy: our own packets keep their way */

static bool is_exit(const struct routed *r)
{
    return r->prefix.bits == 0 && !r->block;
}

static bool has_exit(const struct host *h)
{
    for (size_t i = 0; i < h->r.n_now; i++)
        if (is_exit(&h->r.now[i]))
            return true;
    return false;
}

/* The longest of the networks that contains an address, in bits, as it stands in the main table;
 * -1: none of them does. */
static int taken_bits(const struct routed *list, size_t n, const struct rk_ip *ip)
{
    int bits = -1;

    for (size_t i = 0; i < n; i++) {
        int one = is_exit(&list[i]) ? 1 : list[i].prefix.bits;

        if (!list[i].block && rk_prefix_contains(&list[i].prefix, ip) && one > bits)
            bits = one;
    }
    return bits;
}

/* How this host reached an address before our routes came; false: nothing of ours is in its way,
 * or there is no way. */
static bool way_out(struct host *h, const struct routed *list, size_t n, const struct rk_ip *ip,
                    struct kernel_route *out)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    const struct kernel_route *best = NULL;
    struct kernel_route_list have = {0};
    int taken = taken_bits(list, n, ip);

    if (taken < 0 || kernel_route_list(h->o.route, ip->family, ROUTE_TABLE_MAIN, mem, &have, NULL))
        return false;
    for (size_t i = 0; i < have.n; i++) {
        const struct kernel_route *r = &have.items[i];

        if (r->protocol == ROUTE_PROTOCOL_OWN || r->unreachable || r->ifindex == h->ifindex ||
            (r->dst.bits && !rk_prefix_contains(&r->dst, ip)))
            continue;
        if (!best || r->dst.bits > best->dst.bits ||
            (r->dst.bits == best->dst.bits && r->metric < best->metric))
            best = r;
    }
    if (!best || best->dst.bits > taken)
        return false; /* more specific than ours: it stands above */
    *out = (struct kernel_route){.dst = {.ip = *ip, .bits = (uint8_t)(rk_ip_size(ip) * 8)},
                                 .table = ROUTE_TABLE_MAIN,
                                 .ifindex = best->ifindex,
                                 .gateway = best->gateway,
                                 .protocol = ROUTE_PROTOCOL_OWN};
    return true;
}

static void bypass_add(struct host *h, const struct routed *list, size_t n, const struct rk_ip *ip)
{
    struct rk_err err = {0};
    struct kernel_route r;
    enum rk_code rc;

    if (!way_out(h, list, n, ip, &r))
        return;
    rc = kernel_route_add(h->o.route, &r, &err);
    if (rc && rc != RK_EXISTS)
        rk_log(h->o.log, RK_WARN, "no way beside the overlay's networks for an address",
               KV_ERR(&err));
}

static void bypass_add_all(struct host *h, const struct routed *list, size_t n)
{
    for (size_t i = 0; !h->o.marks && i < h->r.n_bypass; i++)
        bypass_add(h, list, n, &h->r.bypass[i]);
}

/* Host routes that nothing of ours is in the way of any more; all of them without a list. */
static void bypass_remove(struct host *h, const struct routed *list, size_t n)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    for (uint8_t family = 4; family <= 6 && !h->o.marks; family += 2) {
        struct kernel_route_list have = {0};

        RK_IGNORE(kernel_route_list(h->o.route, family, ROUTE_TABLE_MAIN, mem, &have, NULL));
        for (size_t i = 0; i < have.n; i++) {
            const struct kernel_route *r = &have.items[i];

            if (r->protocol == ROUTE_PROTOCOL_OWN && !r->unreachable && r->ifindex != h->ifindex &&
                taken_bits(list, n, &r->dst.ip) < 0)
                RK_IGNORE(kernel_route_delete(h->o.route, r, NULL));
        }
    }
}

void host_bypass(struct host *h, const struct rk_ip *ip)
{
    size_t lo = 0, hi = h->r.n_bypass;

    if (h->o.marks || !h->r.on || !ip->family || rk_ip_is_loopback(ip) ||
        rk_prefix_contains(&h->v4, ip) || (h->v6.ip.family && rk_prefix_contains(&h->v6, ip)))
        return;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (rk_ip_cmp(&h->r.bypass[mid], ip) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if ((lo < h->r.n_bypass && rk_ip_eq(&h->r.bypass[lo], ip)) || h->r.n_bypass == HOST_BYPASS_MAX)
        return;
    h->r.bypass = rk_realloc(h->r.bypass, h->r.n_bypass + 1, sizeof *h->r.bypass);
    memmove(&h->r.bypass[lo + 1], &h->r.bypass[lo], (h->r.n_bypass - lo) * sizeof *h->r.bypass);
    h->r.bypass[lo] = *ip;
    h->r.n_bypass++;
    bypass_add(h, h->r.now, h->r.n_now, ip);
}

size_t host_taken(const struct host *h, struct rk_prefix *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < h->r.n_now && n < max && !h->o.marks; i++)
        if (h->r.now[i].prefix.bits)
            out[n++] = h->r.now[i].prefix;
    return n;
}

void host_bypass_again(struct host *h)
{
    if (h->o.marks || !h->r.on)
        return;
    bypass_remove(h, NULL, 0);
    bypass_add_all(h, h->r.now, h->r.n_now);
}

/* ---- the list of networks */

static bool same_way(const struct routed *a, const struct routed *b)
{
    return rk_prefix_cmp(&a->prefix, &b->prefix) == 0 && a->block == b->block;
}

static bool same_peer(const struct routed *a, const struct routed *b)
{
    return a->has_peer == b->has_peer && (!a->has_peer || rk_key_eq(&a->peer, &b->peer));
}

/* Old and new list are sorted by prefix: one sweep over both. Removals come first, so that what
 * moves between peers is free when it is given away. */
static void sync_routes(struct host *h, const struct routed *now, size_t n)
{
    const struct routed *old = h->r.now;
    size_t n_old = h->r.n_now, i = 0, j = 0;

    while (i < n_old) {
        int c = j < n ? rk_prefix_cmp(&old[i].prefix, &now[j].prefix) : -1;

        if (c > 0) {
            j++;
            continue;
        }
        if (c < 0 || !same_way(&old[i], &now[j]))
            drop_route(h, &old[i]);
        else if (!same_peer(&old[i], &now[j]) && old[i].has_peer)
            h->user->ops->carry(h->user, &old[i].peer, &old[i].prefix, false);
        i++;
    }
    for (i = 0, j = 0; j < n; j++) {
        while (i < n_old && rk_prefix_cmp(&old[i].prefix, &now[j].prefix) < 0)
            i++;
        if (i == n_old || !same_way(&old[i], &now[j]))
            make_route(h, &now[j]);
        else if (now[j].has_peer) /* again also for a peer that was made anew */
            h->user->ops->carry(h->user, &now[j].peer, &now[j].prefix, true);
    }
}

static struct route_peer peer_of(void *arg, const struct rk_key *key)
{
    struct host *h = arg;

    return h->user->ops->peer(h->user, key);
}

/* Guards that an earlier engine left and that the first map does not ask for. */
static void drop_stale(struct host *h, const struct routed *list, size_t n)
{
    bool exit4 = false;

    if (!h->r.stale)
        return;
    h->r.stale = false;
    for (size_t i = 0; i < n; i++)
        exit4 = exit4 || (is_exit(&list[i]) && list[i].prefix.ip.family == 4);
    if (!exit4)
        sweep_table(h->o.route, true);
}

void host_routes_update(struct host *h)
{
    const struct routed *list;
    size_t n;

    if (!h->r.on || !h->r.set || h->told_lost)
        return;
    (void)route_set_choose(h->r.set, peer_of, h);
    list = route_set_list(h->r.set, &n);
    bypass_add_all(h, list, n); /* before anything gets in their way */
    sync_routes(h, list, n);
    drop_stale(h, list, n);
    free(h->r.now);
    h->r.now = n ? rk_memdup(list, n * sizeof *list) : NULL;
    h->r.n_now = n;
    bypass_remove(h, list, n);
    h->user->ops->carried(h->user);
}

void host_routes_look(struct host *h)
{
    if (h->up && h->r.on && h->r.set && route_set_choose(h->r.set, peer_of, h))
        host_routes_soon(h);
}

static void on_timer(void *arg)
{
    host_routes_update(arg);
}

void host_routes_soon(struct host *h)
{
    if (h->up && h->r.on)
        rk_timer_start(h->o.loop, &h->r.timer, 0, on_timer, h);
}

enum rk_code host_routes_load(struct host *h, const Management__NetworkMap *map, struct rk_err *err)
{
    struct route_opts o = {.own_key = h->o.own_key, .v4 = h->v4, .v6 = h->v6};
    size_t left_out = 0;
    enum rk_code rc;

    if (!h->r.set)
        h->r.set = route_set_new(&o, state_get(h->o.state, STATE_SELECTED));
    rc = route_set_load(h->r.set, map, &left_out, err);
    if (left_out)
        host_trouble(h, "%zu routes of the network map cannot be used and are left out", left_out);
    return rc;
}

json_t *host_networks(const struct host *h)
{
    return h->r.set ? route_set_json(h->r.set) : json_array();
}

json_t *host_networks_of(const struct host *h, const struct rk_key *peer)
{
    return h->r.set ? route_set_of_peer(h->r.set, peer) : json_array();
}

enum rk_code host_select(struct host *h, const struct rk_str *ids, size_t n, bool select,
                         bool append, struct rk_err *err)
{
    enum rk_code rc;

    if (!h->r.set)
        return rk_fail(err, RK_PRECONDITION, "no network map yet");
    rc = select ? route_set_select(h->r.set, ids, n, append, err)
                : route_set_deselect(h->r.set, ids, n, err);
    if (rc)
        return rc;
    state_set(h->o.state, STATE_SELECTED, route_set_selection(h->r.set));
    host_routes_update(h);
    return RK_OK;
}

/* ---- the end */

/* Rules and table go with the last agent of this namespace. */
static enum rk_code remove_all(struct nl_sock *route, struct rk_err *err)
{
    enum rk_code rc, one;

    if (others_present())
        return RK_OK;
    rc = kernel_route_flush_own(route, err);
    one = rule_overlay_remove(route, err);
    rc = one ? one : rc;
    one = kernel_route_flush(route, ROUTE_TABLE_OVERLAY, err);
    return one ? one : rc;
}

void host_release(struct nl_sock *route, struct state *state, struct rk_log *log)
{
    struct rk_err err = {0};

    if (!state_get(state, STATE_ROUTES))
        return;
    if (remove_all(route, &err))
        rk_log(log, RK_WARN, "routes are not all removed", KV_ERR(&err));
    else
        state_set(state, STATE_ROUTES, NULL);
}

void host_routes_down(struct host *h, bool keep)
{
    rk_timer_cancel(&h->r.timer);
    keep = keep && h->o.marks && h->r.on && (has_exit(h) || h->r.stale);
    for (size_t i = 0; i < h->r.n_now; i++) {
        struct routed r = h->r.now[i];

        r.has_peer = false; /* the device goes as a whole */
        if (!keep)
            drop_route(h, &r);
    }
    if (keep)
        sweep_table(h->o.route, false);
    if (h->r.on)
        bypass_remove(h, NULL, 0);
    if (!h->o.marks)
        net_way_listen(NULL, NULL);
    free(h->r.now);
    free(h->r.bypass);
    if (h->r.presence >= 0)
        (void)close(h->r.presence);
    h->r.presence = -1;
    if (!keep)
        host_release(h->o.route, h->o.state, h->o.log);
    route_set_free(h->r.set);
    h->r = (struct host_routes){.presence = -1};
}

/* ---- networks that are known by names */

bool host_names(const struct host *h, size_t i, struct routed_names *out)
{
    return h->r.on && h->r.set && route_set_names(h->r.set, i, out);
}

void host_name_routed(struct host *h, struct rk_str id, struct rk_str name, uint8_t family,
                      const struct rk_ip *ips, size_t n)
{
    if (h->r.set && route_set_resolved(h->r.set, id, name, family, ips, n))
        host_routes_update(h);
}
