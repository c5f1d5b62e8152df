/* SPDX-License-Identifier: BSD-3-Clause */
/* Admin commands that open the store directly; safe beside a running server (they only read). */
#include "config.h"

#include "server/admin.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "management/store/db.h"
#include "management/store/journal_state.h"
#include "server/options.h"
#include "server/wiring.h"

struct admin_opts {
    struct rk_str config;
};

static const struct rk_opt OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct admin_opts, config),
     .arg = "FILE",
     .help = "configuration file"},
};

static const struct server_command CMD = {
    .name = "admin",
    .args = "COMMAND",
    .what =
        "Commands:\n"
        "  journal verify   check that the journal of changes was not altered, and that the\n"
        "                   tables say what it says: status 0 when every account's chain holds,\n"
        "                   else the first place where it breaks",
    .table = OPTS,
    .n = RK_ARRAY_LEN(OPTS),
};

static enum rk_code verify(struct rk_arena *mem, struct db *db, const struct vault *vault,
                           bool *broken, struct rk_err *err)
{
    struct journal_report report = {0};
    struct rk_str account = {0};
    enum rk_code rc = journal_state_verify_all(db, vault, mem, &account, &report, err);

    if (rc)
        return rc;
    *broken = report.broken;
    if (report.broken)
        printf("BROKEN: account %.*s, entry %lld: %s\n", RK_STR_ARG(account),
               (long long)report.bad_seq, report.reason);
    else
        printf("the journal is whole and the tables are as it says: %lld entries checked\n",
               (long long)report.rows);
    return RK_OK;
}

static enum rk_code journal_verify_cmd(struct rk_arena *mem, const char *path, bool *broken,
                                       struct rk_err *err)
{
    struct server_config c;
    struct db_opts opts = {0};
    RK_CLEANUP(vault_freep) struct vault *vault = NULL;
    RK_CLEANUP(db_closep) struct db *db = NULL;
    enum rk_code rc = server_config_load(mem, path, &c, NULL, err);

    if (rc == RK_OK)
        rc = wiring_vault(mem, &c, &vault, err);
    if (rc == RK_OK)
        rc = wiring_store_url(mem, &c, &opts.url, err);
    if (rc == RK_OK)
        rc = db_open(&db, &opts, err);
    if (rc == RK_OK)
        rc = verify(mem, db, vault, broken, err);
    return rc;
}

int server_admin_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct admin_opts o = {0};
    struct rk_err err = {0};
    bool broken = false;
    enum rk_code rc;
    int rest, status;

    if (!server_options_load(mem, &CMD, &o, argc, argv, &rest, &status))
        return status;
    if (rest != 2 || strcmp(argv[0], "journal") != 0 || strcmp(argv[1], "verify") != 0) {
        (void)fprintf(stderr, "rookery admin: unknown command; see --help\n");
        return 2;
    }
    rc = journal_verify_cmd(mem, o.config.n ? rk_arena_dupz(mem, o.config) : NULL, &broken, &err);
    if (rc) {
        (void)fprintf(stderr, "rookery admin: %s\n", err.msg);
        return EXIT_FAILURE;
    }
    return broken ? EXIT_FAILURE : EXIT_SUCCESS;
}
