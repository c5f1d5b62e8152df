/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a mutation may do: every change goes to SQL at once and to the list of changes, from which
 * the journal rows are written when the mutation ends. The latest state of an
 * entity among the changes that no snapshot shows yet is in the overlay; see work.c.
 */
#include "config.h"

#include <assert.h>

#include "lib/crypto/vault.h"
#include "management/engine/engine_impl.h"

static const char SQL_EVENT[] = "INSERT INTO event (at, activity, initiator, target, account_id, "
                                "meta) VALUES ($1, $2, $3, $4, $5, $6)";

static struct run *run_of(struct tx *tx)
{
    return rk_container_of(tx, struct run, tx);
}

static struct store store_of(struct run *r)
{
    return (struct store){.db = r->tx.db, .vault = mgmt_vault(r->tx.m), .mem = r->tx.mem};
}

bool mgmt_kind_in_maps(enum entity_kind k)
{
    switch (k) {
    case ENT_DNS_SETTINGS:
    case ENT_PEER:
    case ENT_GROUP:
    case ENT_GROUP_PEER:
    case ENT_POLICY:
    case ENT_POSTURE:
    case ENT_ROUTE:
    case ENT_RESOURCE:
    case ENT_ROUTER:
    case ENT_NS_GROUP:
    case ENT_ZONE:
    case ENT_RECORD:
    case ENT_SERVICE:
        return true;
    case ENT_ACCOUNT:
    case ENT_SETTINGS:
    case ENT_USER:
    case ENT_PAT:
    case ENT_SETUP_KEY:
    case ENT_NETWORK:
    case ENT_INVITE:
    case ENT_JOB:
    case ENT_PROXY_DOMAIN:
    case ENT_COUNT:
        break;
    }
    return false;
}

/* ---- reading */

const void *mgmt_entity_of(const struct snapshot *s, enum entity_kind kind, struct rk_str id)
{
    if (!s)
        return NULL;
    switch (kind) {
    case ENT_ACCOUNT:
        return snap_account(s);
    case ENT_SETTINGS:
        return snap_settings(s);
    case ENT_DNS_SETTINGS:
        return snap_dns_settings(s);
    default:
        return snap_find(s, kind, id);
    }
}

const void *tx_get(struct tx *tx, enum entity_kind kind, struct rk_str id)
{
    struct run *r = run_of(tx);
    const struct change *c;

    assert(kind != ENT_GROUP_PEER);
    if (kind == ENT_ACCOUNT || kind == ENT_SETTINGS || kind == ENT_DNS_SETTINGS)
        id = tx->account_id;
    c = work_latest(r->w, r->tx.mem, kind, id, rk_str_of(NULL, 0));
    return c ? c->after : mgmt_entity_of(tx->snap, kind, id);
}

void tx_refresh(struct tx *tx)
{
    struct run *r = run_of(tx);

    work_apply(r->lane, r->w, r->mark);
    tx->snap = r->w->cur;
}

void tx_show_own(struct tx *tx)
{
    struct run *r = run_of(tx);

    work_apply(r->lane, r->w, r->w->n);
    tx->snap = r->w->cur;
}

bool tx_group_has_peer(struct tx *tx, struct rk_str group_id, struct rk_str peer_id)
{
    const struct change *c = work_latest(run_of(tx)->w, tx->mem, ENT_GROUP_PEER, group_id, peer_id);
    uint32_t index;

    if (c)
        return c->after != NULL;
    index = tx->snap ? snap_index_of(tx->snap, peer_id) : SNAP_NO_PEER;
    return index != SNAP_NO_PEER && snap_is_member(tx->snap, group_id, index);
}

/* ---- writing */

/* Our own shallow copy, with the account's id in it where the struct has one. */
static void *entity_copy(struct run *r, enum entity_kind kind, const void *entity)
{
    void *copy = rk_arena_alloc(r->tx.mem, entity_size(kind));

    memcpy(copy, entity, entity_size(kind));
    store_set_account(kind, copy, r->tx.account_id);
    return copy;
}

static struct rk_str id_of(struct run *r, enum entity_kind kind, const void *entity)
{
    struct rk_str id = entity_id(kind, entity);

    return id.n ? id : r->tx.account_id;
}

static enum rk_code put_member(struct run *r, const struct group_peer *gp, struct rk_err *err)
{
    return tx_group_add_peer(&r->tx, gp->group_id, gp->peer_id, err);
}

enum rk_code tx_put(struct tx *tx, enum entity_kind kind, const void *entity, struct rk_err *err)
{
    struct run *r = run_of(tx);
    struct store s = store_of(r);
    struct rk_str id;
    const void *before;
    void *after;
    enum rk_code rc;

    if (kind == ENT_GROUP_PEER)
        return put_member(r, entity, err);
    id = id_of(r, kind, entity);
    before = tx_get(tx, kind, id);
    if (before && store_equal(kind, before, entity))
        return RK_OK;
    after = entity_copy(r, kind, entity);
    rc = before ? store_update(&s, tx->account_id, kind, before, after, err)
                : store_insert(&s, tx->account_id, kind, after, NULL, err);
    if (rc == RK_OK)
        work_record(r->w, r->tx.mem, kind, id, before, after);
    return rc;
}

enum rk_code tx_insert_try(struct tx *tx, enum entity_kind kind, const void *entity, bool *taken,
                           struct rk_err *err)
{
    struct run *r = run_of(tx);
    struct store s = store_of(r);
    void *after = entity_copy(r, kind, entity);
    enum rk_code rc = store_insert(&s, tx->account_id, kind, after, taken, err);

    if (rc == RK_OK && !*taken)
        work_record(r->w, r->tx.mem, kind, id_of(r, kind, after), NULL, after);
    return rc;
}

static struct group_peer *member_new(struct run *r, struct rk_str group_id, struct rk_str peer_id)
{
    struct group_peer *gp = rk_new(r->tx.mem, struct group_peer);

    *gp = (struct group_peer){.group_id = rk_arena_dup(r->tx.mem, group_id),
                              .peer_id = rk_arena_dup(r->tx.mem, peer_id)};
    return gp;
}

enum rk_code tx_group_add_peer(struct tx *tx, struct rk_str group_id, struct rk_str peer_id,
                               struct rk_err *err)
{
    struct run *r = run_of(tx);
    struct store s = store_of(r);
    struct group_peer *gp;
    enum rk_code rc;

    if (tx_group_has_peer(tx, group_id, peer_id))
        return RK_OK;
    rc = store_member_add(&s, tx->account_id, group_id, peer_id, err);
    if (rc)
        return rc;
    gp = member_new(r, group_id, peer_id);
    work_record(r->w, r->tx.mem, ENT_GROUP_PEER, gp->group_id, NULL, gp);
    return RK_OK;
}

static void record_member_gone(struct run *r, struct rk_str group_id, struct rk_str peer_id)
{
    struct group_peer *gp = member_new(r, group_id, peer_id);

    work_record(r->w, r->tx.mem, ENT_GROUP_PEER, gp->group_id, gp, NULL);
}

enum rk_code tx_group_del_peer(struct tx *tx, struct rk_str group_id, struct rk_str peer_id,
                               struct rk_err *err)
{
    struct run *r = run_of(tx);
    struct store s = store_of(r);
    enum rk_code rc;

    if (!tx_group_has_peer(tx, group_id, peer_id))
        return RK_OK;
    rc = store_member_del(&s, group_id, peer_id, err);
    if (rc == RK_OK)
        record_member_gone(r, group_id, peer_id);
    return rc;
}

/* ---- what goes with a deleted entity */

/* Memberships of a group, or of a peer: those of the snapshot, then those that are newer. SQL drops
 * them by foreign key; here they are recorded. */
static void members_gone(struct run *r, struct rk_str group_id, struct rk_str peer_id)
{
    const struct snapshot *s = r->tx.snap;
    size_t n_before = r->w->n;

    if (s && group_id.n) {
        const struct bits *members = snap_group_members(s, group_id);

        for (uint32_t i = bits_next(members, 0); i != BITS_END; i = bits_next(members, i + 1)) {
            const struct peer *p = snap_peer_at(s, i);

            if (p && tx_group_has_peer(&r->tx, group_id, p->id))
                record_member_gone(r, group_id, p->id);
        }
    } else if (s && snap_index_of(s, peer_id) != SNAP_NO_PEER) {
        size_t n = 0;
        const struct group **groups = snap_peer_groups(s, snap_index_of(s, peer_id), r->tx.mem, &n);

        for (size_t i = 0; i < n; i++)
            if (tx_group_has_peer(&r->tx, groups[i]->id, peer_id))
                record_member_gone(r, groups[i]->id, peer_id);
    }
    for (size_t i = r->w->n_applied; i < n_before; i++) {
        const struct change *c = &r->w->changes[i];
        const struct group_peer *gp = c->after;

        if (c->kind == ENT_GROUP_PEER && gp &&
            rk_str_eq(group_id.n ? gp->group_id : gp->peer_id, group_id.n ? group_id : peer_id) &&
            tx_group_has_peer(&r->tx, gp->group_id, gp->peer_id))
            record_member_gone(r, gp->group_id, gp->peer_id);
    }
}

typedef bool belongs(const void *entity, struct rk_str owner);

static bool record_of_zone(const void *e, struct rk_str owner)
{
    return rk_str_eq(((const struct record *)e)->zone_id, owner);
}

static bool resource_of_network(const void *e, struct rk_str owner)
{
    return rk_str_eq(((const struct resource *)e)->network_id, owner);
}

static bool router_of_network(const void *e, struct rk_str owner)
{
    return rk_str_eq(((const struct router *)e)->network_id, owner);
}

static bool pat_of_user(const void *e, struct rk_str owner)
{
    return rk_str_eq(((const struct pat *)e)->user_id, owner);
}

/* Call tx_del for each entity of a kind that belongs to an owner. */
static enum rk_code owned_del(struct run *r, enum entity_kind kind, belongs *is_owned,
                              struct rk_str owner, struct rk_err *err)
{
    size_t n_before = r->w->n;

    if (r->tx.snap) {
        struct snap_iter it = snap_iter(r->tx.snap, kind);
        const void *e;

        while ((e = snap_next(&it)) != NULL) {
            struct rk_str id = entity_id(kind, e);
            const void *now = tx_get(&r->tx, kind, id);
            enum rk_code rc = now && is_owned(now, owner) ? tx_del(&r->tx, kind, id, err) : RK_OK;

            if (rc)
                return rc;
        }
    }
    for (size_t i = r->w->n_applied; i < n_before; i++) {
        const struct change *c = &r->w->changes[i];
        const void *now = c->kind == kind && c->after ? tx_get(&r->tx, kind, c->id) : NULL;
        enum rk_code rc = now && is_owned(now, owner) ? tx_del(&r->tx, kind, c->id, err) : RK_OK;

        if (rc)
            return rc;
    }
    return RK_OK;
}

/* Take a resource out of the groups that name it. */
static enum rk_code resource_leave_groups(struct run *r, struct rk_str id, struct rk_err *err)
{
    struct snap_iter it = snap_iter(r->tx.snap, ENT_GROUP);
    const struct group *g;

    while (r->tx.snap && (g = snap_next(&it)) != NULL) {
        const struct group *now = tx_get(&r->tx, ENT_GROUP, g->id);
        struct group next;
        size_t n = 0;
        enum rk_code rc;

        if (!now)
            continue;
        next = *now;
        next.resources = rk_new_n(r->tx.mem, struct resource_ref, now->n_resources);
        for (size_t i = 0; i < now->n_resources; i++)
            if (!rk_str_eq(now->resources[i].id, id))
                next.resources[n++] = now->resources[i];
        next.n_resources = n;
        rc = n == now->n_resources ? RK_OK : tx_put(&r->tx, ENT_GROUP, &next, err);
        if (rc)
            return rc;
    }
    return RK_OK;
}

static enum rk_code dependents_del(struct run *r, enum entity_kind kind, struct rk_str id,
                                   struct rk_err *err)
{
    enum rk_code rc;

    switch (kind) {
    case ENT_GROUP:
        members_gone(r, id, rk_str_of(NULL, 0));
        return RK_OK;
    case ENT_PEER:
        members_gone(r, rk_str_of(NULL, 0), id);
        return RK_OK;
    case ENT_ZONE:
        return owned_del(r, ENT_RECORD, record_of_zone, id, err);
    case ENT_USER:
        return owned_del(r, ENT_PAT, pat_of_user, id, err);
    case ENT_NETWORK:
        rc = owned_del(r, ENT_RESOURCE, resource_of_network, id, err);
        return rc ? rc : owned_del(r, ENT_ROUTER, router_of_network, id, err);
    case ENT_RESOURCE:
        return resource_leave_groups(r, id, err);
    default:
        return RK_OK;
    }
}

enum rk_code tx_del(struct tx *tx, enum entity_kind kind, struct rk_str id, struct rk_err *err)
{
    struct run *r = run_of(tx);
    struct store s = store_of(r);
    const void *before = tx_get(tx, kind, id);
    enum rk_code rc;

    assert(kind != ENT_GROUP_PEER && kind != ENT_ACCOUNT && kind != ENT_SETTINGS &&
           kind != ENT_DNS_SETTINGS);
    if (!before)
        return rk_fail(err, RK_NOT_FOUND, "%s %.*s not found", entity_kind_text(kind),
                       RK_STR_ARG(id));
    id = entity_id(kind, before);
    rc = dependents_del(r, kind, id, err);
    if (rc == RK_OK)
        rc = store_delete(&s, kind, before, err);
    if (rc == RK_OK)
        work_record(r->w, r->tx.mem, kind, id, before, NULL);
    return rc;
}

/* ---- serial and events */

void tx_raise_serial(struct tx *tx)
{
    run_of(tx)->raise = true;
}

uint64_t run_serial(const struct run *r)
{
    bool raise = r->raise;

    for (size_t i = r->mark; !raise && i < r->w->n; i++)
        raise = mgmt_kind_in_maps(r->w->changes[i].kind) && !(r->flags & MUT_QUIET);
    return r->w->serial + (raise ? 1 : 0);
}

uint64_t tx_serial(const struct tx *tx)
{
    return run_serial(rk_container_of((struct tx *)(uintptr_t)tx, struct run, tx));
}

static struct rk_str event_context(struct rk_arena *mem, struct rk_str account_id)
{
    return rk_arena_printf(mem, "event.meta/%.*s", RK_STR_ARG(account_id));
}

/* Names and addresses of people stand under these keys. */
static bool names_people(struct rk_str meta)
{
    static const char *const KEYS[] = {"\"email\":", "\"user_name\":", "\"username\":"};

    for (size_t i = 0; i < RK_ARRAY_LEN(KEYS); i++)
        if (rk_str_find(meta, rk_str_z(KEYS[i])) < meta.n)
            return true;
    return false;
}

enum rk_code event_meta_seal(const struct vault *v, struct rk_arena *mem, struct rk_str account_id,
                             struct rk_str *meta, struct rk_err *err)
{
    if (!v || !names_people(*meta))
        return RK_OK;
    return vault_seal(v, mem, event_context(mem, account_id), *meta, meta, err);
}

enum rk_code tx_event_by(struct tx *tx, struct rk_str initiator, int activity, struct rk_str target,
                         struct rk_str meta, struct rk_err *err)
{
    enum rk_code rc = event_meta_seal(mgmt_vault(tx->m), tx->mem, tx->account_id, &meta, err);

    if (rc)
        return rc;
    run_of(tx)->events = true;
    return db_exec(tx->db, err, NULL, SQL_EVENT,
                   DB_ARGS(db_i64(tx->now_us), db_i64(activity), db_text(initiator),
                           db_text(target), db_text(tx->account_id), db_text(meta)));
}

enum rk_code event_meta_open(const struct vault *v, struct rk_arena *mem, struct rk_str account_id,
                             struct rk_str *meta, struct rk_err *err)
{
    if (!meta->n || meta->p[0] == '{') /* nobody in it, or older than the seals */
        return RK_OK;
    return vault_open(v, mem, event_context(mem, account_id), *meta, meta, err);
}

enum rk_code tx_event(struct tx *tx, int activity, struct rk_str target, struct rk_str meta,
                      struct rk_err *err)
{
    return tx_event_by(tx, tx->actor->id, activity, target, meta, err);
}

/* ---- journal */

static enum rk_code state_json(struct store *s, const struct change *c, const void *entity,
                               struct rk_str *out, struct rk_err *err)
{
    const struct group_peer *gp = entity;

    *out = rk_str_of(NULL, 0);
    if (!entity)
        return RK_OK;
    if (c->kind != ENT_GROUP_PEER)
        return store_json(s, c->kind, entity, out, err);
    *out = rk_arena_printf(s->mem, "{\"peer\":\"%.*s\"}", RK_STR_ARG(gp->peer_id));
    return RK_OK;
}

/* What a machine reports can be long, and stands in the row before this one already: it is not
 * written a second time. */
static const void *before_of(struct store *s, const struct change *c)
{
    struct peer *p;

    if (c->kind != ENT_PEER || !c->before || !c->after)
        return c->before;
    p = rk_new(s->mem, struct peer);
    *p = *(const struct peer *)c->before;
    p->meta.n_files = p->meta.n_addresses = 0;
    return p;
}

enum rk_code run_journal(struct run *r, struct rk_err *err)
{
    struct store s = store_of(r);
    uint64_t serial = run_serial(r);

    for (size_t i = r->mark; i < r->w->n; i++) {
        const struct change *c = &r->w->changes[i];
        struct journal_row row = {.account_id = r->tx.account_id,
                                  .version = r->w->version,
                                  .serial = (int64_t)serial,
                                  .at_us = r->tx.now_us,
                                  .actor = r->tx.actor->id,
                                  .op = !c->before  ? JOURNAL_CREATE
                                        : !c->after ? JOURNAL_DELETE
                                                    : JOURNAL_UPDATE,
                                  .kind = rk_str_z(entity_kind_text(c->kind)),
                                  .entity_id = c->id};
        enum rk_code rc = state_json(&s, c, before_of(&s, c), &row.before, err);

        if (rc == RK_OK)
            rc = state_json(&s, c, c->after, &row.after, err);
        if (rc == RK_OK)
            rc = journal_append(r->tx.db, &r->w->head, &row, err);
        if (rc)
            return rc;
    }
    return RK_OK;
}

/* ---- whole accounts */

enum rk_code run_create(struct run *r, const struct account_data *d, struct rk_err *err)
{
    enum rk_code rc = tx_put(&r->tx, ENT_ACCOUNT, &d->account, err);

    if (rc == RK_OK)
        rc = tx_put(&r->tx, ENT_SETTINGS, &d->settings, err);
    if (rc == RK_OK)
        rc = tx_put(&r->tx, ENT_DNS_SETTINGS, &d->dns_settings, err);
    for (int k = 0; rc == RK_OK && k < ENT_COUNT; k++) {
        enum entity_kind kind = (enum entity_kind)k;
        size_t n = 0, size = entity_size(kind);
        const void *items = NULL;

        if (kind == ENT_GROUP_PEER || !account_data_table(d, kind, &items, &n))
            continue;
        for (size_t i = 0; rc == RK_OK && i < n; i++)
            rc = tx_put(&r->tx, kind, (const char *)items + i * size, err);
    }
    for (size_t i = 0; rc == RK_OK && i < d->n_group_peers; i++)
        rc = put_member(r, &d->group_peers[i], err);
    return rc;
}

static const char SQL_DEL_ACCOUNT[] = "DELETE FROM account WHERE id = $1";
static const char SQL_DEL_REFS[] = "DELETE FROM group_ref WHERE account_id = $1";

enum rk_code run_delete(struct run *r, struct rk_err *err)
{
    const struct account *a = tx_get(&r->tx, ENT_ACCOUNT, r->tx.account_id);
    int64_t changed = 0;
    enum rk_code rc;

    if (!a)
        return rk_fail(err, RK_NOT_FOUND, "account %.*s", RK_STR_ARG(r->tx.account_id));
    rc = db_exec(r->tx.db, err, NULL, SQL_DEL_REFS, DB_ARGS(db_text(a->id)));
    if (rc == RK_OK)
        rc = db_exec(r->tx.db, err, &changed, SQL_DEL_ACCOUNT, DB_ARGS(db_text(a->id)));
    if (rc == RK_OK && changed != 1)
        rc = rk_fail(err, RK_NOT_FOUND, "account %.*s", RK_STR_ARG(a->id));
    if (rc == RK_OK)
        work_record(r->w, r->tx.mem, ENT_ACCOUNT, a->id, a, NULL);
    return rc;
}
