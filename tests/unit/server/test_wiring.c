/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests server/wiring.c: what peers are told, secrets, addresses. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/crypto/keyfile.h"
#include "management/app.h"
#include "server/wiring.h"
#include "tests/unit/run.h"

static char dir[] = "/tmp/rookery-test-wiring-XXXXXX";

/* Loads a configuration text with the test's data folder. */
static enum rk_code load(struct rk_arena *mem, const char *text, struct wiring *w,
                         struct rk_err *err)
{
    char path[64];
    struct server_config c;
    FILE *f;
    enum rk_code rc;

    (void)snprintf(path, sizeof path, "%s/c.yaml", dir);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fprintf(f, "server:\n  dataDir: %s\n%s", dir, text), 0);
    ck_assert_int_eq(fclose(f), 0);
    rc = server_config_load(mem, path, &c, NULL, err);
    (void)unlink(path);
    return rc ? rc : wiring_make(mem, &c, w, err);
}

START_TEST(everything_is_ours_by_default)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct wiring w, again;
    struct rk_err err = {0};

    ck_assert_msg(load(mem,
                       "  listenAddress: ':8443'\n  exposedAddress: https://vpn.example.com\n"
                       "  metricsPort: 9090\n  healthcheckAddress: 127.0.0.1:9000\n"
                       "  reverseProxy: {trustedHTTPProxies: [10.0.0.1, '10.1.0.0/16']}\n",
                       &w, &err) == RK_OK,
                  "%s", err.msg);
    ck_assert(w.own_relay && w.own_signal);
    ck_assert(rk_str_eqz(w.relay_urls.items[0], "rels://vpn.example.com:443"));
    ck_assert(rk_str_eqz(w.stun_urls.items[0], "stun:vpn.example.com:3478"));
    ck_assert(rk_str_eqz(w.signal_url, "https://vpn.example.com:443"));
    ck_assert(w.listen.ip.family == 0 && w.listen.port == 8443);
    ck_assert_uint_eq(w.n_stun, 1);
    ck_assert_uint_eq(w.n_ops, 2);
    ck_assert_uint_eq(w.ops[1].port, 9000);
    ck_assert(w.n_trusted == 2 && w.trusted[0].bits == 32 && w.trusted[1].bits == 16);
    ck_assert_uint_eq(w.store_key.n, 44);
    ck_assert_int_eq(load(mem, "", &again, &err), RK_OK);
    ck_assert(rk_str_eq(w.store_key, again.store_key)); /* secrets are kept */
    ck_assert(rk_str_eq(w.relay_secret, again.relay_secret));
    ck_assert(rk_str_eq(w.setup_token, again.setup_token));
    ck_assert(rk_str_eqz(again.relay_urls.items[0], "rel://localhost:8080"));
    rk_arena_free(mem);
}
END_TEST

START_TEST(external_services_replace_ours)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct wiring w;
    struct rk_err err = {0};

    ck_assert_msg(load(mem,
                       "  exposedAddress: 'http://[fd00::1]:80'\n  signalUri: https://s:1\n"
                       "  relays: {addresses: ['rels://r1:443', 'rels://r2:443'], secret: x}\n"
                       "  stuns: [{uri: 'stun:s:3478'}]\n"
                       "  x: {turns: ['turn:t:3478', 'turns:t:443?transport=tcp'], turnUser: u, "
                       "turnPassword: p}\n"
                       "  store: {engine: postgres, dsn: 'postgres://db'}\n",
                       &w, &err) == RK_OK,
                  "%s", err.msg);
    ck_assert(!w.own_relay && !w.own_signal);
    ck_assert_uint_eq(w.relay_urls.n, 2);
    ck_assert_uint_eq(w.n_stun, 0);
    ck_assert(rk_str_eqz(w.stun_urls.items[0], "stun:s:3478"));
    ck_assert_uint_eq(w.n_turns, 2);
    ck_assert_str_eq(w.turns[1].uri, "turns:t:443?transport=tcp");
    ck_assert_str_eq(w.turns[1].user, "u");
    ck_assert_str_eq(w.turns[1].password, "p");
    ck_assert(rk_str_eqz(w.relay_secret, "x"));
    ck_assert_str_eq(w.store_url, "postgres:postgres://db");
    ck_assert_int_eq(load(mem, "  relays: {addresses: ['rels://r1:443']}\n", &w, &err), RK_INVALID);
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wiring");
    TCase *t = tcase_create("wiring");
    int failed;

    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    tcase_add_test(t, everything_is_ours_by_default);
    tcase_add_test(t, external_services_replace_ours);
    suite_add_tcase(s, t);
    failed = run_suite(s);
    keyfile_remove(rk_str_z(dir), "store.key");
    keyfile_remove(rk_str_z(dir), "relay.secret");
    keyfile_remove(rk_str_z(dir), "setup-token");
    (void)rmdir(dir);
    return failed;
}
