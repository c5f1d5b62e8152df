/* SPDX-License-Identifier: BSD-3-Clause */
/* Console commands on the account and the process. */
#include "config.h"

#include <dirent.h>
#include <sys/resource.h>

#include "lib/base/num.h"
#include "management/engine/cluster.h"
#include "management/engine/presence.h"
#include "server/command/call.h"

static enum rk_code account(struct call *c, struct rk_err *err)
{
    const struct account *a = snap_account(c->op.snap);
    const struct snapshot *s = c->op.snap;
    char net[RK_ADDR_TEXT];

    (void)err;
    c->result = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "id", j_text(a->id), "domain",
        j_text(a->domain), "dns_domain", j_text(snap_dns_domain(s)), "network",
        j_text(rk_prefix_format(&a->net4, net)), "created", j_time(a->created_at_us), "serial",
        (json_int_t)snap_serial(s), "users", (json_int_t)snap_count(s, ENT_USER), "machines",
        (json_int_t)snap_count(s, ENT_PEER), "groups", (json_int_t)snap_count(s, ENT_GROUP),
        "policies", (json_int_t)snap_count(s, ENT_POLICY), "setup_keys",
        (json_int_t)snap_count(s, ENT_SETUP_KEY));
    return RK_OK;
}

static void put_certificate(struct call *c)
{
    const struct commands *k = c->commands;
    json_t *o = k->certificate ? k->certificate(k->certificate_arg) : NULL, *v;
    const char *name;

    json_object_foreach (o, name, v)
        (void)json_object_set(c->result, rk_arena_printf(c->mem, "certificate_%s", name).p, v);
    json_decref(o);
}

/* Of this process: what connections are bounded by. */
static void put_limits(struct call *c)
{
    struct rlimit most = {0};
    json_int_t open_now = 0;
    DIR *d = opendir("/proc/self/fd");

    while (d && readdir(d))
        open_now++;
    if (d)
        (void)closedir(d);
    if (open_now && getrlimit(RLIMIT_NOFILE, &most) == 0) {
        (void)json_object_set_new(c->result, "open_files", json_integer(open_now));
        (void)json_object_set_new(c->result, "max_files", json_integer((json_int_t)most.rlim_cur));
    }
}

static enum rk_code status(struct call *c, struct rk_err *err)
{
    const struct commands *k = c->commands;
    int64_t up = k->log ? (rk_unix_us() / 1000 - k->started_unix_ms) / 1000 : 0;

    (void)err;
    c->result = json_pack("{s:b, s:s, s:I, s:I, s:b}", "running", k->log != NULL, "version",
                          k->version, "uptime_s", (json_int_t)up, "connected_machines",
                          (json_int_t)presence_connected_count(k->m), "set_up", c->op.m != NULL);
    put_certificate(c);
    put_limits(c);
    return RK_OK;
}

static const char SQL_LEASES[] = "SELECT name FROM lease WHERE node = $1 AND epoch = $2 ORDER BY "
                                 "name";

/* Names of the leases that a process holds, with blanks between. arena */
static enum rk_code leases_of(struct call *c, const struct cluster_node *n, struct rk_str *out,
                              struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc =
        db_query(c->db, &rows, err, SQL_LEASES, DB_ARGS(db_text(n->id), db_i64(n->epoch)));

    *out = RK_STR("");
    while (rc == RK_OK && db_next(rows))
        *out =
            RK_CAT(c->mem, *out, out->n ? RK_STR(" ") : RK_STR(""), db_col_text(rows, 0, c->mem));
    return rc ? rc : db_end(rows, err);
}

static enum rk_code cluster(struct call *c, struct rk_err *err)
{
    struct cluster_nodes l = cluster_list(c->commands->m, c->mem);
    enum rk_code rc = RK_OK;

    c->result = json_array();
    for (size_t i = 0; rc == RK_OK && i < l.n; i++) {
        const struct cluster_node *n = &l.v[i];
        struct rk_str holds;

        if (n->self && !c->commands->log) /* a command for a moment, not a server */
            continue;
        rc = leases_of(c, n, &holds, err);
        (void)json_array_append_new(
            c->result,
            json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "node", j_text(n->id),
                      "this", n->self, "host", j_text(n->host), "version", j_text(n->version),
                      "started", j_time(n->started_us), "seen", j_time(n->seen_us), "relay",
                      j_text(n->relay), "behind", (json_int_t)n->lag_versions, "behind_ms",
                      (json_int_t)(n->lag_us / 1000), "does", j_text(holds)));
    }
    return rc;
}

static enum rk_code log_level(struct call *c, struct rk_err *err)
{
    enum rk_log_level level;
    struct rk_str text;
    enum rk_code rc = arg_need(c, "level", &text, err);

    if (rc == RK_OK)
        rc = rk_log_level_parse(text, &level, err);
    if (rc == RK_OK && !c->commands->log)
        rc = rk_fail(err, RK_PRECONDITION, "the server does not run");
    if (rc)
        return rc;
    rk_log_set_level(c->commands->log, level);
    c->result = json_pack("{s:o}", "level", j_text(text));
    return RK_OK;
}

const struct command_row COMMAND_STATE[] = {{"account", account, false},
                                            {"status", status, false},
                                            {"cluster", cluster, false},
                                            {"log-level", log_level, true},
                                            {NULL, NULL, false}};
