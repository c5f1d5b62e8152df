/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of rookery's commands; see options.h. */
#include "config.h"

#include "server/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/manual.h"

static void print_manual(const struct server_command *cmd)
{
    struct rk_buf out;

    rk_buf_init(&out, 1 << 16);
    rk_manual_command(&out, cmd->name, cmd->args, cmd->what);
    rk_manual_options(&out, cmd->table, cmd->n, NULL);
    if (cmd->below) {
        rk_manual_command(&out, cmd->below->name, cmd->below->args, cmd->below->what);
        rk_manual_options(&out, cmd->table, cmd->n, NULL);
    }
    rk_manual_print(&out);
}

static bool load(struct rk_arena *mem, const struct server_command *cmd, void *values, int argc,
                 char **argv, int *n_rest, struct rk_opts *given, int *status)
{
    struct rk_err err = {0};
    struct rk_buf help;
    bool want_help = false;
    int rest = 0;
    enum rk_code rc;

    if (rk_manual_asked(argc, argv)) {
        print_manual(cmd);
        *status = EXIT_SUCCESS;
        return false;
    }
    rc = rk_opts_load(given, cmd->table, cmd->n, values, mem, argc, argv, &rest, &want_help, &err);

    if (want_help) {
        rk_buf_init(&help, 1 << 16);
        rk_opts_help(cmd->table, cmd->n, &help);
        printf("Usage: rookery %s [OPTION…]%s%s\n\n%s\n\n%.*s", cmd->name, *cmd->args ? " " : "",
               cmd->args, cmd->what, (int)help.n, help.p ? help.p : "");
        rk_buf_done(&help);
        *status = EXIT_SUCCESS;
        return false;
    }
    if (rc == RK_OK && rest && !n_rest)
        rc = rk_fail(&err, RK_INVALID, "unexpected argument \"%s\"", argv[0]);
    if (rc) {
        (void)fprintf(stderr, "rookery %s: %s\n", cmd->name, err.msg);
        *status = 2;
        return false;
    }
    if (n_rest)
        *n_rest = rest;
    return true;
}

bool server_options_load(struct rk_arena *mem, const struct server_command *cmd, void *values,
                         int argc, char **argv, int *n_rest, int *status)
{
    struct rk_opts given;

    return load(mem, cmd, values, argc, argv, n_rest, &given, status);
}

bool server_options_given(struct rk_arena *mem, const struct server_command *cmd, void *values,
                          int argc, char **argv, struct rk_opts *given, int *status)
{
    return load(mem, cmd, values, argc, argv, NULL, given, status);
}
