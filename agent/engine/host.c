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

void host_save_sysctls(struct host *h)
{
    state_set(h->o.state, STATE_SYSCTL, h->sysctls.n ? sysctls_json(&h->sysctls) : NULL);
}

/* ---- the link ---- */

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
        rk_log(h->o.log, RK_WARN, "somebody changed the interface, set up again",
               kv_z("name", host_iface(h)));
    if (set_addrs(h, &err))
        rk_log(h->o.log, RK_WARN, "addresses of the interface are not as they should be",
               KV_ERR(&err));
    return true;
}

/* ---- mending ---- */

static void mend(struct host *h, unsigned kinds)
{
    bool mended = false;
    size_t rules = 0, routes = 0;

    if (kinds & (NETMON_OWN | NETMON_LINK) && !link_mend(h, &mended))
        return;
    if (kinds & NETMON_RULE)
        rules = host_rules_mend(h);
    if (kinds & (NETMON_ROUTE | NETMON_OWN))
        routes = host_routes_mend(h);
    if (rules || routes)
        rk_log(h->o.log, RK_WARN, "somebody removed rules or routes of the overlay, put back",
               kv_i64("rules", (int64_t)rules), kv_i64("routes", (int64_t)routes));
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

void host_mend_soon(struct host *h, unsigned kinds)
{
    int64_t wait = h->mend_at_ms - rk_loop_now_ms(h->o.loop);

    h->pending |= kinds;
    rk_timer_start(h->o.loop, &h->mend_timer, wait > 0 ? wait : 0, on_mend_timer, h);
}

static void on_news(struct netmon_user *u, unsigned kinds)
{
    struct host *h = rk_container_of(u, struct host, mon_user);

    if (!h->up || h->told_lost)
        return;
    if (kinds & (NETMON_OWN | NETMON_LINK | NETMON_RULE | NETMON_ROUTE | NETMON_FIREWALL))
        host_mend_soon(h, kinds);
    if (kinds & (NETMON_DEFAULT | NETMON_ADDR)) {
        host_bypass_again(h);
        h->user->ops->moved(h->user);
    }
}

void host_check(struct host *h)
{
    if (h->up && !h->told_lost)
        host_mend_soon(h, NETMON_ALL & ~(unsigned)(NETMON_DEFAULT | NETMON_ADDR));
}

/* ---- life ---- */

struct host *host_new(const struct host_opts *o, struct host_user *u)
{
    struct host *h = rk_calloc(1, sizeof *h);

    h->o = *o;
    h->user = u;
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
    return rc;
}

void host_down(struct host *h, bool keep)
{
    if (!h->up)
        return;
    netmon_close(h->mon);
    h->mon = NULL;
    rk_timer_cancel(&h->mend_timer);
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
