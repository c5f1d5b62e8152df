/* SPDX-License-Identifier: BSD-3-Clause */
/* Variables of the environment that have no option here, or another name; see foreign.h. */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/foreign.h"
#include "agent/config/options.h"

extern char **environ;

#define NAME_MAX_BYTES 96
#define UNKNOWN_TOLD   16 /* whatever else begins so on this machine */

static const char *const PREFIXES[] = {"ROOK_", "NB_"};

static void tell(struct rk_log *log, const char *name, const char *why)
{
    rk_log(log, RK_WARN, "a variable of the environment has no effect", kv_z("name", name),
           kv_z("why", why));
}

static const char *rest_of(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

/* "enable-ssh-root" is called ENABLE_SSH_ROOT. */
static bool is_called(const char *flag, const char *name)
{
    while (*flag && (*flag == '-' ? '_' : toupper((unsigned char)*flag)) == *name) {
        flag++;
        name++;
    }
    return *flag == *name;
}

static bool fits(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);

    return pattern[n - 1] == '*' ? strncmp(pattern, name, n - 1) == 0 : strcmp(pattern, name) == 0;
}

/* One of the names that a row has; a secret also with _FILE. */
static bool has_name(const struct rk_opt *row, const char *name)
{
    struct rk_str rest = rk_str_z(row->env ? row->env : ""), one;

    while (rest.n) {
        (void)rk_str_cut(rest, ' ', &one, &rest);
        if (rk_str_eqz(one, name) ||
            (row->type == RK_OPT_SECRET && strlen(name) > one.n &&
             memcmp(name, one.p, one.n) == 0 && strcmp(name + one.n, "_FILE") == 0))
            return true;
    }
    return false;
}

static bool told_of_row(struct rk_log *log, const char *name, const char *rest, const char *value)
{
    size_t n;
    const struct rk_opt *rows = options_foreign(&n);

    for (size_t i = 0; i < n; i++) {
        if (!is_called(rows[i].flag, rest))
            continue;
        if (!rk_opt_is_quiet(rows[i].quiet, rk_str_z(value)))
            tell(log, name, rows[i].refuse ? rows[i].refuse : rows[i].idle);
        return true;
    }
    return false;
}

static bool told_of_variable(struct rk_log *log, const char *name, const char *rest,
                             const char *value)
{
    size_t n;
    const struct options_variable *v = options_variables(&n);

    for (size_t i = 0; i < n; i++) {
        if (!fits(v[i].name, rest))
            continue;
        if (!rk_opt_is_quiet(v[i].quiet, rk_str_z(value)))
            tell(log, name, v[i].why);
        return true;
    }
    return false;
}

static bool is_known(const struct rk_opt *rows, size_t n, const char *name, const char *rest)
{
    static const char *const applied[] = {"SKIP_NFTABLES_CHECK", "FORCE_USERSPACE_FIREWALL",
                                          "LOG_FORMAT"};

    for (size_t i = 0; i < RK_ARRAY_LEN(applied); i++)
        if (strcmp(rest, applied[i]) == 0)
            return true;
    for (size_t i = 0; i < n; i++)
        if (has_name(&rows[i], name))
            return true;
    return false;
}

/* Options of the official client that ours has under another command, or nowhere. */
static bool told_of_option(struct rk_log *log, const struct rk_opt *rows, size_t n,
                           const char *name, const char *rest, const char *value)
{
    for (size_t i = 0; i < n; i++) {
        if ((!rows[i].idle && !rows[i].refuse) || !is_called(rows[i].flag, rest))
            continue;
        if (rows[i].refuse && !rk_opt_is_quiet(rows[i].quiet, rk_str_z(value)))
            tell(log, name, rows[i].refuse);
        return true;
    }
    return false;
}

void foreign_env(struct rk_log *log)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    size_t n, unknown = 0;
    const struct rk_opt *rows = options_table(mem, ~0u, &n);

    for (char **e = environ; *e; e++) {
        char name[NAME_MAX_BYTES];
        const char *value = strchr(*e, '='), *rest = NULL;

        if (!value || (size_t)(value - *e) >= sizeof name)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)(value - *e), *e);
        for (size_t k = 0; k < RK_ARRAY_LEN(PREFIXES) && !rest; k++)
            rest = rest_of(name, PREFIXES[k]);
        if (!rest || told_of_row(log, name, rest, value + 1) ||
            told_of_variable(log, name, rest, value + 1) || is_known(rows, n, name, rest) ||
            told_of_option(log, rows, n, name, rest, value + 1))
            continue;
        if (value[1] && ++unknown <= UNKNOWN_TOLD)
            tell(log, name, "nothing here has that name");
    }
}

static bool is_true(const char *name)
{
    const char *v = getenv(name);

    return v && rk_opt_is_quiet("true|1", rk_str_z(v)) && *v;
}

void foreign_env_apply(const struct rk_opts *o, struct daemon_opts *d)
{
    const char *format = getenv("NB_LOG_FORMAT");

    if (rk_opt_source_of(o, "firewall") == RK_OPT_DEFAULT) {
        if (is_true("NB_FORCE_USERSPACE_FIREWALL"))
            d->firewall = RK_STR("own");
        else if (is_true("NB_SKIP_NFTABLES_CHECK"))
            d->firewall = RK_STR("iptables");
    }
    if (format && rk_str_ieq(rk_str_z(format), RK_STR("json")) &&
        rk_opt_source_of(o, "log-json") == RK_OPT_DEFAULT)
        d->log_json = true;
}
