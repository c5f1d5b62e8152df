/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Property test of the network map on random accounts and mutations:
 *
 *   - the engine's map equals the naive builder's, for every peer, after every mutation
 *   - snap_apply() gives the maps that snap_build() gives for the same tables
 *   - a peer whose map changed by more than its serial was in the affected set
 *   - the version before a mutation still gives its maps afterwards
 *   - what an agent computes from the component form is the same map
 *   - answers of management/reach are those that the maps give
 *
 *   property [SEED [ACCOUNTS]]     the first failing seed is printed
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "management/netmap/netmap.h"
#include "management/push/affected.h"
#include "schema/pb_arena.h"
#include "tests/property/component.h"
#include "tests/property/lines.h"
#include "tests/property/naive.h"
#include "tests/property/random.h"
#include "tests/property/reach.h"

#define MUTATIONS 12
#define MAX_ROWS  64

struct run {
    uint64_t seed;
    size_t step;
    size_t maps, woken, changed, peers, envelopes, asked, yes,
        flows; /* counters for the closing line */
};

static const struct snap_opts OPTS = {.dns_domain = {"server.test", 11}};

static struct lines engine_lines(const struct snapshot *s, struct rk_arena *mem, struct rk_str id)
{
    struct netmap_opts opts = {.now_us = NOW_US};
    struct lines l = {.mem = mem};
    const Management__NetworkMap *m;
    struct rk_err err = {0};
    struct rk_buf out;

    rk_buf_init(&out, 1 << 20);
    netmap_encode(s, snap_index_of(s, id), &opts, &out);
    m = pb_unpack(mem, &management__network_map__descriptor, rk_buf_str(&out), &err);
    if (m && m->peerconfig)
        lines_of_map(&l, m);
    else
        lines_add(&l, "not a map: %s", err.msg);
    rk_buf_done(&out);
    return l;
}

static bool expect_equal(const struct run *run, const char *what, struct rk_str peer,
                         const char *name_a, const struct lines *a, const char *name_b,
                         const struct lines *b)
{
    if (lines_eq(a, b))
        return true;
    printf("seed %" PRIu64 " step %zu peer %.*s: %s\n", run->seed, run->step, RK_STR_ARG(peer),
           what);
    lines_print_diff(name_a, a, name_b, b);
    return false;
}

/* The component form, computed as an agent would, against the map. */
static bool check_envelope(struct run *run, const struct snapshot *s, struct rk_arena *mem,
                           const struct peer *p, const struct lines *map)
{
    struct netmap_opts opts = {.now_us = NOW_US};
    struct lines want = {.mem = mem}, plain = {.mem = mem}, got = {.mem = mem};
    const Management__NetworkMapEnvelope *e;
    struct rk_err err = {0};
    struct rk_buf out;

    rk_buf_init(&out, 1 << 20);
    netmap_encode_envelope(s, snap_index_of(s, p->id), &opts, &out);
    e = pb_unpack(mem, &management__network_map_envelope__descriptor, rk_buf_str(&out), &err);
    rk_buf_done(&out);
    if (e && e->payload_case == MANAGEMENT__NETWORK_MAP_ENVELOPE__PAYLOAD_FULL)
        component_lines(&plain, e, p->key, NOW_US);
    else
        lines_add(&plain, "not an envelope: %s", err.msg);
    component_comparable(&want, map);
    component_comparable(&got, &plain);
    run->envelopes++;
    return expect_equal(run, "map and component form differ", p->id, "map", &want, "components",
                        &got);
}

/* All maps of a state: by the engine from both snapshots, and by the naive builder. */
static bool check_maps(struct run *run, const struct account_data *d,
                       const struct snapshot *applied, const struct snapshot *built,
                       struct rk_arena *mem, struct lines *maps)
{
    for (size_t i = 0; i < d->n_peers; i++) {
        struct lines naive = {.mem = mem}, fresh;

        maps[i] = engine_lines(applied, mem, d->peers[i].id);
        fresh = engine_lines(built, mem, d->peers[i].id);
        naive_map(&naive, d, i, NOW_US);
        run->maps++;
        if (!expect_equal(run, "engine and naive builder differ", d->peers[i].id, "engine",
                          &maps[i], "naive", &naive) ||
            !expect_equal(run, "snap_apply and snap_build differ", d->peers[i].id, "applied",
                          &maps[i], "built", &fresh))
            return false;
        if (component_faithful(d) && peer_is_validated(&d->peers[i]) &&
            !check_envelope(run, applied, mem, &d->peers[i], &maps[i]))
            return false;
    }
    return true;
}

static bool without_serial_eq(const struct lines *a, const struct lines *b)
{
    struct lines x = {.mem = a->mem}, y = {.mem = a->mem};

    for (size_t i = 0; i < a->n; i++)
        if (strncmp(a->v[i], "serial ", 7) != 0)
            lines_add(&x, "%s", a->v[i]);
    for (size_t i = 0; i < b->n; i++)
        if (strncmp(b->v[i], "serial ", 7) != 0)
            lines_add(&y, "%s", b->v[i]);
    return lines_eq(&x, &y);
}

static void print_changes(const struct change *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("    change: %s %.*s%s%s\n", entity_kind_text(c[i].kind), RK_STR_ARG(c[i].id),
               c[i].before ? "" : " created", c[i].after ? "" : " deleted");
}

/* ids[i] and old[i]: peers and maps of the state before; maps: of the state d after. */
static bool check_affected(struct run *run, const struct account_data *d,
                           const struct snapshot *new_snap, const struct bits *affected,
                           const struct rk_str *ids, const struct lines *old, size_t n_old,
                           const struct lines *maps)
{
    for (size_t i = 0; i < d->n_peers; i++) {
        bool woken = bits_has(affected, snap_index_of(new_snap, d->peers[i].id));

        run->peers++;
        run->woken += woken;
        for (size_t k = 0; k < n_old; k++) {
            if (!rk_str_eq(ids[k], d->peers[i].id) || without_serial_eq(&old[k], &maps[i]))
                continue;
            run->changed++;
            if (!woken)
                return expect_equal(run, "map changed, peer not woken", ids[k], "before", &old[k],
                                    "after", &maps[i]);
        }
    }
    return true;
}

static bool check_mutation(struct run *run, struct rng *rng, struct rk_arena *mem,
                           struct account_data *d, struct snapshot **s, struct lines *maps)
{
    struct lines old[MAX_ROWS];
    struct rk_str ids[MAX_ROWS];
    size_t n_old = d->n_peers, n;
    const struct change *changes;
    struct snapshot *next, *built;
    struct bits affected = {0};
    bool ok;

    for (size_t i = 0; i < n_old; i++) {
        old[i] = maps[i];
        ids[i] = d->peers[i].id;
    }
    changes = random_mutation(rng, mem, d, &n);
    d->account.serial++;
    next = snap_apply(*s, changes, n, d->account.serial);
    built = snap_build(d, &OPTS);
    netmap_affected(*s, next, changes, n, &affected);
    ok = check_maps(run, d, next, built, mem, maps) &&
         reach_check(rng, d, next, mem, &run->asked, &run->yes) &&
         (run->step % 3 || reach_diff_check(*s, next, &affected, &run->flows)) &&
         check_affected(run, d, next, &affected, ids, old, n_old, maps);
    for (size_t i = 0; i < n_old && ok; i += 3) { /* the old version is what it was */
        struct lines again = engine_lines(*s, mem, ids[i]);

        ok = expect_equal(run, "a mutation changed the version before it", ids[i], "then", &old[i],
                          "now", &again);
    }
    if (!ok) {
        printf("seed %" PRIu64 " step %zu\n", run->seed, run->step);
        print_changes(changes, n);
        random_print(d); /* the state after them */
    }
    bits_done(&affected);
    snap_unref(built);
    snap_unref(*s);
    *s = next;
    return ok;
}

static bool run_account(struct run *run)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rng rng = {run->seed};
    struct account_data *d = random_account(&rng, mem);
    struct snapshot *s = snap_build(d, &OPTS);
    struct lines maps[MAX_ROWS];
    bool ok = check_maps(run, d, s, s, mem, maps);

    if (!ok)
        random_print(d);
    for (run->step = 1; ok && run->step <= MUTATIONS; run->step++)
        ok = check_mutation(run, &rng, mem, d, &s, maps);
    snap_unref(s);
    rk_arena_free(mem);
    return ok;
}

int main(int argc, char **argv)
{
    struct run run = {.seed = 1};
    int64_t first = 1, accounts = 400;

    if ((argc > 1 && rk_parse_i64(rk_str_z(argv[1]), 0, INT64_MAX, &first, NULL)) ||
        (argc > 2 && rk_parse_i64(rk_str_z(argv[2]), 1, INT64_MAX, &accounts, NULL))) {
        fprintf(stderr, "usage: property [SEED [ACCOUNTS]]\n");
        return 2;
    }
    for (int64_t i = 0; i < accounts; i++) {
        run.seed = (uint64_t)(first + i);
        run.step = 0;
        if (!run_account(&run))
            return 1;
    }
    printf("property: %" PRId64 " accounts, %zu maps and %zu component forms equal; of %zu peers "
           "after a mutation %zu changed, %zu were woken; of %zu questions %zu were answered yes; "
           "%zu flows differed\n",
           accounts, run.maps, run.envelopes, run.peers, run.changed, run.woken, run.asked, run.yes,
           run.flows);
    return 0;
}
