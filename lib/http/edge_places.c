/* SPDX-License-Identifier: BSD-3-Clause */
/* How many connections there are, of all and of one address; see edge.h. */
#include "config.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "lib/http/edge_priv.h"

enum {
    LOOK_AT = 64,   /* connections, for one to evict */
    IDLE_MS = 2000, /* after which it may go */
};

struct edge_count {
    size_t n;
};

bool edge_trusts(const struct edge *e, const struct rk_addr *peer)
{
    return http_proxies_trust(&(struct http_proxies){e->trusted, e->n_trusted}, &peer->ip);
}

/* When all places are taken a new connection gets that of one which has not said what it wants, or
 * of a stranger's without requests. Looks at a few of its own loop, oldest first; those that stay
 * go to the end of the line. */
static bool evict(struct edge_loop *el)
{
    int64_t now = rk_loop_now_ms(el->loop);

    for (int i = 0; i < LOOK_AT && !rk_list_empty(&el->conns); i++) {
        struct edge_conn *c = rk_container_of(el->conns.next, struct edge_conn, link);
        bool idle = c->state == EC_H2 ? edge_h2_idle(c, IDLE_MS)
                                      : c->state < EC_H2 && now - c->began_ms >= IDLE_MS;

        rk_list_remove(&c->link);
        rk_list_push_back(&el->conns, &c->link);
        if (!idle)
            continue;
        edge_conn_drop(c, "its place is needed");
        return true;
    }
    return false;
}

bool edge_count_add(struct edge_conn *c, const char **why)
{
    struct edge *e = c->el->edge;
    struct edge_count *n;
    bool ok = true;

    if (atomic_load(&e->n_conns) >= e->limits.max_conns && !evict(c->el)) {
        *why = "too many connections";
        return false;
    }
    c->addr_key_bytes[0] = (char)c->peer.ip.family;
    memcpy(c->addr_key_bytes + 1, c->peer.ip.b, sizeof c->peer.ip.b);
    c->addr_key = rk_str_of(c->addr_key_bytes, c->peer.ip.family == 6 ? 9 : 5); /* /64 or /32 */
    if (!c->peer.ip.family || rk_ip_is_loopback(&c->peer.ip) || rk_ip_is_private(&c->peer.ip) ||
        edge_trusts(e, &c->peer))
        return true;
    (void)pthread_mutex_lock(&e->lock);
    n = rk_map_get(&e->per_addr, c->addr_key);
    if (!n) {
        n = rk_calloc(1, sizeof *n);
        (void)rk_map_put(&e->per_addr, c->addr_key, n);
    }
    if (n->n >= e->limits.max_conns_per_addr)
        ok = false;
    else
        n->n++;
    (void)pthread_mutex_unlock(&e->lock);
    c->counted = ok;
    if (!ok)
        *why = "too many connections from this address";
    return ok;
}

void edge_count_del(struct edge_conn *c)
{
    struct edge *e = c->el->edge;
    struct edge_count *n;

    if (!c->counted)
        return;
    c->counted = false;
    (void)pthread_mutex_lock(&e->lock);
    n = rk_map_get(&e->per_addr, c->addr_key);
    if (n && --n->n == 0)
        free(rk_map_del(&e->per_addr, c->addr_key));
    (void)pthread_mutex_unlock(&e->lock);
}
