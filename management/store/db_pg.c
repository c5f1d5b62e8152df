/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PostgreSQL behind the database seam (db_impl.h): libpq, one prepared statement per SQL text,
 * parameters as text (bytes in binary), results in binary.
 *
 * A statement's whole result is held by the client, so several may be read at once.
 */
#include "config.h"

#include "management/store/db.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "management/store/db_impl.h"
#include "management/store/pg_dsn.h"
#include "management/store/pq_dl.h"

#define BUSY_MS_DEFAULT   5000
#define CONNECT_TIMEOUT_S 5
/* A server that vanishes without a word is noticed after this, and by keepalives (5 s, then twice
 * 2 s) when nothing is being sent. The DSN may say otherwise. */
#define TCP_TIMEOUT_MS "6000"
/* Statements without an answer yet: their small results must fit the socket's buffers. */
#define SENT_MAX        100
#define STMT_TIMEOUT_MS 60000 /* a server that hangs must not hang us for ever */

/* Types of result columns (pg_type.oid); stable since the beginnings. */
enum { PG_BOOL = 16, PG_BYTEA = 17, PG_INT8 = 20, PG_INT2 = 21, PG_INT4 = 23, PG_TEXT = 25 };
enum { PG_NAME = 19, PG_BPCHAR = 1042, PG_VARCHAR = 1043, PG_VOID = 2278 };

struct pg {
    struct db db;
    PGconn *c;
    char *url;
    int busy_ms;
    bool (*away)(void *arg); /* may be NULL */
    void *away_arg;
    unsigned next_name;
};

struct pg_stmt {
    struct db_stmt st;
    char name[16];
    PGresult *res; /* while its rows are open */
    int row;       /* current row; -1 before the first */
};

static struct pg *pg_of(struct db *db)
{
    return rk_container_of(db, struct pg, db);
}

static struct pg_stmt *stmt_of(struct db_stmt *st)
{
    return rk_container_of(st, struct pg_stmt, st);
}

#define PG_READ_ONLY "25006"

/* SQLSTATE as our code; *retry when the whole transaction may be tried again. */
static enum rk_code code_of(const char *state, bool *retry)
{
    static const struct {
        const char *prefix;
        enum rk_code code;
        bool retry;
    } map[] = {
        {"23505", RK_EXISTS, false},           /* unique_violation */
        {"23", RK_INVALID, false},             /* other integrity constraints */
        {"40", RK_UNAVAILABLE, true},          /* serialization failure, deadlock */
        {"55P03", RK_UNAVAILABLE, true},       /* lock_not_available: lock_timeout */
        {"08P01", RK_INTERNAL, false},         /* wrong number of arguments */
        {"08", RK_UNAVAILABLE, false},         /* connection */
        {PG_READ_ONLY, RK_UNAVAILABLE, false}, /* read-only: a standby after a fail-over */
        {"53", RK_UNAVAILABLE, false},         /* disk full, out of memory, too many connections */
        {"57", RK_UNAVAILABLE, false},         /* shutdown, cancelled by timeout */
        {"58", RK_UNAVAILABLE, false},         /* I/O error */
        {"22", RK_INVALID, false},             /* data does not fit the type */
        {"54", RK_LIMIT, false},               /* too large */
    };

    *retry = false;
    if (!state || !state[0])
        return RK_UNAVAILABLE; /* libpq's own: the connection broke */
    for (size_t i = 0; i < RK_ARRAY_LEN(map); i++)
        if (rk_str_starts(rk_str_z(state), rk_str_z(map[i].prefix))) {
            *retry = map[i].retry;
            return map[i].code;
        }
    return RK_INTERNAL;
}

/* First line only: the rest repeats the statement and may hold values. Names host and database,
 * never user or password. */
static enum rk_code fail_text(PGconn *c, enum rk_code code, const char *what, const char *text,
                              struct rk_err *err)
{
    struct rk_str line = rk_str_z(text);
    const char *host = pq.PQhost(c), *port = pq.PQport(c), *name = pq.PQdb(c);

    line = rk_str_trim(rk_str_sub(line, 0, rk_str_find_c(line, '\n')));
    if (host && host[0])
        return rk_fail(err, code, "database \"%s\" at %s, port %s: %s: %.*s", name ? name : "",
                       host, port && port[0] ? port : "5432", what, RK_STR_ARG(line));
    return rk_fail(err, code, "database: %s: %.*s", what, RK_STR_ARG(line));
}

static enum rk_code pg_fail(struct pg *p, const PGresult *res, const char *what, struct rk_err *err)
{
    const char *state = res ? pq.PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *text = res ? pq.PQresultErrorMessage(res) : pq.PQerrorMessage(p->c);
    bool retry;
    enum rk_code code = code_of(state, &retry);

    if (pq.PQstatus(p->c) != CONNECTION_OK || (state && strcmp(state, PG_READ_ONLY) == 0)) {
        p->db.broken = true; /* or a standby now: another host of the DSN may take writes */
        code = RK_UNAVAILABLE;
    }
    if (retry)
        p->db.retry = true;
    return fail_text(p->c, code, what, text && text[0] ? text : pq.PQerrorMessage(p->c), err);
}

static bool is_ok(const PGresult *res)
{
    ExecStatusType t = pq.PQresultStatus(res);

    return t == PGRES_COMMAND_OK || t == PGRES_TUPLES_OK;
}

/* ---- statements */

/* Results of what was sent, then back to one statement at a time. */
static enum rk_code pg_sync(struct db *db, struct rk_err *err)
{
    struct pg *p = pg_of(db);
    enum rk_code rc = pq.PQpipelineSync(p->c) ? RK_OK : pg_fail(p, NULL, "send", err);
    bool more = rc == RK_OK;

    while (more) {
        PGresult *res = pq.PQgetResult(p->c);
        ExecStatusType t = pq.PQresultStatus(res);

        if (!res && pq.PQstatus(p->c) == CONNECTION_OK)
            continue; /* stands behind each statement's result */
        more = res && t != PGRES_PIPELINE_SYNC;
        if (rc == RK_OK && more && !is_ok(res) && t != PGRES_PIPELINE_ABORTED)
            rc = pg_fail(p, res, "run", err);
        else if (rc == RK_OK && !res)
            rc = pg_fail(p, NULL, "run", err);
        pq.PQclear(res);
    }
    if (pq.PQexitPipelineMode(p->c) == 0 && rc == RK_OK)
        rc = pg_fail(p, NULL, "run", err);
    return rc;
}

static enum rk_code pg_prepare(struct db *db, const char *sql, struct db_stmt **out,
                               struct rk_err *err)
{
    struct pg *p = pg_of(db);
    struct pg_stmt *s = rk_calloc(1, sizeof *s);
    PGresult *res;

    if (db_sync(db, err)) {
        free(s);
        return err ? err->code : RK_UNAVAILABLE;
    }
    (void)snprintf(s->name, sizeof s->name, "s%u", p->next_name++);
    res = pq.PQprepare(p->c, s->name, sql, 0, NULL);
    if (!is_ok(res)) {
        enum rk_code rc = pg_fail(p, res, "prepare", err);

        pq.PQclear(res);
        free(s);
        return rc;
    }
    pq.PQclear(res);
    *out = &s->st;
    return RK_OK;
}

/* Only called when the connection goes away, so nothing is deallocated on the server. */
static void pg_stmt_free(struct db *db, struct db_stmt *st)
{
    (void)db;
    pq.PQclear(stmt_of(st)->res);
    free(stmt_of(st));
}

struct pg_params { /* libpq's arrays, and the digits of numbers */
    const char *value[DB_ARGS_MAX];
    int length[DB_ARGS_MAX];
    int format[DB_ARGS_MAX];
    char digits[DB_ARGS_MAX][24];
    struct rk_arena *texts;
};

static enum rk_code params_fill(struct pg_params *pp, const struct db_val *args, size_t n_args,
                                struct rk_err *err)
{
    for (size_t i = 0; i < n_args; i++) {
        const struct db_val *v = &args[i];

        pp->format[i] = 0;
        pp->length[i] = 0;
        pp->value[i] = NULL;
        if (v->s.n > INT32_MAX)
            return rk_fail(err, RK_LIMIT, "database: value of %zu bytes", v->s.n);
        switch (v->type) {
        case DB_NULL:
            break;
        case DB_I64:
            (void)snprintf(pp->digits[i], sizeof pp->digits[i], "%lld", (long long)v->i);
            pp->value[i] = pp->digits[i];
            break;
        case DB_TEXT: /* binary form of text is its bytes, and needs no NUL behind it */
        case DB_BLOB:
            pp->value[i] = v->s.n ? v->s.p : "";
            pp->length[i] = (int)v->s.n;
            pp->format[i] = 1;
            break;
        }
    }
    return RK_OK;
}

static enum rk_code pg_run(struct db *db, struct db_stmt *st, const struct db_val *args,
                           size_t n_args, int64_t *changed, struct rk_err *err)
{
    struct pg *p = pg_of(db);
    struct pg_stmt *s = stmt_of(st);
    struct pg_params pp;
    PGresult *res;
    enum rk_code rc = params_fill(&pp, args, n_args, err);

    if (rc)
        return rc;
    res = pq.PQexecPrepared(p->c, s->name, (int)n_args, pp.value, pp.length, pp.format, 1);
    if (!is_ok(res)) {
        rc = pg_fail(p, res, "run", err);
        pq.PQclear(res);
        return rc;
    }
    if (!changed) {
        pq.PQclear(s->res);
        s->res = res;
        s->row = -1;
        return RK_OK;
    }
    /* COMMIT of a transaction that an error had broken answers ROLLBACK, as a success. */
    if (rk_str_eqz(rk_str_z(pq.PQcmdStatus(res)), "ROLLBACK") &&
        rk_str_starts(rk_str_z(st->sql), RK_STR("COMMIT")))
        rc = rk_fail(err, RK_UNAVAILABLE, "database: transaction was rolled back");
    else if (pq.PQcmdTuples(res)[0])
        rc = rk_parse_i64(rk_str_z(pq.PQcmdTuples(res)), 0, INT64_MAX, changed, err);
    pq.PQclear(res);
    return rc;
}

static enum rk_code pg_send(struct db *db, struct db_stmt *st, const struct db_val *args,
                            size_t n_args, struct rk_err *err)
{
    struct pg *p = pg_of(db);
    struct pg_params pp;
    enum rk_code rc = params_fill(&pp, args, n_args, err);

    if (rc == RK_OK && db->n_sent >= SENT_MAX)
        rc = db_sync(db, err);
    if (rc)
        return rc;
    if (db->n_sent == 0 && pq.PQenterPipelineMode(p->c) == 0)
        return pg_fail(p, NULL, "send", err);
    db->n_sent++;
    return pq.PQsendQueryPrepared(p->c, stmt_of(st)->name, (int)n_args, pp.value, pp.length,
                                  pp.format, 1)
               ? RK_OK
               : pg_fail(p, NULL, "send", err);
}

static enum rk_code pg_step(struct db *db, struct db_stmt *st, bool *row, struct rk_err *err)
{
    struct pg_stmt *s = stmt_of(st);

    (void)db;
    (void)err;
    *row = s->row + 1 < pq.PQntuples(s->res);
    if (*row)
        s->row++;
    return RK_OK;
}

static void pg_reset(struct db *db, struct db_stmt *st)
{
    (void)db;
    pq.PQclear(stmt_of(st)->res);
    stmt_of(st)->res = NULL;
}

static int64_t big_endian(const char *p, size_t n)
{
    uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0; /* two's complement: extend the sign */

    for (size_t i = 0; i < n; i++)
        v = v << 8 | (uint8_t)p[i];
    return (int64_t)v;
}

static enum rk_code pg_column(struct db_stmt *st, int col, struct db_val *out, struct rk_err *err)
{
    struct pg_stmt *s = stmt_of(st);
    struct rk_str v;

    if (col < 0 || col >= pq.PQnfields(s->res))
        return rk_fail(err, RK_INTERNAL, "database: no column %d", col);
    if (pq.PQgetisnull(s->res, s->row, col)) {
        *out = db_null();
        return RK_OK;
    }
    v = rk_str_of(pq.PQgetvalue(s->res, s->row, col), (size_t)pq.PQgetlength(s->res, s->row, col));
    switch (pq.PQftype(s->res, col)) {
    case PG_BOOL:
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
        *out = db_i64(big_endian(v.p, v.n));
        return RK_OK;
    case PG_TEXT:
    case PG_VARCHAR:
    case PG_BPCHAR:
    case PG_NAME:
        *out = db_text(v);
        return RK_OK;
    case PG_BYTEA:
        *out = db_blob(v);
        return RK_OK;
    case PG_VOID:
        *out = db_null();
        return RK_OK;
    default:
        return rk_fail(err, RK_INTERNAL, "database: column %d has type %u", col,
                       pq.PQftype(s->res, col));
    }
}

static enum rk_code pg_script(struct db *db, const char *sql, struct rk_err *err)
{
    struct pg *p = pg_of(db);
    PGresult *res;
    enum rk_code rc = db_sync(db, err);

    if (rc)
        return rc;
    res = pq.PQexec(p->c, sql);
    rc = is_ok(res) ? RK_OK : pg_fail(p, res, "script", err);
    pq.PQclear(res);
    return rc;
}

/* ---- connection */

static void notice_ignore(void *arg, const PGresult *res)
{
    (void)arg; /* "relation exists, skipping" and the like: libpq would print them on stderr */
    (void)res;
}

static enum rk_code session_setup(struct pg *p, struct rk_err *err)
{
    char sql[240];

    (void)pq.PQsetNoticeReceiver(p->c, notice_ignore, NULL);
    (void)snprintf(sql, sizeof sql,
                   "SET lock_timeout = %d; SET statement_timeout = %d;"
                   "SET idle_in_transaction_session_timeout = %d; SET client_encoding = 'UTF8'",
                   p->busy_ms, STMT_TIMEOUT_MS, STMT_TIMEOUT_MS);
    return pg_script(&p->db, sql, err);
}

/* What libpq says of a failed attempt, unless the password got into it. */
static enum rk_code connect_fail(struct pg *p, struct rk_err *err)
{
    PQconninfoOption *options = pq.PQconninfo(p->c);
    const char *texts[] = {pq.PQerrorMessage(p->c), pq.PQhost(p->c), pq.PQdb(p->c)};
    bool hidden = false;
    enum rk_code rc;

    for (PQconninfoOption *o = options; o && o->keyword; o++)
        for (size_t i = 0; i < RK_ARRAY_LEN(texts); i++)
            hidden |= o->val && o->val[0] && strstr(o->keyword, "password") && texts[i] &&
                      strstr(texts[i], o->val);
    rc = hidden ? rk_fail(err, RK_UNAVAILABLE,
                          "database: connect: failed; libpq's words are not "
                          "shown, for they hold the password: is the DSN written as it should be?")
                : fail_text(p->c, RK_UNAVAILABLE, "connect", pq.PQerrorMessage(p->c), err);
    pq.PQconninfoFree(options);
    return rc;
}

/* Whether the server has ended an idle connection: then its farewell and the end of the stream wait
 * in the socket, which libpq sees only when it reads. Nothing was sent yet, so nothing can happen
 * twice on a new connection. Notifications that are read here stay with libpq. */
static bool is_dead(struct pg *p)
{
    struct pollfd fd = {.fd = pq.PQsocket(p->c), .events = POLLIN};

    while (pq.PQstatus(p->c) == CONNECTION_OK && poll(&fd, 1, 0) > 0)
        if (pq.PQconsumeInput(p->c) == 0)
            return true;
    return pq.PQstatus(p->c) != CONNECTION_OK;
}

static enum rk_code pg_ready(struct db *db, struct rk_err *err)
{
    struct pg *p = pg_of(db);
    enum rk_code rc;

    db->refused = p->away && p->away(p->away_arg);
    if (db->refused)
        return rk_fail(err, RK_UNAVAILABLE, "database: it is away");
    if (!db->broken && !is_dead(p))
        return RK_OK;
    for (size_t i = 0; i < DB_BUCKETS; i++)
        for (struct db_stmt *st = db->stmts[i]; st; st = st->next)
            if (st->rows.open)
                return rk_fail(err, RK_UNAVAILABLE, "database: connection is gone");
    db->broken = true;
    db->n_sent = 0;
    db->listens = false;
    db_stmts_drop(db);
    pq.PQreset(p->c);
    if (pq.PQstatus(p->c) != CONNECTION_OK)
        return connect_fail(p, err);
    rc = session_setup(p, err);
    db->broken = rc != RK_OK;
    return rc;
}

static bool pg_in_tx(struct db *db)
{
    PGTransactionStatusType t = pq.PQtransactionStatus(pg_of(db)->c);

    return t == PQTRANS_INTRANS || t == PQTRANS_INERROR || t == PQTRANS_ACTIVE;
}

static void pg_close(struct db *db)
{
    struct pg *p = pg_of(db);

    pq.PQfinish(p->c);
    free(p->url);
    free(p);
}

static const struct db_ops OPS = {
    .prepare = pg_prepare,
    .stmt_free = pg_stmt_free,
    .run = pg_run,
    .send = pg_send,
    .sync = pg_sync,
    .step = pg_step,
    .reset = pg_reset,
    .column = pg_column,
    .script = pg_script,
    .ready = pg_ready,
    .in_tx = pg_in_tx,
    .close = pg_close,
};

enum rk_code db_pg_open(struct db **out, const struct db_opts *opts, struct rk_err *err)
{
    /* expand_dbname: the first dbname is a whole URL or "key=value" list and may override */
    static const char *const keys[] = {
        "connect_timeout",      "keepalives_idle",  "keepalives_interval",
        "keepalives_count",     "tcp_user_timeout", "application_name",
        "target_session_attrs", "dbname",           NULL};
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    const char *dsn = rk_arena_dupz(mem, pg_dsn_for_libpq(mem, db_pg_dsn(opts->url)));
    const char *connect_s =
        rk_arena_printf(mem, "%d", opts->connect_s > 0 ? opts->connect_s : CONNECT_TIMEOUT_S).p;
    /* of several hosts, the one that takes writes */
    const char *which = strchr(dsn, ',') ? "read-write" : "any";
    const char *values[] = {
        connect_s, "5", "2", "2", TCP_TIMEOUT_MS, opts->name ? opts->name : "rookery",
        which,     dsn, NULL};
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct pg *p;
    enum rk_code rc = pq_dl_load(err);

    if (rc)
        return rc;
    if (opts->away && opts->away(opts->away_arg))
        return rk_fail(err, RK_UNAVAILABLE, "database: it is away");
    p = rk_calloc(1, sizeof *p);
    db = &p->db;
    p->away = opts->away;
    p->away_arg = opts->away_arg;
    *db = (struct db){.ops = &OPS, .engine = DB_PG};
    p->busy_ms = opts->busy_ms > 0 ? opts->busy_ms : BUSY_MS_DEFAULT;
    p->c = pq.PQconnectdbParams(keys, values, 1);
    if (pq.PQstatus(p->c) != CONNECTION_OK)
        return connect_fail(p, err);
    rc = session_setup(p, err);
    if (rc == RK_OK) {
        *out = db;
        db = NULL;
    }
    return rc;
}

enum rk_code db_pg_wait(struct db *db, int timeout_ms, int wake_fd, struct rk_arena *mem, bool *got,
                        struct rk_str *payload, struct rk_err *err)
{
    struct pg *p = pg_of(db);
    int64_t until = rk_mono_ms() + timeout_ms;

    *got = false;
    if (!db->listens) /* another use of the connection has renewed it meanwhile */
        return rk_fail(err, RK_UNAVAILABLE, "database: a new connection, which does not listen");
    for (;;) {
        struct pollfd fds[2] = {{.fd = pq.PQsocket(p->c), .events = POLLIN},
                                {.fd = wake_fd, .events = POLLIN}};
        int64_t left = until - rk_mono_ms();
        PGnotify *n;

        if (pq.PQconsumeInput(p->c) == 0) {
            db->broken = true;
            return fail_text(p->c, RK_UNAVAILABLE, "wait", pq.PQerrorMessage(p->c), err);
        }
        n = pq.PQnotifies(p->c);
        if (n) {
            *payload = rk_arena_dup(mem, rk_str_z(n->extra));
            *got = true;
            pq.PQfreemem(n);
            return RK_OK;
        }
        if (left <= 0)
            return RK_OK;
        (void)poll(fds, wake_fd >= 0 ? 2 : 1, (int)left);
        if (wake_fd >= 0 && fds[1].revents)
            return RK_OK;
    }
}
