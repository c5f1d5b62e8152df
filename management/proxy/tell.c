/* SPDX-License-Identifier: BSD-3-Clause */
/* What a proxy is told: the difference between what it has and what its cluster serves. Store
 * thread; see stream.h. */
#include "config.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "management/ops/domains.h"
#include "management/proxy/stream.h"

#define BATCH        500               /* mappings in a message of the first picture */
#define BATCH_BYTES  ((size_t)1 << 20) /* or so many: a proxy takes 4 MiB */
#define HEARTBEAT_MS 60000

struct told { /* malloc'd; what the proxy has of a service */
    uint8_t digest[HASH_SHA256_SIZE];
    uint64_t round; /* of the last look that found it */
    struct rk_str id, account_id, domain, mode;
    char text[];
};

struct telling {
    struct proxy_stream *s;
    struct rk_arena *mem;
    Management__ProxyMapping **v;
    size_t n, cap, bytes;
    uint64_t round;
};

static void send_batch(struct telling *t, bool last)
{
    Management__SyncMappingsResponse r = MANAGEMENT__SYNC_MAPPINGS_RESPONSE__INIT;
    struct tell_msg *m = rk_calloc(1, sizeof *m);
    struct rk_str bytes = {0};

    r.mapping = t->v;
    r.n_mapping = t->n;
    r.initial_sync_complete = last;
    /* both kinds of streams have the same fields; the arena has no ceiling: it cannot fail */
    RK_IGNORE(pb_pack(t->mem, &r.base, &bytes, NULL));
    m->bytes = rk_bytes_dup(bytes);
    m->last = last;
    rk_list_push_back(&t->s->made, &m->link);
    t->n = t->bytes = 0;
}

static void add(struct telling *t, Management__ProxyMapping *m, size_t size)
{
    if (t->n && (t->n >= BATCH || t->bytes + size > BATCH_BYTES))
        send_batch(t, false);
    t->v = rk_arena_grow(t->mem, t->v, t->n, &t->cap, sizeof(Management__ProxyMapping *));
    t->v[t->n++] = m;
    t->bytes += size;
}

static void add_removed(struct telling *t, const struct told *old)
{
    Management__ProxyMapping *m = rk_new(t->mem, Management__ProxyMapping);

    management__proxy_mapping__init(m);
    m->type = MANAGEMENT__PROXY_MAPPING_UPDATE_TYPE__UPDATE_TYPE_REMOVED;
    m->id = pb_text(t->mem, old->id);
    m->account_id = pb_text(t->mem, old->account_id);
    m->domain = pb_text(t->mem, old->domain);
    m->mode = pb_text(t->mem, old->mode); /* proxies find streams by it */
    add(t, m, 256);
}

static struct rk_str copy(char **at, struct rk_str s)
{
    struct rk_str c = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return c;
}

static struct told *told_new(const struct service *svc)
{
    struct told *d =
        rk_calloc(1, sizeof *d + svc->id.n + svc->account_id.n + svc->domain.n + svc->mode.n);
    char *at = d->text;

    d->id = copy(&at, svc->id);
    d->account_id = copy(&at, svc->account_id);
    d->domain = copy(&at, svc->domain);
    d->mode = copy(&at, svc->mode);
    return d;
}

/* Is it for this proxy? */
static bool served(const struct proxy_stream *s, const struct service *svc)
{
    if (!svc->enabled || svc->terminated || !rk_str_eq(svc->proxy_cluster, s->node.cluster))
        return false;
    if (svc->is_private && !s->takes_private)
        return false;
    return !svc->listen_port || rk_str_eqz(svc->mode, "tls") || s->node.custom_ports != TRI_UNKNOWN;
}

static void tell_service(struct telling *t, const struct snapshot *snap, const struct service *svc)
{
    struct proxy_stream *s = t->s;
    struct told *old = rk_map_get(&s->sent, svc->id), *now;
    Management__ProxyMapping *m;
    uint8_t digest[HASH_SHA256_SIZE];
    struct rk_str bytes = {0};

    if (!served(s, svc))
        return;
    m = proxy_mapping(t->mem, snap, svc);
    RK_IGNORE(pb_pack(t->mem, &m->base, &bytes, NULL));
    hash_sha256(bytes, digest);
    if (old && memcmp(old->digest, digest, sizeof digest) == 0) {
        old->round = t->round;
        return;
    }
    now = told_new(svc);
    now->round = t->round;
    memcpy(now->digest, digest, sizeof digest);
    if (old && !rk_str_eq(old->domain, svc->domain)) {
        add_removed(t, old); /* by the name that it has */
    } else if (old) {
        m->type = MANAGEMENT__PROXY_MAPPING_UPDATE_TYPE__UPDATE_TYPE_MODIFIED;
    }
    if (old)
        (void)rk_map_del(&s->sent, old->id);
    free(old);
    (void)rk_map_put(&s->sent, now->id, now);
    m->auth_token = pb_text(t->mem, proxy_once_make(s->p, t->mem, svc));
    add(t, m, bytes.n + 256);
}

static void tell_gone(struct telling *t)
{
    struct rk_str key;
    void *value;

    for (size_t pos = 0; rk_map_next(&t->s->sent, &pos, &key, &value);) {
        struct told *d = value;

        if (d->round == t->round)
            continue;
        add_removed(t, d);
        (void)rk_map_del(&t->s->sent, d->id);
        free(d);
    }
}

static enum rk_code tell_account(struct telling *t, struct rk_str account_id, struct rk_err *err)
{
    RK_CLEANUP(snap_unrefp) struct snapshot *snap = NULL;
    const struct service *svc;
    enum rk_code rc =
        mgmt_snapshot(t->s->p->o.mgmt, account_id, (const struct snapshot **)&snap, err);

    if (rc == RK_NOT_FOUND) { /* deleted in this moment */
        *err = (struct rk_err){0};
        return RK_OK;
    }
    if (rc)
        return rc;
    for (struct snap_iter it = snap_iter(snap, ENT_SERVICE); (svc = snap_next(&it)) != NULL;)
        tell_service(t, snap, svc);
    return RK_OK;
}

static enum rk_code tell(struct proxy_stream *s, struct db *db, struct rk_err *err)
{
    static _Atomic uint64_t rounds;
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct telling t = {.s = s, .mem = mem, .round = ++rounds};
    struct str_list accounts = {&s->token.account_id, 1};
    enum rk_code rc = RK_OK;

    if (!s->token.account_id.n)
        rc = service_accounts(db, mem, s->node.cluster, &accounts, err);
    for (size_t i = 0; !rc && i < accounts.n; i++)
        rc = tell_account(&t, accounts.v[i], err);
    if (rc)
        return rc;
    tell_gone(&t);
    if (t.n || !s->pictured)
        send_batch(&t, !s->pictured);
    s->pictured = true;
    return RK_OK;
}

/* ---- being there */

static enum rk_code enter(struct proxy_stream *s, struct db *db, struct rk_err *err)
{
    struct proxy_token token;
    struct rk_ip ip;
    enum rk_code rc = proxy_who(s->p, db, s->mem, s->header, s->node.ip, &token, err);

    if (rc)
        return rc;
    if (rk_ip_parse(s->node.cluster, &ip, NULL) && !dns_name_ok(s->node.cluster, false))
        return rk_fail(err, RK_INVALID, "the address of the cluster, \"%.*s\", is no domain name",
                       RK_STR_ARG(rk_str_sub(s->node.cluster, 0, 80)));
    (void)pthread_mutex_lock(&s->p->lock);
    s->token = token;
    s->known = true;
    (void)pthread_mutex_unlock(&s->p->lock);
    s->node.account_id = token.account_id;
    rc = proxy_node_save(db, &s->node, mgmt_now_us(s->p->o.mgmt), err);
    s->registered = !rc;
    s->heard_ms = rk_mono_ms();
    return rc;
}

static enum rk_code show_life(struct proxy_stream *s, struct db *db, struct rk_err *err)
{
    int64_t now = mgmt_now_us(s->p->o.mgmt);
    enum rk_code rc;

    if (rk_mono_ms() - s->heard_ms < HEARTBEAT_MS - 1000)
        return RK_OK;
    rc = proxy_token_still(db, s->token.id, now, err);
    if (!rc)
        rc = proxy_node_seen(db, &s->node, now, err);
    s->heard_ms = rk_mono_ms();
    return rc;
}

void tell_look(struct proxy_stream *s, struct db *db, struct rk_err *err)
{
    enum rk_code rc;

    if (s->closing) {
        s->gone = true;
        if (proxy_node_gone(db, &s->node, err))
            rk_log(s->p->o.log, RK_WARN, "end of a proxy not stored", kv_str("proxy", s->node.id),
                   KV_ERR(err));
        return;
    }
    rc = s->registered ? show_life(s, db, err) : enter(s, db, err);
    if (!rc)
        rc = tell(s, db, err);
    if (rc == RK_UNAVAILABLE && s->pictured) /* the store is away: what it has stays good */
        *err = (struct rk_err){0};
}

void tell_forget(struct proxy_stream *s)
{
    struct rk_str key;
    void *value;

    for (size_t pos = 0; rk_map_next(&s->sent, &pos, &key, &value);)
        free(value);
    rk_map_done(&s->sent);
}
