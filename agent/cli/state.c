/* SPDX-License-Identifier: BSD-3-Clause */
/* `state`: what the daemon notes to undo after a crash. */
#include "config.h"

#include <stdio.h>

#include "agent/cli/cli_priv.h"

#define TIMEOUT_MS 30000

int cmd_state_list(struct cli *c)
{
    json_t *result = cli_ask(c, "states", NULL, TIMEOUT_MS);
    const json_t *name;
    size_t i;

    if (!result)
        return 1;
    (void)printf("Stored states:\n");
    json_array_foreach (json_object_get(result, "states"), i, name)
        (void)printf("- %s\n", json_string_value(name));
    json_decref(result);
    return 0;
}

static int change(struct cli *c, const char *call, const char *done)
{
    json_t *result;
    json_int_t n;

    if (c->v.cli.all == (c->n_rest == 1)) {
        (void)fprintf(stderr, "Error: name one state, or give --all\n");
        return 1;
    }
    result = cli_ask(
        c, call,
        json_pack("{s:b,s:s}", "all", (int)c->v.cli.all, "name", c->n_rest ? c->rest[0] : ""),
        TIMEOUT_MS);
    if (!result)
        return 1;
    n = json_integer_value(json_object_get(result, "states"));
    (void)printf("%s %" JSON_INTEGER_FORMAT " state%s\n", done, n, n == 1 ? "" : "s");
    json_decref(result);
    return 0;
}

int cmd_state_clean(struct cli *c)
{
    return change(c, "state_clean", "Cleaned");
}

int cmd_state_delete(struct cli *c)
{
    return change(c, "state_delete", "Deleted");
}
