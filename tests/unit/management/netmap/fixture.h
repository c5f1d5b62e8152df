/* SPDX-License-Identifier: BSD-3-Clause */
/* Accounts with n peers, all in All and every third in "third", joined by one policy All to All. */
#ifndef RK_TESTS_UNIT_NETMAP_FIXTURE_H
#define RK_TESTS_UNIT_NETMAP_FIXTURE_H

#include "lib/base/err.h"
#include "management/netmap/netmap.h"

static inline struct peer fx_peer(struct rk_arena *mem, size_t i)
{
    return (struct peer){
        .id = rk_arena_printf(mem, "peer%05zu", i),
        .key = rk_arena_printf(mem, "key%05zu", i),
        .dns_label = rk_arena_printf(mem, "host%05zu", i),
        .ip = rk_ip4(100, 64, (unsigned)(i >> 8), i & 255),
        .meta = {.version = RK_STR("0.76.0"), .capabilities = PEER_CAP_SOURCE_PREFIXES}};
}

static inline RK_UNUSED struct account_data *fx_account(struct rk_arena *mem, size_t n)
{
    struct account_data *d = rk_new(mem, struct account_data);
    struct rule *r = rk_new(mem, struct rule);

    settings_default(&d->settings);
    d->account = (struct account){.id = RK_STR("acc"), .serial = 1};
    d->account.net4 = (struct rk_prefix){.ip = rk_ip4(100, 64, 0, 0), .bits = 16};
    d->peers = rk_new_n(mem, struct peer, n + 1);
    d->group_peers = rk_new_n(mem, struct group_peer, 2 * n + 1);
    d->groups = rk_new_n(mem, struct group, 2);
    d->groups[0] = (struct group){.id = RK_STR("all"), .name = RK_STR("All")};
    d->groups[1] = (struct group){.id = RK_STR("third"), .name = RK_STR("third")};
    d->n_groups = 2;
    for (size_t i = 0; i < n; i++) {
        d->peers[d->n_peers++] = fx_peer(mem, i);
        d->group_peers[d->n_group_peers++] = (struct group_peer){d->groups[0].id, d->peers[i].id};
        if (i % 3 == 0)
            d->group_peers[d->n_group_peers++] =
                (struct group_peer){d->groups[1].id, d->peers[i].id};
    }
    *r = (struct rule){
        .id = RK_STR("pol"), .policy_id = RK_STR("pol"), .enabled = true, .bidirectional = true};
    r->sources = r->destinations = (struct str_list){&d->groups[0].id, 1};
    d->policies = rk_new(mem, struct policy);
    d->policies[0] =
        (struct policy){.id = RK_STR("pol"), .enabled = true, .rules = r, .n_rules = 1};
    d->n_policies = 1;
    return d;
}

static const struct snap_opts FX_OPTS = {.dns_domain = {"nb.test", 7}};

#endif
