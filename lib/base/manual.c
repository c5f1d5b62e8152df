/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines about commands and options; see manual.h. */
#include "config.h"

#include "lib/base/manual.h"

#include <stdio.h>
#include <string.h>

bool rk_manual_asked(int argc, char *const *argv)
{
    return argc == 1 && strcmp(argv[0], RK_MANUAL_FLAG) == 0;
}

/* One field: what would end it becomes a blank. */
static void put(struct rk_buf *out, const char *text, char end)
{
    for (const char *p = text ? text : ""; *p; p++)
        rk_buf_addc(out, *p == '\t' || *p == '\n' ? ' ' : *p);
    rk_buf_addc(out, end);
}

void rk_manual_program(struct rk_buf *out, const char *name, const char *what)
{
    put(out, "program", '\t');
    put(out, name, '\t');
    put(out, what, '\n');
}

void rk_manual_command(struct rk_buf *out, const char *name, const char *args, const char *what)
{
    put(out, "command", '\t');
    put(out, name, '\t');
    put(out, args, '\t');
    put(out, what, '\n');
}

static bool among(const char *flags, const char *flag)
{
    struct rk_str one, rest = rk_str_z(flags);

    while (rest.n) {
        (void)rk_str_cut(rest, ' ', &one, &rest);
        if (rk_str_eqz(one, flag))
            return true;
    }
    return !flags;
}

/* Whether the file that a secret is read from has a row of its own. */
static bool has_file_row(const struct rk_opt *table, size_t n, const struct rk_opt *secret)
{
    struct rk_str name = rk_str_z(secret->flag);

    for (size_t i = 0; i < n; i++) {
        struct rk_str other = rk_str_z(table[i].flag);

        if (rk_str_starts(other, name) &&
            rk_str_eqz(rk_str_sub(other, name.n, other.n - name.n), "-file"))
            return true;
    }
    return false;
}

static void put_option(struct rk_buf *out, const struct rk_opt *o, bool file_too)
{
    const char letter[3] = {'-', o->letter, '\0'};

    rk_buf_addz(out, "option\t--");
    put(out, o->flag, '\t');
    put(out, o->letter ? letter : "", '\t');
    put(out, rk_opt_arg_name(o), '\t');
    put(out, o->choices, '\t');
    put(out, o->required ? "required" : o->def, '\t');
    put(out, o->env, '\t');
    put(out, o->help, '\n');
    if (file_too)
        rk_buf_printf(out, "option\t--%s-file\t\tFILE\t\t\t\treads --%s from a file\n", o->flag,
                      o->flag);
}

void rk_manual_options(struct rk_buf *out, const struct rk_opt *table, size_t n, const char *flags)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].help && among(flags, table[i].flag))
            put_option(out, &table[i],
                       table[i].type == RK_OPT_SECRET && !has_file_row(table, n, &table[i]));
}

void rk_manual_print(struct rk_buf *out)
{
    (void)fwrite(out->p ? out->p : "", 1, out->n, stdout);
    rk_buf_done(out);
}
