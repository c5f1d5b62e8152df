/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many enrolments a second does the store take, and does that stay flat? No network, no
 * encryption: peer_login() of new keys from some threads, as the RPC module calls it.
 *
 *     store_enrol [URL [PEERS [THREADS]]]       URL: sqlite:PATH or a PostgreSQL URL
 *
 * Prints one JSON line for each tenth of the peers, then the time to load the account again.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/crypto/token.h"
#include "lib/crypto/vault.h"
#include "management/ops/peer_login.h"

#define KEY "A2C8E62B-38F5-4553-B31E-DD66C696CEBB"

static struct mgmt *m;
static _Atomic int next_peer;
static int limit;

static void die(const char *what, const struct rk_err *err)
{
    (void)fprintf(stderr, "store_enrol: %s: %s\n", what, err->msg);
    exit(1);
}

static void account_make(void)
{
    struct actor sys = ACTOR_SYSTEM;
    struct account_data d = {.account = {.id = RK_STR("acc")}};
    struct rk_str all = RK_STR("grp-all");
    char hash[HASH_SHA256_TEXT + 1];
    struct group g = {.id = all, .name = RK_STR("All")};
    struct setup_key k = {.id = RK_STR("key")};
    struct rk_err err = {0};

    settings_default(&d.settings);
    d.settings.ipv6_groups = (struct str_list){&all, 1};
    if (rk_prefix_parse(RK_STR("100.64.0.0/16"), &d.account.net4, &err) ||
        rk_prefix_parse(RK_STR("fd00::/64"), &d.account.net6, &err) ||
        token_setup_key_stored_form(RK_STR(KEY), hash, &err))
        die("account", &err);
    k.hash = rk_str_z(hash);
    d.groups = &g;
    d.n_groups = 1;
    d.setup_keys = &k;
    d.n_setup_keys = 1;
    if (mgmt_account_insert(m, &sys, &d, &err))
        die("account", &err);
}

static void *enrol_main(void *arg)
{
    struct rk_err err = {0};
    struct db *db;
    int i;

    (void)arg;
    if (mgmt_db_open(m, &db, &err))
        die("connect", &err);
    while ((i = next_peer++) < limit) {
        struct rk_key key = {.b = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        char text[RK_KEY_TEXT + 1], host[32];
        struct peer_address addr = {.mac = RK_STR("00:11:22:33:44:55")};
        struct peer_meta meta = {.goos = RK_STR("linux"),
                                 .kernel = RK_STR("Linux"),
                                 .os = RK_STR("Debian GNU/Linux"),
                                 .os_version = RK_STR("12"),
                                 .platform = RK_STR("x86_64"),
                                 .kernel_version = RK_STR("6.1.0-28-amd64"),
                                 .version = RK_STR("0.70.0"),
                                 .serial_number = RK_STR("VMware-56 4d 00 11 22 33"),
                                 .product_name = RK_STR("VMware Virtual Platform"),
                                 .manufacturer = RK_STR("VMware, Inc."),
                                 .addresses = &addr,
                                 .n_addresses = 1};
        struct peer_login_req req = {.key = rk_str_of(text, RK_KEY_TEXT),
                                     .meta = &meta,
                                     .ssh_key = RK_STR("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA")};
        struct peer_login_res res = {0};

        rk_key_format(&key, text);
        (void)snprintf(host, sizeof host, "host-%d", i);
        meta.hostname = rk_str_z(host);
        addr.prefix = (struct rk_prefix){rk_ip4(192, 168, 1, 7), 24};
        /* agents log in plainly first, and with the key after the refusal */
        if (peer_login(m, db, &req, &res, &err) != RK_UNAUTHENTICATED)
            die("plain login", &err);
        req.setup_key = RK_STR(KEY);
        if (peer_login(m, db, &req, &res, &err))
            die("enrol", &err);
        peer_login_done(&res);
    }
    db_close(db);
    return NULL;
}

static double cpu_s(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void step(int from, int to, int threads)
{
    pthread_t t[64];
    int64_t start = rk_mono_ms();
    double cpu = cpu_s(), wall;
    struct rusage u;

    next_peer = from;
    limit = to;
    for (int i = 0; i < threads; i++)
        (void)pthread_create(&t[i], NULL, enrol_main, NULL);
    for (int i = 0; i < threads; i++)
        (void)pthread_join(t[i], NULL);
    wall = (double)(rk_mono_ms() - start) / 1000;
    (void)getrusage(RUSAGE_SELF, &u);
    (void)printf(
        "{\"peers\":%d,\"per_second\":%.0f,\"cpu_ms_per_peer\":%.3f,\"rss_peak_kb\":%ld}\n", to,
        (to - from) / wall, (cpu_s() - cpu) * 1000 / (to - from), u.ru_maxrss);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "sqlite:/tmp/rookery-enrol.db";
    int peers = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 10000;
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 4;
    struct vault *vault = vault_new();
    struct mgmt_opts o = {.store_url = url, .vault = vault};
    struct rk_key key = {.b = {1}};
    struct rk_err err = {0};
    const struct snapshot *s;
    int64_t start;

    if (threads < 1 || threads > 64 || peers < 10)
        return 2;
    if (vault_add_key(vault, &key, &err) || mgmt_open(&m, &o, &err))
        die("open", &err);
    account_make();
    for (int i = 0; i < 10; i++)
        step(peers / 10 * i, peers / 10 * (i + 1), threads);
    mgmt_close(m);
    start = rk_mono_ms();
    if (mgmt_open(&m, &o, &err) || mgmt_snapshot(m, RK_STR("acc"), &s, &err))
        die("load", &err);
    (void)printf("{\"load_ms\":%lld}\n", (long long)(rk_mono_ms() - start));
    snap_unref(s);
    mgmt_close(m);
    vault_free(vault);
    return 0;
}
