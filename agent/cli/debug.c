/* SPDX-License-Identifier: BSD-3-Clause */
/* `debug`: for who looks for an error. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "agent/cli/cli_priv.h"

#define TIMEOUT_MS 10000

int cmd_debug_log_level(struct cli *c)
{
    json_t *result = cli_ask(c, "log_level", json_pack("{s:s}", "level", c->rest[0]), TIMEOUT_MS);

    if (!result)
        return 1;
    (void)printf("Log level is %s (it was %s) until the daemon is started again\n", c->rest[0],
                 json_string_value(json_object_get(result, "was")));
    json_decref(result);
    return 0;
}

int cmd_debug_persistence(struct cli *c)
{
    bool on = strcmp(c->rest[0], "on") == 0;

    if (!on && strcmp(c->rest[0], "off") != 0) {
        (void)fprintf(stderr, "Error: usage: rook debug persistence on|off\n");
        return 1;
    }
    return cli_do(c, "persistence", json_pack("{s:b}", "on", (int)on), TIMEOUT_MS,
                  on ? "The next network maps are kept for debug bundles"
                     : "No network map is kept");
}

int cmd_debug_config(struct cli *c)
{
    json_t *result = cli_ask(c, "debug", NULL, TIMEOUT_MS);

    if (!result)
        return 1;
    cli_print_json(json_object_get(result, "config"));
    json_decref(result);
    return 0;
}
