/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a host: up, watched and mended, down; see host.h. */
#include "config.h"

#include "agent/engine/host.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/host_priv.h"
#include "agent/os/link.h"
#include "lib/base/num.h"

/* Somebody may undo our mending again and again: the wait doubles up to this, and starts anew when
 * nothing had to be mended for as long. */
#define MEND_WAIT_FIRST_MS 100
#define MEND_WAIT_MAX_MS   30000

/* A change of the network is over when nothing came for so long; at the latest after the second. */
#define MOVE_SETTLE_MS   300
#define MOVE_WAIT_MAX_MS 3000

/* Connections outlive a nap of a few seconds. */
#define SLEEP_LOOK_MS 5000
#define SLEEP_MIN_MS  5000

/* ---- the link */

static enum rk_code set_addrs(struct host *h, struct rk_err *err)
{
    struct rk_prefix addrs[2] = {h->v4, h->v6};
    enum rk_code rc = link_addr_sync(h->o.route, h->ifindex, addrs, h->v6.ip.family ? 2 : 1, err);

    if (rc && h->v6.ip.family) { /* a host without IPv6 goes on without it */
        rk_log(h->o.log, RK_WARN, "no IPv6 address on the interface, going on with IPv4",
               KV_ERR(err));
        h->v6 = (struct rk_prefix){0};
        rc = link_addr_sync(h->o.route, h->ifindex, addrs, 1, err);
    }
    return rc;
}

/* Is the link still ours? It is put up again when somebody set it down. False: it is lost. */
static bool link_mend(struct host *h, bool *mended)
{
    uint32_t mtu = (uint32_t)h->o.settings->mtu_bytes;
    struct rk_err err = {0};
    struct link l;
    enum rk_code rc = link_find(h->o.route, host_iface(h), &l, &err);

    if (rc == RK_OK && l.index != h->ifindex)
        rc = rk_fail(&err, RK_NOT_FOUND, "interface %s was replaced by another one", host_iface(h));
    if (rc == RK_NOT_FOUND) {
        h->told_lost = true;
        (void)rk_wrap(&err, "somebody removed or renamed the interface");
        h->user->ops->lost(h->user, &err);
        return false;
    }
    if (rc)
        return true; /* the kernel was busy: the next look finds out */
    *mended = !(l.flags & IFF_UP) || l.mtu_bytes != mtu;
    if (*mended && link_set(h->o.route, h->ifindex, true, mtu, &err))
        rk_log(h->o.log, RK_WARN, "interface is not set up again", KV_ERR(&err));
    else if (*mended)
        host_trouble(h, "somebody changed the interface %s, set up again", host_iface(h));
    if (set_addrs(h, &err))
        rk_log(h->o.log, RK_WARN, "addresses of the interface are not as they should be",
               KV_ERR(&err));
    return true;
}

/* ---- mending */

static void mend(struct host *h, unsigned kinds)
{
    bool mended = false;
    size_t rules = 0, routes = 0;

    if (kinds & (NETMON_OWN | NETMON_LINK) && !link_mend(h, &mended))
        return;
    if (kinds & NETMON_RULE)
        rules = host_rules_mend(h);
    /* routes of a link that goes leave without a word: another agent's may have stood for ours */
    if (kinds & (NETMON_ROUTE | NETMON_OWN | NETMON_LINK))
        routes = host_routes_mend(h);
    if (rules || routes)
        host_trouble(h, "somebody removed rules or routes of the overlay, put back");
    if (kinds & NETMON_FIREWALL && host_firewall_mend(h))
        mended = true;
    if (kinds & NETMON_LINK && h->r.on && h->o.marks)
        host_relax_rp_filter(h); /* a new interface begins with the strict default */
    if (mended || rules || routes) {
        int64_t now = rk_loop_now_ms(h->o.loop);

        if (now - h->last_mend_ms > MEND_WAIT_MAX_MS)
            h->mend_wait_ms = MEND_WAIT_FIRST_MS;
        else
            h->mend_wait_ms = rk_min_i64(h->mend_wait_ms * 2, MEND_WAIT_MAX_MS);
        h->last_mend_ms = now;
        h->mend_at_ms = now + h->mend_wait_ms;
    }
}

static void on_mend_timer(void *arg)
{
    struct host *h = arg;
    unsigned kinds = h->pending;

    h->pending = 0;
    if (h->up && !h->told_lost)
        mend(h, kinds);
}

/* ---- the host's own network */

static uint64_t add_bytes(uint64_t sum, const void *p, size_t n)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++)
        sum = (sum ^ b[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* Addresses of other links and default routes. Their order does not count: each is summed up. */
static uint64_t network_picture(struct host *h)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct link_addr_list addrs = {0};
    uint64_t sum = 0;

    RK_IGNORE(link_addrs(h->o.route, 0, mem, &addrs, NULL));
    for (size_t i = 0; i < addrs.n; i++) {
        const struct link_addr *a = &addrs.items[i];

        if (a->index == h->ifindex || rk_ip_is_loopback(&a->prefix.ip) ||
            rk_ip_is_link_local(&a->prefix.ip))
            continue;
        sum += add_bytes(a->index, &a->prefix, sizeof a->prefix);
    }
    for (uint8_t family = 4; family <= 6; family += 2) {
        struct kernel_route_list list = {0};

        RK_IGNORE(kernel_route_list(h->o.route, family, ROUTE_TABLE_MAIN, mem, &list, NULL));
        for (size_t i = 0; i < list.n; i++)
            if (!list.items[i].dst.bits && list.items[i].protocol != ROUTE_PROTOCOL_OWN)
                sum += add_bytes(list.items[i].ifindex + 1, &list.items[i].gateway,
                                 sizeof list.items[i].gateway);
    }
    return sum;
}

static void on_moved(void *arg)
{
    struct host *h = arg;
    uint64_t now = network_picture(h);

    h->moving_since_ms = 0;
    if (now == h->network)
        return;
    h->network = now;
    host_bypass_again(h);
    if (h->o.settings->network_monitor)
        h->user->ops->moved(h->user, false);
}

/* An address and its routes come one after the other. */
static void moving(struct host *h)
{
    int64_t now = rk_loop_now_ms(h->o.loop), left;

    if (!h->moving_since_ms)
        h->moving_since_ms = now;
    left = h->moving_since_ms + MOVE_WAIT_MAX_MS - now;
    rk_timer_start(h->o.loop, &h->move_timer, rk_max_i64(0, rk_min_i64(left, MOVE_SETTLE_MS)),
                   on_moved, h);
}

static void on_slept(struct sleep_user *u, int64_t for_ms)
{
    struct host *h = rk_container_of(u, struct host, sleep_user);

    if (!h->up || h->told_lost)
        return;
    rk_log(h->o.log, RK_INFO, "this host has slept, connecting anew", kv_i64("for_ms", for_ms));
    host_check(h);
    rk_timer_cancel(&h->move_timer); /* one reconnection for both reasons */
    h->moving_since_ms = 0;
    h->network = network_picture(h);
    host_bypass_again(h);
    h->user->ops->moved(h->user, true);
}

static void on_news(struct netmon_user *u, unsigned kinds)
{
    struct host *h = rk_container_of(u, struct host, mon_user);

    if (!h->up || h->told_lost)
        return;
    if (kinds & (NETMON_OWN | NETMON_LINK | NETMON_RULE | NETMON_ROUTE | NETMON_FIREWALL))
        host_mend_soon(h, kinds);
    if (kinds & (NETMON_DEFAULT | NETMON_ADDR))
        moving(h);
}

void host_check(struct host *h)
{
    if (!h->up || h->told_lost)
        return;
    host_mend_soon(h, NETMON_ALL & ~(unsigned)(NETMON_DEFAULT | NETMON_ADDR));
    host_routes_look(h);
}

/* ---- life */

struct host *host_new(const struct host_opts *o, struct host_user *u)
{
    struct host *h = rk_calloc(1, sizeof *h);

    h->o = *o;
    h->user = u;
    h->on_mend = on_mend_timer;
    h->r.presence = -1;
    h->mend_wait_ms = MEND_WAIT_FIRST_MS;
    h->last_mend_ms = -MEND_WAIT_MAX_MS;
    rk_key_format(&o->own_key, h->own_text);
    return h;
}

void host_free(struct host *h)
{
    if (!h)
        return;
    free(h);
}

enum rk_code host_up(struct host *h, uint32_t ifindex, const struct rk_prefix *v4,
                     struct rk_prefix *v6, struct rk_err *err)
{
    struct netmon_opts mon = {.ifindex = ifindex, .table = ROUTE_TABLE_OVERLAY};
    struct sleep_opts sleep = {.look_ms = SLEEP_LOOK_MS, .least_ms = SLEEP_MIN_MS};
    enum rk_code rc;

    h->ifindex = ifindex;
    h->v4 = *v4;
    h->v6 = *v6;
    h->up = true;
    rc = link_set(h->o.route, ifindex, false, (uint32_t)h->o.settings->mtu_bytes, err);
    if (rc == RK_OK)
        rc = set_addrs(h, err);
    if (rc == RK_OK) {
        host_routes_up(h);
        rc = host_firewall_up(h, err);
    }
    if (rc == RK_OK)
        rc = link_set(h->o.route, ifindex, true, 0, err);
    if (rc)
        return rc;
    if (h->v6.ip.family) /* an IPv6 address that was set while the link was down may be gone */
        rc = set_addrs(h, err);
    *v6 = h->v6;
    h->mon_user.changed = on_news;
    if (rc == RK_OK && netmon_open(h->o.loop, &mon, &h->mon_user, &h->mon, err))
        rk_log(h->o.log, RK_WARN, "changes of the network are seen late", KV_ERR(err));
    h->network = network_picture(h);
    h->sleep_user.slept = on_slept;
    if (rc == RK_OK && sleep_watch_open(h->o.loop, &sleep, &h->sleep_user, &h->sleep, err))
        rk_log(h->o.log, RK_WARN, "sleep of this host goes unnoticed", KV_ERR(err));
    return rc;
}

void host_down(struct host *h, bool keep)
{
    if (!h->up)
        return;
    netmon_close(h->mon);
    h->mon = NULL;
    rk_timer_cancel(&h->mend_timer);
    rk_timer_cancel(&h->move_timer);
    sleep_watch_close(h->sleep);
    h->sleep = NULL;
    host_routes_down(h, keep);
    sysctls_undo(&h->sysctls);
    host_save_sysctls(h);
    host_firewall_down(h);
    h->up = false;
}

enum rk_code host_apply(struct host *h, const Management__NetworkMap *map, struct rk_err *err)
{
    enum rk_code rc = host_routes_load(h, map, err), one;

    if (map->peerconfig)
        h->f.by_name = map->peerconfig->routingpeerdnsresolutionenabled;
    if (h->o.settings->disable_firewall)
        return rc;
    one = host_firewall_set(h, map, err);
    return one ? one : rc;
}
