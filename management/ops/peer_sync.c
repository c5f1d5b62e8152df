/* SPDX-License-Identifier: BSD-3-Clause */
/* See peer_sync.h. */
#include "config.h"

#include "management/ops/peer_sync.h"

#include "management/engine/places.h"
#include "management/ops/report_gate.h"

/* Lists up to this length are compared without their order; longer ones as they stand, and are then
 * sometimes stored again for nothing. */
#define UNORDERED_MAX 256

enum rk_code peer_may_sync(const struct snapshot *s, const struct peer *p, int64_t now_us,
                           struct rk_err *err)
{
    const struct user *owner = p->user_id.n ? snap_user(s, p->user_id) : NULL;

    if (owner && owner->blocked)
        return rk_fail(err, RK_FORBIDDEN, "user is blocked");
    if (peer_login_expired(p, snap_settings(s), now_us))
        return rk_fail(err, RK_FORBIDDEN, "peer login has expired, please log in once more");
    return RK_OK;
}

bool peer_meta_is_empty(const struct peer_meta *m)
{
    return !m->hostname.n && !m->goos.n && !m->kernel.n && !m->core.n && !m->platform.n &&
           !m->os.n && !m->os_version.n && !m->version.n && !m->ui_version.n &&
           !m->kernel_version.n && !m->serial_number.n && !m->product_name.n &&
           !m->manufacturer.n && !m->env_cloud.n && !m->env_platform.n && !m->n_addresses &&
           !m->n_files;
}

/* ---- comparing */

static bool address_eq(const void *a, const void *b)
{
    const struct peer_address *x = a, *y = b;

    return rk_prefix_cmp(&x->prefix, &y->prefix) == 0 && rk_str_eq(x->mac, y->mac);
}

static bool file_eq(const void *a, const void *b)
{
    const struct peer_file *x = a, *y = b;

    return rk_str_eq(x->path, y->path) && x->exist == y->exist && x->running == y->running;
}

/* Equal as multisets. */
static bool same_items(const void *a, size_t n_a, const void *b, size_t n_b, size_t size,
                       bool (*eq)(const void *, const void *))
{
    const char *x = a, *y = b;
    bool used[UNORDERED_MAX] = {false};
    size_t i = 0;

    if (n_a != n_b)
        return false;
    while (i < n_a && eq(x + i * size, y + i * size))
        i++;
    if (i == n_a || n_a > UNORDERED_MAX)
        return i == n_a;
    for (size_t k = i; k < n_a; k++) {
        size_t j = i;

        while (j < n_b && (used[j] || !eq(x + k * size, y + j * size)))
            j++;
        if (j == n_b)
            return false;
        used[j] = true;
    }
    return true;
}

static bool same_meta(const struct peer_meta *a, const struct peer_meta *b)
{
    return rk_str_eq(a->hostname, b->hostname) && rk_str_eq(a->goos, b->goos) &&
           rk_str_eq(a->kernel, b->kernel) && rk_str_eq(a->platform, b->platform) &&
           rk_str_eq(a->os, b->os) && rk_str_eq(a->os_version, b->os_version) &&
           rk_str_eq(a->version, b->version) && rk_str_eq(a->ui_version, b->ui_version) &&
           rk_str_eq(a->kernel_version, b->kernel_version) &&
           rk_str_eq(a->serial_number, b->serial_number) &&
           rk_str_eq(a->product_name, b->product_name) &&
           rk_str_eq(a->manufacturer, b->manufacturer) && rk_str_eq(a->env_cloud, b->env_cloud) &&
           rk_str_eq(a->env_platform, b->env_platform) && a->flags == b->flags &&
           a->capabilities == b->capabilities &&
           a->sync_message_version == b->sync_message_version &&
           same_items(a->addresses, a->n_addresses, b->addresses, b->n_addresses,
                      sizeof *a->addresses, address_eq) &&
           same_items(a->files, a->n_files, b->files, b->n_files, sizeof *a->files, file_eq);
}

bool peer_merge_report(const struct peer *p, const struct peer_report *r, struct peer *out)
{
    bool changed = false;

    *out = *p;
    if (r->meta && !peer_meta_is_empty(r->meta)) {
        struct peer_meta m = *r->meta;

        m.core = p->meta.core; /* not kept: what it says is in os_version */
        if (!m.ui_version.n)
            m.ui_version = p->meta.ui_version;
        if (!same_meta(&m, &p->meta)) {
            out->meta = m;
            changed = true;
        }
    }
    if (r->connection_ip.family && !rk_ip_eq(&r->connection_ip, &p->location.connection_ip)) {
        out->location = (struct peer_location){.connection_ip = r->connection_ip};
        changed = true;
    }
    return changed || places_wants(r->places, &out->location);
}

/* ---- storing */

struct sync_tx {
    const struct peer_report *r;
    struct rk_str peer_id;
};

static enum rk_code sync_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct sync_tx *x = arg;
    const struct peer *p = tx_get(tx, ENT_PEER, x->peer_id);
    struct peer_report r = *x->r;
    struct places *places = mgmt_places(tx->m);
    struct peer after;
    bool changed;

    if (!p)
        return rk_fail(err, RK_NOT_FOUND, "peer is not registered");
    r.places = NULL; /* the database is asked below: it may know nothing */
    changed = peer_merge_report(p, &r, &after);
    if (places_wants(places, &after.location)) {
        places_fill(places, tx->mem, &after.location);
        changed |= after.location.country_code.n > 0;
    }
    return changed ? tx_put(tx, ENT_PEER, &after, err) : RK_OK;
}

static void sync_done(struct mgmt_mutation *mut)
{
    struct peer_sync_job *job = rk_container_of(mut, struct peer_sync_job, mut);

    job->err = mut->err;
    rk_arena_free(job->mem);
    job->mem = NULL;
    job->done(job);
}

enum rk_code peer_sync_begin(struct mgmt *m, const struct snapshot *s, const struct peer *p,
                             struct peer_sync_job *job, struct rk_err *err)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct sync_tx *x = rk_new(mem, struct sync_tx);
    enum rk_code rc;

    job->mem = mem;
    job->peer_id = rk_arena_dup(mem, p->id);
    job->actor = (struct actor){.id = job->peer_id};
    *x = (struct sync_tx){.r = job->report, .peer_id = job->peer_id};
    job->mut = (struct mgmt_mutation){.account_id = rk_arena_dup(mem, snap_account(s)->id),
                                      .actor = &job->actor,
                                      .flags = MUT_QUIET | MUT_STALE_SNAP,
                                      .fn = sync_tx,
                                      .arg = x,
                                      .done = sync_done};
    rc = mgmt_submit(m, &job->mut, err);
    if (rc)
        rk_arena_free(mem);
    return rc;
}

enum rk_code peer_sync(struct mgmt *m, struct db *db, const struct peer_report *r,
                       struct rk_err *err)
{
    const struct snapshot *snap;
    const struct peer *p;
    struct peer after;
    enum rk_code rc = mgmt_snapshot_of_peer(m, db, r->key, &snap, err);

    if (rc)
        return rc;
    p = snap_peer_at(snap, snap_index_by_key(snap, r->key));
    if (!p) {
        snap_unref(snap);
        return rk_fail(err, RK_NOT_FOUND, "peer is not registered");
    }
    rc = peer_may_sync(snap, p, mgmt_now_us(m), err);
    if (rc == RK_OK && peer_merge_report(p, r, &after) &&
        !report_gate_take(r->gate, r->key, report_bytes(&after.meta)))
        rc = rk_fail(err, RK_LIMIT, "this machine reports too much about itself: try again later");
    else if (rc == RK_OK && peer_merge_report(p, r, &after)) {
        struct sync_tx x = {.r = r, .peer_id = p->id};
        struct actor actor = {.id = p->id};

        rc = mgmt_mutate(m, snap_account(snap)->id, &actor, MUT_QUIET | MUT_STALE_SNAP, sync_tx, &x,
                         err);
    }
    snap_unref(snap);
    return rc;
}
