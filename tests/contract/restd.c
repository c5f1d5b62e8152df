/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The REST API alone, on a plain accept loop: for contract tests and benchmarks that want nothing
 * else in the way. Prints "port N", runs until standard input ends.
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

#include "lib/crypto/vault.h"
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

static void serve(struct http_h1 *h1, int fd)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    char byte;

    while (poll(p, 2, -1) > 0) {
        struct sockaddr_storage sa;
        socklen_t n = sizeof sa;
        struct rk_addr peer = {0};
        int c;

        if (p[1].revents && read(0, &byte, 1) <= 0)
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

static void check(enum rk_code rc, const struct rk_err *err)
{
    if (!rc)
        return;
    (void)fprintf(stderr, "restd: %s\n", err->msg);
    exit(1);
}

int main(int argc, char **argv)
{
    struct rk_err err = {0};
    struct vault *vault = vault_new();
    struct rk_key key = {{1}}; /* fixed: a test may restart on the same store */
    struct rk_log *log = rk_log_new(2, getenv("RESTD_DEBUG") ? RK_DEBUG : RK_WARN, false);
    struct mgmt_opts mo = {.store_url = argc > 1 ? argv[1] : "", .vault = vault, .log = log};
    struct rest_opts ro = {.log = log,
                           .version = "0.1.0",
                           .setup_token = argc > 2 ? argv[2] : NULL,
                           .setup_pat = true,
                           .embedded_idp = true,
                           .geo_path = getenv("RESTD_GEO")};
    struct http_h1_opts ho = {.log = log};
    struct http_router *router = http_router_new();
    struct rk_pool_ops ops;
    struct http_h1 *h1;
    unsigned port;
    int fd = listen_any(&port);

    if (argc < 2) {
        (void)fprintf(stderr, "usage: restd STORE-URL [setup-token]\n");
        return 2;
    }
    check(vault_add_key(vault, &key, &err), &err);
    check(mgmt_open(&ro.m, &mo, &err), &err);
    ops = mgmt_pool_ops(ro.m);
    check(rk_pool_new(&ho.pool, STORE_THREADS, 1000, &ops, &err), &err);
    check(rest_new(&ro, (struct rest **)&ho.app, &err), &err);
    rest_attach(ho.app, router, &ho);
    ho.router = router;
    check(http_h1_new(&ho, &h1, &err), &err);
    printf("port %u\n", port);
    (void)fflush(stdout);
    serve(h1, fd);
    http_h1_stop(h1, 2000);
    http_h1_free(h1);
    rk_pool_free(ho.pool);
    rest_free(ho.app);
    http_router_free(router);
    mgmt_close(ro.m);
    vault_free(vault);
    rk_log_free(log);
    close(fd);
    return 0;
}
