/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery health`, for containers and scripts; see setup.h. */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/options.h"
#include "server/rest_call.h"
#include "server/setup.h"

struct health_opts {
    struct rk_str config, url;
};

static const struct rk_opt HEALTH_OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct health_opts, config),
     .arg = "FILE",
     .help = "configuration file; without one that in /etc/rookery or /etc/netbird, if there"},
    {.flag = "url",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct health_opts, url),
     .arg = "URL",
     .help = "address to ask instead of the configured one, e.g. http://127.0.0.1:8080/livez"},
};

static const struct server_command HEALTH = {
    .name = "health",
    .args = "",
    .what = "Status 0 when the server of this machine is ready.",
    .table = HEALTH_OPTS,
    .n = RK_ARRAY_LEN(HEALTH_OPTS),
};

/* The environment alone configures a server, too: then there is no file. */
static const char *config_of(struct rk_arena *mem, struct rk_str given)
{
    static const char *const places[] = {"/etc/rookery/config.yaml", "/etc/netbird/config.yaml"};

    if (given.n)
        return rk_arena_dupz(mem, given);
    for (size_t i = 0; i < RK_ARRAY_LEN(places); i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

int server_health_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct health_opts o = {0};
    struct server_config c;
    struct rest_target t = {0};
    struct rk_err err = {0};
    json_t *answer = NULL;
    const char *path = "/api/instance";
    long status = 0;
    enum rk_code rc = RK_OK;
    int ended;

    if (!server_options_load(mem, &HEALTH, &o, argc, argv, NULL, &ended))
        return ended;
    if (o.url.n) {
        t.base = o.url;
        path = "";
    } else {
        rc = server_config_load(mem, config_of(mem, o.config), &c, NULL, &err);
        if (rc == RK_OK)
            rest_target_of(mem, &c, &t);
    }
    if (rc == RK_OK)
        rc = rest_call(&t, "GET", path, (struct rk_str){0}, NULL, &status, &answer, &err);
    json_decref(answer);
    if (rc) {
        (void)fprintf(stderr, "rookery health: %s\n", err.msg);
        return EXIT_FAILURE;
    }
    printf("%s\n", status == 200 ? "ready" : "not ready");
    return status == 200 ? EXIT_SUCCESS : EXIT_FAILURE;
}
