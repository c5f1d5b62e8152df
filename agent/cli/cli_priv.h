/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of the command line, for agent/cli/ only. Main thread. */
#ifndef RK_AGENT_CLI_PRIV_H
#define RK_AGENT_CLI_PRIV_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/config/options.h"
#include "lib/base/arena.h"
#include "lib/base/cfg.h"
#include "lib/base/err.h"

struct cli {
    struct rk_arena *mem; /* wiping */
    struct all_opts v;
    struct rk_opts o;
    int n_rest;
    char **rest; /* words behind the command's own */
    bool help;
};

struct cli_command {
    const char *name; /* one word or more */
    unsigned groups;  /* OPTIONS_… */
    int (*run)(struct cli *c);
    const char *args; /* what --help shows behind the name; NULL: none */
    int min, max;     /* words that it takes */
    const char *help; /* NULL: another name for one that is listed */
};

/** All of them; for tests too. */
const struct cli_command *cli_commands(size_t *n);

/** Print an error; 1. */
int cli_complain(const struct rk_err *err);

/** Ask the daemon; args is taken. An error is printed. NULL: an error was. Else owned. */
json_t *cli_ask(struct cli *c, const char *call, json_t *args, int64_t timeout_ms);
/** Ask, and say `done` when it went well. */
int cli_do(struct cli *c, const char *call, json_t *args, int64_t timeout_ms, const char *done);

json_t *cli_text_json(struct rk_str s);
void cli_print_json(const json_t *v);

/** Settings that this command line or the environment gives, one by one, as texts. */
bool cli_next_setting(struct cli *c, size_t *i, struct rk_str *flag, struct rk_str *value);
/** The text of an option's value as a command line would have it. */
struct rk_str cli_opt_text(struct cli *c, const struct rk_opt *row, const void *at);

/** What --anonymize and --anonymize-level say together. */
enum cli_anon { CLI_ANON_NO, CLI_ANON_DEFAULT, CLI_ANON_STRICT };
enum cli_anon cli_anon_level(const struct cli *c);

/** The daemon in this process. */
int cli_run_daemon(struct cli *c, bool foreground);

/* Commands, by file. */
int cmd_up(struct cli *c); /* connect.c */
int cmd_login(struct cli *c);
int cmd_down(struct cli *c);
int cmd_logout(struct cli *c);
int cmd_status(struct cli *c);        /* cmd_status.c */
int cmd_networks_list(struct cli *c); /* networks.c */
int cmd_networks_select(struct cli *c);
int cmd_networks_deselect(struct cli *c);
int cmd_forwarding_list(struct cli *c);
int cmd_profile_list(struct cli *c); /* profiles.c */
int cmd_profile_add(struct cli *c);
int cmd_profile_rename(struct cli *c);
int cmd_profile_remove(struct cli *c);
int cmd_profile_select(struct cli *c);
int cmd_state_list(struct cli *c); /* state.c */
int cmd_state_clean(struct cli *c);
int cmd_state_delete(struct cli *c);
int cmd_service(struct cli *c);      /* cmd_service.c */
int cmd_debug_bundle(struct cli *c); /* debug.c */
int cmd_debug_for(struct cli *c);
int cmd_debug_log_level(struct cli *c);
int cmd_debug_persistence(struct cli *c);
int cmd_debug_config(struct cli *c);
int cmd_doctor(struct cli *c);     /* doctor.c */
int cmd_ssh_detect(struct cli *c); /* cmd_ssh.c */

#endif
