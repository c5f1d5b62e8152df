/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests server/conf.c and server/yaml.c on real files. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/conf.h"
#include "server/yaml.h"
#include "tests/unit/run.h"

static char path[] = "/tmp/rookery-test-config-XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(an_official_file_is_taken)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct server_config c;
    struct rk_err err = {0};
    struct rk_buf warn;

    rk_buf_init(&warn, 10000);
    write_file("server:\n"
               "  listenAddress: \":80\"\n"
               "  exposedAddress: \"https://vpn.example.com\"\n"
               "  stunPorts:\n    - 3478\n    - 3479\n"
               "  logLevel: \"debug\"\n"
               "  authSecret: \"s3cret\"\n"
               "  dataDir: \"/var/lib/netbird/\"\n"
               "  disableAnonymousMetrics: false\n"
               "  relays: {credentialsTTL: 24h}\n"
               "  auth:\n    issuer: \"https://vpn.example.com/oauth2\"\n"
               "    cliRedirectURIs:\n      - \"http://localhost:53000/\"\n"
               "  reverseProxy:\n    trustedHTTPProxies: [\"172.30.0.10/32\", 10.0.0.1]\n"
               "  store:\n    engine: \"sqlite\"\n    encryptionKey: \"abc\"\n");
    ck_assert_msg(server_config_load(mem, path, &c, &warn, &err) == RK_OK, "%s", err.msg);
    ck_assert(rk_str_eqz(c.exposed_address, "https://vpn.example.com:443"));
    ck_assert_uint_eq(c.stun_ports.n, 2);
    ck_assert(rk_str_eqz(c.stun_ports.items[1], "3479"));
    ck_assert_uint_eq(c.cli_redirects.n, 1);
    ck_assert_uint_eq(c.trusted_proxies.n, 2);
    ck_assert_int_eq(c.relay_ttl_ms, 86400000);
    ck_assert(rk_str_eqz(c.store_key, "abc"));
    ck_assert(rk_str_find(rk_buf_str(&warn), RK_STR("disableAnonymousMetrics has no effect")) <
              warn.n);
    rk_buf_done(&warn);
    rk_arena_free(mem);
}
END_TEST

START_TEST(mistakes_name_file_line_and_key)
{
    static const struct {
        const char *text, *want;
    } c[] = {
        {"server:\n  listenAdress: x\n", ":2: unknown key server.listenAdress; did you mean "
                                         "server.listenAddress?"},
        {"server:\n  metricsPort: many\n", ":2: server.metricsPort: \"many\" is not a number"},
        {"server:\n  stunPorts: [70000]\n", ":2: server.stunPorts[]: 70000 is not within"},
        {"server:\n  stunPorts: [1\n", "line 3: "},
        {"server:\n  a: *x\n", "anchors"},
        {"server:\n  dataDir: a\n  dataDir: b\n", "server.dataDir stands twice"},
        {"- x\n", "must be a map"},
        {"server:\n  exposedAddress: ftp://x\n", "exposedAddress"},
        {"server:\n  tls: {certFile: a}\n", "both"},
        {"server:\n  store: {engine: mysql}\n", "MySQL is not supported"},
        {"server:\n  store: {engine: db2}\n", "neither sqlite nor postgres"},
        {"server:\n  store: {dsn: 'host=db'}\n", "server.store.engine is not"},
        {"server:\n  store: {engine: '', dsn: 'host=db'}\n", "server.store.engine is not"},
        {"server:\n  reverseProxy: {trustedHTTPProxies: [nonsense]}\n", "neither an address nor"},
        {"server:\n  listenAddress: nope\n", "server.listenAddress"},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(c); i++) {
        struct rk_arena *mem = rk_arena_new(0);
        struct server_config out = {.metrics_port = 77};
        struct rk_err err = {0};

        write_file(c[i].text);
        ck_assert_msg(server_config_load(mem, path, &out, NULL, &err) != RK_OK, "%s", c[i].text);
        ck_assert_msg(strstr(err.msg, c[i].want), "%s: want %s", err.msg, c[i].want);
        ck_assert_ptr_nonnull(strstr(err.msg, path));
        ck_assert_int_eq(out.metrics_port, 77);
        rk_arena_free(mem);
    }
}
END_TEST

START_TEST(environment_wins_and_secrets_are_masked)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct server_config c;
    struct rk_err err = {0};
    struct rk_buf out;

    write_file("server:\n  stunPorts: []\n  listenAddress: \":1\"\n");
    ck_assert_int_eq(setenv("ROOKERY_LISTEN_ADDRESS", "127.0.0.1:9", 1), 0);
    ck_assert_int_eq(setenv("ROOKERY_AUTH_SECRET", "hidden-value", 1), 0);
    ck_assert_int_eq(setenv("ROOKERY_AUTH_CLI_REDIRECT_URIS", "http://a/, http://b/", 1), 0);
    ck_assert_int_eq(setenv("ROOKERY_STORE_ENCRYPTION_KEY_FILE", path, 1), 0);
    ck_assert_msg(server_config_load(mem, path, &c, NULL, &err) == RK_OK, "%s", err.msg);
    ck_assert(rk_str_eqz(c.listen_address, "127.0.0.1:9"));
    ck_assert(rk_str_eqz(c.exposed_address, "http://localhost:9"));
    ck_assert_uint_eq(c.stun_ports.n, 0);
    ck_assert_uint_eq(c.cli_redirects.n, 2);
    ck_assert(rk_str_starts(c.store_key, RK_STR("server:")));
    rk_buf_init(&out, 20000);
    ck_assert_int_eq(server_config_show(mem, path, &out, &err), RK_OK);
    ck_assert_uint_eq(rk_str_find(rk_buf_str(&out), RK_STR("hidden-value")), out.n);
    ck_assert(rk_str_find(rk_buf_str(&out), RK_STR("\"127.0.0.1:9\"  # environment")) < out.n);
    rk_buf_done(&out);
    rk_arena_free(mem);
    (void)unsetenv("ROOKERY_LISTEN_ADDRESS");
    (void)unsetenv("ROOKERY_STORE_ENCRYPTION_KEY_FILE");
}
END_TEST

START_TEST(a_missing_file_is_said)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct server_config c;
    struct rk_err err = {0};

    ck_assert_int_eq(server_config_load(mem, "/nonexistent/x.yaml", &c, NULL, &err), RK_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent/x.yaml"));
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("config");
    int failed, fd = mkstemp(path);

    if (fd < 0)
        return EXIT_FAILURE;
    (void)close(fd);
    tcase_add_test(t, an_official_file_is_taken);
    tcase_add_test(t, mistakes_name_file_line_and_key);
    tcase_add_test(t, environment_wins_and_secrets_are_masked);
    tcase_add_test(t, a_missing_file_is_said);
    suite_add_tcase(s, t);
    failed = run_suite(s);
    (void)unlink(path);
    return failed;
}
