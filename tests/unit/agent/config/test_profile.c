/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/config/profile.c, agent/config/state.c, agent/client/backoff.c, agent/os/files.c and
 * agent/os/sysinfo.c.
 */
#include "config.h"

#include <check.h>
#include <glob.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/client/backoff.h"
#include "agent/config/profile.h"
#include "agent/config/state.h"
#include "agent/os/files.h"
#include "agent/os/sysinfo.h"
#include "lib/base/file.h"
#include "tests/unit/run.h"

static char dir[] = "/tmp/rook-test-profile-XXXXXX";
static char path[128];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/new/default.json", dir);
}

static void teardown(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)execlp("rm", "rm", "-rf", dir, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(pid, NULL, 0);
}

static void write_file(const char *p, const char *text)
{
    ck_assert_int_eq(files_write(p, rk_str_z(text), 0644, NULL), RK_OK);
}

static char *read_file(const char *p)
{
    struct rk_buf b;

    rk_buf_init(&b, 1 << 20);
    ck_assert_int_eq(rk_file_read(p, 0, &b, NULL), RK_OK);
    rk_buf_addc(&b, '\0');
    return b.p;
}

static struct profile *load(void)
{
    struct profile *p = NULL;
    struct rk_err err = {0};

    ck_assert_msg(profile_load(path, &p, &err) == RK_OK, "%s", err.msg);
    return p;
}

START_TEST(new_profile_is_private_and_complete)
{
    struct profile *p = load();
    struct rk_key key = p->private_key, seed = p->ssh_seed;
    struct stat st;

    ck_assert(p->fresh);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_str_eq(p->settings.interface_name.p, "wt0");
    ck_assert_int_eq(p->settings.mtu_bytes, 1280);
    ck_assert_int_eq(p->settings.wireguard_port, 51820);
    ck_assert_uint_gt(p->settings.iface_blacklist.n, 5);
    profile_free(p);
    p = load();
    ck_assert(!p->fresh);
    ck_assert(rk_key_eq(&p->private_key, &key));
    ck_assert(rk_key_eq(&p->ssh_seed, &seed));
    profile_free(p);
}
END_TEST

START_TEST(settings_survive)
{
    struct profile *p = load();

    ck_assert_int_eq(profile_set(p, RK_STR("management-url"), RK_STR("https://a.example"), NULL),
                     RK_OK);
    ck_assert_int_eq(profile_set(p, RK_STR("mtu"), RK_STR("1400"), NULL), RK_OK);
    ck_assert_int_eq(profile_set(p, RK_STR("disable-dns"), RK_STR("true"), NULL), RK_OK);
    ck_assert_int_eq(profile_set(p, RK_STR("extra-dns-labels"), RK_STR("x,y"), NULL), RK_OK);
    ck_assert_int_eq(profile_set(p, RK_STR("extra-iface-blacklist"), RK_STR("eth9"), NULL), RK_OK);
    ck_assert_int_eq(profile_set(p, RK_STR("dns-router-interval"), RK_STR("90s"), NULL), RK_OK);
    ck_assert_int_eq(profile_save(p, NULL), RK_OK);
    profile_free(p);
    p = load();
    ck_assert_str_eq(p->settings.management_url.p, "https://a.example");
    ck_assert_int_eq(p->settings.mtu_bytes, 1400);
    ck_assert(p->settings.disable_dns);
    ck_assert_uint_eq(p->settings.dns_labels.n, 2);
    ck_assert_int_eq(p->settings.dns_route_interval_ms, 90000);
    ck_assert_str_eq(p->settings.iface_blacklist.items[0].p, "wt0");
    ck_assert_str_eq(p->settings.iface_blacklist.items[p->settings.iface_blacklist.n - 1].p,
                     "eth9");
    profile_free(p);
}
END_TEST

START_TEST(wrong_settings_are_refused)
{
    static const char *const bad[][2] = {
        {"mtu", "100"},
        {"mtu", "x"},
        {"no-such", "1"},
        {"management-url", "ftp://x"},
        {"management-url", "https://"},
        {"management-url", "https://h:99999"},
        {"preshared-key", "abc"},
        {"disable-dns", "perhaps"},
        {"interface-name", "a-name-that-is-too-long"},
    };
    struct profile *p = load();

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct rk_err err = {0};

        ck_assert_msg(profile_set(p, rk_str_z(bad[i][0]), rk_str_z(bad[i][1]), &err) != RK_OK,
                      "%s=%s", bad[i][0], bad[i][1]);
        ck_assert_uint_gt(strlen(err.msg), 3);
    }
    ck_assert_int_eq(p->settings.mtu_bytes, 1280);
    profile_free(p);
}
END_TEST

START_TEST(hidden_preshared_key_changes_nothing)
{
    static const char key[] = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    struct profile *p = load();
    struct rk_key psk;

    ck_assert(!profile_psk(p, &psk));
    ck_assert_int_eq(profile_set(p, RK_STR("preshared-key"), rk_str_z(key), NULL), RK_OK);
    ck_assert(profile_psk(p, &psk));
    ck_assert_int_eq(profile_set(p, RK_STR("preshared-key"), RK_STR("**********"), NULL), RK_OK);
    ck_assert(profile_psk(p, &psk));
    ck_assert_int_eq(profile_set(p, RK_STR("preshared-key"), RK_STR(""), NULL), RK_OK);
    ck_assert(!profile_psk(p, &psk));
    profile_free(p);
}
END_TEST

START_TEST(official_file_is_taken_over)
{
    static const char file[] =
        "{\"PrivateKey\":\"AAIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH2A=\",\"PreSharedKey\":\"\","
        "\"ManagementURL\":{\"Scheme\":\"https\",\"Opaque\":\"\",\"User\":null,\"Host\":"
        "\"api.example.com:443\",\"Path\":\"\"},\"AdminURL\":{\"Scheme\":\"\",\"Host\":\"\"},"
        "\"WgIface\":\"wt7\","
        "\"WgPort\":51821,\"NetworkMonitor\":null,\"IFaceBlackList\":[\"wt0\",\"lo\"],"
        "\"RosenpassEnabled\":true,\"DisableDNS\":true,\"DNSRouteInterval\":60000000000,"
        "\"SSHKey\":\"-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIDAxMjM0NTY3ODkwMTIzNDU2"
        "Nzg5MDEyMzQ1Njc4OTAx\\n-----END PRIVATE KEY-----\\n\",\"MTU\":0}";
    struct rk_arena *mem = rk_arena_new(0);
    struct profile *p;
    struct rk_key pub;
    char text[RK_KEY_TEXT + 1];
    char *after;

    write_file(path, file);
    p = load();
    ck_assert(!p->fresh);
    rk_key_public(&p->private_key, &pub);
    rk_key_format(&pub, text);
    ck_assert_str_eq(text, "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=");
    ck_assert_str_eq(p->settings.management_url.p, "https://api.example.com:443");
    ck_assert_uint_eq(p->settings.admin_url.n, 0);
    ck_assert_str_eq(p->settings.interface_name.p, "wt7");
    ck_assert_int_eq(p->settings.wireguard_port, 51821);
    ck_assert_int_eq(p->settings.mtu_bytes, 1280);
    ck_assert_int_eq(p->settings.dns_route_interval_ms, 60000);
    ck_assert(p->settings.disable_dns);
    ck_assert_uint_eq(p->settings.iface_blacklist.n, 2);
    ck_assert_mem_eq(p->ssh_seed.b, "01234567890123456789012345678901", 32);
    ck_assert(
        rk_str_starts(profile_ssh_line(p, mem), RK_STR("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI")));
    ck_assert_int_eq(profile_save(p, NULL), RK_OK);
    profile_free(p);
    after = read_file(path);
    ck_assert_ptr_nonnull(strstr(after, "\"RosenpassEnabled\": true")); /* not ours, kept */
    ck_assert_ptr_nonnull(strstr(after, "\"Host\": \"api.example.com:443\""));
    free(after);
    rk_arena_free(mem);
}
END_TEST

START_TEST(damaged_file_is_not_overwritten)
{
    struct profile *p = NULL;
    struct rk_err err = {0};
    char *after;

    write_file(path, "{\"PrivateKey\": \"zzz");
    ck_assert_int_eq(profile_load(path, &p, &err), RK_INVALID);
    after = read_file(path);
    ck_assert_str_eq(after, "{\"PrivateKey\": \"zzz");
    free(after);
    write_file(path, "{\"PrivateKey\": \"zzz\"}");
    ck_assert_int_ne(profile_load(path, &p, &err), RK_OK);
    ck_assert_ptr_null(strstr(err.msg, "zzz")); /* not even a broken key is shown */
}
END_TEST

START_TEST(urls)
{
    static const struct {
        const char *url, *host;
        uint16_t port;
        bool tls;
    } good[] = {{"https://a.b", "a.b", 443, true},
                {"http://a.b", "a.b", 80, false},
                {"HTTPS://a.b:8443/path?x", "a.b", 8443, true},
                {"http://[fd00::1]:33073", "fd00::1", 33073, false},
                {"https://[::1]", "::1", 443, true}};
    static const char *const bad[] = {"a.b",         "https://",      "https://:1", "https://a:0",
                                      "http://[::1", "http://[::1]x", "unix:///x",  ""};
    struct rk_arena *mem = rk_arena_new(0);
    uint16_t port;
    char *host;
    bool tls;

    for (size_t i = 0; i < RK_ARRAY_LEN(good); i++) {
        ck_assert_int_eq(profile_url(mem, rk_str_z(good[i].url), &tls, &host, &port, NULL), RK_OK);
        ck_assert_str_eq(host, good[i].host);
        ck_assert_uint_eq(port, good[i].port);
        ck_assert_int_eq(tls, good[i].tls);
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(profile_url(mem, rk_str_z(bad[i]), &tls, &host, &port, NULL) == RK_INVALID,
                      "%s", bad[i]);
    rk_arena_free(mem);
}
END_TEST

START_TEST(state_file_remembers)
{
    struct state *s = state_open(path, NULL);
    glob_t g = {0};
    char pattern[160];

    ck_assert_ptr_null(state_get(s, STATE_DEVICE));
    state_set(s, STATE_DEVICE, json_pack("{s:s}", "name", "wt0"));
    state_free(s);
    s = state_open(path, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(state_get(s, STATE_DEVICE), "name")), "wt0");
    state_set(s, STATE_DEVICE, NULL);
    state_free(s);
    s = state_open(path, NULL);
    ck_assert_ptr_null(state_get(s, STATE_DEVICE));
    state_free(s);
    write_file(path, "not json");
    s = state_open(path, NULL);
    ck_assert_ptr_null(state_get(s, STATE_DEVICE));
    state_free(s);
    (void)snprintf(pattern, sizeof pattern, "%s.corrupted.*", path);
    ck_assert_int_eq(glob(pattern, 0, NULL, &g), 0);
    ck_assert_uint_eq(g.gl_pathc, 1);
    globfree(&g);
}
END_TEST

START_TEST(backoff_grows_and_stays_within_bounds)
{
    struct backoff b = {
        .first_ms = 1000, .max_ms = 15000, .factor_permille = 1700, .spread_permille = 1000};
    int64_t limit = 1000;

    for (int i = 0; i < 20; i++) {
        int64_t w = backoff_next_ms(&b);

        ck_assert_int_ge(w, 0);
        ck_assert_int_le(w, 2 * limit);
        limit = limit * 1700 / 1000 > 15000 ? 15000 : limit * 1700 / 1000;
    }
    ck_assert_int_eq(b.current_ms, 15000);
    backoff_reset(&b);
    ck_assert_int_le(backoff_next_ms(&b), 2000);
}
END_TEST

START_TEST(backoff_is_short_at_the_beginning_of_an_outage)
{
    struct backoff b = {.first_ms = 500,
                        .max_ms = 60000,
                        .early_max_ms = 2000,
                        .factor_permille = 1500,
                        .spread_permille = 500};

    for (int i = 0; i < 20; i++)
        ck_assert_int_le(backoff_next_ms(&b), 3000);
    b.since_ms -= BACKOFF_EARLY_MS; /* a minute later */
    for (int i = 0; i < 20; i++)
        (void)backoff_next_ms(&b);
    ck_assert_int_eq(b.current_ms, 60000);
    backoff_reset(&b);
    for (int i = 0; i < 20; i++)
        ck_assert_int_le(backoff_next_ms(&b), 3000);
}
END_TEST

START_TEST(facts_about_the_machine)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct sysinfo si;
    struct nl_sock *nl;
    char p[200];
    bool exists, running;

    (void)snprintf(p, sizeof p, "%s/etc/os-release", dir);
    write_file(p, "NAME=\"Test OS\"\nVERSION_ID='12'\nHOME_URL=\"http://x/?a=b\"\n");
    (void)snprintf(p, sizeof p, "%s/sys/class/dmi/id/chassis_serial", dir);
    write_file(p, "Default string\n");
    (void)snprintf(p, sizeof p, "%s/sys/class/dmi/id/product_serial", dir);
    write_file(p, "SN-1\n");
    (void)snprintf(p, sizeof p, "%s/sys/class/dmi/id/product_name", dir);
    write_file(p, "Bad\xff\n");
    (void)snprintf(p, sizeof p, "%s/sys/class/dmi/id/board_name", dir);
    write_file(p, "Board\n");
    ck_assert_int_eq(nl_open(NETLINK_ROUTE, &nl, NULL), RK_OK);
    sysinfo_read(nl, mem, RK_STR("named"), "wt0", dir, &si);
    ck_assert(rk_str_eqz(si.hostname, "named"));
    ck_assert(rk_str_eqz(si.kernel, "Linux"));
    ck_assert(rk_str_eqz(si.os, "Test OS"));
    ck_assert(rk_str_eqz(si.os_version, "12"));
    ck_assert(rk_str_eqz(si.serial, "SN-1"));
    ck_assert(rk_str_eqz(si.product, "Board"));
    for (size_t i = 0; i < si.n_addrs; i++)
        ck_assert(!rk_str_starts(si.addrs[i].cidr, RK_STR("127.")));
    sysinfo_file("/proc/self/exe", &exists, &running);
    ck_assert(exists);
    ck_assert_int_gt(readlink("/proc/self/exe", p, sizeof p), 0);
    sysinfo_file("/no/such/file", &exists, &running);
    ck_assert(!exists && !running);
    nl_close(nl);
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("profile");
    TCase *t = tcase_create("files");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, new_profile_is_private_and_complete);
    tcase_add_test(t, settings_survive);
    tcase_add_test(t, wrong_settings_are_refused);
    tcase_add_test(t, hidden_preshared_key_changes_nothing);
    tcase_add_test(t, official_file_is_taken_over);
    tcase_add_test(t, damaged_file_is_not_overwritten);
    tcase_add_test(t, urls);
    tcase_add_test(t, state_file_remembers);
    tcase_add_test(t, backoff_grows_and_stays_within_bounds);
    tcase_add_test(t, backoff_is_short_at_the_beginning_of_an_outage);
    tcase_add_test(t, facts_about_the_machine);
    suite_add_tcase(s, t);
    return run_suite(s);
}
