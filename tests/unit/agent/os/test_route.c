/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/os/{nl,link,route}.c against the kernel in a namespace of our own. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "agent/os/link.h"
#include "agent/os/route.h"
#include "tests/unit/agent/ns.h"
#include "tests/unit/run.h"

static struct nl_sock *nl;
static struct rk_arena *mem;

static void setup(void)
{
    ck_assert_int_eq(nl_open(NETLINK_ROUTE, &nl, NULL), RK_OK);
    mem = rk_arena_new(0);
    ck_assert_int_eq(ns_run("ip", "link", "add", "d0", "type", "veth", "peer", "d0p", NULL), 0);
    ck_assert_int_eq(ns_run("ip", "link", "set", "d0p", "up", NULL), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(ns_run("ip", "link", "del", "d0", NULL), 0);
    rk_arena_free(mem);
    nl_close(nl);
}

static struct rk_prefix prefix_of(const char *text)
{
    struct rk_prefix p;

    ck_assert_int_eq(rk_prefix_parse(rk_str_z(text), &p, NULL), RK_OK);
    return p;
}

static uint32_t d0_up(void)
{
    struct link l;

    ck_assert_int_eq(link_find(nl, "d0", &l, NULL), RK_OK);
    ck_assert_int_eq(link_set(nl, l.index, true, 1280, NULL), RK_OK);
    return l.index;
}

START_TEST(links)
{
    struct link_list list = {0};
    struct link l;
    struct rk_err err = {0};
    uint32_t d0 = d0_up();

    ck_assert_int_eq(link_find(nl, "d0", &l, NULL), RK_OK);
    ck_assert_uint_eq(l.mtu_bytes, 1280);
    ck_assert(l.flags & IFF_UP);
    ck_assert_str_eq(l.kind, "veth");
    ck_assert_uint_eq(strlen(l.mac), 17);
    ck_assert_int_eq(link_find(nl, "nope0", &l, &err), RK_NOT_FOUND);
    ck_assert_int_eq(link_list(nl, mem, &list, NULL), RK_OK);
    ck_assert_uint_ge(list.n, 2);
    ck_assert_int_eq(link_delete(nl, 99999, NULL), RK_NOT_FOUND);
    (void)link_wireguard_known(nl); /* either answer, but nothing may be left behind */
    ck_assert_int_eq(link_find(nl, "mustnotexist", &l, NULL), RK_NOT_FOUND);
    ck_assert_int_eq(link_set(nl, d0, false, 0, NULL), RK_OK);
}
END_TEST

START_TEST(addresses_are_synced)
{
    uint32_t d0 = d0_up();
    struct rk_prefix first[] = {prefix_of("100.64.0.1/16"), prefix_of("fd00::1/64")};
    struct rk_prefix second[] = {prefix_of("100.64.0.2/16")};
    struct link_addr_list list = {0};
    size_t mine = 0;

    ck_assert_int_eq(link_addr_sync(nl, d0, first, 2, NULL), RK_OK);
    ck_assert_int_eq(link_addr_add(nl, d0, &first[0], NULL), RK_EXISTS);
    ck_assert_int_eq(link_addr_sync(nl, d0, second, 1, NULL), RK_OK);
    ck_assert_int_eq(link_addrs(nl, d0, mem, &list, NULL), RK_OK);
    for (size_t i = 0; i < list.n; i++)
        if (!rk_ip_is_link_local(&list.items[i].prefix.ip)) {
            mine++;
            ck_assert_int_eq(rk_prefix_cmp(&list.items[i].prefix, &second[0]), 0);
        }
    ck_assert_uint_eq(mine, 1);
}
END_TEST

START_TEST(routes_come_and_go)
{
    struct kernel_route r = {
        .dst = prefix_of("10.20.0.0/16"), .table = ROUTE_TABLE_OVERLAY, .ifindex = d0_up()};
    struct kernel_route dflt = {
        .dst = prefix_of("0.0.0.0/0"), .table = ROUTE_TABLE_OVERLAY, .ifindex = r.ifindex};
    struct kernel_route block = {
        .dst = prefix_of("::/0"), .table = ROUTE_TABLE_OVERLAY, .unreachable = true};
    struct kernel_route_list list = {0};

    ck_assert_int_eq(kernel_route_add(nl, &r, NULL), RK_OK);
    ck_assert_int_eq(kernel_route_add(nl, &r, NULL), RK_EXISTS);
    ck_assert_int_eq(kernel_route_add(nl, &dflt, NULL), RK_OK);
    ck_assert_int_eq(kernel_route_add(nl, &block, NULL), RK_OK);
    ck_assert_int_eq(kernel_route_list(nl, 4, ROUTE_TABLE_OVERLAY, mem, &list, NULL), RK_OK);
    ck_assert_uint_eq(list.n, 2);
    ck_assert_int_eq(kernel_route_list(nl, 6, ROUTE_TABLE_OVERLAY, mem, &list, NULL), RK_OK);
    ck_assert_uint_eq(list.n, 1);
    ck_assert(list.items[0].unreachable);
    ck_assert_int_eq(kernel_route_delete(nl, &r, NULL), RK_OK);
    ck_assert_int_eq(kernel_route_delete(nl, &r, NULL), RK_NOT_FOUND);
    ck_assert_int_eq(kernel_route_flush(nl, ROUTE_TABLE_OVERLAY, NULL), RK_OK);
    for (uint8_t f = 4; f <= 6; f += 2) {
        ck_assert_int_eq(kernel_route_list(nl, f, ROUTE_TABLE_OVERLAY, mem, &list, NULL), RK_OK);
        ck_assert_uint_eq(list.n, 0);
    }
}
END_TEST

/* Marked packets never see the overlay's table, unmarked ones prefer it to main's default. */
START_TEST(rules_keep_marked_traffic_out)
{
    struct rk_ip far = rk_ip4(8, 8, 8, 8);
    struct kernel_route dflt = {.dst = prefix_of("0.0.0.0/0"), .table = ROUTE_TABLE_OVERLAY};
    struct kernel_route_lookup got;
    size_t added;

    dflt.ifindex = d0_up();
    ck_assert(rule_marks_work(nl));
    ck_assert_int_eq(rule_overlay_install(nl, &added, NULL), RK_OK);
    ck_assert_uint_eq(added, 4);
    ck_assert_int_eq(rule_overlay_install(nl, &added, NULL),
                     RK_OK); /* twice leaves one copy each */
    ck_assert_uint_eq(added, 0);
    ck_assert_int_eq(ns_run("sh", "-c", "test $(ip rule | wc -l) = 5", NULL), 0);
    ck_assert_int_eq(kernel_route_add(nl, &dflt, NULL), RK_OK);
    ck_assert_int_eq(kernel_route_get(nl, &far, 0, &got, NULL), RK_OK);
    ck_assert_uint_eq(got.ifindex, dflt.ifindex);
    ck_assert_int_ne(kernel_route_get(nl, &far, ROUTE_MARK_CONTROL, &got, NULL), RK_OK);
    ck_assert_int_eq(rule_overlay_remove(nl, NULL), RK_OK);
    ck_assert_int_eq(ns_run("sh", "-c", "test $(ip rule | wc -l) = 3", NULL), 0);
    ck_assert_int_ne(kernel_route_get(nl, &far, 0, &got, NULL), RK_OK);
    ck_assert_int_eq(kernel_route_flush(nl, ROUTE_TABLE_OVERLAY, NULL), RK_OK);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("os");
    TCase *t = tcase_create("kernel");

    if (ns_run("sh", "-c", "command -v ip >/dev/null", NULL) || !ns_enter()) {
        (void)fprintf(stderr, "skipped: needs root and iproute2\n");
        return NS_SKIP;
    }
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, links);
    tcase_add_test(t, addresses_are_synced);
    tcase_add_test(t, routes_come_and_go);
    tcase_add_test(t, rules_keep_marked_traffic_out);
    suite_add_tcase(s, t);
    return run_suite(s);
}
