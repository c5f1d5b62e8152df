/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/engine/route_set.c. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine/route_set.h"
#include "tests/unit/run.h"

enum { OWN, A, B, C, N_PEERS };
static struct rk_key keys[N_PEERS];
static char texts[N_PEERS][RK_KEY_TEXT + 1];
static struct route_peer peers[N_PEERS];
static Management__Route routes[16];
static Management__Route *list[16];
static Management__NetworkMap map;
static struct route_set *set;

static char *z(const char *s)
{
    return (char *)(uintptr_t)s;
}

static struct rk_prefix prefix_of(const char *text)
{
    struct rk_prefix p;

    ck_assert_int_eq(rk_prefix_parse(rk_str_z(text), &p, NULL), RK_OK);
    return p;
}

static struct route_set *new_set(bool v6, const json_t *selection)
{
    struct route_opts o = {.own_key = keys[OWN], .v4 = prefix_of("100.64.0.9/16")};

    if (v6)
        o.v6 = prefix_of("fd00::9/64");
    return route_set_new(&o, selection);
}

static void setup(void)
{
    for (int i = 0; i < N_PEERS; i++) {
        memset(keys[i].b, i + 1, RK_KEY_SIZE);
        rk_key_format(&keys[i], texts[i]);
        peers[i] = (struct route_peer){.known = true};
    }
    management__network_map__init(&map);
    map.routes = list;
    set = new_set(true, NULL);
}

static void teardown(void)
{
    route_set_free(set);
}

static Management__Route *offer(const char *net_id, const char *network, int peer, int64_t metric)
{
    Management__Route *r = &routes[map.n_routes];

    management__route__init(r);
    r->netid = z(net_id);
    r->network = z(network);
    r->peer = texts[peer];
    r->metric = metric;
    list[map.n_routes++] = r;
    return r;
}

static size_t load(void)
{
    size_t left_out = 99;

    ck_assert_int_eq(route_set_load(set, &map, &left_out, NULL), RK_OK);
    return left_out;
}

static struct route_peer ask(void *arg RK_UNUSED, const struct rk_key *key)
{
    for (int i = 0; i < N_PEERS; i++)
        if (rk_key_eq(key, &keys[i]))
            return peers[i];
    return (struct route_peer){0};
}

/* "10.1.0.0/16=A 10.2.0.0/16=-" of the present list. */
static const char *now(void)
{
    static char out[1024];
    const struct routed *r;
    char text[RK_ADDR_TEXT];
    size_t n;

    (void)route_set_choose(set, ask, NULL);
    r = route_set_list(set, &n);
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(out);
        int who = -1;

        for (int k = 0; k < N_PEERS; k++)
            if (r[i].has_peer && rk_key_eq(&r[i].peer, &keys[k]))
                who = k;
        (void)rk_prefix_format(&r[i].prefix, text);
        (void)snprintf(out + len, sizeof out - len, "%s%s=%c", i ? " " : "", text,
                       r[i].block ? 'X'
                       : who < 0  ? '-'
                                  : "OABC"[who]);
    }
    return out;
}

START_TEST(the_better_peer_carries)
{
    (void)offer("net", "10.1.0.0/16", A, 9999);
    (void)offer("net", "10.1.0.0/16", B, 100);
    ck_assert_uint_eq(load(), 0);
    ck_assert_str_eq(now(), "10.1.0.0/16=B"); /* metric */
    peers[A].connected = true;
    ck_assert_str_eq(now(), "10.1.0.0/16=A"); /* connected before metric */
    peers[B].connected = true;
    ck_assert_str_eq(now(), "10.1.0.0/16=B");
    peers[B].known = false;
    ck_assert_str_eq(now(), "10.1.0.0/16=A");
    peers[A].known = false;
    ck_assert_str_eq(now(), "10.1.0.0/16=-"); /* the kernel's route stays */
}
END_TEST

START_TEST(small_differences_do_not_flap)
{
    (void)offer("net", "10.1.0.0/16", A, 100);
    (void)offer("net", "10.1.0.0/16", B, 100);
    (void)load();
    peers[A] = (struct route_peer){.known = true, .connected = true, .latency_us = 50000};
    peers[B] = (struct route_peer){.known = true, .connected = true, .latency_us = 60000};
    ck_assert_str_eq(now(), "10.1.0.0/16=A");
    peers[B].latency_us = 45000; /* 5 ms better is not enough */
    ck_assert_str_eq(now(), "10.1.0.0/16=A");
    (void)load(); /* nor does a new map change it */
    ck_assert_str_eq(now(), "10.1.0.0/16=A");
    peers[B].latency_us = 20000;
    ck_assert_str_eq(now(), "10.1.0.0/16=B");
    peers[B].relayed = true; /* direct is worth a second */
    ck_assert_str_eq(now(), "10.1.0.0/16=A");
}
END_TEST

START_TEST(own_networks_are_not_used_through_others)
{
    (void)offer("net", "10.1.0.0/16", OWN, 100);
    (void)offer("net", "10.1.0.0/16", A, 100);
    (void)offer("other", "10.2.0.0/16", A, 100);
    (void)load();
    ck_assert_str_eq(now(), "10.2.0.0/16=A");
    ck_assert(route_set_serves(set));
}
END_TEST

START_TEST(places_that_are_not_for_routing)
{
    static const char *const bad[] = {"127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",
                                      "0.0.0.0/8",   "100.64.5.0/24",  "fd00::/80",
                                      "fe80::/10",   "10.1.0.0",       ""};

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        (void)offer("n", bad[i], A, 1);
    ck_assert_uint_eq(load(), RK_ARRAY_LEN(bad));
    ck_assert_str_eq(now(), "");
}
END_TEST

static void domain(const char *net_id, const char *name, int peer, bool keep)
{
    static char *names[16];
    Management__Route *r = offer(net_id, "192.0.2.0/32", peer, 100);

    names[map.n_routes] = z(name);
    r->domains = &names[map.n_routes];
    r->n_domains = 1;
    r->keeproute = keep;
}

static bool resolved(const char *id, const char *name, uint8_t family, const char *ips)
{
    struct rk_str rest = rk_str_z(ips), one;
    struct rk_ip v[8];
    size_t n = 0;

    while (rest.n) {
        (void)rk_str_cut(rest, ' ', &one, &rest);
        ck_assert_int_eq(rk_ip_parse(one, &v[n++], NULL), RK_OK);
    }
    return route_set_resolved(set, rk_str_z(id), rk_str_z(name), family, v, n);
}

START_TEST(names_bring_their_addresses)
{
    struct routed_names net;

    domain("d", "a.test", A, false);
    domain("d", "a.test", B, false);
    domain("k", "*.k.test", A, true);
    ck_assert_uint_eq(load(), 0);
    ck_assert_str_eq(now(), "");
    ck_assert(route_set_names(set, 0, &net) && rk_str_eqz(net.domains[0], "a.test"));
    ck_assert(route_set_names(set, 1, &net) && !route_set_names(set, 2, &net));
    ck_assert(resolved("d|a.test", "a.test", 4, "10.1.0.1 10.1.0.2"));
    ck_assert(!resolved("d|a.test", "a.test", 4, "10.1.0.2 10.1.0.1"));
    ck_assert(resolved("d|a.test", "a.test", 6, "fd11::1"));
    ck_assert_str_eq(now(), "10.1.0.1/32=A 10.1.0.2/32=A fd11::1/128=A");
    /* the answer has changed; the other family is another answer */
    ck_assert(resolved("d|a.test", "a.test", 4, "10.1.0.3"));
    ck_assert_str_eq(now(), "10.1.0.3/32=A fd11::1/128=A");
    /* kept routes stay; each name below a wildcard has its own */
    ck_assert(resolved("k|*.k.test", "x.k.test", 4, "10.2.0.1"));
    ck_assert(resolved("k|*.k.test", "x.k.test", 4, "10.2.0.2"));
    ck_assert_str_eq(now(), "10.1.0.3/32=A 10.2.0.1/32=A 10.2.0.2/32=A fd11::1/128=A");
    /* they follow their carrier, outlive a map, and go with their network */
    peers[B].connected = true;
    ck_assert_str_eq(now(), "10.1.0.3/32=B 10.2.0.1/32=A 10.2.0.2/32=A fd11::1/128=B");
    (void)load();
    ck_assert_str_eq(now(), "10.1.0.3/32=B 10.2.0.1/32=A 10.2.0.2/32=A fd11::1/128=B");
    map.n_routes = 2;
    (void)load();
    ck_assert_str_eq(now(), "10.1.0.3/32=B fd11::1/128=B");
    ck_assert_int_eq(route_set_deselect(set, &(struct rk_str){.p = "d", .n = 1}, 1, NULL), RK_OK);
    ck_assert_str_eq(now(), "");
    ck_assert(!route_set_names(set, 0, &net));
}
END_TEST

/* A routing peer must not be able to pull in what is not behind it. */
START_TEST(names_of_places_that_are_not_for_routing)
{
    domain("d", "a.test", A, false);
    (void)load();
    ck_assert(
        !resolved("d|a.test", "a.test", 4, "127.0.0.1 0.0.0.0 224.0.0.1 169.254.1.1 100.64.0.7"));
    ck_assert(!resolved("d|a.test", "a.test", 6, "::1 :: fe80::1 fd00::7"));
    ck_assert(!resolved("no such", "a.test", 4, "10.1.0.1"));
    ck_assert_str_eq(now(), "");
}
END_TEST

START_TEST(one_prefix_in_two_networks)
{
    (void)offer("x", "10.1.0.0/16", B, 1);
    (void)offer("y", "10.1.0.5/16", A, 1); /* host bits are cleared */
    (void)load();
    ck_assert_str_eq(now(), "10.1.0.0/16=A"); /* smallest key */
    peers[A].known = false;
    ck_assert_str_eq(now(), "10.1.0.0/16=B");
}
END_TEST

START_TEST(exit_node_without_ipv6_closes_it)
{
    route_set_free(set);
    set = new_set(false, NULL);
    (void)offer("exit", "0.0.0.0/0", A, 1);
    (void)offer("six", "2001:db8::/32", A, 1);
    ck_assert_uint_eq(load(), 1);
    ck_assert_str_eq(now(), "0.0.0.0/0=A ::/0=X");
}
END_TEST

START_TEST(only_one_exit_node)
{
    struct rk_str b = RK_STR("exit-b"), c = RK_STR("exit-c");

    (void)offer("exit-b", "0.0.0.0/0", B, 1);
    (void)offer("exit-b-v6", "::/0", B, 1);
    (void)offer("exit-a", "0.0.0.0/0", A, 1);
    offer("exit-c", "0.0.0.0/0", C, 1)->skipautoapply = true;
    (void)load();
    ck_assert_str_eq(now(), "0.0.0.0/0=A"); /* smallest id of those that apply by themselves */
    ck_assert_int_eq(route_set_select(set, &b, 1, true, NULL), RK_OK);
    ck_assert_str_eq(now(), "0.0.0.0/0=B ::/0=B"); /* the twin follows */
    ck_assert_int_eq(route_set_select(set, &c, 1, true, NULL), RK_OK);
    ck_assert_str_eq(now(), "0.0.0.0/0=C");
    ck_assert_int_eq(route_set_deselect(set, &c, 1, NULL), RK_OK);
    ck_assert_str_eq(now(), ""); /* the others were turned off by the choice */
}
END_TEST

START_TEST(selection_is_kept)
{
    struct rk_str x = RK_STR("x"), all = RK_STR("all"), nope = RK_STR("nope");
    json_t *saved;

    (void)offer("x", "10.1.0.0/16", A, 1);
    (void)offer("y", "10.2.0.0/16", A, 1);
    (void)load();
    ck_assert_str_eq(now(), "10.1.0.0/16=A 10.2.0.0/16=A");
    ck_assert_int_eq(route_set_select(set, &nope, 1, false, NULL), RK_NOT_FOUND);
    ck_assert_str_eq(now(), "10.1.0.0/16=A 10.2.0.0/16=A");
    ck_assert_int_eq(route_set_select(set, &x, 1, false, NULL), RK_OK);
    ck_assert_str_eq(now(), "10.1.0.0/16=A");
    saved = route_set_selection(set);
    route_set_free(set);
    set = new_set(true, saved);
    json_decref(saved);
    (void)load();
    ck_assert_str_eq(now(), "10.1.0.0/16=A");
    ck_assert_int_eq(route_set_deselect(set, &all, 1, NULL), RK_OK);
    ck_assert_str_eq(now(), "");
    ck_assert_int_eq(route_set_select(set, &all, 1, false, NULL), RK_OK);
    ck_assert_str_eq(now(), "10.1.0.0/16=A 10.2.0.0/16=A");
    ck_assert_int_eq(route_set_deselect(set, &x, 1, NULL), RK_OK);
    ck_assert_str_eq(now(), "10.2.0.0/16=A");
    ck_assert_int_eq(route_set_select(set, &x, 1, true, NULL), RK_OK);
    ck_assert_str_eq(now(), "10.1.0.0/16=A 10.2.0.0/16=A");
}
END_TEST

START_TEST(domains_are_listed)
{
    static char *names[] = {(char *)(uintptr_t) "a.example", (char *)(uintptr_t) "*.b.example"};
    Management__Route *r = offer("dom", "192.0.2.0/32", A, 1);
    json_t *j;

    r->domains = names;
    r->n_domains = 2;
    (void)load();
    ck_assert_str_eq(now(), "");
    j = route_set_json(set);
    ck_assert_uint_eq(json_array_size(j), 1);
    ck_assert_str_eq(
        json_string_value(json_array_get(json_object_get(json_array_get(j, 0), "domains"), 1)),
        "*.b.example");
    json_decref(j);
    j = route_set_of_peer(set, &keys[A]);
    ck_assert_uint_eq(json_array_size(j), 2);
    json_decref(j);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("route_set");
    TCase *t = tcase_create("choices");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_better_peer_carries);
    tcase_add_test(t, small_differences_do_not_flap);
    tcase_add_test(t, own_networks_are_not_used_through_others);
    tcase_add_test(t, places_that_are_not_for_routing);
    tcase_add_test(t, names_bring_their_addresses);
    tcase_add_test(t, names_of_places_that_are_not_for_routing);
    tcase_add_test(t, one_prefix_in_two_networks);
    tcase_add_test(t, exit_node_without_ipv6_closes_it);
    tcase_add_test(t, only_one_exit_node);
    tcase_add_test(t, selection_is_kept);
    tcase_add_test(t, domains_are_listed);
    suite_add_tcase(s, t);
    return run_suite(s);
}
