/* SPDX-License-Identifier: BSD-3-Clause */
/* Check and show the configuration without starting anything. */
#include "config.h"

#include "server/conf_cmd.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/conf_keys.h"
#include "server/options.h"
#include "server/routes.h"
#include "server/verify.h"

struct config_opts {
    struct rk_str config, cert, key;
};

static const struct rk_opt OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct config_opts, config),
     .arg = "FILE",
     .help = "configuration file"},
    {.flag = "cert",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct config_opts, cert),
     .arg = "FILE",
     .help = "proxy: its certificate in PEM"},
    {.flag = "key",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct config_opts, key),
     .arg = "FILE",
     .help = "proxy: its key"},
};

static const struct server_command PROXY = {
    .name = "config proxy",
    .args = "nginx|caddy|haproxy|traefik",
    .what = "what a reverse proxy of that kind needs in front of this server",
};

static const struct server_command CMD = {
    .name = "config",
    .args = "check|show|keys|proxy KIND",
    .below = &PROXY,
    .what =
        "check: status 1 and a message with file and line when something is wrong.\n"
        "show: the effective values, where each is from, and its environment variable.\n"
        "keys: upstream's keys and variables that have no effect here or are refused, and why.\n"
        "proxy nginx|caddy|haproxy|traefik: what a reverse proxy in front of this server needs.",
    .table = OPTS,
    .n = RK_ARRAY_LEN(OPTS),
};

static void say(const char *what, const struct rk_strs *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        (void)fprintf(stderr, "rookery config: %s%.*s\n", what, RK_STR_ARG(lines->items[i]));
}

/* As the user that runs the server, or it says little. */
static enum rk_code check(struct rk_arena *mem, const char *path, struct rk_err *err)
{
    struct server_config c;
    struct rk_strs problems = {0}, ports = {0};
    struct rk_buf warnings;
    enum rk_code rc;

    rk_buf_init(&warnings, 1 << 16);
    rc = server_config_load(mem, path, &c, &warnings, err);
    if (rc == RK_OK) {
        problems = server_verify(mem, &c);
        ports = server_verify_ports(mem, &c);
        say("", &problems);
        say("warning: ", &ports);
        printf("%.*s", (int)warnings.n, warnings.n ? warnings.p : "");
    }
    rk_buf_done(&warnings);
    if (rc == RK_OK && problems.n)
        rc = rk_fail(err, RK_INVALID, "%zu problem%s: \"rookery run\" would refuse to start",
                     problems.n, problems.n == 1 ? "" : "s");
    if (rc == RK_OK)
        puts("the configuration is usable");
    return rc;
}

static enum rk_code show(struct rk_arena *mem, const char *path, struct rk_err *err)
{
    struct rk_buf out;
    enum rk_code rc;

    rk_buf_init(&out, 1 << 20);
    rc = server_config_show(mem, path, &out, err);
    if (rc == RK_OK)
        (void)fwrite(out.p, 1, out.n, stdout);
    rk_buf_done(&out);
    return rc;
}

static enum rk_code proxy(struct rk_arena *mem, const struct config_opts *o, const char *path,
                          const char *kind, struct rk_err *err)
{
    static const char usual[] = "/etc/rookery/config.yaml";
    struct proxy_opts p = {.kind = kind, .cert = o->cert, .key = o->key};
    struct server_config c;
    struct rk_buf out;
    enum rk_code rc = server_config_load(mem,
                                         path                  ? path
                                         : access(usual, R_OK) ? NULL
                                                               : usual,
                                         &c, NULL, err);

    if (rc)
        return rc;
    rk_buf_init(&out, 1 << 16);
    rc = server_proxy_conf(mem, &c, &p, &out, err);
    if (rc == RK_OK)
        (void)fwrite(out.p, 1, out.n, stdout);
    rk_buf_done(&out);
    if (rc == RK_OK && !c.trusted_proxies.n)
        (void)fprintf(stderr, "rookery config: note: server.reverseProxy.trustedHTTPProxies is "
                              "empty: machines will seem to come from the proxy\n");
    return rc;
}

static void keys(void)
{
    for (size_t i = 0; i < SERVER_N_KEYS; i++) {
        const struct rk_opt *k = &SERVER_KEYS[i];

        if (k->idle)
            printf("%s: no effect: %s\n", k->env ? k->env : k->flag, k->idle);
        if (k->refuse)
            printf("%s: refused: %s\n", k->env ? k->env : k->flag, k->refuse);
    }
}

/* What is not for this one is refused; NULL: all fits. */
static const char *misfit(const struct config_opts *o, int n, char **args)
{
    bool is_proxy = n && strcmp(args[0], "proxy") == 0;

    if (is_proxy && n == 1)
        return "proxy: for which one? nginx, caddy, haproxy or traefik";
    if (is_proxy && n == 2 && !server_proxy_known(args[1]))
        return "proxy: nginx, caddy, haproxy and traefik are known";
    if (n && !is_proxy && (o->cert.n || o->key.n))
        return "--cert and --key are for \"rookery config proxy\" only";
    return NULL;
}

int server_config_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct config_opts o = {0};
    struct rk_err err = {0};
    const char *path, *why;
    enum rk_code rc;
    int rest, status;

    if (!server_options_load(mem, &CMD, &o, argc, argv, &rest, &status))
        return status;
    why = misfit(&o, rest, argv);
    if (why) {
        (void)fprintf(stderr, "rookery config: %s\n", why);
        return 2;
    }
    path = o.config.n ? rk_arena_dupz(mem, o.config) : NULL;
    if (rest == 1 && strcmp(argv[0], "check") == 0) {
        rc = check(mem, path, &err);
    } else if (rest == 1 && strcmp(argv[0], "show") == 0) {
        rc = show(mem, path, &err);
    } else if (rest == 1 && strcmp(argv[0], "keys") == 0) {
        keys();
        rc = RK_OK;
    } else if (rest == 2 && strcmp(argv[0], "proxy") == 0) {
        rc = proxy(mem, &o, path, argv[1], &err);
    } else {
        (void)fprintf(stderr, "rookery config: say check, show, keys or proxy; see --help\n");
        return 2;
    }
    if (rc)
        (void)fprintf(stderr, "rookery config: %s\n", err.msg);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
