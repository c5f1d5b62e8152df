/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a file of the network, the past and a table cost on a large account: a plan and an apply of
 * 50 changed policies with their report, an export, a diff of two moments CHANGES apart, and
 * the cells of a page of /api/x/reach/matrix. No network; the operations as REST calls them.
 *
 *     plan [PEERS [GROUPS [CHANGES [URL]]]]     URL: sqlite:PATH (made anew) or a PostgreSQL URL
 *
 * Prints one JSON line; with _cpu_ms the processor time of all threads. Every group has PEERS /
 * GROUPS machines and a policy of its own.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/json/json.h"
#include "management/ops/groups.h"
#include "management/ops/history.h"
#include "management/reach/matrix.h"
#include "management/rest/plan.h"
#include "management/review/review.h"

enum { CHANGED = 50, OUT_MAX = 256 << 20 };

static size_t apart = 1000; /* changes between the two moments */

static struct mgmt *m;

static void check(enum rk_code rc, const char *what, const struct rk_err *err)
{
    if (rc == RK_OK)
        return;
    (void)fprintf(stderr, "plan: %s: %s\n", what, err->msg);
    exit(1);
}

static struct peer make_peer(struct rk_arena *mem, size_t i)
{
    uint8_t key[32] = {0};
    struct peer p = {
        .id = rk_arena_printf(mem, "d2k5bench%011zu", i),
        .ip = rk_ip4(100, 64 + (unsigned)(i >> 16), (i >> 8) & 255, i & 255),
        .dns_label = rk_arena_printf(mem, "machine-%05zu", i),
    };

    memcpy(key, &i, sizeof i);
    p.key = rk_base64_encode(mem, rk_str_of(key, sizeof key));
    p.name = p.meta.hostname = p.dns_label;
    p.meta.goos = RK_STR("linux");
    p.meta.version = RK_STR("0.76.0");
    return p;
}

static void add_policy(struct rk_arena *mem, struct account_data *d, struct rk_str group, size_t g)
{
    struct policy *p = &d->policies[d->n_policies++];
    struct rule *r = rk_new(mem, struct rule);

    *p = (struct policy){.id = rk_arena_printf(mem, "d2k5policy%010zu", g),
                         .name = rk_arena_printf(mem, "team %04zu", g),
                         .seq = (int64_t)g + 1,
                         .enabled = true,
                         .rules = r,
                         .n_rules = 1};
    *r = (struct rule){
        .id = p->id, .policy_id = p->id, .name = p->name, .enabled = true, .bidirectional = true};
    r->sources = r->destinations = (struct str_list){rk_new(mem, struct rk_str), 1};
    r->sources.v[0] = group;
}

static void account_make(size_t peers, size_t groups)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct actor sys = ACTOR_SYSTEM;
    struct user owner = {.id = RK_STR("owner"), .role = ROLE_OWNER};
    struct account_data d = {.account = {.id = RK_STR("account")}, .users = &owner, .n_users = 1};
    struct rk_err err = {0};

    settings_default(&d.settings);
    d.account.net4 = (struct rk_prefix){.ip = rk_ip4(100, 64, 0, 0), .bits = 10};
    d.peers = rk_new_n(mem, struct peer, peers);
    d.groups = rk_new_n(mem, struct group, groups + 1);
    d.policies = rk_new_n(mem, struct policy, groups);
    d.group_peers = rk_new_n(mem, struct group_peer, peers * 2);
    d.groups[d.n_groups++] = (struct group){.id = RK_STR("all"), .name = RK_STR(GROUP_ALL_NAME)};
    for (size_t g = 0; g < groups; g++) {
        struct group *to = &d.groups[d.n_groups++];

        *to = (struct group){.id = rk_arena_printf(mem, "d2k5group%011zu", g),
                             .name = rk_arena_printf(mem, "team %04zu", g)};
        add_policy(mem, &d, to->id, g);
    }
    for (size_t i = 0; i < peers; i++) {
        d.peers[d.n_peers++] = make_peer(mem, i);
        d.group_peers[d.n_group_peers++] = (struct group_peer){RK_STR("all"), d.peers[i].id};
        d.group_peers[d.n_group_peers++] =
            (struct group_peer){d.groups[1 + i % groups].id, d.peers[i].id};
    }
    check(mgmt_account_insert(m, &sys, &d, &err), "account", &err);
}

static void op_open(struct op *op, struct db *db, struct rk_arena *mem)
{
    const struct snapshot *s = NULL;
    struct rk_err err = {0};

    check(mgmt_snapshot(m, RK_STR("account"), &s, &err), "snapshot", &err);
    check(op_init(op, m, db, mem, s, RK_STR("owner"), &err), "caller", &err);
}

/* The first 50 of `policies:` become one-way. */
static struct rk_str changed(struct rk_arena *mem, struct rk_str file)
{
    static const char OLD[] = "bidirectional: true", NEW[] = "bidirectional: false";
    struct rk_buf b;
    struct rk_str out;

    rk_buf_init(&b, OUT_MAX);
    for (int i = 0; i < CHANGED; i++) {
        size_t at = rk_str_find(file, rk_str_z(OLD));

        rk_buf_add(&b, rk_str_sub(file, 0, at));
        rk_buf_addz(&b, NEW);
        file = rk_str_sub(file, at + sizeof OLD - 1, file.n);
    }
    rk_buf_add(&b, file);
    out = rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return out;
}

static double since_ms(int64_t from_us)
{
    return (double)(rk_unix_us() - from_us) / 1000;
}

static double cpu_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct cost {
    double wall_ms, cpu_ms;
};

static struct cost run_cost(struct rest *rest, struct db *db, struct rk_str file, bool apply)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct plan_request q = {.text = file, .apply = apply, .serial = -1};
    struct rk_err err = {0};
    struct rk_buf out;
    struct cost c;
    struct op op;
    int64_t t;

    op_open(&op, db, mem);
    rk_buf_init(&out, OUT_MAX);
    t = rk_unix_us();
    c.cpu_ms = cpu_ms();
    check(rest_plan_run(rest, &op, &q, &out, &err), "plan", &err);
    c = (struct cost){since_ms(t), cpu_ms() - c.cpu_ms};
    rk_buf_done(&out);
    op_done(&op);
    return c;
}

static double export_ms(struct db *db, struct rk_arena *keep, struct rk_str *file)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_err err = {0};
    struct rk_buf out;
    struct op op;
    int64_t t;
    double ms;

    op_open(&op, db, mem);
    rk_buf_init(&out, OUT_MAX);
    t = rk_unix_us();
    check(rest_plan_export(&op, &out, &err), "export", &err);
    ms = since_ms(t);
    *file = rk_arena_dup(keep, rk_buf_str(&out));
    rk_buf_done(&out);
    op_done(&op);
    return ms;
}

/* Groups lose and get back their first machine, one change after the other. */
static void change_much(struct db *db, size_t groups)
{
    for (size_t i = 0; i < apart; i++) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
        struct rk_err err = {0};
        struct group_input in = {0};
        const struct bits *members;
        const struct group *g;
        struct op op;

        op_open(&op, db, mem);
        g = snap_group(op.snap, rk_arena_printf(mem, "d2k5group%011zu", i % groups));
        members = snap_group_members(op.snap, g->id);
        in.name = g->name;
        in.peers.v = rk_new_n(mem, struct rk_str, bits_count(members) + 1);
        for (BITS_EACH(k, members))
            if (k != i % groups || i >= groups)
                in.peers.v[in.peers.n++] = snap_peer_at(op.snap, k)->id;
        if (i >= groups) /* by turns another one, of the next group */
            in.peers.v[in.peers.n++] = snap_peer_at(op.snap, (uint32_t)((i + 1) % groups))->id;
        check(group_update(&op, g->id, &in, &err), "change", &err);
        op_done(&op);
    }
}

static double diff_ms(struct db *db, int64_t from_us, size_t *n)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct review r = {0};
    struct change *changes = NULL;
    struct rk_err err = {0};
    struct rk_buf out;
    struct op op;
    int64_t t;
    double ms;

    op_open(&op, db, mem);
    rk_buf_init(&out, OUT_MAX);
    t = rk_unix_us();
    r.now_us = t;
    check(history_at(&op, from_us, &r.before, &err), "then", &err);
    check(history_at(&op, t, &r.after, &err), "now", &err);
    check(history_between(&op, r.before, r.after, from_us, t, &changes, &r.n_changes, &err),
          "between", &err);
    r.changes = changes;
    json_put_obj(&out);
    review_put(&r, &out);
    json_put_obj_end(&out);
    ms = since_ms(t);
    *n = r.n_changes;
    snap_unref(r.before);
    snap_unref(r.after);
    rk_buf_done(&out);
    op_done(&op);
    return ms;
}

static double matrix_ms(struct db *db, bool peers, const char *from)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct reach_matrix_question q = {
        .peers = peers, .q = {.now_us = rk_unix_us(), .page_size = 100, .from = rk_str_z(from)}};
    struct rk_err err = {0};
    struct rk_buf out;
    struct op op;
    int64_t t;
    double ms;

    op_open(&op, db, mem);
    rk_buf_init(&out, OUT_MAX);
    t = rk_unix_us();
    check(reach_matrix(op.snap, &q, mem, &out, &err), "matrix", &err);
    ms = since_ms(t) / 100;
    rk_buf_done(&out);
    op_done(&op);
    return ms;
}

int main(int argc, char **argv)
{
    size_t peers = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000, groups, n = 0;
    const char *path = "/tmp/rookery-bench-plan.db";
    struct mgmt_opts mo = {.store_url = argc > 4 ? argv[4] : "sqlite:/tmp/rookery-bench-plan.db"};
    struct rk_arena *mem = rk_arena_new(0);
    struct rest *rest = NULL;
    struct rk_str file, file50;
    struct rk_err err = {0};
    struct rusage u;
    struct db *db;
    struct cost none, plan, apply;
    double out_ms;
    int64_t then_us;
    long rss_kb;

    if (argc > 3)
        apart = strtoul(argv[3], NULL, 10);
    groups = argc > 2 ? strtoul(argv[2], NULL, 10) : 500;
    (void)unlink(path);
    check(mgmt_open(&m, &mo, &err), "store", &err);
    check(mgmt_db_open(m, &db, &err), "store", &err);
    check(rest_new(&(struct rest_opts){.m = m}, &rest, &err), "rest", &err);
    account_make(peers, groups);
    out_ms = export_ms(db, mem, &file);
    file50 = changed(mem, file);
    none = run_cost(rest, db, file, false);
    plan = run_cost(rest, db, file50, false);
    apply = run_cost(rest, db, file50, true);
    then_us = mgmt_now_us(m);
    change_much(db, groups);
    (void)getrusage(RUSAGE_SELF, &u);
    rss_kb = u.ru_maxrss;
    (void)printf("{\"bench\":\"plan\",\"peers\":%zu,\"groups\":%zu,\"file_kb\":%zu,"
                 "\"export_ms\":%.1f,\"plan_of_nothing_ms\":%.1f,\"plan_50_ms\":%.1f,"
                 "\"plan_50_cpu_ms\":%.1f,\"apply_50_ms\":%.1f,\"apply_50_cpu_ms\":%.1f,",
                 peers, groups, file.n / 1024, out_ms, none.wall_ms, plan.wall_ms, plan.cpu_ms,
                 apply.wall_ms, apply.cpu_ms);
    (void)printf("\"diff_ms\":%.1f,", diff_ms(db, then_us, &n));
    (void)getrusage(RUSAGE_SELF, &u);
    (void)printf(
        "\"changes\":%zu,\"diff_objects\":%zu,\"diff_more_rss_kb\":%ld,\"cell_of_groups_ms\":%.3f,"
        "\"cell_of_all_ms\":%.3f,\"cell_of_peers_ms\":%.3f}\n",
        apart, n, u.ru_maxrss - rss_kb, matrix_ms(db, false, "team 0001"),
        matrix_ms(db, false, "All"), matrix_ms(db, true, ""));
    rest_stop(rest);
    db_close(db);
    mgmt_close(m);
    rest_free(rest);
    rk_arena_free(mem);
    (void)unlink(path);
    return 0;
}
