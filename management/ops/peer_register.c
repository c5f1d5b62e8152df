/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enrolment of a new peer, by setup key or for a user: see spec/network-map.md sections 2.2 to 2.6.
 * Addresses and labels are picked from the snapshot and decided by the unique indexes, so that many
 * enrolments can share one transaction.
 */
#include "config.h"

#include "management/ops/peer_register.h"

#include "lib/base/id.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/token.h"
#include "management/engine/places.h"
#include "management/ops/addresses.h"
#include "management/ops/domains.h"
#include "management/ops/peer_insert.h"
#include "management/ops/peers.h"
#include "management/ops/report_gate.h"

#define TRIES            10 /* with another address and label each */
#define EXTRA_LABELS_MAX 32

static const char SQL_KEY[] = "SELECT account_id, id FROM setup_key WHERE hash = $1";
static const char SQL_PEER[] = "SELECT 1 FROM peer WHERE wg_key = $1";
static const char KEY_INVALID[] = "couldn't add peer: setup key is invalid";
static const char NO_LABELS[] = "couldn't add peer: setup key doesn't allow extra DNS labels";

/* ---- addresses and labels */

/* A random free address: from a random start to the next one that nobody has. */
static enum rk_code pick_ip4(struct tx *tx, const struct rk_prefix *net, struct rk_ip *out,
                             struct rk_err *err)
{
    uint64_t count = addr4_count(net);
    uint64_t start = count ? rk_secret_random_below((uint32_t)count) : 0;
    char text[RK_ADDR_TEXT];

    for (uint64_t i = 0; i < count; i++) {
        struct rk_ip ip = addr4_at(net, (start + i) % count);

        if (snap_index_by_ip(tx->snap, &ip) == SNAP_NO_PEER) {
            *out = ip;
            return RK_OK;
        }
    }
    return rk_fail(err, RK_PRECONDITION, "network %s is out of IPs", rk_prefix_format(net, text).p);
}

static enum rk_code pick_label(struct tx *tx, const struct peer *p, int attempt, struct rk_str *out,
                               struct rk_err *err)
{
    enum rk_code rc = peer_dns_label(tx->mem, p->name, NULL, out, err);

    if (rc)
        return rc;
    if (attempt == 0 && !p->ephemeral && snap_index_by_label(tx->snap, *out) == SNAP_NO_PEER)
        return RK_OK;
    return peer_dns_label(tx->mem, p->name, &p->ip, out, err);
}

enum rk_code peer_labels_check(const struct str_list *l, struct rk_err *err)
{
    if (l->n > EXTRA_LABELS_MAX)
        return rk_fail(err, RK_INVALID, "invalid extra DNS labels: more than %d", EXTRA_LABELS_MAX);
    for (size_t i = 0; i < l->n; i++)
        if (!dns_name_ok(l->v[i], true))
            return rk_fail(err, RK_INVALID, "invalid extra DNS labels: \"%.*s\"",
                           RK_STR_ARG(rk_str_sub(l->v[i], 0, 80)));
    return RK_OK;
}

/* ---- the mutation */

/* What the credential brings. */
struct grant {
    const struct str_list *auto_groups;
    const struct setup_key *key; /* or NULL */
    const struct user *user;     /* or NULL */
};

static enum rk_code grant_find(struct tx *tx, const struct peer_login_job *e, struct grant *g,
                               struct rk_err *err)
{
    if (e->req.user_id.n) {
        g->user = tx_get(tx, ENT_USER, e->req.user_id);
        if (!g->user)
            return rk_fail(err, RK_NOT_FOUND, "failed adding new peer: user not found");
        if (g->user->blocked && !g->user->pending_approval)
            return rk_fail(err, RK_FORBIDDEN, "user is blocked"); /* meanwhile, perhaps */
        if (g->user->pending_approval)
            return rk_fail(err, RK_FORBIDDEN, "user pending approval cannot add peers");
        g->auto_groups = &g->user->auto_groups;
        return RK_OK;
    }
    g->key = tx_get(tx, ENT_SETUP_KEY, e->key_id);
    if (!g->key || !setup_key_usable(g->key, tx->now_us)) /* used up while we waited */
        return rk_fail(err, RK_PRECONDITION, "%s", KEY_INVALID);
    if (e->req.extra_dns_labels.n && !g->key->allow_extra_dns_labels)
        return rk_fail(err, RK_PRECONDITION, "%s", NO_LABELS);
    g->auto_groups = &g->key->auto_groups;
    return RK_OK;
}

/* "iphone" and "ipad" say nothing: the owner's name makes them tell apart. */
static struct rk_str peer_name(struct tx *tx, struct rk_str hostname, const struct user *u)
{
    struct rk_str local, domain;

    if (!u || !u->email.n ||
        !(rk_str_ieq(hostname, RK_STR("iphone")) || rk_str_ieq(hostname, RK_STR("ipad"))))
        return rk_arena_dup(tx->mem, hostname);
    (void)rk_str_cut(u->email, '@', &local, &domain);
    return rk_arena_printf(tx->mem, "%.*s-%.*s", RK_STR_ARG(hostname), RK_STR_ARG(local));
}

static struct peer peer_make(struct tx *tx, const struct peer_login_job *e, const struct grant *g)
{
    const struct peer_login_req *req = &e->req;
    bool browser = rk_str_eqz(req->meta->goos, "js");
    bool sso = g->user && !browser;

    return (struct peer){
        .id = rk_xid_new(tx->mem),
        .account_id = tx->account_id,
        .key = req->key,
        .name = peer_name(tx, req->meta->hostname, g->user),
        .user_id = g->user ? g->user->id : rk_str_of(NULL, 0),
        .ssh_key = req->ssh_key,
        .login_expiration_enabled = sso,
        .inactivity_expiration_enabled = sso,
        .last_login_us = tx->now_us,
        .created_at_us = tx->now_us,
        .ephemeral = browser || (g->key && g->key->ephemeral),
        .extra_dns_labels = req->extra_dns_labels,
        .allow_extra_dns_labels = g->key && g->key->allow_extra_dns_labels,
        .meta = *req->meta,
        .location = req->location,
        .status = {.last_seen_us = tx->now_us,
                   /* those that were there when it was switched on stay */
                   .requires_approval = snap_settings(tx->snap)->peer_approval_enabled},
    };
}

/* All and the credential's groups, without those that are gone. */
static struct str_list groups_of(struct tx *tx, const struct grant *g)
{
    struct str_list l = {.v = rk_new_n(tx->mem, struct rk_str, g->auto_groups->n + 1)};
    const struct group *all = snap_group_all(tx->snap);

    if (all)
        l.v[l.n++] = all->id;
    for (size_t i = 0; i < g->auto_groups->n; i++)
        if (tx_get(tx, ENT_GROUP, g->auto_groups->v[i]) && !str_list_has(&l, g->auto_groups->v[i]))
            l.v[l.n++] = g->auto_groups->v[i];
    return l;
}

/* One try; *taken: another address or label is needed. */
static enum rk_code insert_once(struct tx *tx, struct peer *p, const struct str_list *groups,
                                int attempt, bool *taken, struct rk_err *err)
{
    const struct account *a = tx_get(tx, ENT_ACCOUNT, tx->account_id);
    const struct settings *s = tx_get(tx, ENT_SETTINGS, tx->account_id);
    enum rk_code rc = pick_ip4(tx, &a->net4, &p->ip, err);

    p->ip6 = (struct rk_ip){0};
    if (rc == RK_OK && peer_wants_ipv6(&a->net6, &s->ipv6_groups, groups, false))
        p->ip6 = addr6_random(&a->net6);
    if (rc == RK_OK)
        rc = pick_label(tx, p, attempt, &p->dns_label, err);
    return rc ? rc : tx_insert_try(tx, ENT_PEER, p, taken, err);
}

enum rk_code peer_insert(struct tx *tx, struct peer *p, const struct str_list *groups,
                         struct rk_err *err)
{
    for (int i = 0; i < TRIES; i++) {
        bool taken = false;
        int64_t one;
        enum rk_code rc = insert_once(tx, p, groups, i, &taken, err);

        if (rc || !taken)
            return rc;
        rc = db_get_i64(tx->db, &one, err, SQL_PEER, DB_ARGS(db_text(p->key)));
        if (rc == RK_OK)
            return rk_fail(err, RK_PRECONDITION, "peer has been already registered");
        if (rc != RK_NOT_FOUND)
            return rc;
        tx_refresh(tx); /* see those that were enrolled in this batch */
    }
    return rk_fail(err, RK_INTERNAL, "no free address and name after %d tries", TRIES);
}

static enum rk_code key_use(struct tx *tx, const struct setup_key *key, struct rk_err *err)
{
    struct setup_key k;

    if (!key)
        return RK_OK;
    k = *key;
    k.used++;
    k.last_used_us = tx->now_us;
    return tx_put(tx, ENT_SETUP_KEY, &k, err);
}

static enum rk_code enrol_event(struct tx *tx, const struct grant *g, const struct peer *p,
                                struct rk_err *err)
{
    struct op_kv more[2];
    size_t n = 0;

    if (g->key)
        more[n++] = (struct op_kv){"setup_key_name", g->key->name};
    if (!peer_is_validated(p)) /* an administrator has to do something */
        more[n++] = (struct op_kv){"pending_approval", op_bool(true)};
    else if (rk_str_eqz(p->meta.goos, "js"))
        return RK_OK;
    return tx_event_by(tx, g->user ? g->user->id : g->key->id,
                       g->user ? ACT_PEER_USER_ADD : ACT_PEER_SETUPKEY_ADD, p->id,
                       peer_event_meta(tx->mem, tx->snap, p, more, n), err);
}

enum rk_code peer_user_seen(struct tx *tx, const struct user *owner, struct rk_err *err)
{
    struct user u;

    if (!owner)
        return RK_OK;
    u = *owner;
    u.last_login_us = tx->now_us;
    return tx_put(tx, ENT_USER, &u, err);
}

static enum rk_code enrol_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct peer_login_job *e = arg;
    struct grant g = {0};
    struct peer p;
    struct str_list groups;
    enum rk_code rc = grant_find(tx, e, &g, err);

    if (rc)
        return rc;
    p = peer_make(tx, e, &g);
    places_fill(mgmt_places(tx->m), tx->mem, &p.location);
    groups = groups_of(tx, &g);
    rc = peer_insert(tx, &p, &groups, err);
    for (size_t i = 0; rc == RK_OK && i < groups.n; i++)
        rc = tx_group_add_peer(tx, groups.v[i], p.id, err);
    if (rc == RK_OK)
        rc = key_use(tx, g.key, err);
    if (rc == RK_OK)
        rc = peer_user_seen(tx, g.user, err);
    return rc ? rc : enrol_event(tx, &g, &p, err);
}

/* ---- before it */

static bool text_take(struct db_rows *rows, int col, char *buf, size_t size, struct rk_str *out)
{
    struct rk_str s = db_col_text_peek(rows, col);

    if (s.n >= size)
        return false;
    memcpy(buf, s.p, s.n);
    *out = rk_str_of(buf, s.n);
    return true;
}

static enum rk_code key_find(struct db *db, struct peer_login_job *e, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    char hash[HASH_SHA256_TEXT + 1];
    enum rk_code rc;

    if (token_setup_key_stored_form(e->req.setup_key, hash, err))
        return rk_fail(err, RK_NOT_FOUND, "%s", KEY_INVALID);
    rc = db_query(db, &rows, err, SQL_KEY, DB_ARGS(db_textz(hash)));
    if (rc)
        return rc;
    if (!db_next(rows)) {
        rc = db_end(rows, err);
        return rc ? rc : rk_fail(err, RK_NOT_FOUND, "%s", KEY_INVALID);
    }
    if (!text_take(rows, 0, e->account_text, sizeof e->account_text, &e->account_id) ||
        !text_take(rows, 1, e->key_text, sizeof e->key_text, &e->key_id))
        return rk_fail(err, RK_INTERNAL, "setup key row is damaged");
    return db_end(rows, err);
}

/* A key that is no good already is NOT_FOUND; one that is used up meanwhile is PRECONDITION. */
static enum rk_code key_check(struct mgmt *m, struct db *db, const struct peer_login_job *e,
                              struct rk_err *err)
{
    const struct snapshot *snap = NULL;
    const struct setup_key *k;
    enum rk_code rc = mgmt_snapshot(m, e->account_id, &snap, err);

    if (rc)
        return rc;
    k = snap_setup_key(snap, e->key_id);
    if ((!k || !setup_key_usable(k, mgmt_now_us(m))) && mgmt_is_shared(m)) {
        /* the row is there: another process made or renewed it just now */
        snap_unref(snap);
        rc = mgmt_refresh(m, db, e->account_id, NULL, err);
        if (rc == RK_OK)
            rc = mgmt_snapshot(m, e->account_id, &snap, err);
        if (rc)
            return rc;
        k = snap_setup_key(snap, e->key_id);
    }
    if (!k || !setup_key_usable(k, mgmt_now_us(m)))
        rc = rk_fail(err, RK_NOT_FOUND, "%s", KEY_INVALID);
    else if (e->req.extra_dns_labels.n && !k->allow_extra_dns_labels)
        rc = rk_fail(err, RK_PRECONDITION, "%s", NO_LABELS);
    else if (!report_gate_enrol(e->req.gate, e->key_id))
        rc = rk_fail(err, RK_UNAVAILABLE,
                     "too many machines come with this setup key: try again later");
    snap_unref(snap);
    return rc;
}

static enum rk_code user_find(struct mgmt *m, struct db *db, struct peer_login_job *e,
                              struct rk_err *err)
{
    const struct snapshot *snap = NULL;
    enum rk_code rc = mgmt_snapshot_of_user(m, db, e->req.user_id, &snap, err);
    struct rk_str id;

    if (rc == RK_NOT_FOUND)
        return rk_fail(err, RK_NOT_FOUND, "failed adding new peer: user not found");
    if (rc)
        return rc;
    id = snap_account(snap)->id;
    if (id.n < sizeof e->account_text) {
        memcpy(e->account_text, id.p, id.n);
        e->account_id = rk_str_of(e->account_text, id.n);
    } else {
        rc = rk_fail(err, RK_INTERNAL, "account id is too long");
    }
    snap_unref(snap);
    return rc;
}

enum rk_code peer_register_prepare(struct mgmt *m, struct db *db, struct peer_login_job *j,
                                   struct rk_err *err)
{
    enum rk_code rc;

    if (j->req.user_id.n) {
        rc = user_find(m, db, j, err);
    } else {
        rc = key_find(db, j, err);
        if (rc == RK_OK)
            rc = key_check(m, db, j, err);
    }
    if (rc == RK_OK)
        rc = peer_labels_check(&j->req.extra_dns_labels, err);
    if (rc)
        return rc;
    j->m = m;
    j->actor = (struct actor){.id = j->req.user_id.n ? j->req.user_id : j->key_id};
    j->mut = (struct mgmt_mutation){.account_id = j->account_id,
                                    .actor = &j->actor,
                                    .flags = MUT_STALE_SNAP,
                                    .fn = enrol_tx,
                                    .arg = j};
    return RK_OK;
}
