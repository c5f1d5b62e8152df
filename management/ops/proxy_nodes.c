/* SPDX-License-Identifier: BSD-3-Clause */
/* See proxy_nodes.h. */
#include "config.h"

#include "management/ops/proxy_nodes.h"

#include <stdlib.h>

#include "lib/crypto/hash.h"

/* Accounts may have several proxies behind one address, but nobody shares one with strangers. */
static const char SQL_FOREIGN[] =
    "SELECT COUNT(*) FROM proxy_node WHERE (cluster = $1 OR id = $2) AND "
    "COALESCE(account_id, '') <> $3";
static const char SQL_SAVE[] =
    "INSERT INTO proxy_node (id, session, account_id, cluster, ip, version, connected, last_seen, "
    "custom_ports, require_subdomain, crowdsec, overlay) "
    "VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10, $11) ON CONFLICT (id) DO UPDATE SET "
    "session = $2, account_id = $3, cluster = $4, ip = $5, version = $6, connected = 1, "
    "last_seen = $7, custom_ports = $8, require_subdomain = $9, crowdsec = $10, overlay = $11";
static const char SQL_SEEN[] =
    "INSERT INTO proxy_node (id, session, account_id, cluster, ip, version, connected, last_seen, "
    "custom_ports, require_subdomain, crowdsec, overlay) "
    "VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10, $11) ON CONFLICT (id) DO UPDATE SET "
    "connected = 1, last_seen = $7 WHERE proxy_node.session = $2";
static const char SQL_GONE[] = "UPDATE proxy_node SET connected = 0 WHERE id = $1 AND session = $2";
static const char SQL_SWEEP[] = "DELETE FROM proxy_node WHERE last_seen < $1";
static const char SQL_SWEEP_USED[] = "DELETE FROM proxy_used WHERE until < $1";
static const char SQL_COUNT[] = "SELECT COUNT(*) FROM proxy_node WHERE connected = 1";
static const char SQL_ALL_GONE[] = "UPDATE proxy_node SET connected = 0 WHERE connected = 1";
static const char SQL_CLUSTERS[] =
    "SELECT id, cluster, account_id, connected, last_seen, custom_ports, require_subdomain, "
    "crowdsec, overlay FROM proxy_node WHERE account_id = $1 OR account_id IS NULL ORDER BY id";
static const char SQL_DELETE[] = "DELETE FROM proxy_node WHERE cluster = $1 AND account_id = $2";
static const char SQL_USE[] =
    "INSERT INTO proxy_used (hash, until) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";

static struct db_val tri_val(enum tri t)
{
    return t == TRI_UNKNOWN ? db_null() : db_i64(t);
}

static enum tri tri_of(struct db_rows *rows, int col)
{
    return db_col_null(rows, col) ? TRI_UNKNOWN : db_col_i64(rows, col) != 0 ? TRI_YES : TRI_NO;
}

static enum rk_code write_node(struct db *db, const char *sql, const struct proxy_node *n,
                               int64_t now_us, struct rk_err *err)
{
    return db_exec(db, err, NULL, sql,
                   DB_ARGS(db_text(n->id), db_text(n->session), db_text_opt(n->account_id),
                           db_text(n->cluster), db_text(n->ip), db_text(n->version), db_i64(now_us),
                           tri_val(n->custom_ports), tri_val(n->require_subdomain),
                           tri_val(n->crowdsec), tri_val(n->overlay)));
}

struct saving {
    const struct proxy_node *n;
    int64_t now_us;
};

static enum rk_code save_tx(struct db *db, void *arg, struct rk_err *err)
{
    const struct saving *s = arg;
    int64_t foreign;
    enum rk_code rc =
        db_get_i64(db, &foreign, err, SQL_FOREIGN,
                   DB_ARGS(db_text(s->n->cluster), db_text(s->n->id), db_text(s->n->account_id)));

    if (rc == RK_OK && foreign)
        return rk_fail(err, RK_EXISTS, "the cluster address %.*s is used by others",
                       RK_STR_ARG(s->n->cluster));
    return rc ? rc : write_node(db, SQL_SAVE, s->n, s->now_us, err);
}

enum rk_code proxy_node_save(struct db *db, const struct proxy_node *n, int64_t now_us,
                             struct rk_err *err)
{
    struct saving s = {n, now_us};

    return db_tx(db, save_tx, &s, err);
}

enum rk_code proxy_node_seen(struct db *db, const struct proxy_node *n, int64_t now_us,
                             struct rk_err *err)
{
    return write_node(db, SQL_SEEN, n, now_us, err);
}

enum rk_code proxy_node_gone(struct db *db, const struct proxy_node *n, struct rk_err *err)
{
    return db_exec(db, err, NULL, SQL_GONE, DB_ARGS(db_text(n->id), db_text(n->session)));
}

enum rk_code proxy_nodes_sweep(struct db *db, int64_t now_us, struct rk_err *err)
{
    enum rk_code rc = db_exec(db, err, NULL, SQL_SWEEP, DB_ARGS(db_i64(now_us - PROXY_FORGET_US)));

    return rc ? rc : db_exec(db, err, NULL, SQL_SWEEP_USED, DB_ARGS(db_i64(now_us)));
}

enum rk_code proxy_nodes_disconnect(struct db *db, bool dry, int64_t *n, struct rk_err *err)
{
    return dry ? db_get_i64(db, n, err, SQL_COUNT, DB_NOARGS)
               : db_exec(db, err, n, SQL_ALL_GONE, DB_NOARGS);
}

/* ---- clusters */

static enum tri any_yes(enum tri so_far, enum tri one)
{
    return one > so_far ? one : so_far;
}

/* Unknown ones do not count; one that says no decides. */
static enum tri all_yes(enum tri so_far, enum tri one)
{
    if (one == TRI_UNKNOWN || so_far == TRI_NO)
        return so_far;
    return one;
}

static void count_in(struct proxy_cluster *c, struct db_rows *rows)
{
    c->online = true;
    c->connected++;
    c->custom_ports = any_yes(c->custom_ports, tri_of(rows, 5));
    c->require_subdomain = any_yes(c->require_subdomain, tri_of(rows, 6));
    c->crowdsec = all_yes(c->crowdsec, tri_of(rows, 7));
    c->overlay = any_yes(c->overlay, tri_of(rows, 8));
}

static int by_rank(const void *a, const void *b)
{
    const struct proxy_cluster *x = a, *y = b;

    if (x->own != y->own)
        return x->own ? -1 : 1;
    return rk_str_cmp(x->address, y->address);
}

const struct proxy_cluster *proxy_cluster_find(const struct proxy_clusters *l,
                                               struct rk_str address)
{
    for (size_t i = 0; i < l->n; i++)
        if (rk_str_eq(l->v[i].address, address))
            return &l->v[i];
    return NULL;
}

enum rk_code proxy_clusters_read(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                                 int64_t now_us, struct proxy_clusters *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct proxy_clusters l = {0};
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_CLUSTERS, DB_ARGS(db_text(account_id)));

    while (rc == RK_OK && db_next(rows)) {
        struct rk_str address = db_col_text_peek(rows, 1);
        struct proxy_cluster *c = NULL;

        for (size_t i = 0; i < l.n && !c; i++)
            if (rk_str_eq(l.v[i].address, address))
                c = &l.v[i];
        if (!c) {
            l.v = rk_arena_grow(mem, l.v, l.n, &cap, sizeof *l.v);
            c = &l.v[l.n++];
            *c = (struct proxy_cluster){.id = db_col_text(rows, 0, mem),
                                        .address = db_col_text(rows, 1, mem),
                                        .own = !db_col_null(rows, 2),
                                        .custom_ports = TRI_UNKNOWN,
                                        .require_subdomain = TRI_UNKNOWN,
                                        .crowdsec = TRI_UNKNOWN,
                                        .overlay = TRI_UNKNOWN};
        }
        if (db_col_bool(rows, 3) && db_col_i64(rows, 4) >= now_us - PROXY_ALIVE_US)
            count_in(c, rows);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc)
        return rc;
    if (l.n)
        qsort(l.v, l.n, sizeof *l.v, by_rank);
    *out = l;
    return RK_OK;
}

static bool is_under(struct rk_str domain, struct rk_str apex)
{
    if (!apex.n || !rk_str_ends(domain, apex))
        return false;
    return domain.n == apex.n || domain.p[domain.n - apex.n - 1] == '.';
}

struct rk_str proxy_cluster_of(const struct proxy_clusters *l, const struct snapshot *s,
                               struct rk_str domain)
{
    const struct proxy_domain *d, *best = NULL;

    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].online && is_under(domain, l->v[i].address))
            return l->v[i].address;
    for (struct snap_iter it = snap_iter(s, ENT_PROXY_DOMAIN); (d = snap_next(&it)) != NULL;)
        if (is_under(domain, d->domain) && (!best || d->domain.n > best->domain.n))
            best = d;
    return best ? best->cluster : (struct rk_str){0};
}

enum rk_code proxy_clusters_list(struct op *op, struct proxy_clusters *out, struct rk_err *err)
{
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_READ, err);

    return rc ? rc
              : proxy_clusters_read(op->db, op->mem, op_account(op), mgmt_now_us(op->m), out, err);
}

enum rk_code proxy_cluster_delete(struct op *op, struct rk_str address, struct rk_err *err)
{
    int64_t n = 0;
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_DELETE, err);

    if (rc == RK_OK)
        rc = db_exec(op->db, err, &n, SQL_DELETE,
                     DB_ARGS(db_text(address), db_text(op_account(op))));
    if (rc == RK_OK && n == 0)
        return rk_fail(err, RK_NOT_FOUND, "cluster: %.*s not found", RK_STR_ARG(address));
    return rc;
}

enum rk_code proxy_use_once(struct db *db, struct rk_str text, int64_t until_us, bool *first,
                            struct rk_err *err)
{
    char hash[HASH_SHA256_TEXT + 1];
    int64_t n = 0;
    enum rk_code rc;

    hash_sha256_base64(text, hash);
    rc = db_exec(db, err, &n, SQL_USE, DB_ARGS(db_textz(hash), db_i64(until_us)));
    *first = n > 0;
    return rc;
}
