/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery admin`: work on the accounts and the stored data, with the server running or stopped. */
#ifndef RK_SERVER_ADMIN_H
#define RK_SERVER_ADMIN_H

#include <jansson.h>
#include <stdbool.h>

#include "server/conf.h"

/** Run with the arguments behind "admin". Returns the exit status: 0 done, 1 failed, 2 usage. */
int server_admin_main(int argc, char **argv);

struct admin_opts { /* open: every option of every command */
    struct rk_str config, email, user_id, name, role, password, groups, type, to, dsn, file,
        passphrase, expires_in, data, old_config, token;
    int64_t usage_limit, keep;
    bool json, service, ephemeral, with_secrets, force, verify, dry_run;
};

struct admin {            /* what a command on the store gets; open */
    struct rk_arena *mem; /* wiping */
    struct admin_opts o;
    struct server_config c;
    const char *config_path; /* NULL: none was given */
    const char *store_url;
    const char *word; /* what stands behind the command's name; NULL: nothing */
};

/* Commands on the store (admin_store.c, …): print their result. *failed: the answer is no (status
 * 1) although nothing went wrong. */
typedef enum rk_code admin_fn(struct admin *a, bool *failed, struct rk_err *err);
admin_fn admin_journal_verify, admin_backup, admin_restore, admin_db_migrate, admin_db_version,
    admin_db_check, admin_export, admin_import, admin_node_token, admin_node_join;

/** Read the configuration that a->o.config (or the usual place) names, and find the store. */
enum rk_code admin_load(struct admin *a, struct rk_err *err) RK_MUST;

/** Have a request of server/command answered: by the running server, or here on the store of one
 *  that is stopped. Takes over the request; *answer is owned. */
enum rk_code admin_ask(struct admin *a, json_t *request, json_t **answer,
                       struct rk_err *err) RK_MUST;

/** What root makes in the data folder belongs to whom the folder belongs. */
void admin_give_to_owner(struct admin *a, const char *path);

#endif
