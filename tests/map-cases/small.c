/* SPDX-License-Identifier: BSD-3-Clause */
/* Small cases: posture verdicts, setup keys, DNS labels, addresses, expiry. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "tests/map-cases/suite.h"

bool judge_posture(const struct cases *c, const json_t *one)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct posture check;
    struct peer peer;
    bool ok;

    account_posture(mem, "check", json_object_get(one, "checks"), &check);
    account_peer(c, mem, "peer", json_object_get(one, "peer"), &peer);
    ok = posture_passes(&check, &peer) == json_is_true(json_object_get(one, "expect"));
    rk_arena_free(mem);
    return ok;
}

bool judge_setup_key(const struct cases *c, const json_t *one)
{
    const json_t *j = json_object_get(one, "key"), *want = json_object_get(one, "expect");
    int64_t now = tj_time(json_object_get(one, "now"));
    struct setup_key k = {
        .usage_limit = json_integer_value(json_object_get(j, "usage_limit")),
        .used = json_integer_value(json_object_get(j, "used_times")),
        .revoked = json_is_true(json_object_get(j, "revoked")),
        .expires_at_us = tj_time(json_object_get(j, "expires_at")),
    };

    (void)c;
    if (!setup_key_type_parse(tj_str(json_object_get(j, "type")), &k.type))
        return false;
    return rk_str_eqz(tj_str(json_object_get(want, "state")),
                      setup_key_state_text(setup_key_state(&k, now))) &&
           setup_key_usable(&k, now) == json_is_true(json_object_get(want, "usable"));
}

static struct rk_ip ip_of(const char *text)
{
    struct rk_ip ip = {0};

    if (rk_ip_parse(rk_str_z(text), &ip, NULL) != RK_OK)
        printf("  bad address %s\n", text);
    return ip;
}

bool judge_label(const struct cases *c, const json_t *one)
{
    const json_t *in = json_object_get(one, "input"), *want = json_object_get(one, "expect");
    struct rk_ip ip = ip_of(json_string_value(json_object_get(in, "ip")));
    bool suffix = json_integer_value(json_object_get(in, "attempt")) > 1 ||
                  json_is_true(json_object_get(in, "ephemeral"));
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_str got = {0};
    struct rk_err err;
    bool ok;

    (void)c;
    ok = peer_dns_label(mem, tj_str(json_object_get(in, "hostname")), suffix ? &ip : NULL, &got,
                        &err) == RK_OK;
    if (ok != json_is_string(want) || (ok && !rk_str_eq(got, tj_str(want)))) {
        printf("  got %.*s\n", RK_STR_ARG(got));
        ok = false;
    } else {
        ok = true;
    }
    rk_arena_free(mem);
    return ok;
}

/* ---- addresses */

static bool judge_range(const json_t *one, const struct rk_prefix *net)
{
    const json_t *want = json_object_get(one, "expect");
    uint64_t n = addr4_count(net);
    struct rk_ip first = addr4_at(net, 0), last = addr4_at(net, n - 1);
    char text[RK_ADDR_TEXT];

    return n == (uint64_t)json_integer_value(json_object_get(want, "count")) &&
           rk_str_eq(rk_ip_format(&first, text), tj_str(json_object_get(want, "first"))) &&
           rk_str_eq(rk_ip_format(&last, text), tj_str(json_object_get(want, "last")));
}

static bool judge_ipv6(const json_t *one, struct rk_arena *mem, const struct rk_prefix *net6)
{
    bool embedded = json_is_true(json_object_get(one, "embedded"));
    struct str_list enabled = tj_list(mem, json_object_get(one, "ipv6_groups"));
    struct str_list listed = tj_list(mem, json_object_get(one, "peer_groups"));
    struct str_list groups = {.v = rk_new_n(mem, struct rk_str, listed.n + 1)};

    for (; groups.n < listed.n; groups.n++)
        groups.v[groups.n] = listed.v[groups.n];
    if (!embedded) /* every other peer is in All */
        groups.v[groups.n++] = RK_STR("all");
    return peer_wants_ipv6(net6, &enabled, &groups, embedded) ==
           json_is_true(json_object_get(json_object_get(one, "expect"), "ipv6_assigned"));
}

/* A taken address or label is answered by another address and the suffixed label: no candidate is
 * one of the forbidden addresses unless taken, and each free one gives the expected label. */
static bool judge_conflict(const json_t *one, struct rk_arena *mem, const struct rk_prefix *net)
{
    const json_t *forbidden = json_object_get(json_object_get(one, "expect"), "ip_not_in");
    struct rk_str taken = tj_str(json_array_get(json_object_get(one, "taken"), 0));
    bool ok = true;

    for (uint64_t i = 0; i < addr4_count(net); i++) {
        struct rk_ip ip = addr4_at(net, i);
        char text[RK_ADDR_TEXT];
        struct rk_str s = rk_ip_format(&ip, text), label;

        if (rk_str_eq(s, taken))
            continue;
        for (size_t k = 0; k < json_array_size(forbidden); k++)
            ok &= !rk_str_eq(s, tj_str(json_array_get(forbidden, k)));
        ok &= peer_dns_label(mem, tj_str(json_object_get(one, "hostname")), &ip, &label, NULL) ==
                  RK_OK &&
              rk_str_eq(label, rk_arena_printf(mem, "web-30-%u", ip.b[3]));
    }
    return ok;
}

bool judge_address(const struct cases *c, const json_t *one)
{
    struct rk_str text = tj_str(json_object_get(one, "network"));
    struct rk_str text6 = tj_str(json_object_get(one, "network_v6"));
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_prefix net = {0};
    bool ok = rk_prefix_parse(text6.n ? text6 : text, &net, NULL) == RK_OK;

    (void)c;
    if (text6.n)
        ok = ok && judge_ipv6(one, mem, &net);
    else if (json_object_get(one, "taken"))
        ok = ok && judge_conflict(one, mem, &net);
    else
        ok = ok && judge_range(one, &net);
    rk_arena_free(mem);
    return ok;
}

/* ---- expiry */

bool judge_expiration(const struct cases *c, const json_t *one)
{
    const json_t *j = json_object_get(one, "peer"), *want = json_object_get(one, "expect");
    const json_t *st = json_object_get(one, "settings");
    int64_t now = tj_time(json_object_get(one, "now")), period_ms = 0;
    struct settings settings;
    struct rk_arena *mem = rk_arena_new(0);
    struct peer p;
    bool ok;

    account_peer(c, mem, "peer", j, &p);
    p.status.login_expired = json_is_true(json_object_get(j, "status_login_expired"));
    settings_default(&settings);
    settings.peer_login_expiration_enabled =
        json_is_true(json_object_get(st, "peer_login_expiration_enabled"));
    ok = rk_parse_duration_ms(tj_str(json_object_get(st, "peer_login_expiration")), &period_ms,
                              NULL) == RK_OK;
    settings.peer_login_expiration_s = period_ms / 1000;
    ok = ok &&
         peer_login_expired(&p, &settings, now) ==
             json_is_true(json_object_get(want, "sync_refused")) &&
         peer_offline_in_maps(&p, &settings, now) ==
             json_is_true(json_object_get(want, "offline_in_maps"));
    rk_arena_free(mem);
    return ok;
}
