/* SPDX-License-Identifier: BSD-3-Clause */
/* `service`: the daemon in this process, and as a unit of systemd. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli_priv.h"
#include "agent/cli/foreign.h"
#include "agent/cli/service.h"
#include "agent/client/setting.h"
#include "agent/config/profiles.h"
#include "agent/daemon/app.h"
#include "agent/os/files.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"

#define LOG_KEPT_BYTES   ((size_t)256 << 10) /* for debug bundles; takes memory as it fills */
#define PARAMS_MAX_BYTES ((size_t)64 << 10)

/* Where official agents of early versions had their one profile; only their own folder gets it. */
#define OFFICIAL_DIR    "/var/lib/netbird"
#define OFFICIAL_LEGACY "/etc/netbird/config.json"

/* ---- the daemon */

static struct rk_str join(struct rk_arena *mem, struct rk_str dir, const char *name)
{
    return rk_arena_printf(mem, "%.*s/%s", RK_STR_ARG(dir), name);
}

/* Settings that this command line or the environment gives go to the profile. */
static enum rk_code settings_to_profile(struct cli *c, struct profile *p, struct rk_err *err)
{
    struct rk_str flag, value;
    bool any = false;
    size_t i = 0;

    while (cli_next_setting(c, &i, &flag, &value)) {
        enum rk_code rc = setting_set(p, flag, value, err);

        if (rc)
            return rc;
        any = true;
    }
    return any ? profile_save(p, err) : RK_OK;
}

/* The profile of --profile (with -F), else the active one. */
static enum rk_code choose_profile(struct cli *c, struct profiles *ps, struct profile_ref *r,
                                   struct rk_err *err)
{
    enum rk_code rc;

    *r = profiles_active(ps, c->mem);
    if (!c->v.cli.profile.n)
        return RK_OK;
    rc = profiles_find(ps, c->mem, profiles_user(c->mem, geteuid()), c->v.cli.profile, r, err);
    return rc ? rc : profiles_activate(ps, r, err);
}

int cli_run_daemon(struct cli *c, bool foreground)
{
    const struct daemon_opts *d = &c->v.daemon;
    bool official = rk_str_eqz(d->state_dir, OFFICIAL_DIR);
    struct profiles *ps = profiles_open(d->state_dir, d->config, official ? OFFICIAL_LEGACY : NULL);
    struct app_opts opts = {.daemon = d,
                            .profiles = ps,
                            .resolv_backup = join(c->mem, d->state_dir, "resolv.conf.original").p,
                            .connect = foreground || d->setup_key.n,
                            .foreground = foreground};
    enum rk_log_level level = RK_INFO;
    struct profile_ref ref;
    struct rk_err err = {0};
    enum rk_code rc;

    RK_IGNORE(rk_log_level_parse(d->log_level, &level, NULL));
    opts.log = rk_log_new(STDERR_FILENO, level, d->log_json);
    rk_log_keep(opts.log, LOG_KEPT_BYTES);
    foreign_env(opts.log);
    rc = choose_profile(c, ps, &ref, &err);
    if (rc == RK_OK)
        rc = profile_load(ref.path.p, &opts.profile, &err);
    if (rc == RK_OK) {
        rc = settings_to_profile(c, opts.profile, &err);
        if (rc)
            profile_free(opts.profile);
    }
    if (rc == RK_OK)
        rc = app_run(&opts, &err);
    profiles_free(ps);
    rk_log_free(opts.log);
    if (rc && geteuid() != 0)
        (void)rk_wrap(&err, "the daemon needs root");
    return rc ? cli_complain(&err) : 0;
}

/* ---- what an installation was told, for the next one */

static struct rk_str params_path(struct cli *c)
{
    return rk_arena_printf(c->mem, "%.*s%.*s/service.json", RK_STR_ARG(c->v.cli.root),
                           RK_STR_ARG(c->v.daemon.state_dir));
}

static json_t *read_params(struct cli *c)
{
    struct rk_buf text;
    json_t *v = NULL;

    rk_buf_init(&text, PARAMS_MAX_BYTES);
    if (rk_file_read(params_path(c).p, 0, &text, NULL) == RK_OK)
        v = json_loadb(text.p ? text.p : "", text.n, 0, NULL);
    rk_buf_done(&text);
    if (!json_is_object(v)) {
        json_decref(v);
        v = json_object();
    }
    if (!json_is_object(json_object_get(v, "args")))
        (void)json_object_set_new(v, "args", json_object());
    return v;
}

static enum rk_code write_params(struct cli *c, const json_t *v, struct rk_err *err)
{
    char *text = json_dumps(v, JSON_INDENT(2));
    enum rk_code rc = text ? files_write(params_path(c).p, rk_str_z(text), 0600, err)
                           : rk_fail(err, RK_INTERNAL, "cannot write JSON");

    free(text);
    return rc;
}

/* What this command line says about daemon and settings. What the environment says stays there, and
 * secrets never come into a unit. */
static void note_args(struct cli *c, json_t *args)
{
    const struct rk_opt *groups[2];
    size_t counts[2];

    groups[0] = options_daemon(&counts[0]);
    groups[1] = options_settings(&counts[1]);
    for (size_t g = 0; g < 2; g++) {
        const char *base = g ? (const char *)&c->v.settings : (const char *)&c->v.daemon;

        for (size_t i = 0; i < counts[g]; i++) {
            const struct rk_opt *row = &groups[g][i];

            if (rk_opt_source_of(&c->o, row->flag) == RK_OPT_ARGV && row->type != RK_OPT_SECRET)
                (void)json_object_set_new(args, row->flag,
                                          cli_text_json(cli_opt_text(c, row, base + row->at)));
        }
    }
}

/* For the daemon's command line, in the order of the tables. */
static const char *const *unit_args(struct cli *c, const json_t *args, size_t *n)
{
    const struct rk_opt *groups[2];
    const char **out;
    size_t counts[2];

    groups[0] = options_daemon(&counts[0]);
    groups[1] = options_settings(&counts[1]);
    out = rk_new_n(c->mem, const char *, counts[0] + counts[1] + 1);
    *n = 0;
    for (size_t g = 0; g < 2; g++)
        for (size_t i = 0; i < counts[g]; i++) {
            const char *flag = groups[g][i].flag;
            const char *value = json_string_value(json_object_get(args, flag));

            if (value && groups[g][i].type != RK_OPT_SECRET)
                out[(*n)++] = rk_arena_printf(c->mem, "--%s=%s", flag, value).p;
        }
    return out;
}

/* A unit is for everybody to read. */
static bool names_secret(const struct cli *c)
{
    return rk_opt_source_of(&c->o, "setup-key") == RK_OPT_ARGV ||
           rk_opt_source_of(&c->o, "preshared-key") == RK_OPT_ARGV;
}

static enum rk_code install(struct cli *c, const char *verb, struct service_opts *o,
                            struct rk_err *err)
{
    json_t *params = read_params(c);
    json_t *args = json_object_get(params, "args");
    enum rk_code rc;

    if (names_secret(c)) {
        json_decref(params);
        return rk_fail(err, RK_INVALID,
                       "everybody may read a unit: give keys to \"rook up\" once the service runs");
    }
    note_args(c, args);
    if (c->v.cli.service_env.n)
        (void)json_object_set_new(params, "service_env", cli_text_json(c->v.cli.service_env));
    o->args = unit_args(c, args, &o->n_args);
    o->env =
        rk_arena_dup(c->mem, rk_str_z(json_string_value(json_object_get(params, "service_env"))));
    rc = service_do(verb, o, err);
    if (rc == RK_OK)
        rc = write_params(c, params, err);
    json_decref(params);
    return rc;
}

static enum rk_code reset_params(struct cli *c, struct rk_err *err)
{
    struct rk_str path = params_path(c);

    if (unlink(path.p) != 0 && errno != ENOENT)
        return rk_fail_errno(err, RK_INTERNAL, errno, "remove %s", path.p);
    (void)printf("The next \"rook service install\" takes what its command line says, and nothing "
                 "from earlier ones\n");
    return RK_OK;
}

int cmd_service(struct cli *c)
{
    struct service_opts o = {.name = c->v.cli.service, .root = c->v.cli.root};
    const char *verb = c->rest[0];
    struct rk_err err = {0};
    enum rk_code rc;

    if (strcmp(verb, "run") == 0)
        return cli_run_daemon(c, false);
    if (strcmp(verb, "install") == 0 || strcmp(verb, "reconfigure") == 0)
        rc = install(c, verb, &o, &err);
    else if (strcmp(verb, "reset-params") == 0)
        rc = reset_params(c, &err);
    else
        rc = service_do(verb, &o, &err);
    if (rc == RK_NOT_FOUND)
        (void)rk_fail(
            &err, rc,
            "usage: rook service run | install | reconfigure | reset-params | uninstall | "
            "start | stop | restart | status [options]");
    return rc ? cli_complain(&err) : 0;
}
