/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery`: picks the command; everything else is in the files named after the commands. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/manual.h"
#include "server/acme.h"
#include "server/admin.h"
#include "server/ask.h"
#include "server/conf_cmd.h"
#include "server/doctor.h"
#include "server/run.h"
#include "server/setup.h"

static int version_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("rookery " PACKAGE_VERSION);
    return EXIT_SUCCESS;
}

static const struct command {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} COMMANDS[] = {
    {"run", "run the server: management, signal, relay and STUN in one process", server_run_main},
    {"setup", "set up this machine's server: configuration, owner, setup key", server_setup_main},
    {"config", "check or show the configuration", server_config_main},
    {"admin", "work on the stored data", server_admin_main},
    {"reach", "who can reach what, and why (not)", server_reach_main},
    {"history", "what was changed, by whom, newest first", server_history_main},
    {"diff", "what is different between two moments", server_diff_main},
    {"undo", "take a change back", server_undo_main},
    {"plan", "what a file of the network would change", server_plan_main},
    {"apply", "make the network what a file says", server_apply_main},
    {"export", "write the network as a file", server_export_main},
    {"doctor", "look at everything that usually is the matter, and say what helps",
     server_doctor_main},
    {"health", "status 0 when the server of this machine is ready", server_health_main},
    {"version", "print the version", version_main},
};

static void usage(FILE *out)
{
    (void)fputs("Usage: rookery [COMMAND] [OPTION…]\n\nCommands:\n", out);
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++)
        (void)fprintf(out, "  %-9s %s\n", COMMANDS[i].name, COMMANDS[i].help);
    (void)fputs("\nOptions without a command mean \"rookery run\". ", out);
    (void)fputs("\"rookery COMMAND --help\" lists the options of a command.\n", out);
}

/* Each command tells its own part. */
static int manual_main(char *flag)
{
    struct rk_buf out;

    rk_buf_init(&out, 4096);
    rk_manual_program(&out, "rookery",
                      "management, signal, relay and STUN for a WireGuard mesh in one process");
    rk_manual_print(&out);
    (void)fflush(stdout);
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++) {
        if (COMMANDS[i].run == version_main)
            continue;
        (void)COMMANDS[i].run(1, &flag);
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (getenv("ROOKERY_ACME_HOOK") && argc == 6) /* started by uacme, which we started */
        return server_acme_hook_main(argc - 1, argv + 1);

    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        return version_main(0, NULL);
    if (rk_manual_asked(argc - 1, argv + 1))
        return manual_main(argv[1]);
    for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++)
        if (strcmp(name, COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 2, argv + 2);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(stdout);
        return EXIT_SUCCESS;
    }
    if (strcmp(name, "token") == 0) /* an old spelling of the official server */
        return server_admin_main(argc - 1, argv + 1);
    if (name[0] == '-') /* as the official image calls its server: options and no command */
        return server_run_main(argc - 1, argv + 1);
    if (argc > 1) {
        struct rk_nearest near = {0};

        for (size_t i = 0; i < RK_ARRAY_LEN(COMMANDS); i++)
            rk_nearest_offer(&near, rk_str_z(name), COMMANDS[i].name);
        (void)fprintf(stderr, "rookery: unknown command \"%s\"%s%s%s\n\n", name,
                      near.best ? "; did you mean " : "", near.best ? near.best : "",
                      near.best ? "?" : "");
    }
    usage(stderr);
    return 2;
}
