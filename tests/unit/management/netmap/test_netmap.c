/* SPDX-License-Identifier: BSD-3-Clause */
/* Network maps as bytes: determinism, limits, the deleted peer, process checks, who reaches whom.
 */
#include "config.h"

#include "management/netmap/netmap.h"

#include "management/push/affected.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"
#include "tests/unit/management/netmap/fixture.h"
#include "tests/unit/vec.h"

static struct rk_arena *mem;
static struct netmap_opts opts = {.now_us = 1};

static void setup(void)
{
    mem = rk_arena_new(0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

static struct rk_str encoded(const struct snapshot *s, uint32_t peer)
{
    struct rk_buf out;
    struct rk_str copy;

    rk_buf_init(&out, 1 << 24);
    netmap_encode(s, peer, &opts, &out);
    ck_assert(!out.full);
    copy = rk_arena_dup(mem, rk_buf_str(&out));
    rk_buf_done(&out);
    return copy;
}

static const Management__NetworkMap *decoded(struct rk_str bytes)
{
    struct rk_err err = {0};
    const Management__NetworkMap *m =
        pb_unpack(mem, &management__network_map__descriptor, bytes, &err);

    ck_assert_msg(m != NULL, "%s", err.msg);
    return m;
}

START_TEST(same_input_same_bytes)
{
    struct account_data *d = fx_account(mem, 150);
    struct snapshot *a = snap_build(d, &FX_OPTS), *b;
    struct peer moved = d->peers[0];

    /* another order of the tables, the same account */
    d->peers[0] = d->peers[149];
    d->peers[149] = moved;
    b = snap_build(d, &FX_OPTS);
    for (uint32_t i = 0; i < 150; i++)
        ck_assert(rk_str_eq(encoded(a, i), encoded(b, i)));
    snap_unref(a);
    snap_unref(b);
}
END_TEST

/* The generated encoder writes the same bytes again: ours are canonical protobuf. */
START_TEST(bytes_are_canonical)
{
    struct snapshot *s = snap_build(fx_account(mem, 130), &FX_OPTS);

    for (uint32_t i = 0; i < 130; i += 43) {
        struct rk_str ours = encoded(s, i), again;
        const Management__NetworkMap *m = decoded(ours);

        ck_assert_int_eq(pb_pack(mem, &m->base, &again, NULL), RK_OK);
        ck_assert_uint_eq(ours.n, again.n);
        ck_assert(rk_str_eq(ours, again));
        ck_assert_uint_eq(m->n_remotepeers, 129);
        ck_assert_uint_eq(m->n_firewallrules, 258);
    }
    snap_unref(s);
}
END_TEST

START_TEST(a_small_buffer_is_reported_full)
{
    struct snapshot *s = snap_build(fx_account(mem, 70), &FX_OPTS);
    size_t whole = encoded(s, 0).n;

    for (size_t max = 0; max < whole; max += 97) {
        struct rk_buf out;

        rk_buf_init(&out, max);
        netmap_encode(s, 0, &opts, &out);
        ck_assert(out.full);
        ck_assert_uint_le(out.n, max);
        rk_buf_done(&out);
    }
    snap_unref(s);
}
END_TEST

START_TEST(a_free_index_gives_the_final_map)
{
    struct account_data *d = fx_account(mem, 3);
    struct snapshot *s = snap_build(d, &FX_OPTS), *t;
    struct change c = {.kind = ENT_PEER, .id = d->peers[1].id};
    const Management__NetworkMap *m;

    t = snap_apply(s, &c, 1, 9);
    m = decoded(encoded(t, 1));
    ck_assert_uint_eq(m->serial, 9);
    ck_assert(m->remotepeersisempty && m->firewallrulesisempty && m->routesfirewallrulesisempty);
    ck_assert_ptr_null(m->peerconfig);
    ck_assert_int_eq((int)m->dnsconfig->forwarderport, 22054);
    m = decoded(encoded(t, 12345)); /* past every index */
    ck_assert_ptr_null(m->peerconfig);
    snap_unref(s);
    snap_unref(t);
}
END_TEST

START_TEST(config_follows_the_meta_that_is_given)
{
    struct account_data *d = fx_account(mem, 2);
    struct peer_meta meta = d->peers[0].meta;
    struct netmap_opts o = opts;
    Management__PeerConfig *c;
    struct snapshot *s;
    struct rk_buf out;

    d->account.net6 = (struct rk_prefix){.ip = {.family = 6, .b = {0xfd}}, .bits = 64};
    d->peers[0].ip6 = (struct rk_ip){.family = 6, .b = {0xfd, [15] = 1}};
    s = snap_build(d, &FX_OPTS);
    meta.capabilities |= PEER_CAP_IPV6_OVERLAY;
    o.jwt = (struct netmap_jwt){.issuer = RK_STR("https://id.test/"), .audience = RK_STR("cli")};
    for (int with = 0; with < 2; with++) {
        o.meta = with ? &meta : NULL;
        rk_buf_init(&out, 4096);
        netmap_encode_peer_config(s, 0, &o, with, &out);
        c = pb_unpack(mem, &management__peer_config__descriptor, rk_buf_str(&out), NULL);
        ck_assert_str_eq(c->address, "100.64.0.0/16");
        ck_assert_str_eq(c->fqdn, "host00000.nb.test");
        ck_assert_str_eq(c->autoupdate->version, "disabled");
        ck_assert_uint_eq(c->address_v6.len, with ? 17 : 0);
        ck_assert_int_eq(c->sshconfig->sshenabled, with);
        ck_assert_int_eq(c->sshconfig->jwtconfig != NULL, with);
        rk_buf_done(&out);
    }
    snap_unref(s);
}
END_TEST

START_TEST(checks_list_process_paths)
{
    struct account_data *d = fx_account(mem, 4);
    struct check_process p = {RK_STR("/usr/bin/av"), RK_STR(""), RK_STR("C:\\av.exe")};
    struct posture check = {
        .id = RK_STR("pc"), .has_process = true, .processes = &p, .n_processes = 1};
    struct rk_str ids[] = {RK_STR("pc"), RK_STR("ghost")};
    struct rk_str third = RK_STR("third");
    struct str_list *list;
    struct snapshot *s;
    size_t n;

    d->postures = &check;
    d->n_postures = 1;
    d->policies[0].posture_checks = (struct str_list){ids, 2};
    d->policies[0].rules[0].sources = (struct str_list){&third, 1};
    s = snap_build(d, &FX_OPTS);
    list = netmap_checks(s, 3, mem, &n); /* a member of third */
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(list[0].n, 2);
    ck_assert(rk_str_eqz(list[0].v[1], "C:\\av.exe"));
    (void)netmap_checks(s, 1, mem, &n);
    ck_assert_uint_eq(n, 0);
    snap_unref(s);
}
END_TEST

START_TEST(reach_is_what_the_map_lists)
{
    struct account_data *d = fx_account(mem, 70);
    struct rk_str third = RK_STR("third");
    struct bits reach = {0};
    struct snapshot *s;

    d->policies[0].rules[0].sources = (struct str_list){&third, 1};
    d->policies[0].rules[0].destinations = (struct str_list){&third, 1};
    s = snap_build(d, &FX_OPTS);
    netmap_accessible(s, 3, &opts, &reach);
    ck_assert_uint_eq(bits_count(&reach), 23);
    ck_assert(bits_has(&reach, 0) && bits_has(&reach, 69) && !bits_has(&reach, 3));
    netmap_accessible(s, 4, &opts, &reach);
    ck_assert(!bits_any(&reach));
    netmap_accessible(s, 4000, &opts, &reach);
    ck_assert(!bits_any(&reach));
    bits_done(&reach);
    snap_unref(s);
}
END_TEST

/* The affected set speaks in the indexes of the new snapshot, also when all peers got new ones. */
START_TEST(affected_follows_renumbering)
{
    struct account_data *d = fx_account(mem, 300);
    struct rk_str third = RK_STR("third");
    struct bits affected = {0};
    size_t renumbered = 0;
    struct snapshot *s;

    d->policies[0].rules[0].sources = (struct str_list){&third, 1};
    d->policies[0].rules[0].destinations = (struct str_list){&third, 1};
    s = snap_build(d, &FX_OPTS);
    for (size_t i = 0; i < 240; i++) {
        struct change c = {.kind = ENT_PEER, .id = d->peers[i].id};
        struct snapshot *next = snap_apply(s, &c, 1, i + 2);

        renumbered += snap_epoch(next) != snap_epoch(s);
        netmap_affected(s, next, &c, 1, &affected);
        if (i % 3 == 0)
            ck_assert(bits_eq(&affected, snap_group_members(next, third)));
        else
            ck_assert(!bits_any(&affected));
        snap_unref(s);
        s = next;
    }
    ck_assert_uint_gt(renumbered, 0);
    bits_done(&affected);
    snap_unref(s);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("netmap");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, same_input_same_bytes);
    tcase_add_test(t, bytes_are_canonical);
    tcase_add_test(t, a_small_buffer_is_reported_full);
    tcase_add_test(t, a_free_index_gives_the_final_map);
    tcase_add_test(t, config_follows_the_meta_that_is_given);
    tcase_add_test(t, checks_list_process_paths);
    tcase_add_test(t, reach_is_what_the_map_lists);
    tcase_add_test(t, affected_follows_renumbering);
    return vec_run(t, "netmap");
}
