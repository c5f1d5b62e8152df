/* SPDX-License-Identifier: BSD-3-Clause */
/* See services.h. */
#include "config.h"

#include "management/ops/services.h"

#include "lib/base/enc.h"
#include "lib/base/id.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/sign.h"

#define PORT_TRIES 100 /* at random, before all are looked at in order */

static const char SQL_BY_DOMAIN[] = "SELECT account_id, id FROM service WHERE domain = $1";
static const char SQL_ACCOUNTS[] =
    "SELECT DISTINCT account_id FROM service WHERE proxy_cluster = $1 ORDER BY account_id";
/* Services of mode tls share a port when their names differ. */
static const char SQL_PORT_TAKEN[] =
    "SELECT COUNT(*) FROM service WHERE proxy_cluster = $1 AND mode = $2 AND listen_port = $3 AND "
    "id <> $4 AND (mode <> 'tls' OR domain = $5)";
static const char SQL_PORT_ANY[] =
    "SELECT COUNT(*) FROM service WHERE proxy_cluster = $1 AND listen_port = $2";
static const char SQL_STATUSES[] =
    "SELECT t.service_id, t.status, t.issued_at FROM service_status t JOIN service s ON s.id = "
    "t.service_id WHERE s.account_id = $1";
static const char SQL_STATUS[] =
    "INSERT INTO service_status (service_id, status, issued_at) VALUES ($1, $2, $3) "
    "ON CONFLICT (service_id) DO UPDATE SET status = $2, "
    "issued_at = COALESCE($3, service_status.issued_at)";

/* ---- events */

struct rk_str service_duration(struct rk_arena *mem, int64_t ms)
{
    int64_t h = ms / 3600000, m = ms / 60000 % 60, s = ms / 1000 % 60, rest = ms % 1000;
    char frac[8] = "";

    if (ms < 1000)
        return rk_arena_printf(mem, ms ? "%lldms" : "0s", (long long)ms);
    if (rest) { /* without the zeroes at its end */
        (void)snprintf(frac, sizeof frac, ".%03d", (int)rest);
        for (size_t n = strlen(frac); frac[n - 1] == '0'; n--)
            frac[n - 1] = '\0';
    }
    if (h)
        return rk_arena_printf(mem, "%lldh%lldm%lld%ss", (long long)h, (long long)m, (long long)s,
                               frac);
    if (m)
        return rk_arena_printf(mem, "%lldm%lld%ss", (long long)m, (long long)s, frac);
    return rk_arena_printf(mem, "%lld%ss", (long long)s, frac);
}

#define META_KEYS 16

static enum rk_code event(struct tx *tx, struct rk_arena *mem, const struct service *s,
                          int activity, const struct op_kv *more, size_t n_more, struct rk_err *err)
{
    const struct service_target *t = s->n_targets ? s->targets : NULL;
    struct op_kv kv[META_KEYS] = {{"name", s->name},
                                  {"domain", s->domain},
                                  {"proxy_cluster", s->proxy_cluster},
                                  {"source", s->source},
                                  {"auth", op_bool(service_has_auth(s))},
                                  {"mode", s->mode}};
    size_t n = 6;

    if (s->listen_port)
        kv[n++] = (struct op_kv){"listen_port", rk_arena_printf(mem, "%u", s->listen_port)};
    if (t && t->proxy_protocol)
        kv[n++] = (struct op_kv){"proxy_protocol", op_bool(true)};
    if (t && t->request_timeout_ms)
        kv[n++] = (struct op_kv){"request_timeout", service_duration(mem, t->request_timeout_ms)};
    if (t && t->idle_timeout_ms)
        kv[n++] = (struct op_kv){"session_idle_timeout", service_duration(mem, t->idle_timeout_ms)};
    for (size_t i = 0; i < n_more && n < META_KEYS; i++)
        kv[n++] = more[i];
    return tx_event(tx, activity, s->id, op_meta(mem, kv, n), err);
}

/* ---- references */

static enum rk_code target_there(struct tx *tx, const struct service_target *t, struct rk_err *err)
{
    const struct resource *r;
    const struct peer *p;

    if (rk_str_eqz(t->target_type, "cluster"))
        return RK_OK;
    if (rk_str_eqz(t->target_type, "peer")) {
        p = tx_get(tx, ENT_PEER, t->target_id);
        return p && !p->proxy_embedded
                   ? RK_OK
                   : rk_fail(err, RK_INVALID, "peer target %.*s is not in this account",
                             RK_STR_ARG(t->target_id));
    }
    r = tx_get(tx, ENT_RESOURCE, t->target_id);
    if (!r)
        return rk_fail(err, RK_INVALID, "resource target %.*s is not in this account",
                       RK_STR_ARG(t->target_id));
    if (!rk_str_eqz(t->target_type, resource_type_text(r->type)))
        return rk_fail(err, RK_INVALID, "target %.*s is a resource of type %s, not %.*s",
                       RK_STR_ARG(t->target_id), resource_type_text(r->type),
                       RK_STR_ARG(t->target_type));
    return RK_OK;
}

static enum rk_code groups_there(struct tx *tx, const char *what, const struct str_list *l,
                                 struct rk_err *err)
{
    for (size_t i = 0; i < l->n; i++)
        if (!tx_get(tx, ENT_GROUP, l->v[i]))
            return rk_fail(err, RK_INVALID, "%s: group %.*s is not in this account", what,
                           RK_STR_ARG(l->v[i]));
    return RK_OK;
}

static enum rk_code refs_there(struct tx *tx, const struct service *s, struct rk_err *err)
{
    enum rk_code rc = groups_there(tx, "access_groups", &s->access_groups, err);

    if (rc == RK_OK)
        rc = groups_there(tx, "distribution_groups", &s->bearer_groups, err);
    for (size_t i = 0; i < s->n_targets && rc == RK_OK; i++)
        rc = target_there(tx, &s->targets[i], err);
    return rc;
}

/* ---- cluster and port */

static enum rk_code find_cluster(struct tx *tx, struct service_put *p, struct proxy_clusters *l,
                                 struct rk_err *err)
{
    const struct proxy_cluster *c;
    struct service *s = p->s;
    enum rk_code rc = proxy_clusters_read(tx->db, p->mem, tx->account_id, tx->now_us, l, err);

    if (rc)
        return rc;
    if (p->old && rk_str_eq(p->old->domain, s->domain)) {
        s->proxy_cluster = p->old->proxy_cluster;
        return RK_OK;
    }
    s->proxy_cluster = proxy_cluster_of(l, tx->snap, s->domain);
    if (!s->proxy_cluster.n && p->old)
        s->proxy_cluster = p->old->proxy_cluster;
    if (!s->proxy_cluster.n)
        return rk_fail(err, RK_PRECONDITION,
                       "the domain %.*s is neither below a cluster whose proxy is connected nor "
                       "below a domain of this account",
                       RK_STR_ARG(s->domain));
    c = proxy_cluster_find(l, s->proxy_cluster);
    if (c && c->require_subdomain == TRI_YES && rk_str_eq(s->domain, c->address))
        return rk_fail(err, RK_INVALID, "the cluster %.*s wants services below it, not on it",
                       RK_STR_ARG(c->address));
    return RK_OK;
}

static enum rk_code domain_free(struct tx *tx, const struct service *s, struct rk_err *err)
{
    struct rk_str account, id;
    enum rk_code rc = service_by_domain(tx->db, tx->mem, s->domain, &account, &id, NULL);

    if (rc == RK_NOT_FOUND || (rc == RK_OK && rk_str_eq(id, s->id)))
        return RK_OK;
    if (rc == RK_OK)
        return rk_fail(err, RK_EXISTS, "domain already taken");
    return rk_fail(err, rc, "the domain could not be looked up");
}

static enum rk_code assign_port(struct tx *tx, struct service_put *p, struct rk_err *err)
{
    const uint32_t count = SERVICE_PORT_MAX - SERVICE_PORT_MIN + 1;

    for (uint32_t i = 0; i < PORT_TRIES + count; i++) {
        uint32_t port =
            SERVICE_PORT_MIN + (i < PORT_TRIES ? rk_secret_random_below(count) : i - PORT_TRIES);
        int64_t taken;
        enum rk_code rc = db_get_i64(tx->db, &taken, err, SQL_PORT_ANY,
                                     DB_ARGS(db_text(p->s->proxy_cluster), db_i64(port)));

        if (rc)
            return rc;
        if (taken)
            continue;
        p->s->listen_port = (uint16_t)port;
        p->s->port_auto_assigned = true;
        return RK_OK;
    }
    return rk_fail(err, RK_PRECONDITION, "the cluster %.*s has no port left",
                   RK_STR_ARG(p->s->proxy_cluster));
}

enum rk_code service_port_free(struct tx *tx, const struct service *s, struct rk_err *err)
{
    int64_t taken;
    enum rk_code rc;

    if (!service_is_l4(s))
        return RK_OK;
    rc = db_get_i64(tx->db, &taken, err, SQL_PORT_TAKEN,
                    DB_ARGS(db_text(s->proxy_cluster), db_text(s->mode), db_i64(s->listen_port),
                            db_text(s->id), db_text(s->domain)));
    if (rc == RK_OK && taken)
        return rk_fail(err, RK_EXISTS, "%.*s port %u of the cluster %.*s is taken",
                       RK_STR_ARG(s->mode), s->listen_port, RK_STR_ARG(s->proxy_cluster));
    return rc;
}

static enum rk_code find_port(struct tx *tx, struct service_put *p, const struct proxy_clusters *l,
                              struct rk_err *err)
{
    const struct proxy_cluster *c = proxy_cluster_find(l, p->s->proxy_cluster);
    struct service *s = p->s;
    bool own_port = !rk_str_eqz(s->mode, "tls"); /* tls shares ports, by name */
    enum rk_code rc = RK_OK;

    if (!service_is_l4(s))
        return RK_OK;
    if (p->old && !s->listen_port) {
        s->listen_port = p->old->listen_port;
        s->port_auto_assigned = p->old->port_auto_assigned;
    }
    if (own_port && s->listen_port && (!p->old || s->listen_port != p->old->listen_port) &&
        (!c || c->custom_ports != TRI_YES)) {
        if (!p->port_is_wish)
            return rk_fail(err, RK_INVALID,
                           "the cluster %.*s gives ports itself: leave listen_port out",
                           RK_STR_ARG(s->proxy_cluster));
        s->listen_port = 0;
    }
    if (!s->listen_port)
        rc = assign_port(tx, p, err);
    return rc ? rc : service_port_free(tx, s, err);
}

/* ---- secrets that stay */

static struct rk_str hash_of_header(const struct service *old, struct rk_str header)
{
    for (size_t i = 0; i < old->n_header_auths; i++)
        if (old->header_auths[i].hash.n && rk_str_ieq(old->header_auths[i].header, header))
            return old->header_auths[i].hash;
    return (struct rk_str){0};
}

static enum rk_code keep_secrets(const struct service *old, struct service *s, struct rk_err *err)
{
    if (s->password_on && !s->password_hash.n && old && old->password_on)
        s->password_hash = old->password_hash;
    if (s->pin_on && !s->pin_hash.n && old && old->pin_on)
        s->pin_hash = old->pin_hash;
    if (s->password_on && !s->password_hash.n)
        return rk_fail(err, RK_INVALID, "password_auth needs a password");
    if (s->pin_on && !s->pin_hash.n)
        return rk_fail(err, RK_INVALID, "pin_auth needs a PIN");
    for (size_t i = 0; i < s->n_header_auths; i++) {
        struct service_header_auth *h = &s->header_auths[i];

        if (h->enabled && !h->hash.n && old)
            h->hash = hash_of_header(old, h->header);
        if (h->enabled && !h->hash.n)
            return rk_fail(err, RK_INVALID, "header_auths: %.*s needs a value",
                           RK_STR_ARG(h->header));
    }
    return RK_OK;
}

static void make_keys(struct rk_arena *mem, struct service *s)
{
    uint8_t public_key[SIGN_PUBLIC_SIZE], private_key[SIGN_PRIVATE_SIZE];

    sign_pair_new(public_key, private_key);
    s->session_public = rk_base64_encode(mem, rk_str_of(public_key, sizeof public_key));
    s->session_private = rk_base64_encode(mem, rk_str_of(private_key, sizeof private_key));
    rk_secret_wipe(private_key, sizeof private_key);
}

/* ---- the mutations */

static void keep_from(const struct service *old, struct service *s)
{
    s->id = old->id;
    s->session_public = old->session_public;
    s->session_private = old->session_private;
    s->created_at_us = old->created_at_us;
    s->source = old->source;
    s->source_peer = old->source_peer;
    s->terminated = old->terminated;
}

static void begin_new(struct tx *tx, struct service_put *p)
{
    struct service *s = p->s;

    s->id = rk_xid_new(p->mem);
    make_keys(p->mem, s);
    s->created_at_us = tx->now_us;
    if (!s->source.n)
        s->source = RK_STR(SERVICE_PERMANENT);
}

enum rk_code service_put_tx(struct tx *tx, struct service_put *p, struct rk_err *err)
{
    struct proxy_clusters l = {0};
    enum rk_code rc;

    if (!p->old && snap_count(tx->snap, ENT_SERVICE) >= SERVICES_MAX)
        return rk_fail(err, RK_LIMIT, "an account has at most %d services", SERVICES_MAX);
    if (p->old)
        keep_from(p->old, p->s);
    else
        begin_new(tx, p);
    p->s->account_id = tx->account_id;
    rc = keep_secrets(p->old, p->s, err);
    if (rc == RK_OK)
        rc = find_cluster(tx, p, &l, err);
    if (rc == RK_OK)
        rc = refs_there(tx, p->s, err);
    if (rc == RK_OK)
        rc = domain_free(tx, p->s, err);
    if (rc == RK_OK)
        rc = find_port(tx, p, &l, err);
    if (rc == RK_OK)
        rc = tx_put(tx, ENT_SERVICE, p->s, err);
    return rc ? rc : event(tx, p->mem, p->s, p->activity, p->more, p->n_more, err);
}

enum rk_code service_del_tx(struct tx *tx, struct rk_arena *mem, const struct service *s,
                            int activity, const struct op_kv *more, size_t n_more,
                            struct rk_err *err)
{
    enum rk_code rc = event(tx, mem, s, activity, more, n_more, err);

    return rc ? rc : tx_del(tx, ENT_SERVICE, s->id, err);
}

struct save {
    struct rk_arena *mem;
    struct rk_str id;
    const struct service_input *in;
    struct service s; /* a copy for each run: a mutation may run twice */
    const struct service *out;
};

static enum rk_code no_service(struct rk_str id, struct rk_err *err)
{
    return rk_fail(err, RK_NOT_FOUND, "service: %.*s not found", RK_STR_ARG(id));
}

static enum rk_code save_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *sv = arg;
    const struct service *old = sv->id.n ? tx_get(tx, ENT_SERVICE, sv->id) : NULL;
    struct service_put p = {.mem = sv->mem,
                            .s = &sv->s,
                            .old = old,
                            .activity = old ? ACT_SERVICE_UPDATE : ACT_SERVICE_CREATE};
    enum rk_code rc;

    sv->s = *(const struct service *)entity_dup(sv->mem, ENT_SERVICE, &sv->in->s);
    if (sv->id.n && !old)
        return no_service(sv->id, err);
    if (old && old->terminated)
        return rk_fail(err, RK_FORBIDDEN, "the service is terminated");
    if (old && !rk_str_eq(old->mode, sv->s.mode))
        return rk_fail(err, RK_INVALID, "the mode of a service cannot be changed from %.*s",
                       RK_STR_ARG(old->mode));
    rc = service_put_tx(tx, &p, err);
    sv->out = entity_dup(sv->mem, ENT_SERVICE, &sv->s);
    return rc;
}

enum rk_code service_save(struct op *op, struct rk_str id, struct service_input *in,
                          const struct service **out, struct rk_err *err)
{
    struct save *sv = rk_new(op->mem, struct save);
    const struct service *old = id.n ? snap_find(op->snap, ENT_SERVICE, id) : NULL;
    enum rk_code rc;

    if (old && !in->s.mode.n) /* left out: as it is */
        in->s.mode = rk_arena_dup(op->mem, old->mode);
    rc = service_input_check(op->mem, in, err);
    if (rc == RK_OK)
        rc = op_may(op, PERM_SERVICES, id.n ? PERM_UPDATE : PERM_CREATE, err);
    if (rc == RK_OK && id.n && !old)
        return no_service(id, err);
    if (rc == RK_OK)
        rc = service_input_hash(op->mem, in, err);
    *sv = (struct save){.mem = op->mem, .id = id, .in = in};
    if (rc == RK_OK)
        rc = op_mutate(op, save_tx, sv, err);
    if (rc == RK_OK)
        *out = sv->out;
    return rc;
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct save *sv = arg;
    const struct service *s = tx_get(tx, ENT_SERVICE, sv->id);

    if (!s)
        return no_service(sv->id, err);
    return service_del_tx(tx, sv->mem, s, ACT_SERVICE_DELETE, NULL, 0, err);
}

enum rk_code service_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save sv = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, delete_tx, &sv, err);
}

enum rk_code service_get(const struct op *op, struct rk_str id, const struct service **out,
                         struct rk_err *err)
{
    const struct service *s = snap_find(op->snap, ENT_SERVICE, id);
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_READ, err);

    if (rc)
        return rc;
    if (!s)
        return no_service(id, err);
    *out = s;
    return RK_OK;
}

/* ---- reading */

struct rk_str service_target_host(struct rk_arena *mem, const struct snapshot *s,
                                  const struct service_target *t)
{
    const struct resource *r;
    const struct peer *p;
    char text[RK_ADDR_TEXT];

    if (rk_str_eqz(t->target_type, "subnet") || rk_str_eqz(t->target_type, "cluster"))
        return t->host;
    if (t->direct_upstream && rk_str_trim(t->host).n)
        return rk_str_trim(t->host);
    if (rk_str_eqz(t->target_type, "peer")) {
        p = snap_peer(s, t->target_id);
        return p ? rk_arena_dup(mem, rk_ip_format(&p->ip, text)) : RK_STR("unknown");
    }
    r = snap_find(s, ENT_RESOURCE, t->target_id);
    if (!r)
        return RK_STR("unknown");
    if (rk_str_eqz(t->target_type, "domain"))
        return r->domain;
    return rk_arena_dup(mem, rk_ip_format(&r->prefix.ip, text));
}

enum rk_code service_by_domain(struct db *db, struct rk_arena *mem, struct rk_str domain,
                               struct rk_str *account_id, struct rk_str *id, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_BY_DOMAIN, DB_ARGS(db_text(domain)));
    bool found;

    if (rc)
        return rc;
    found = db_next(rows);
    if (found) {
        *account_id = db_col_text(rows, 0, mem);
        *id = db_col_text(rows, 1, mem);
    }
    rc = db_end(rows, err);
    return rc || found ? rc : rk_fail(err, RK_NOT_FOUND, "no service has this domain");
}

enum rk_code service_accounts(struct db *db, struct rk_arena *mem, struct rk_str cluster,
                              struct str_list *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_ACCOUNTS, DB_ARGS(db_text(cluster)));

    *out = (struct str_list){0};
    while (rc == RK_OK && db_next(rows)) {
        out->v = rk_arena_grow(mem, out->v, out->n, &cap, sizeof *out->v);
        out->v[out->n++] = db_col_text(rows, 0, mem);
    }
    return rc ? rc : db_end(rows, err);
}

enum rk_code service_statuses(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                              struct service_status **out, size_t *n, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_STATUSES, DB_ARGS(db_text(account_id)));

    *out = NULL;
    *n = 0;
    while (rc == RK_OK && db_next(rows)) {
        *out = rk_arena_grow(mem, *out, *n, &cap, sizeof **out);
        (*out)[(*n)++] = (struct service_status){.service_id = db_col_text(rows, 0, mem),
                                                 .status = db_col_text(rows, 1, mem),
                                                 .issued_at_us = db_col_i64(rows, 2)};
    }
    return rc ? rc : db_end(rows, err);
}

enum rk_code service_status_set(struct db *db, struct rk_str service_id, struct rk_str status,
                                bool certificate, int64_t now_us, struct rk_err *err)
{
    return db_exec(
        db, err, NULL, SQL_STATUS,
        DB_ARGS(db_text(service_id), db_text(status), db_time(certificate ? now_us : 0)));
}
