/* SPDX-License-Identifier: BSD-3-Clause */
/* Cases of the network map: the engine's bytes, decoded, against what is expected. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "management/netmap/netmap.h"
#include "schema/pb_arena.h"
#include "tests/map-cases/decode.h"
#include "tests/map-cases/suite.h"

static void print_diff(const char *peer, const json_t *want, const json_t *got)
{
    const char *key;
    json_t *v;

    json_object_foreach ((json_t *)(uintptr_t)want, key, v) {
        const json_t *g = json_object_get(got, key);
        char *a, *b;

        if (json_equal(v, g))
            continue;
        a = json_dumps(v, JSON_SORT_KEYS | JSON_ENCODE_ANY);
        b = json_dumps(g, JSON_SORT_KEYS | JSON_ENCODE_ANY);
        printf("  %s.%s\n    want %s\n    got  %s\n", peer, key, a, b);
        free(a);
        free(b);
    }
}

/* What the wire says beyond the expectation form: flags for empty lists, the SSH switch, and who
 * resolves names. */
static bool check_rest(const struct snapshot *s, uint32_t self, const json_t *want,
                       const Management__NetworkMap *m, const struct netmap_opts *opts)
{
    const struct peer *p = snap_peer_at(s, self);
    bool ssh = json_is_true(json_object_get(want, "ssh_server_enabled"));
    bool forced = json_is_true(json_object_get(want, "force_routing_peer_dns"));
    bool resolve = snap_settings(s)->routing_peer_dns_resolution || p->proxy_embedded || forced;
    bool ok = true;

#define EXPECT(cond)                                                                               \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("  %.*s: " #cond "\n", RK_STR_ARG(p->id));                                      \
            ok = false;                                                                            \
        }                                                                                          \
    } while (0)
    EXPECT(m->remotepeersisempty == (m->n_remotepeers == 0));
    EXPECT(m->firewallrulesisempty == (m->n_firewallrules == 0));
    EXPECT(m->routesfirewallrulesisempty == (m->n_routesfirewallrules == 0));
    EXPECT(netmap_ssh_by_policy(s, self, opts) == ssh);
    EXPECT(m->peerconfig->sshconfig->sshenabled == (p->ssh_enabled || ssh));
    EXPECT(m->peerconfig->routingpeerdnsresolutionenabled == resolve);
#undef EXPECT
    return ok;
}

static bool judge_view(const struct cases *c, const json_t *one, const struct account_data *d,
                       const struct snapshot *s, const char *peer, json_t *want)
{
    struct netmap_opts opts = {.now_us = c->now_us};
    uint32_t self = snap_index_of(s, rk_str_z(peer));
    const char *keep = json_is_true(json_object_get(one, "firewall_ordered")) ? "firewall" : NULL;
    struct rk_arena *mem = rk_arena_new(0);
    const Management__NetworkMap *m;
    struct rk_err err = {0};
    struct rk_buf out;
    json_t *got;
    bool ok;

    rk_buf_init(&out, 1 << 20);
    netmap_encode(s, self, &opts, &out);
    m = pb_unpack(mem, &management__network_map__descriptor, rk_buf_str(&out), &err);
    if (!m) {
        printf("  %s: %s\n", peer, err.msg);
        return false;
    }
    got = decode_map(m, d);
    canonical(got, keep);
    ok = check_rest(s, self, want, m, &opts);
    json_object_del(want, "ssh_server_enabled");
    json_object_del(want, "force_routing_peer_dns");
    canonical(want, keep);
    if (!json_equal(want, got)) {
        print_diff(peer, want, got);
        ok = false;
    }
    json_decref(got);
    rk_buf_done(&out);
    rk_arena_free(mem);
    return ok;
}

bool judge_map(const struct cases *c, const json_t *one)
{
    struct rk_arena *mem = rk_arena_new(0);
    const struct account_data *d = account_of(c, mem, json_object_get(one, "account"));
    struct snapshot *s = snap_build(d, &(struct snap_opts){.dns_domain = RK_STR("unused.test")});
    json_t *expect = json_deep_copy(json_object_get(one, "expect")), *want;
    const char *peer;
    bool ok = json_object_size(expect) > 0;

    json_object_foreach (expect, peer, want)
        ok &= judge_view(c, one, d, s, peer, want);
    json_decref(expect);
    snap_unref(s);
    rk_arena_free(mem);
    return ok;
}
