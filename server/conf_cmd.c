/* SPDX-License-Identifier: BSD-3-Clause */
/* Check and show the configuration without starting anything. */
#include "config.h"

#include "server/conf_cmd.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crypto/tls.h"
#include "server/conf_keys.h"
#include "server/options.h"

struct config_opts {
    struct rk_str config;
};

static const struct rk_opt OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct config_opts, config),
     .arg = "FILE",
     .help = "configuration file"},
};

static const struct server_command CMD = {
    .name = "config",
    .args = "check|show|keys",
    .what = "check: status 1 and a message with file and line when something is wrong.\n"
            "show: the effective values, where each is from, and its environment variable.\n"
            "keys: upstream's keys and variables that have no effect here or are refused, and why.",
    .table = OPTS,
    .n = RK_ARRAY_LEN(OPTS),
};

/* What `run` would read at once. As the user that runs the server, or it says little. */
static enum rk_code check_tls(struct rk_arena *mem, const struct server_config *c,
                              struct rk_err *err)
{
    struct tls_server_opts o = {0};
    struct tls_ctx *ctx = NULL;
    enum rk_code rc;

    if (!c->tls_cert.n || c->acme_enabled) /* ACME's are made at the start */
        return RK_OK;
    o.cert_file = rk_arena_dupz(mem, c->tls_cert);
    o.key_file = rk_arena_dupz(mem, c->tls_key);
    rc = tls_server_new(&o, &ctx, err);
    tls_ctx_free(ctx);
    return rc ? rk_wrap(err, "server.tls") : RK_OK;
}

static enum rk_code check(struct rk_arena *mem, const char *path, struct rk_err *err)
{
    struct server_config c;
    struct rk_buf warnings;
    enum rk_code rc;

    rk_buf_init(&warnings, 1 << 16);
    rc = server_config_load(mem, path, &c, &warnings, err);
    if (rc == RK_OK)
        rc = check_tls(mem, &c, err);
    if (rc == RK_OK)
        printf("%.*sthe configuration is usable\n", (int)warnings.n, warnings.n ? warnings.p : "");
    rk_buf_done(&warnings);
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

int server_config_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct config_opts o = {0};
    struct rk_err err = {0};
    const char *path;
    enum rk_code rc;
    int rest, status;

    if (!server_options_load(mem, &CMD, &o, argc, argv, &rest, &status))
        return status;
    path = o.config.n ? rk_arena_dupz(mem, o.config) : NULL;
    if (rest == 1 && strcmp(argv[0], "check") == 0) {
        rc = check(mem, path, &err);
    } else if (rest == 1 && strcmp(argv[0], "show") == 0) {
        rc = show(mem, path, &err);
    } else if (rest == 1 && strcmp(argv[0], "keys") == 0) {
        keys();
        rc = RK_OK;
    } else {
        (void)fprintf(stderr, "rookery config: say check, show or keys; see --help\n");
        return 2;
    }
    if (rc)
        (void)fprintf(stderr, "rookery config: %s\n", err.msg);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
