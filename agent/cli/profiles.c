/* SPDX-License-Identifier: BSD-3-Clause */
/* `profile`: identities of this machine. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "agent/cli/cli_priv.h"

#define TIMEOUT_MS 10000
#define ID_SHOWN   8

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

/* Columns: characters, not bytes. */
static int width(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void print_list(const json_t *list, bool ids)
{
    const json_t *p;
    int widest = 4;
    size_t i;

    json_array_foreach (list, i, p)
        if (width(text(p, "name")) > widest)
            widest = width(text(p, "name"));
    (void)printf("%s%-*s  ACTIVE\n", ids ? "ID        " : "", widest, "NAME");
    json_array_foreach (list, i, p) {
        if (ids)
            (void)printf("%-8.*s  ", ID_SHOWN, text(p, "id"));
        (void)printf("%s%*s  %s\n", text(p, "name"), widest - width(text(p, "name")), "",
                     json_is_true(json_object_get(p, "active")) ? "✓" : "");
    }
}

int cmd_profile_list(struct cli *c)
{
    json_t *result = cli_ask(c, "profiles", NULL, TIMEOUT_MS);

    if (!result)
        return 1;
    if (c->v.cli.json)
        cli_print_json(json_object_get(result, "profiles"));
    else
        print_list(json_object_get(result, "profiles"), c->v.cli.show_id);
    json_decref(result);
    return 0;
}

/* Two of one name can only be told apart by their ids. */
static void warn_double(struct cli *c, const char *name)
{
    json_t *result = cli_ask(c, "profiles", NULL, TIMEOUT_MS);
    const json_t *p;
    size_t i, n = 0;

    json_array_foreach (json_object_get(result, "profiles"), i, p)
        n += strcmp(text(p, "name"), name) == 0;
    if (n > 1)
        (void)fprintf(stderr,
                      "Warning: %zu profiles have this name now: \"rook profile list "
                      "--show-id\" tells them apart\n",
                      n);
    json_decref(result);
}

int cmd_profile_add(struct cli *c)
{
    json_t *result = cli_ask(c, "profile_add", json_pack("{s:s}", "name", c->rest[0]), TIMEOUT_MS);

    if (!result)
        return 1;
    (void)printf("Profile added: %.*s  %s\n", ID_SHOWN, text(result, "id"), text(result, "name"));
    warn_double(c, text(result, "name"));
    json_decref(result);
    return 0;
}

int cmd_profile_rename(struct cli *c)
{
    json_t *args = json_pack("{s:s,s:s}", "profile", c->rest[0], "name", c->rest[1]);
    json_t *result = cli_ask(c, "profile_rename", args, TIMEOUT_MS);

    if (!result)
        return 1;
    (void)printf("Profile renamed from %s to %s\n", text(result, "name"), c->rest[1]);
    json_decref(result);
    warn_double(c, c->rest[1]);
    return 0;
}

int cmd_profile_remove(struct cli *c)
{
    json_t *result =
        cli_ask(c, "profile_remove", json_pack("{s:s}", "profile", c->rest[0]), TIMEOUT_MS);

    if (!result)
        return 1;
    (void)printf("Profile removed: %s\n", text(result, "id"));
    json_decref(result);
    return 0;
}

int cmd_profile_select(struct cli *c)
{
    json_t *result = cli_ask(c, "profile_select", json_pack("{s:s}", "profile", c->rest[0]), 30000);

    if (!result)
        return 1;
    (void)printf(json_is_true(json_object_get(result, "already"))
                     ? "This profile is active already\n"
                     : "Profile switched; \"rook up\" connects with it\n");
    json_decref(result);
    return 0;
}
