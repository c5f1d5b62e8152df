/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bench of the network map without server or network: builds the maps of all peers of an account
 * and prints one JSON line with CPU-seconds, and as ratios to floors measured in the same run over
 * the same bytes: copying them (memcpy) and sealing them (XSalsa20-Poly1305).
 *
 *   netmap --shape allow-all|hub|groups:G --peers N [--maps M] [--ip6] [--envelope | --reach]
 *
 * --reach: questions about the same account instead (management/reach): one pair with its reasons,
 * all sources of a peer, and the flows that differ after one policy is dropped.
 * --maps M: only the first M maps are built (a full push of 10,000 allow-all maps is 40 GB).
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/box.h"
#include "management/netmap/netmap.h"
#include "management/push/affected.h"
#include "management/reach/diff.h"
#include "management/reach/reach.h"

#define HUBS 5

struct setup {
    const char *shape;
    size_t peers, maps, groups;
    bool ip6, envelope, reach; /* --envelope: the component form */
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the account */

static struct peer make_peer(struct rk_arena *mem, size_t i, bool ip6)
{
    uint8_t key[32] = {0};
    struct peer p = {
        .id = rk_arena_printf(mem, "d2k5bench%011zu", i),
        .ip = rk_ip4(100, 64 + (unsigned)(i >> 16), (i >> 8) & 255, i & 255),
        .dns_label = rk_arena_printf(mem, "machine-%05zu", i),
        .ssh_key = rk_arena_printf(mem, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%043zu", i),
    };

    memcpy(key, &i, sizeof i);
    p.key = rk_base64_encode(mem, rk_str_of(key, sizeof key));
    p.name = p.dns_label;
    p.meta.hostname = p.dns_label;
    p.meta.goos = RK_STR("linux");
    p.meta.version = RK_STR("0.76.0");
    p.meta.capabilities = PEER_CAP_SOURCE_PREFIXES;
    if (ip6) {
        p.ip6 = (struct rk_ip){.family = 6, .b = {0xfd, 1, 2, 3}};
        p.ip6.b[14] = (uint8_t)(i >> 8);
        p.ip6.b[15] = (uint8_t)i;
        p.meta.capabilities |= PEER_CAP_IPV6_OVERLAY;
    }
    return p;
}

static void add_policy(struct rk_arena *mem, struct account_data *d, struct rk_str src,
                       struct rk_str dst)
{
    struct policy *p = &d->policies[d->n_policies];
    struct rule *r = rk_new(mem, struct rule);

    p->id = rk_arena_printf(mem, "d2k5policy%010zu", d->n_policies++);
    p->enabled = true;
    p->rules = r;
    p->n_rules = 1;
    *r = (struct rule){.id = p->id, .policy_id = p->id, .enabled = true, .bidirectional = true};
    r->sources = (struct str_list){rk_new(mem, struct rk_str), 1};
    r->destinations = (struct str_list){rk_new(mem, struct rk_str), 1};
    r->sources.v[0] = src;
    r->destinations.v[0] = dst;
}

static struct rk_str add_group(struct rk_arena *mem, struct account_data *d, const char *name)
{
    struct group *g = &d->groups[d->n_groups];

    g->id = rk_arena_printf(mem, "d2k5group%011zu", d->n_groups++);
    g->name = rk_arena_printf(mem, "%s-%zu", name, d->n_groups);
    return g->id;
}

static void join(struct account_data *d, struct rk_str group, struct rk_str peer)
{
    d->group_peers[d->n_group_peers++] = (struct group_peer){.group_id = group, .peer_id = peer};
}

static struct account_data *make_account(struct rk_arena *mem, const struct setup *su)
{
    struct account_data *d = rk_new(mem, struct account_data);
    struct rk_str all, hubs, spokes;

    settings_default(&d->settings);
    d->account = (struct account){.id = RK_STR("account"), .serial = 1};
    d->account.net4 = (struct rk_prefix){.ip = rk_ip4(100, 64, 0, 0), .bits = 10};
    d->account.net6 = (struct rk_prefix){.ip = {.family = 6, .b = {0xfd, 1, 2, 3}}, .bits = 64};
    d->peers = rk_new_n(mem, struct peer, su->peers);
    d->groups = rk_new_n(mem, struct group, su->groups + 3);
    d->policies = rk_new_n(mem, struct policy, su->groups + 1);
    d->group_peers = rk_new_n(mem, struct group_peer, su->peers * 2);
    all = add_group(mem, d, "x");
    d->groups[0].name = RK_STR(GROUP_ALL_NAME);
    hubs = add_group(mem, d, "hubs");
    spokes = add_group(mem, d, "spokes");
    if (su->ip6) {
        d->settings.ipv6_groups = (struct str_list){rk_new(mem, struct rk_str), 1};
        d->settings.ipv6_groups.v[0] = all;
    }
    if (rk_str_eqz(rk_str_z(su->shape), "allow-all"))
        add_policy(mem, d, all, all);
    else if (rk_str_eqz(rk_str_z(su->shape), "hub"))
        add_policy(mem, d, spokes, hubs);
    for (size_t g = 0; g < su->groups; g++) {
        struct rk_str id = add_group(mem, d, "team");

        add_policy(mem, d, id, id);
    }
    for (size_t i = 0; i < su->peers; i++) {
        d->peers[d->n_peers++] = make_peer(mem, i, su->ip6);
        join(d, all, d->peers[i].id);
        if (su->groups > 0)
            join(d, d->groups[3 + i % su->groups].id, d->peers[i].id);
        else
            join(d, i < HUBS ? hubs : spokes, d->peers[i].id);
    }
    return d;
}

/* ---- measuring */

struct result {
    double build_s, map_s, copy_s, seal_s;
    double update_us, member_us, policy_us, affected_us;
    size_t bytes, maps;
};

static void encode(const struct snapshot *s, const struct setup *su, uint32_t i,
                   const struct netmap_opts *opts, struct rk_buf *out)
{
    if (su->envelope)
        netmap_encode_envelope(s, i, opts, out);
    else
        netmap_encode(s, i, opts, out);
}

static void measure_maps(const struct snapshot *s, const struct setup *su, struct result *r)
{
    struct netmap_opts opts = {.now_us = 1};
    struct box_shared key = {{1}};
    RK_CLEANUP(rk_freep) uint8_t *copy = NULL;
    struct rk_buf out;
    double t;

    rk_buf_init(&out, SIZE_MAX / 2);
    for (uint32_t i = 0; i < su->maps; i++) { /* warm up; the largest map decides the buffers */
        if (i == 16)
            i = (uint32_t)su->maps - 1;
        rk_buf_clear(&out);
        encode(s, su, i, &opts, &out);
    }
    copy = rk_calloc(2, out.cap + BOX_OVERHEAD);
    for (uint32_t i = 0; i < su->maps; i++) {
        rk_buf_clear(&out);
        t = cpu_s();
        encode(s, su, i, &opts, &out);
        r->map_s += cpu_s() - t;
        r->bytes += out.n;
        t = cpu_s();
        memcpy(copy, out.p, out.n);
        __asm__ volatile("" ::"r"(copy) : "memory");
        r->copy_s += cpu_s() - t;
        t = cpu_s();
        box_seal(&key, rk_buf_str(&out), copy);
        r->seal_s += cpu_s() - t;
        r->maps++;
    }
    rk_buf_done(&out);
}

/* Microseconds of one snap_apply with these changes, as the mean of many. */
static double apply_us(const struct snapshot *s, const struct change *c, size_t n)
{
    enum { ROUNDS = 200 };
    double t = cpu_s();

    for (int i = 0; i < ROUNDS; i++)
        snap_unref(snap_apply(s, c, n, 2));
    return (cpu_s() - t) * 1e6 / ROUNDS;
}

static void measure_changes(const struct snapshot *s, const struct account_data *d,
                            struct rk_arena *mem, const struct setup *su, struct result *r)
{
    struct peer renamed = d->peers[su->peers / 2], added = make_peer(mem, su->peers, su->ip6);
    struct group_peer m[2] = {{.group_id = d->groups[0].id, .peer_id = added.id},
                              {.group_id = d->groups[su->groups ? 3 : 2].id, .peer_id = added.id}};
    struct change update = {.kind = ENT_PEER, .id = renamed.id, .after = &renamed};
    struct change join_changes[3] = {{.kind = ENT_PEER, .id = added.id, .after = &added},
                                     {.kind = ENT_GROUP_PEER, .id = m[0].group_id, .after = &m[0]},
                                     {.kind = ENT_GROUP_PEER, .id = m[1].group_id, .after = &m[1]}};
    struct change policy = {.kind = ENT_POLICY, .id = d->policies[0].id, .after = &d->policies[0]};
    struct snapshot *next;
    struct bits out = {0};
    double t;

    renamed.dns_label = RK_STR("renamed");
    r->update_us = apply_us(s, &update, 1);
    r->member_us = apply_us(s, join_changes, 3);
    r->policy_us = apply_us(s, &policy, 1);
    next = snap_apply(s, join_changes, 3, 2);
    t = cpu_s();
    for (int i = 0; i < 200; i++)
        netmap_affected(s, next, join_changes, 3, &out);
    r->affected_us = (cpu_s() - t) * 1e6 / 200;
    bits_done(&out);
    snap_unref(next);
}

static bool count_flow(void *arg, const struct reach_diff *d)
{
    (void)d;
    return ++*(size_t *)arg < 100000;
}

/* CPU time of questions, in microseconds each; of the diff as a whole. */
static void measure_reach(const struct snapshot *s, const struct account_data *d,
                          const struct setup *su)
{
    enum { ROUNDS = 300 };
    struct change drop = {.kind = ENT_POLICY, .id = d->policies[0].id, .before = &d->policies[0]};
    struct reach_query q = {.from = (uint32_t)su->peers - 1, .protocol = PROTO_TCP, .port = 443};
    struct reach_diff_opts opts = {.now_us = 1};
    struct bits set = {0}, affected = {0};
    double ask_us, sources_us, diff_us, t = cpu_s();
    struct snapshot *next;
    size_t flows = 0;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct rk_arena *mem = rk_arena_new(0);

        q.to = i % ((uint32_t)su->peers - 1);
        (void)reach_ask(s, &q, mem);
        rk_arena_free(mem);
    }
    ask_us = (cpu_s() - t) * 1e6 / ROUNDS;
    t = cpu_s();
    for (uint32_t i = 0; i < ROUNDS; i++)
        reach_peers(s, i % (uint32_t)su->peers, REACH_SOURCES, 1, &set);
    sources_us = (cpu_s() - t) * 1e6 / ROUNDS;
    next = snap_apply(s, &drop, 1, 2);
    t = cpu_s();
    netmap_affected(s, next, &drop, 1, &affected);
    opts.affected = &affected;
    reach_diff(s, next, &opts, count_flow, &flows);
    diff_us = (cpu_s() - t) * 1e6;
    printf("{\"bench\":\"reach\",\"shape\":\"%s\",\"peers\":%zu,\"question_us\":%.1f,"
           "\"sources_us\":%.1f,\"diff_flows\":%zu,\"diff_ms\":%.1f}\n",
           su->shape, su->peers, ask_us, sources_us, flows, diff_us / 1000);
    snap_unref(next);
    bits_done(&set);
    bits_done(&affected);
}

static void print(const struct setup *su, const struct result *r)
{
    double mb = (double)r->bytes / 1e6;

    printf("{\"bench\":\"netmap\",\"form\":\"%s\",\"shape\":\"%s\",\"peers\":%zu,\"maps\":%zu,"
           "\"mbytes\":%.1f,"
           "\"build_snapshot_s\":%.4f,\"maps_cpu_s\":%.4f,\"maps_per_cpu_s\":%.0f,"
           "\"memcpy_cpu_s\":%.4f,\"seal_cpu_s\":%.4f,\"ratio_to_memcpy\":%.2f,"
           "\"ratio_to_seal\":%.3f,\"apply_peer_us\":%.1f,\"apply_join_us\":%.1f,"
           "\"apply_policy_us\":%.1f,\"affected_join_us\":%.1f}\n",
           su->envelope ? "components" : "map", su->shape, su->peers, r->maps, mb, r->build_s,
           r->map_s, (double)r->maps / r->map_s, r->copy_s, r->seal_s, r->map_s / r->copy_s,
           r->map_s / r->seal_s, r->update_us, r->member_us, r->policy_us, r->affected_us);
}

static bool parse(int argc, char **argv, struct setup *su)
{
    for (int i = 1; i < argc; i++) {
        struct rk_str a = rk_str_z(argv[i]);
        int64_t v;

        if (rk_str_eqz(a, "--ip6")) {
            su->ip6 = true;
            continue;
        }
        if (rk_str_eqz(a, "--envelope")) {
            su->envelope = true;
            continue;
        }
        if (rk_str_eqz(a, "--reach")) {
            su->reach = true;
            continue;
        }
        if (++i == argc)
            return false;
        if (rk_str_eqz(a, "--shape")) {
            su->shape = argv[i];
            if (rk_str_starts(rk_str_z(argv[i]), RK_STR("groups:"))) {
                if (rk_parse_i64(rk_str_z(argv[i] + 7), 1, 100000, &v, NULL) != RK_OK)
                    return false;
                su->groups = (size_t)v;
            }
        } else if (rk_parse_i64(rk_str_z(argv[i]), 1, 1000000, &v, NULL) != RK_OK) {
            return false;
        } else if (rk_str_eqz(a, "--peers")) {
            su->peers = (size_t)v;
        } else if (rk_str_eqz(a, "--maps")) {
            su->maps = (size_t)v;
        } else {
            return false;
        }
    }
    if (su->maps == 0 || su->maps > su->peers)
        su->maps = su->peers;
    return true;
}

int main(int argc, char **argv)
{
    struct setup su = {.shape = "allow-all", .peers = 1000};
    struct rk_arena *mem = rk_arena_new(0);
    struct result r = {0};
    const struct account_data *d;
    struct snapshot *s;
    double t;

    if (!parse(argc, argv, &su)) {
        fprintf(stderr, "usage: netmap --shape allow-all|hub|groups:G --peers N [--maps M] "
                        "[--ip6] [--envelope | --reach]\n");
        return 2;
    }
    d = make_account(mem, &su);
    t = cpu_s();
    s = snap_build(d, &(struct snap_opts){.dns_domain = RK_STR("netbird.selfhosted")});
    r.build_s = cpu_s() - t;
    if (su.reach) {
        measure_reach(s, d, &su);
    } else {
        measure_maps(s, &su, &r);
        measure_changes(s, d, mem, &su, &r);
        print(&su, &r);
    }
    snap_unref(s);
    rk_arena_free(mem);
    return 0;
}
