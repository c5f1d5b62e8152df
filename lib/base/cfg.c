/* SPDX-License-Identifier: BSD-3-Clause */
/* Table-driven options; see cfg.h. */
#include "config.h"

#include "lib/base/cfg.h"
#include "lib/base/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/num.h"

enum { NAME_MAX_LEN = 64, HELP_INDENT = 8 };

static void *value_at(const struct rk_opts *o, const struct rk_opt *opt)
{
    return (char *)o->values + opt->at;
}

static const char *source_name(enum rk_opt_source s)
{
    static const char *const names[] = {"default", "file", "environment", "command line"};

    return names[s];
}

/* ---- one value */

static bool parse_bool(struct rk_str v, bool *out)
{
    static const char *const words[2][5] = {{"false", "0", "off", "no", "f"},
                                            {"true", "1", "on", "yes", "t"}};

    for (int b = 0; b < 2; b++)
        for (size_t i = 0; i < RK_ARRAY_LEN(words[b]); i++)
            if (rk_str_ieq(v, rk_str_z(words[b][i]))) {
                *out = b;
                return true;
            }
    return false;
}

/* *v as the table spells it. */
static bool is_choice(const char *choices, struct rk_str *v)
{
    struct rk_str item, rest = rk_str_z(choices);
    bool more = true;

    while (more) {
        more = rk_str_cut(rest, '|', &item, &rest);
        if (rk_str_ieq(item, *v)) {
            *v = item;
            return true;
        }
    }
    return false;
}

bool rk_opt_is_quiet(const char *quiet, struct rk_str v)
{
    return !v.n || (quiet && is_choice(quiet, &v));
}

static enum rk_code set_number(const struct rk_opt *opt, int64_t *slot, struct rk_str v,
                               struct rk_err *err)
{
    int64_t n;

    if (opt->type == RK_OPT_I64) {
        if (rk_parse_i64(v, INT64_MIN, INT64_MAX, &n, NULL))
            return rk_fail(err, RK_INVALID, "\"%.*s\" is not a number", RK_STR_ARG(v));
        if (n < opt->min || n > opt->max)
            return rk_fail(err, RK_INVALID, "%" PRId64 " is not between %" PRId64 " and %" PRId64,
                           n, opt->min, opt->max);
    } else {
        if (rk_parse_duration_ms(v, &n, NULL))
            return rk_fail(err, RK_INVALID, "\"%.*s\" is not a duration such as 15s or 1h30m",
                           RK_STR_ARG(v));
        if (n < opt->min || n > opt->max)
            return rk_fail(err, RK_INVALID,
                           "%" PRId64 " ms is not between %" PRId64 " and %" PRId64, n, opt->min,
                           opt->max);
    }
    *slot = n;
    return RK_OK;
}

static enum rk_code set_text(const struct rk_opts *o, const struct rk_opt *opt, struct rk_str *slot,
                             struct rk_str v, struct rk_err *err)
{
    /* an empty value means "not set"; whether that is allowed says `required` */
    if (v.n && opt->max && ((int64_t)v.n < opt->min || (int64_t)v.n > opt->max))
        return rk_fail(err, RK_INVALID, "has %zu characters, not between %" PRId64 " and %" PRId64,
                       v.n, opt->min, opt->max);
    if (v.n && opt->check && opt->check(v, err))
        return err ? err->code : RK_INVALID;
    *slot = rk_str_of(rk_arena_dupz(o->mem, v), v.n);
    return RK_OK;
}

static enum rk_code add_item(const struct rk_opts *o, const struct rk_opt *opt,
                             struct rk_strs *list, struct rk_str item, struct rk_err *err)
{
    size_t max = opt->max ? (size_t)opt->max : RK_OPT_LIST_MAX;
    struct rk_strs l = {rk_new_n(o->mem, struct rk_str, list->n + 1), list->n};

    item = rk_str_trim(item);
    if (!item.n)
        return RK_OK;
    if (l.n == max)
        return rk_fail(err, RK_INVALID, "has more than %zu items", max);
    if (opt->check && opt->check(item, err))
        return err ? err->code : RK_INVALID;
    for (size_t i = 0; i < list->n; i++)
        l.items[i] = list->items[i];
    l.items[l.n++] = rk_str_of(rk_arena_dupz(o->mem, item), item.n);
    *list = l;
    return RK_OK;
}

/* Items are added behind those that the same source gave before. */
static enum rk_code add_items(const struct rk_opts *o, const struct rk_opt *opt,
                              struct rk_strs *list, struct rk_str v, struct rk_err *err)
{
    struct rk_strs l = *list;
    struct rk_str item, rest = v;
    enum rk_code rc = RK_OK;
    bool more = true;

    while (more && rc == RK_OK) {
        more = rk_str_cut(rest, ',', &item, &rest);
        rc = add_item(o, opt, &l, item, err);
    }
    if (rc == RK_OK)
        *list = l;
    return rc;
}

static enum rk_code set_value(const struct rk_opts *o, const struct rk_opt *opt, struct rk_str v,
                              bool append, struct rk_err *err)
{
    void *slot = value_at(o, opt);
    struct rk_strs *list = slot;

    if (!v.n) { /* not set */
        if (opt->type == RK_OPT_BOOL || opt->type == RK_OPT_I64 || opt->type == RK_OPT_DURATION)
            v = opt->def ? rk_str_z(opt->def) : RK_STR("0");
        else if (opt->def && (opt->type == RK_OPT_CHOICE || opt->required))
            v = rk_str_z(opt->def);
    }
    switch (opt->type) {
    case RK_OPT_BOOL:
        if (!parse_bool(v, slot))
            return rk_fail(err, RK_INVALID, "\"%.*s\" is neither true nor false", RK_STR_ARG(v));
        return RK_OK;
    case RK_OPT_I64:
    case RK_OPT_DURATION:
        return set_number(opt, slot, v, err);
    case RK_OPT_CHOICE:
        if (v.n && !is_choice(opt->choices, &v))
            return rk_fail(err, RK_INVALID, "\"%.*s\" is none of %s", RK_STR_ARG(v), opt->choices);
        return set_text(o, opt, slot, v, err);
    case RK_OPT_TEXT:
    case RK_OPT_SECRET:
        return set_text(o, opt, slot, v, err);
    case RK_OPT_LIST:
        if (!append)
            *list = (struct rk_strs){0};
        return add_items(o, opt, list, v, err);
    }
    return rk_fail(err, RK_INTERNAL, "option type %d", (int)opt->type);
}

/* ---- finding options */

static const struct rk_opt *find(const struct rk_opt *table, size_t n, struct rk_str flag)
{
    for (size_t i = 0; i < n; i++)
        if (rk_str_eqz(flag, table[i].flag))
            return &table[i];
    return NULL;
}

static enum rk_code unknown(const struct rk_opts *o, const char *dashes, struct rk_str name,
                            enum rk_code code, struct rk_err *err)
{
    struct rk_nearest near = {0};

    for (size_t i = 0; i < o->n; i++)
        if (o->table[i].help)
            rk_nearest_offer(&near, name, o->table[i].flag);
    name = rk_str_sub(name, 0, NAME_MAX_LEN);
    if (near.best)
        return rk_fail(err, code, "unknown option %s%.*s, did you mean %s%s?", dashes,
                       RK_STR_ARG(name), dashes, near.best);
    return rk_fail(err, code, "unknown option %s%.*s (see --help)", dashes, RK_STR_ARG(name));
}

void rk_opts_note(struct rk_opts *o, struct rk_str sentence)
{
    struct rk_str *items = rk_new_n(o->mem, struct rk_str, o->notes.n + 1);

    for (size_t i = 0; i < o->notes.n; i++)
        items[i] = o->notes.items[i];
    items[o->notes.n] = sentence;
    o->notes = (struct rk_strs){items, o->notes.n + 1};
}

/* A row that stores nothing. shown: how the user wrote its name. */
static enum rk_code store_nothing(struct rk_opts *o, const struct rk_opt *opt, const char *shown,
                                  struct rk_str v, struct rk_err *err)
{
    if (rk_opt_is_quiet(opt->quiet, v))
        return RK_OK;
    if (opt->refuse)
        return rk_fail(err, RK_INVALID, "%s", opt->refuse);
    rk_opts_note(o, rk_arena_printf(o->mem, "%s has no effect: %s", shown, opt->idle));
    return RK_OK;
}

/* Store one value of a source; a lower source never overrides a higher one. */
static enum rk_code store(struct rk_opts *o, const struct rk_opt *opt, const char *shown,
                          struct rk_str v, enum rk_opt_source source, struct rk_err *err)
{
    enum rk_opt_source *who = &o->source[opt - o->table];
    enum rk_code rc;

    if (opt->idle || opt->refuse)
        return store_nothing(o, opt, shown, v, err);
    if (*who > source)
        return RK_OK;
    rc = set_value(o, opt, v, *who == source && source == RK_OPT_ARGV, err);
    if (rc == RK_OK)
        *who = source;
    return rc;
}

/* A secret from a file: all of it but one newline at the end. */
static enum rk_code read_secret(const struct rk_opts *o, struct rk_str path, struct rk_str *out,
                                struct rk_err *err)
{
    const char *name = rk_arena_dupz(o->mem, path);
    struct rk_buf b;
    struct rk_str text;
    enum rk_code rc;

    rk_buf_init(&b, RK_OPT_FILE_MAX);
    rc = rk_file_read(name, 0, &b, err);
    text = rk_buf_str(&b);
    if (text.n && text.p[text.n - 1] == '\n')
        text.n--;
    if (text.n && text.p[text.n - 1] == '\r')
        text.n--;
    if (rc == RK_OK)
        *out = rk_arena_dup(o->mem, text);
    else if (err)
        err->code = rc = RK_INVALID; /* the option's value is wrong, whatever the reason */
    if (b.n)
        explicit_bzero(b.p, b.n);
    rk_buf_done(&b);
    return rc ? RK_INVALID : RK_OK;
}

/* ---- sources */

enum rk_code rk_opts_init(struct rk_opts *o, const struct rk_opt *table, size_t n, void *values,
                          struct rk_arena *mem, struct rk_err *err)
{
    *o = (struct rk_opts){.table = table,
                          .n = n,
                          .values = values,
                          .source = rk_new_n(mem, enum rk_opt_source, n),
                          .mem = mem};
    for (size_t i = 0; i < n; i++)
        if (table[i].def && set_value(o, &table[i], rk_str_z(table[i].def), false, err))
            return rk_wrap(err, "default of %s", table[i].flag);
    return RK_OK;
}

enum rk_code rk_opt_set(struct rk_opts *o, struct rk_str flag, struct rk_str value,
                        enum rk_opt_source source, struct rk_err *err)
{
    const struct rk_opt *opt = find(o->table, o->n, flag);

    if (!opt)
        return unknown(o, "", flag, RK_NOT_FOUND, err);
    if (store(o, opt, opt->flag, value, source, err))
        return err ? rk_wrap(err, "%s", opt->flag) : RK_INVALID;
    return RK_OK;
}

enum rk_code rk_opt_add(struct rk_opts *o, struct rk_str flag, struct rk_str item, bool first,
                        enum rk_opt_source source, struct rk_err *err)
{
    const struct rk_opt *opt = find(o->table, o->n, flag);
    struct rk_strs *list;

    if (!opt || opt->type != RK_OPT_LIST || opt->idle || opt->refuse)
        return rk_opt_set(o, flag, item, source, err);
    if (o->source[opt - o->table] > source)
        return RK_OK;
    list = value_at(o, opt);
    if (first)
        *list = (struct rk_strs){0};
    o->source[opt - o->table] = source;
    if (add_item(o, opt, list, item, err))
        return err ? rk_wrap(err, "%s", opt->flag) : RK_INVALID;
    return RK_OK;
}

/* What Kubernetes puts into every container, for each service it knows: NAME_PORT=tcp://IP:PORT. */
static bool is_service_link(const char *var, const char *v)
{
    static const char *const schemes[] = {"tcp://", "udp://", "sctp://"};
    bool link = false;

    for (size_t i = 0; i < RK_ARRAY_LEN(schemes) && !link; i++)
        link = rk_str_starts(rk_str_z(v), rk_str_z(schemes[i]));
    return link && rk_str_ends(rk_str_z(var), RK_STR("_PORT"));
}

/* One variable, then, for secrets, the one that names a file. True when it was set. */
static bool from_variable(struct rk_opts *o, const struct rk_opt *opt, struct rk_str name,
                          enum rk_code *rc, struct rk_err *err)
{
    char var[NAME_MAX_LEN + sizeof "_FILE"];
    const char *v;
    struct rk_str secret;

    (void)snprintf(var, sizeof var, "%.*s", RK_STR_ARG(rk_str_sub(name, 0, NAME_MAX_LEN)));
    v = getenv(var);
    if (v && is_service_link(var, v)) {
        rk_opts_note(o, rk_arena_printf(o->mem,
                                        "environment variable %s is passed over: \"%s\" is the "
                                        "address of a service",
                                        var, v));
        return false;
    }
    if (v && *v) {
        *rc = store(o, opt, var, rk_str_z(v), RK_OPT_ENV, err);
    } else if (opt->type == RK_OPT_SECRET) {
        (void)snprintf(var, sizeof var, "%.*s_FILE", RK_STR_ARG(rk_str_sub(name, 0, NAME_MAX_LEN)));
        v = getenv(var);
        if (!v || !*v)
            return false;
        *rc = read_secret(o, rk_str_z(v), &secret, err);
        if (*rc == RK_OK)
            *rc = store(o, opt, var, secret, RK_OPT_ENV, err);
    } else {
        return false;
    }
    if (*rc && err)
        (void)rk_wrap(err, "environment variable %s", var);
    return true;
}

enum rk_code rk_opts_env(struct rk_opts *o, struct rk_err *err)
{
    for (size_t i = 0; i < o->n; i++) {
        struct rk_str name, rest = rk_str_z(o->table[i].env);
        enum rk_code rc = RK_OK;
        bool done = false;

        while (rest.n && !done) {
            (void)rk_str_cut(rest, ' ', &name, &rest);
            done = name.n && from_variable(o, &o->table[i], name, &rc, err);
        }
        if (rc)
            return rc;
    }
    return RK_OK;
}

/* One argument taken apart; value.p is NULL when it has none in the same word. */
struct word {
    const struct rk_opt *opt;
    struct rk_str name, value;
    bool from_file; /* --x-file: the value is a path */
    bool negated;   /* --no-x */
};

static bool secret_file(const struct rk_opts *o, struct word *w)
{
    struct rk_str end = RK_STR("-file");

    if (!rk_str_ends(w->name, end))
        return false;
    w->opt = find(o->table, o->n, rk_str_sub(w->name, 0, w->name.n - end.n));
    w->from_file = w->opt && w->opt->type == RK_OPT_SECRET;
    return w->from_file;
}

static bool negated_bool(const struct rk_opts *o, struct word *w)
{
    if (!rk_str_starts(w->name, RK_STR("no-")))
        return false;
    w->opt = find(o->table, o->n, rk_str_sub(w->name, 3, w->name.n));
    w->negated = w->opt && w->opt->type == RK_OPT_BOOL;
    return w->negated;
}

static enum rk_code split_word(const struct rk_opts *o, const char *arg, struct word *w,
                               struct rk_err *err)
{
    *w = (struct word){0};
    if (arg[1] == '-') {
        bool has = rk_str_cut(rk_str_z(arg + 2), '=', &w->name, &w->value);

        if (!has)
            w->value = (struct rk_str){0};
        w->opt = find(o->table, o->n, w->name);
        if (!w->opt && !secret_file(o, w) && !negated_bool(o, w))
            return unknown(o, "--", w->name, RK_INVALID, err);
        return RK_OK;
    }
    w->name = rk_str_of(arg + 1, 1);
    for (size_t i = 0; i < o->n && !w->opt; i++)
        if (o->table[i].letter == arg[1])
            w->opt = &o->table[i];
    if (!w->opt)
        return unknown(o, "-", w->name, RK_INVALID, err);
    if (arg[2])
        w->value = rk_str_z(arg + 2 + (arg[2] == '='));
    return RK_OK;
}

/* Overwrite a secret in argv: other users see it there. */
static void blank(const char *p, size_t n)
{
    volatile char *v = (volatile char *)(uintptr_t)p;

    for (size_t i = 0; i < n; i++)
        v[i] = 'x';
}

/* *at is the word; moved on when its value is the next one. */
static enum rk_code take_option(struct rk_opts *o, int argc, char **argv, int *at,
                                struct rk_err *err)
{
    struct rk_err local;
    struct rk_err *e = err ? err : &local;
    enum rk_code rc;
    struct word w;
    struct rk_str shown;

    rc = split_word(o, argv[*at], &w, e);
    if (rc)
        return rc;
    if (w.opt->type == RK_OPT_BOOL) {
        if (!w.value.p)
            w.value = w.negated ? RK_STR("false") : RK_STR("true");
        else if (w.negated)
            return rk_fail(e, RK_INVALID, "option --%.*s takes no value", RK_STR_ARG(w.name));
    } else if (!w.value.p) {
        if (*at + 1 >= argc)
            return rk_fail(e, RK_INVALID, "option %s needs a value", argv[*at]);
        w.value = rk_str_z(argv[++*at]);
    }
    shown = w.value;
    if (w.from_file)
        rc = read_secret(o, w.value, &w.value, e);
    if (rc == RK_OK)
        rc = store(o, w.opt, rk_arena_printf(o->mem, "--%s", w.opt->flag).p, w.value, RK_OPT_ARGV,
                   e);
    if (rc)
        (void)rk_wrap(e, "option --%.*s",
                      RK_STR_ARG(w.name.n == 1 ? rk_str_z(w.opt->flag) : w.name));
    if (w.opt->type == RK_OPT_SECRET && !w.from_file)
        blank(shown.p, shown.n);
    return rc;
}

enum rk_code rk_opts_args(struct rk_opts *o, int argc, char **argv, int *n_rest, struct rk_err *err)
{
    bool options = true;
    int rest = 0;

    for (int i = 0; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            enum rk_code rc = take_option(o, argc, argv, &i, err);

            if (rc)
                return rc;
        } else {
            argv[rest++] = argv[i];
        }
    }
    *n_rest = rest;
    return RK_OK;
}

static bool is_empty(const struct rk_opts *o, const struct rk_opt *opt)
{
    const void *slot = value_at(o, opt);

    switch (opt->type) {
    case RK_OPT_TEXT:
    case RK_OPT_SECRET:
    case RK_OPT_CHOICE:
        return ((const struct rk_str *)slot)->n == 0;
    case RK_OPT_LIST:
        return ((const struct rk_strs *)slot)->n == 0;
    case RK_OPT_I64:
    case RK_OPT_DURATION:
    case RK_OPT_BOOL:
        break;
    }
    return false;
}

enum rk_code rk_opts_check(const struct rk_opts *o, struct rk_err *err)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct rk_opt *opt = &o->table[i];
        const struct rk_strs *list = value_at(o, opt);

        if (opt->required && is_empty(o, opt))
            return rk_fail(err, RK_INVALID, "--%s is required%s%s%s", opt->flag,
                           opt->env ? " (environment: " : "", opt->env ? opt->env : "",
                           opt->env ? ")" : "");
        if (opt->type == RK_OPT_LIST && (int64_t)list->n < opt->min)
            return rk_fail(err, RK_INVALID, "--%s needs at least %" PRId64 " items", opt->flag,
                           opt->min);
    }
    return RK_OK;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

enum rk_code rk_opts_load(struct rk_opts *o, const struct rk_opt *table, size_t n, void *values,
                          struct rk_arena *mem, int argc, char **argv, int *n_rest, bool *want_help,
                          struct rk_err *err)
{
    enum rk_code rc = rk_opts_init(o, table, n, values, mem, err);

    *want_help = false;
    if (rc)
        return rc;
    if (asks_for_help(argc, argv)) {
        *want_help = true;
        *n_rest = 0;
        return RK_OK;
    }
    rc = rk_opts_env(o, err);
    if (rc == RK_OK)
        rc = rk_opts_args(o, argc, argv, n_rest, err);
    return rc ? rc : rk_opts_check(o, err);
}

enum rk_opt_source rk_opt_source_of(const struct rk_opts *o, const char *flag)
{
    const struct rk_opt *opt = find(o->table, o->n, rk_str_z(flag));

    return opt ? o->source[opt - o->table] : RK_OPT_DEFAULT;
}

/* ---- showing */

const char *rk_opt_arg_name(const struct rk_opt *opt)
{
    if (opt->arg)
        return opt->arg;
    switch (opt->type) {
    case RK_OPT_BOOL:
        return "";
    case RK_OPT_I64:
        return "N";
    case RK_OPT_DURATION:
        return "DURATION";
    case RK_OPT_CHOICE:
        return opt->choices;
    case RK_OPT_LIST:
        return "A,B,...";
    case RK_OPT_TEXT:
    case RK_OPT_SECRET:
        break;
    }
    return "TEXT";
}

static void help_row(const struct rk_opt *opt, struct rk_buf *out)
{
    struct rk_str name, rest = rk_str_z(opt->env);
    const char *arg = rk_opt_arg_name(opt);

    if (opt->letter)
        rk_buf_printf(out, "  -%c, --%s", opt->letter, opt->flag);
    else
        rk_buf_printf(out, "      --%s", opt->flag);
    rk_buf_printf(out, "%s%s\n%*s%s", *arg ? " " : "", arg, HELP_INDENT, "", opt->help);
    if (opt->type == RK_OPT_SECRET)
        rk_buf_printf(out, " (--%s-file PATH reads it from a file)", opt->flag);
    rk_buf_addz(out, "\n");
    if (opt->def && *opt->def)
        rk_buf_printf(out, "%*s[default: %s", HELP_INDENT, "", opt->def);
    else
        rk_buf_printf(out, "%*s[%s", HELP_INDENT, "", opt->required ? "required" : "default: none");
    if (opt->type == RK_OPT_I64)
        rk_buf_printf(out, ", %" PRId64 " to %" PRId64, opt->min, opt->max);
    while (rest.n) {
        (void)rk_str_cut(rest, ' ', &name, &rest);
        rk_buf_printf(out, ", $%.*s", RK_STR_ARG(name));
    }
    rk_buf_addz(out, "]\n");
}

void rk_opts_help(const struct rk_opt *table, size_t n, struct rk_buf *out)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].help)
            help_row(&table[i], out);
}

static void show_value(const struct rk_opts *o, const struct rk_opt *opt, struct rk_buf *out)
{
    const void *slot = value_at(o, opt);
    const struct rk_str *text = slot;
    const struct rk_strs *list = slot;

    switch (opt->type) {
    case RK_OPT_BOOL:
        rk_buf_addz(out, *(const bool *)slot ? "true" : "false");
        break;
    case RK_OPT_I64:
        rk_buf_printf(out, "%" PRId64, *(const int64_t *)slot);
        break;
    case RK_OPT_DURATION:
        rk_buf_printf(out, "%" PRId64 "ms", *(const int64_t *)slot);
        break;
    case RK_OPT_SECRET:
        rk_buf_addz(out, text->n ? "(set)" : "(not set)");
        break;
    case RK_OPT_TEXT:
    case RK_OPT_CHOICE:
        rk_buf_printf(out, "\"%.*s\"", RK_STR_ARG(*text));
        break;
    case RK_OPT_LIST:
        rk_buf_addc(out, '[');
        for (size_t i = 0; i < list->n; i++)
            rk_buf_printf(out, "%s\"%.*s\"", i ? ", " : "", RK_STR_ARG(list->items[i]));
        rk_buf_addc(out, ']');
        break;
    }
}

void rk_opts_show(const struct rk_opts *o, struct rk_buf *out)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct rk_opt *opt = &o->table[i];

        if (opt->idle || opt->refuse)
            continue;
        rk_buf_printf(out, "%s: ", opt->flag);
        show_value(o, opt, out);
        rk_buf_printf(out, "  # %s%s%s\n", source_name(o->source[i]), opt->env ? ", " : "",
                      opt->env ? opt->env : "");
    }
}
