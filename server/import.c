/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `rookery admin import netbird`: a stopped official server's data becomes ours. Everything is
 * built in a store beside the real one and put into place at the end, so nothing is ever half
 * imported.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/crypto/keyfile.h"
#include "lib/crypto/vault.h"
#include "management/engine/engine.h"
#include "management/engine/keys.h"
#include "management/identity/local_users.h"
#include "management/snapshot/snapshot.h"
#include "management/store/db_lock.h"
#include "management/store/dump.h"
#include "management/store/probe.h"
#include "server/admin.h"
#include "server/import_idp.h"
#include "server/import_map.h"
#include "server/wiring.h"
#include "server/yaml.h"

#define CONFIG_MAX ((size_t)1 << 20)

struct import {
    struct admin *a;
    struct imp im;
    struct imp_tables t;
    struct foreign *store, *idp, *events;
    struct account_data *accounts;
    size_t n_accounts, n_local, n_totp, n_connectors, n_deleted, n_events;
    size_t n_copies;
    const char *places[3]; /* of store, events and idp: a path or a URL */
    const char *url;       /* of the new store while it is made */
};

/* ---- the old configuration */

static enum rk_code read_whole(struct rk_arena *mem, const char *path, struct rk_str *out,
                               struct rk_err *err)
{
    char *buf = rk_arena_alloc(mem, CONFIG_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, buf, CONFIG_MAX) : -1;

    if (n < 0)
        (void)rk_fail_errno(err, RK_NOT_FOUND, errno, "%s", path);
    if (fd >= 0)
        (void)close(fd);
    *out = rk_str_of(buf, n > 0 ? (size_t)n : 0);
    return n < 0 ? RK_NOT_FOUND : RK_OK;
}

/* A value of config.yaml, the last one of several. */
static struct rk_str yaml_value(const struct yaml_list *l, const char *path)
{
    struct rk_str v = {0};

    for (size_t i = 0; i < l->n; i++)
        if (rk_str_eqz(l->items[i].path, path))
            v = l->items[i].value;
    return v;
}

/* Where one of the three databases is: engine, DSN and file as the old configuration has them. */
static enum rk_code place_of(struct import *x, const char *what, struct rk_str engine,
                             struct rk_str dsn, const char *file, const char **out,
                             struct rk_err *err)
{
    struct rk_str path =
        file[0] == '/' ? rk_str_z(file)
                       : rk_arena_printf(x->a->mem, "%.*s/%s", RK_STR_ARG(x->a->o.data), file);

    if (rk_str_ieq(engine, RK_STR("sqlite3")) || rk_str_ieq(engine, RK_STR("jsonfile")))
        engine = RK_STR("sqlite");
    if (rk_str_ieq(engine, RK_STR("mysql")))
        return rk_fail(err, RK_PRECONDITION,
                       "%s of the old server is in MySQL: move it to SQLite or PostgreSQL first, "
                       "with the official server's own means",
                       what);
    if (rk_str_istarts(engine, RK_STR("postgres")) && x->a->o.dsn.n)
        dsn = x->a->o.dsn;
    if (rk_str_istarts(engine, RK_STR("postgres")) && !dsn.n)
        return rk_fail(
            err, RK_INVALID,
            "%s of the old server is in PostgreSQL: --dsn-file names a file with its DSN", what);
    if (!rk_str_istarts(engine, RK_STR("postgres")) && !x->a->o.data.n && file[0] != '/')
        return rk_fail(err, RK_INVALID, "--data: the data folder of the old server is needed");
    if (db_url_make(x->a->mem, engine, dsn, path, out, err))
        return err->code;
    if (!db_url_is_pg(*out))
        *out = probe_sqlite_path(*out);
    return RK_OK;
}

static struct rk_str or_else(struct rk_str v, struct rk_str otherwise)
{
    return v.n ? v : otherwise;
}

static enum rk_code from_yaml(struct import *x, struct rk_str text, struct rk_str *key,
                              struct rk_err *err)
{
    static const char *const tables[] = {"store", "activityStore", "authStore"};
    static const char *const files[] = {"store.db", "events.db", "idp.db"};
    struct yaml_list l = {0};
    struct rk_arena *mem = x->a->mem;
    enum rk_code rc = yaml_parse(mem, text, &l, err);

    *key = yaml_value(&l, "server.store.encryptionKey");
    for (size_t i = 0; rc == RK_OK && i < RK_ARRAY_LEN(tables); i++) {
        struct rk_str engine =
            yaml_value(&l, rk_arena_printf(mem, "server.%s.engine", tables[i]).p);
        struct rk_str dsn = yaml_value(&l, rk_arena_printf(mem, "server.%s.dsn", tables[i]).p);
        struct rk_str file = yaml_value(&l, rk_arena_printf(mem, "server.%s.file", tables[i]).p);

        rc = place_of(x, tables[i], engine, dsn,
                      rk_arena_dupz(mem, or_else(file, rk_str_z(files[i]))), &x->places[i], err);
    }
    return rc;
}

static enum rk_code from_json(struct import *x, json_t *j, struct rk_str *key, struct rk_err *err)
{
    const json_t *storage = json_object_get(json_object_get(j, "EmbeddedIdP"), "Storage");
    const json_t *config = json_object_get(storage, "Config");
    struct imp *im = &x->im;
    enum rk_code rc;

    *key = imp_str_of(im, j, "DataStoreEncryptionKey");
    rc = place_of(x, "the store", imp_str_of(im, json_object_get(j, "StoreConfig"), "Engine"),
                  (struct rk_str){0}, "store.db", &x->places[0], err);
    if (rc == RK_OK)
        rc = place_of(x, "events", (struct rk_str){0}, (struct rk_str){0}, "events.db",
                      &x->places[1], err);
    if (rc == RK_OK)
        rc = place_of(x, "idp", imp_str_of(im, storage, "Type"), imp_str_of(im, config, "DSN"),
                      "idp.db", &x->places[2], err);
    return rc;
}

/* The key of encrypted columns, and where the three databases are. */
static enum rk_code old_config(struct import *x, struct rk_str *key, struct rk_err *err)
{
    const struct admin_opts *o = &x->a->o;
    const char *path = o->old_config.n ? rk_arena_dupz(x->a->mem, o->old_config) : NULL;
    struct rk_str text = {0};
    json_t *j = NULL;
    enum rk_code rc = path ? read_whole(x->a->mem, path, &text, err) : RK_OK;

    if (rc)
        return rc;
    if (text.n)
        j = json_loadb(text.p, text.n, 0, NULL);
    rc = j ? from_json(x, j, key, err) : from_yaml(x, text, key, err);
    json_decref(j);
    return rc && path ? rk_wrap(err, "%s", path) : rc;
}

/* ---- reading */

static enum rk_code copy_file(const char *from, const char *to, struct rk_err *err)
{
    char buf[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = in < 0 || out < 0 ? -1 : 1;
    enum rk_code rc = RK_OK;

    while (n > 0) {
        n = read(in, buf, sizeof buf);
        if (n > 0 && write(out, buf, (size_t)n) != n)
            n = -1;
    }
    if (n < 0)
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "copy %s to %s", from, to);
    if (in >= 0)
        (void)close(in);
    if (out >= 0)
        (void)close(out);
    return rc;
}

/* The official server may be stopped in the middle of a write, and leaves a journal then. It is put
 * in order on a copy, for the old files are only read. */
static enum rk_code open_file(struct import *x, const char *path, struct foreign **out,
                              struct rk_err *err)
{
    static const char *const tails[] = {"-journal", "-wal"};
    struct rk_arena *mem = x->a->mem;
    const char *copy =
        rk_arena_printf(mem, "%.*s/import.old-%zu.db", RK_STR_ARG(x->a->c.data_dir), x->n_copies++)
            .p;
    bool left = false;
    enum rk_code rc = RK_OK;

    for (size_t i = 0; rc == RK_OK && i < RK_ARRAY_LEN(tails); i++) {
        const char *from = rk_arena_printf(mem, "%s%s", path, tails[i]).p;

        if (access(from, F_OK))
            continue;
        left = true;
        rc = copy_file(from, rk_arena_printf(mem, "%s%s", copy, tails[i]).p, err);
    }
    if (!left || access(path, F_OK))
        return rc ? rc : foreign_open(path, out, err);
    if (rc == RK_OK)
        rc = copy_file(path, copy, err);
    if (rc == RK_OK)
        rc = foreign_recover(copy, err);
    if (rc == RK_OK)
        rc = foreign_open(copy, out, err);
    if (rc == RK_OK)
        imp_note(&x->im,
                 "the old server was stopped while it wrote to %s: what was not finished "
                 "there is as if it had not begun",
                 path);
    return rc;
}

static enum rk_code open_place(struct import *x, const char *place, struct foreign **out,
                               struct rk_err *err)
{
    return db_url_is_pg(place) ? foreign_open(place, out, err) : open_file(x, place, out, err);
}

/* One that may be absent. */
static enum rk_code open_maybe(struct import *x, const char *place, struct foreign **out,
                               const char *otherwise, struct rk_err *err)
{
    enum rk_code rc = open_place(x, place, out, err);

    if (rc != RK_NOT_FOUND)
        return rc;
    *err = (struct rk_err){0};
    imp_note(&x->im, "%s", otherwise);
    return RK_OK;
}

static enum rk_code open_old(struct import *x, struct rk_err *err)
{
    enum rk_code rc = open_place(x, x->places[0], &x->store, err);

    if (rc == RK_OK)
        rc = open_maybe(x, x->places[2], &x->idp,
                        "no idp.db: nobody has a password here; users sign in where they did, at "
                        "the provider that is configured",
                        err);
    if (rc == RK_OK)
        rc = open_maybe(x, x->places[1], &x->events, "no events.db: the activity log begins now",
                        err);
    return rc;
}

/* What agents were told as DNS domain must stay: the combined server took the account's domain. */
static void keep_dns_domain(struct import *x, struct account_data *d)
{
    struct rk_str ours = x->a->c.dns_domain;

    if (d->settings.dns_domain.n || !d->account.domain.n || rk_str_eq(d->account.domain, ours))
        return;
    d->settings.dns_domain = d->account.domain;
    imp_note(&x->im, "names of machines end in \"%.*s\", the account's domain, as before",
             RK_STR_ARG(d->account.domain));
}

static void note_skipped(struct import *x)
{
    static const struct {
        const char *table, *what;
    } SKIPPED[] = {{"services", "services of the reverse proxy"},
                   {"domains", "domains of the reverse proxy"},
                   {"proxy_access_tokens", "tokens of the reverse proxy"},
                   {"access_log_entries", "entries of the reverse proxy's access log"},
                   {"agent_network_providers", "providers of the agent network"},
                   {"agent_network_policies", "policies of the agent network"},
                   {"jobs", "finished jobs"}};

    for (size_t i = 0; i < RK_ARRAY_LEN(SKIPPED); i++) {
        struct foreign_table t = {0};

        if (foreign_read(x->store, SKIPPED[i].table, x->a->mem, &t, NULL) == RK_OK && t.n)
            imp_note(&x->im, "%zu %s were left out: not part of this server", t.n, SKIPPED[i].what);
    }
}

static enum rk_code read_all(struct import *x, struct rk_err *err)
{
    enum rk_code rc = imp_tables_read(&x->im, x->store, &x->t, err);

    if (rc)
        return rc;
    x->accounts = rk_new_n(x->a->mem, struct account_data, x->t.accounts.n + 1);
    for (size_t i = 0; i < x->t.accounts.n && x->im.err.code == RK_OK; i++) {
        imp_account(&x->im, &x->t, &x->t.accounts.rows[i], &x->accounts[i]);
        keep_dns_domain(x, &x->accounts[i]);
        x->n_accounts++;
    }
    if (x->im.err.code)
        return rk_fail(err, x->im.err.code, "%s", x->im.err.msg);
    if (!x->n_accounts)
        return rk_fail(err, RK_PRECONDITION, "the old store has no account: nothing to take over");
    note_skipped(x);
    return RK_OK;
}

/* ---- writing */

struct local_job {
    struct import *x;
    struct foreign_table passwords, identities;
};

static enum rk_code local_one(struct local_job *j, struct tx *tx, imp_row r, struct rk_err *err)
{
    struct local_users l = {.db = tx->db, .vault = mgmt_vault(tx->m), .mem = tx->mem};
    struct imp *im = &j->x->im;
    struct rk_str id = imp_text(im, r, "user_id");
    struct local_user u = {.id = id,
                           .subject = idp_subject_encode(im->mem, id, RK_STR(IDP_LOCAL_CONNECTOR)),
                           .email = imp_text(im, r, "email"),
                           .name = imp_text(im, r, "username"),
                           .pw_hash = imp_text(im, r, "hash"),
                           .totp = imp_totp(im, &j->identities, id),
                           .created_at_us = tx->now_us};
    enum rk_code rc;

    if (!snap_user(tx->snap, u.subject))
        return RK_OK; /* of another account, or one that the store does not know */
    rc = local_user_insert(&l, &u, err);
    if (rc == RK_OK && u.totp.n)
        j->x->n_totp++;
    if (rc == RK_OK)
        j->x->n_local++;
    return rc;
}

static enum rk_code local_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct local_job *j = arg;
    enum rk_code rc = RK_OK;

    for (size_t i = 0; rc == RK_OK && i < j->passwords.n; i++)
        rc = local_one(j, tx, &j->passwords.rows[i], err);
    tx_raise_serial(tx); /* makes it a change that is committed */
    return rc;
}

static enum rk_code write_accounts(struct import *x, struct mgmt *m, struct rk_err *err)
{
    struct actor actor = ACTOR_SYSTEM;
    struct local_job job = {.x = x};
    enum rk_code rc = RK_OK;

    if (x->idp)
        rc = foreign_read(x->idp, "password", x->a->mem, &job.passwords, err);
    if (rc == RK_OK && x->idp)
        rc = foreign_read(x->idp, "user_identity", x->a->mem, &job.identities, err);
    for (size_t i = 0; rc == RK_OK && i < x->n_accounts; i++) {
        rc = mgmt_account_insert(m, &actor, &x->accounts[i], err);
        if (rc == RK_OK && job.passwords.n)
            rc = mgmt_mutate(m, x->accounts[i].account.id, &actor, 0, local_tx, &job, err);
    }
    return rc;
}

static const char SQL_EVENT[] =
    "INSERT INTO event (at, activity, initiator, target, account_id, meta) "
    "VALUES ($1, $2, $3, $4, $5, $6)";
static const char SQL_SERIAL[] = "UPDATE account_head SET serial = $2 WHERE account_id = $1";

struct rest_job {
    struct import *x;
    const struct vault *vault;
};

/* Events as they were; and serials above the old ones, or agents would take our maps for old. */
static enum rk_code events_tx(struct import *x, struct db *db, struct rk_err *err)
{
    struct foreign_table t = {0};
    enum rk_code rc = RK_OK;

    if (x->events)
        rc = foreign_read(x->events, "events", x->a->mem, &t, err);
    x->im.table = "events";
    x->n_events = t.n;
    for (size_t i = 0; rc == RK_OK && i < t.n; i++) {
        imp_row r = &t.rows[i];
        struct rk_str meta = imp_text(&x->im, r, "meta");

        rc = db_exec(db, err, NULL, SQL_EVENT,
                     DB_ARGS(db_i64(imp_time_us(&x->im, r, "timestamp")),
                             db_i64(imp_i64(&x->im, r, "activity")),
                             db_text(imp_text(&x->im, r, "initiator_id")),
                             db_text(imp_text(&x->im, r, "target_id")),
                             db_text(imp_text(&x->im, r, "account_id")), db_text(meta)));
    }
    return rc;
}

static enum rk_code rest_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct rest_job *j = arg;
    struct import *x = j->x;
    enum rk_code rc = events_tx(x, db, err);

    if (rc == RK_OK && x->events)
        rc = imp_deleted_users(&x->im, x->events, db, j->vault, &x->n_deleted, err);
    if (rc == RK_OK && x->idp)
        rc = imp_connectors(&x->im, x->idp, db, j->vault, &x->n_connectors, err);
    for (size_t i = 0; rc == RK_OK && i < x->n_accounts; i++)
        rc = db_exec(db, err, NULL, SQL_SERIAL,
                     DB_ARGS(db_text(x->accounts[i].account.id),
                             db_i64((int64_t)x->accounts[i].account.serial + 1)));
    return rc;
}

static enum rk_code write_store(struct import *x, const struct vault *vault, struct rk_err *err)
{
    struct mgmt_opts o = {.store_url = x->url,
                          .vault = vault,
                          .dns_domain = rk_arena_dupz(x->a->mem, x->a->c.dns_domain),
                          .no_default_policy = true};
    struct db_opts d = {.url = x->url, .writer = true};
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct mgmt *m = NULL;
    enum rk_code rc = mgmt_open(&m, &o, err);

    if (rc == RK_OK)
        rc = write_accounts(x, m, err);
    mgmt_close(m);
    if (rc == RK_OK)
        rc = db_open(&db, &d, err);
    if (rc == RK_OK)
        rc = db_tx(db, rest_tx, &(struct rest_job){x, vault}, err);
    return rc;
}

/* ---- the whole */

/* What an import that was killed left behind; the lock of the store says that none runs. */
static void remove_leftovers(struct import *x)
{
    const char *dir = rk_arena_dupz(x->a->mem, x->a->c.data_dir);
    DIR *d = opendir(dir);
    const struct dirent *e;

    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, "import.", 7) == 0)
            (void)unlink(rk_arena_printf(x->a->mem, "%s/%s", dir, e->d_name).p);
    if (d)
        (void)closedir(d);
}

static void remove_store(struct import *x)
{
    static const char *const TAILS[] = {"", "-wal", "-shm", ".lock"};

    for (size_t i = 0; i < RK_ARRAY_LEN(TAILS); i++)
        (void)unlink(rk_arena_printf(x->a->mem, "%s%s", probe_sqlite_path(x->url), TAILS[i]).p);
}

static enum rk_code put_into_place(struct import *x, struct rk_err *err)
{
    const char *from = probe_sqlite_path(x->url), *to = probe_sqlite_path(x->a->store_url);
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = x->url};
    struct dump_info *info = rk_new(x->a->mem, struct dump_info);
    struct dump_opts none = {0};
    FILE *f;
    enum rk_code rc;

    if (!db_url_is_pg(x->a->store_url)) {
        if (rename(from, to))
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", to);
        admin_give_to_owner(x->a, to);
        return RK_OK;
    }
    f = tmpfile();
    if (!f)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "a temporary file");
    rc = db_open(&db, &o, err);
    if (rc == RK_OK)
        rc = dump_write(db, f, &none, x->a->mem, info, err);
    if (rc == RK_OK) {
        RK_CLEANUP(db_closep) struct db *pg = NULL;
        struct db_opts to_pg = {.url = x->a->store_url, .writer = true};

        rc = db_open(&pg, &to_pg, err);
        if (rc == RK_OK)
            rc = dump_load(f, info, pg, err);
    }
    (void)fclose(f);
    return rc;
}

static void report(const struct import *x)
{
    const struct account_data *d = x->accounts;
    const char *what = x->a->o.dry_run ? "would take over" : "took over";
    json_t *v, *o;
    size_t i;

    if (x->a->o.json) {
        o = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "dry_run",
                      x->a->o.dry_run, "accounts", (json_int_t)x->n_accounts, "users",
                      (json_int_t)d->n_users, "passwords", (json_int_t)x->n_local, "second_factors",
                      (json_int_t)x->n_totp, "providers", (json_int_t)x->n_connectors, "machines",
                      (json_int_t)d->n_peers, "policies", (json_int_t)d->n_policies, "events",
                      (json_int_t)x->n_events, "notes", x->im.notes);
        (void)json_dumpf(o, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(o);
        return;
    }
    for (size_t k = 0; k < x->n_accounts; k++, d++)
        printf("%s account %.*s: %zu users, %zu tokens, %zu setup keys, %zu machines, %zu groups, "
               "%zu policies, %zu posture checks, %zu routes, %zu networks, %zu nameserver groups, "
               "%zu zones, %zu invitations\n",
               what, RK_STR_ARG(d->account.id), d->n_users, d->n_pats, d->n_setup_keys, d->n_peers,
               d->n_groups, d->n_policies, d->n_postures, d->n_routes, d->n_networks,
               d->n_ns_groups, d->n_zones, d->n_invites);
    printf("%s %zu passwords, %zu second factors, %zu other providers, %zu names of deleted users "
           "and %zu events\n",
           what, x->n_local, x->n_totp, x->n_connectors, x->n_deleted, x->n_events);
    json_array_foreach (x->im.notes, i, v)
        printf("note: %s\n", json_string_value(v));
    printf(
        "Browsers sign in again; agents, API tokens and setup keys go on when the server has the "
        "same\nname and port as before.\n");
}

static enum rk_code check_target(struct import *x, struct db_lock **lock, struct rk_err *err)
{
    struct admin *a = x->a;
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.url = a->store_url};
    bool empty = true;
    enum rk_code rc = keyfile_dir(a->c.data_dir, err);

    if (rc == RK_OK)
        rc = db_lock_take(a->store_url, lock, err);
    if (rc == RK_OK &&
        (db_url_is_pg(a->store_url) || access(probe_sqlite_path(a->store_url), F_OK) == 0)) {
        rc = db_open(&db, &o, err);
        if (rc == RK_OK)
            rc = dump_is_empty(db, &empty, err);
    }
    if (rc == RK_OK && !empty)
        rc = rk_fail(err, RK_EXISTS,
                     "the store here is not empty: import into a server that was never started");
    return rc;
}

static enum rk_code vault_for(struct import *x, struct vault **out, struct rk_err *err)
{
    struct rk_str key = x->a->c.store_key;
    struct rk_key made;
    enum rk_code rc = RK_OK;

    if (x->a->o.dry_run && !key.n) { /* leaves no key behind */
        rk_secret_random(made.b, sizeof made.b);
        key = rk_key_text(x->a->mem, &made);
    }
    if (!key.n)
        rc = keys_store_key(x->a->mem, x->a->c.data_dir, x->a->store_url, &key, err);
    if (rc == RK_OK && !x->a->o.dry_run)
        admin_give_to_owner(
            x->a, rk_arena_printf(x->a->mem, "%.*s/store.key", RK_STR_ARG(x->a->c.data_dir)).p);
    return rc ? rc : keys_vault_of_text(key, out, err);
}

static enum rk_code run(struct import *x, struct rk_err *err)
{
    RK_CLEANUP(vault_freep) struct vault *vault = NULL;
    struct rk_str key = {0};
    enum rk_code rc = old_config(x, &key, err);

    remove_leftovers(x);
    if (rc == RK_OK && key.n)
        rc = imp_key(&x->im, key, err);
    if (rc == RK_OK)
        rc = open_old(x, err);
    if (rc == RK_OK)
        rc = read_all(x, err);
    if (rc == RK_OK)
        rc = vault_for(x, &vault, err);
    if (rc)
        return rc;
    x->url = rk_arena_printf(x->a->mem, "sqlite:%.*s/import.%ld.db", RK_STR_ARG(x->a->c.data_dir),
                             (long)getpid())
                 .p;
    rc = write_store(x, vault, err);
    if (rc == RK_OK && x->im.err.code)
        rc = rk_fail(err, x->im.err.code, "%s", x->im.err.msg);
    if (rc == RK_OK && !x->a->o.dry_run)
        rc = put_into_place(x, err);
    remove_store(x);
    return rc;
}

enum rk_code admin_import(struct admin *a, bool *failed, struct rk_err *err)
{
    struct import x = {.a = a, .im = {.mem = a->mem, .notes = json_array()}};
    struct db_lock *lock = NULL;
    enum rk_code rc = RK_OK;

    (void)failed;
    if (!a->word || strcmp(a->word, "netbird") != 0)
        rc = rk_fail(err, RK_INVALID, "only \"import netbird\" is known");
    if (rc == RK_OK)
        rc = check_target(&x, &lock, err);
    if (rc == RK_OK)
        rc = run(&x, err);
    foreign_close(x.store);
    foreign_close(x.idp);
    foreign_close(x.events);
    if (lock)
        remove_leftovers(&x);
    db_lock_free(lock);
    if (rc == RK_OK)
        report(&x);
    json_decref(x.im.notes);
    return rc;
}
