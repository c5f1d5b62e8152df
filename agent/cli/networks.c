/* SPDX-License-Identifier: BSD-3-Clause */
/* `networks` and `forwarding`. */
#include "config.h"

#include <stdio.h>

#include "agent/cli/cli_priv.h"

#define TIMEOUT_MS 10000

static void print_networks(const json_t *list)
{
    const json_t *one, *domains, *d;
    size_t i, k;

    if (!json_array_size(list))
        (void)printf("No networks available.\n");
    json_array_foreach (list, i, one) {
        domains = json_object_get(one, "domains");
        (void)printf("- ID: %s\n  %s: ", json_string_value(json_object_get(one, "id")),
                     json_array_size(domains) ? "Domains" : "Network");
        json_array_foreach (domains, k, d)
            (void)printf("%s%s", k ? ", " : "", json_string_value(d));
        (void)printf("%s\n  Status: %s\n", json_string_value(json_object_get(one, "network")),
                     json_is_true(json_object_get(one, "selected")) ? "Selected" : "Not Selected");
    }
}

int cmd_networks_list(struct cli *c)
{
    json_t *result = cli_ask(c, "networks", NULL, TIMEOUT_MS);

    if (!result)
        return 1;
    if (c->v.cli.json)
        cli_print_json(json_object_get(result, "networks"));
    else
        print_networks(json_object_get(result, "networks"));
    json_decref(result);
    return 0;
}

static int choose(struct cli *c, const char *call, const char *done)
{
    json_t *ids = json_array();

    for (int i = 0; i < c->n_rest; i++) { /* several words, or one list with commas */
        struct rk_str id, rest = rk_str_z(c->rest[i]);

        while (rest.n) {
            (void)rk_str_cut(rest, ',', &id, &rest);
            if (id.n)
                (void)json_array_append_new(ids, cli_text_json(id));
        }
    }
    return cli_do(c, call, json_pack("{s:o,s:b}", "ids", ids, "append", (int)c->v.cli.append),
                  TIMEOUT_MS, done);
}

int cmd_networks_select(struct cli *c)
{
    return choose(c, "networks_select", "Networks selected");
}

int cmd_networks_deselect(struct cli *c)
{
    return choose(c, "networks_deselect", "Networks deselected");
}

/* This agent makes none: a map that has some is told of in `status -d`. */
int cmd_forwarding_list(struct cli *c)
{
    json_t *status = cli_ask(c, "status", NULL, TIMEOUT_MS);

    if (!status)
        return 1;
    (void)printf("No forwarding rules available.\n");
    (void)fprintf(stderr, "(this agent does not forward ports of this host to peers)\n");
    json_decref(status);
    return 0;
}
