/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The REST API alone, on a plain accept loop: for contract tests and benchmarks that want nothing
 * else in the way. Prints "port N", then obeys one command per line of standard input until it
 * ends, each answered by one line:
 *
 *   enrol SETUP-KEY N   log N new peers in
 *   connect PEER-ID     the peer holds its streams
 *   pat USER-ID         a token for anybody
 *   pend USER-ID        the user waits for approval, as after joining by a login
 *   proxy ADDRESS ACCOUNT  a proxy of an account ("-": of all) serves this cluster from now on
 *
 *   restd STORE-URL [setup-token]
 */
#include "config.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/id.h"
#include "lib/base/num.h"
#include "lib/crypto/vault.h"
#include "lib/http/h1.h"
#include "management/engine/presence.h"
#include "management/ops/peer_login.h"
#include "management/ops/proxy_nodes.h"
#include "management/ops/tokens.h"
#include "management/rest/rest.h"

#define STORE_THREADS 3

static int listen_any(unsigned *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, n) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&sa, &n)) {
        perror("restd: listen");
        exit(1);
    }
    *port = ntohs(sa.sin_port);
    return fd;
}

static struct mgmt *m; /* of the one server of this program */

static void check(enum rk_code rc, const struct rk_err *err)
{
    if (!rc)
        return;
    (void)fprintf(stderr, "restd: %s\n", err->msg);
    exit(1);
}

static bool can_reach(struct rest_jobs *j, struct rk_str peer_id)
{
    struct peer p = {.id = peer_id};

    (void)j;
    return presence_of(m, &p).connected;
}

static void enrol(struct db *db, struct rk_arena *mem, struct rk_str key, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        struct rk_err err = {0};
        struct peer_meta meta = {.hostname = rk_arena_printf(mem, "machine-%lld", (long long)i),
                                 .goos = RK_STR("linux"),
                                 .os = RK_STR("Debian GNU/Linux"),
                                 .os_version = RK_STR("12"),
                                 .kernel = RK_STR("Linux"),
                                 .kernel_version = RK_STR("6.1.0"),
                                 .version = RK_STR("0.65.0"),
                                 .capabilities = PEER_CAP_IPV6_OVERLAY};
        struct peer_login_req req = {.setup_key = key, .meta = &meta};
        struct peer_login_res res = {0};
        struct rk_key wg;

        rk_key_generate(&wg);
        req.key = rk_key_text(mem, &wg);
        check(peer_login(m, db, &req, &res, &err), &err);
        peer_login_done(&res);
    }
    printf("enrolled %lld\n", (long long)n);
}

struct grant {
    struct pat pat;
};

static enum rk_code grant_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    return tx_put(tx, ENT_PAT, &((struct grant *)arg)->pat, err);
}

static void grant(struct db *db, struct rk_arena *mem, struct rk_str user_id)
{
    const struct snapshot *s;
    const struct actor sys = ACTOR_SYSTEM;
    struct rk_err err = {0};
    struct grant g;
    struct rk_str plain;

    check(mgmt_snapshot_of_user(m, db, user_id, &s, &err), &err);
    plain = token_build(mem, user_id, RK_STR("granted"), 1, user_id, mgmt_now_us(m), &g.pat);
    check(mgmt_mutate(m, snap_account(s)->id, &sys, 0, grant_tx, &g, &err), &err);
    snap_unref(s);
    printf("%s\n", plain.p);
}

static enum rk_code pend_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct user *old = tx_get(tx, ENT_USER, *(const struct rk_str *)arg);
    struct user *u = rk_new(tx->mem, struct user);

    if (!old)
        return rk_fail(err, RK_NOT_FOUND, "no such user");
    *u = *old;
    u->blocked = u->pending_approval = true;
    return tx_put(tx, ENT_USER, u, err);
}

static void pend(struct db *db, struct rk_str user_id)
{
    const struct snapshot *s;
    const struct actor sys = ACTOR_SYSTEM;
    struct rk_err err = {0};

    check(mgmt_snapshot_of_user(m, db, user_id, &s, &err), &err);
    check(mgmt_mutate(m, snap_account(s)->id, &sys, 0, pend_tx, &user_id, &err), &err);
    snap_unref(s);
    printf("pending\n");
}

static void connect_proxy(struct db *db, struct rk_arena *mem, struct rk_str cluster,
                          struct rk_str account_id)
{
    struct rk_err err = {0};
    struct proxy_node n = {.id = rk_xid_new(mem),
                           .session = rk_xid_new(mem),
                           .account_id = rk_str_eqz(account_id, "-") ? RK_STR("") : account_id,
                           .cluster = cluster,
                           .ip = RK_STR("192.0.2.7"),
                           .version = RK_STR("0.1.0"),
                           .custom_ports = TRI_YES,
                           .require_subdomain = TRI_YES,
                           .crowdsec = TRI_NO,
                           .overlay = TRI_UNKNOWN};

    check(proxy_node_save(db, &n, mgmt_now_us(m), &err), &err);
    printf("%s\n", n.id.p);
}

static void obey(struct db *db, struct rk_str line)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str word, arg, more;
    int64_t n = 0;

    (void)rk_str_cut(line, ' ', &word, &arg);
    if (rk_str_eqz(word, "enrol") && rk_str_cut(arg, ' ', &arg, &more) &&
        !rk_parse_i64(more, 1, 1000000, &n, NULL)) {
        enrol(db, mem, arg, n);
    } else if (rk_str_eqz(word, "pat")) {
        grant(db, mem, arg);
    } else if (rk_str_eqz(word, "pend")) {
        pend(db, arg);
    } else if (rk_str_eqz(word, "proxy") && rk_str_cut(arg, ' ', &arg, &more)) {
        connect_proxy(db, mem, arg, more);
    } else if (rk_str_eqz(word, "connect")) {
        printf("%s\n", presence_connect(m, arg, rk_unix_us() * 1000) ? "connected" : "no");
    } else {
        printf("?\n");
    }
    (void)fflush(stdout);
}

/* Whole lines of standard input; false at its end. */
static bool commands(struct db *db, char *buf, size_t size, size_t *n)
{
    ssize_t got = read(0, buf + *n, size - *n);
    char *end;

    if (got <= 0)
        return false;
    *n += (size_t)got;
    while ((end = memchr(buf, '\n', *n)) != NULL) {
        size_t used = (size_t)(end - buf) + 1;

        obey(db, rk_str_of(buf, used - 1));
        memmove(buf, buf + used, *n - used);
        *n -= used;
    }
    return *n < size;
}

static void serve(struct http_h1 *h1, struct db *db, int fd)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    char buf[1000];
    size_t n_buf = 0;

    while (poll(p, 2, -1) > 0) {
        struct sockaddr_storage sa;
        socklen_t n = sizeof sa;
        struct rk_addr peer = {0};
        int c;

        if (p[1].revents && !commands(db, buf, sizeof buf, &n_buf))
            return;
        if (!(p[0].revents & POLLIN))
            continue;
        c = accept4(fd, (struct sockaddr *)&sa, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (c < 0)
            continue;
        if (rk_addr_from_sa((struct sockaddr *)&sa, &peer, NULL) ||
            http_h1_take_fd(h1, c, &peer, false, NULL))
            continue; /* the socket is closed already */
    }
}

int main(int argc, char **argv)
{
    struct rk_err err = {0};
    struct vault *vault = vault_new();
    struct rk_key key = {{1}}; /* fixed: a test may restart on the same store */
    struct rk_log *log = rk_log_new(2, getenv("RESTD_DEBUG") ? RK_DEBUG : RK_WARN, false);
    struct mgmt_opts mo = {.store_url = argc > 1 ? argv[1] : "", .vault = vault, .log = log};
    struct rest_jobs jobs = {can_reach};
    struct rest_opts ro = {.log = log,
                           .version = "0.1.0",
                           .setup_token = argc > 2 ? argv[2] : NULL,
                           .setup_pat = true,
                           .embedded_idp = !getenv("RESTD_NO_IDP"),
                           .jobs = &jobs,
                           .geo_names_path = getenv("RESTD_GEO"),
                           .resolver = getenv("RESTD_DNS")};
    struct rk_prefix loopback = {rk_ip4(127, 0, 0, 0), 8};
    struct http_dispatch_opts d = {.log = log, .trusted = {&loopback, 1}};
    struct http_h1_opts ho = {.log = log, .trusted = {&loopback, 1}, .max_per_address = 4096};
    struct http_router *router = http_router_new();
    struct rk_pool_ops ops;
    struct db *db = NULL;
    struct http_h1 *h1;
    unsigned port;
    int fd = listen_any(&port);

    if (argc < 2) {
        (void)fprintf(stderr, "usage: restd STORE-URL [setup-token]\n");
        return 2;
    }
    check(vault_add_key(vault, &key, &err), &err);
    check(mgmt_open(&m, &mo, &err), &err);
    check(mgmt_db_open(m, &db, &err), &err);
    ro.m = m;
    ops = mgmt_pool_ops(m);
    check(rk_pool_new(&d.pool, STORE_THREADS, 1000, &ops, &err), &err);
    check(rest_new(&ro, (struct rest **)&d.app, &err), &err);
    rest_attach(d.app, router, &d);
    d.router = router;
    ho.dispatch = http_dispatch_new(&d);
    check(http_h1_new(&ho, &h1, &err), &err);
    printf("port %u\n", port);
    (void)fflush(stdout);
    serve(h1, db, fd);
    rest_stop(d.app);
    http_h1_stop(h1, 2000);
    http_h1_free(h1);
    http_dispatch_free(ho.dispatch);
    rk_pool_free(d.pool);
    http_router_free(router);
    db_close(db);
    mgmt_close(m);
    rest_free(d.app);
    vault_free(vault);
    rk_log_free(log);
    close(fd);
    return 0;
}
