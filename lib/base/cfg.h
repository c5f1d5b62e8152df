/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of every program as a table: flag, environment names, type, default, range, help. One
 * row says all there is about an option; parsing, checking, --help and `config show` read it.
 *
 *   default < configuration file (the caller, rk_opt_set) < environment < command line
 *
 * An empty value means "not set": the default of a number, a choice or a required text, else none.
 * A variable that holds the address of a service ("tcp://10.0.0.1:80" in ..._PORT: Kubernetes sets
 * such ones for every service that it knows) is no setting and is passed over with a note.
 *
 * Values land in an open struct of the program by offset; its texts live in the arena. Main thread.
 *
 *   struct opts { struct rk_str listen; int64_t max_peers; bool stun; struct rk_strs proxies; };
 *   static const struct rk_opt OPTS[] = {
 *       {.flag = "listen-address", .letter = 'l', .env = "ROOKERY_RELAY_LISTEN NB_LISTEN_ADDRESS",
 *        .type = RK_OPT_TEXT, .def = ":443", .at = offsetof(struct opts, listen),
 *        .arg = "ADDR:PORT", .help = "TCP address to serve"},
 *   };
 */
#ifndef RK_BASE_CFG_H
#define RK_BASE_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define RK_OPT_LIST_MAX 256   /* items of one list option */
#define RK_OPT_FILE_MAX 65536 /* bytes of a file that a secret is read from */

enum rk_opt_type {
    RK_OPT_BOOL,     /* bool: --x, --x=false, --no-x; true|false|1|0|on|off|yes|no */
    RK_OPT_TEXT,     /* struct rk_str; min and max bound its length (max 0: none) */
    RK_OPT_SECRET,   /* struct rk_str, never shown; --x-file PATH and NAME_FILE in the environment
                        read it from a file (one final newline is dropped); a value on the command
                        line is overwritten in argv so that ps does not show it */
    RK_OPT_I64,      /* int64_t within [min, max] */
    RK_OPT_DURATION, /* int64_t milliseconds within [min, max]; "15s", "1h30m" */
    RK_OPT_CHOICE,   /* struct rk_str, one of `choices` ("debug|info|warn|error") in any case */
    RK_OPT_LIST,     /* struct rk_strs; comma separated; min and max bound the count (max 0:
                        RK_OPT_LIST_MAX). The flag may be repeated; a higher source replaces all. */
};

enum rk_opt_source { RK_OPT_DEFAULT, RK_OPT_FILE, RK_OPT_ENV, RK_OPT_ARGV };

struct rk_strs {          /* open */
    struct rk_str *items; /* arena */
    size_t n;
};

struct rk_opt {       /* open: a table row */
    const char *flag; /* long name without dashes; also its key for rk_opt_set */
    char letter;      /* short form, 0: none */
    const char *env;  /* names separated by blanks, the first that is set wins; NULL: none */
    enum rk_opt_type type;
    const char *def; /* default as text, NULL: zero value */
    int64_t min, max;
    const char *choices; /* RK_OPT_CHOICE */
    size_t at;           /* offsetof in the program's struct */
    const char *arg;     /* what --help calls the value; NULL: by type */
    const char *help;    /* one sentence; NULL hides the row from --help */
    bool required;       /* rk_opt_check refuses an empty value */
    /** What the type does not say, of a TEXT or SECRET or of each item of a LIST; NULL: nothing. */
    enum rk_code (*check)(struct rk_str value, struct rk_err *err);
    /* Rows of other programs' options, so that their files and command lines are understood. Such a
     * row stores nothing (`at` is not used). */
    const char *idle;   /* accepted, and a note says that it has no effect, and why */
    const char *refuse; /* refused, with this reason */
    const char *quiet; /* of both: values that ask for what happens anyway ("true|1"), as does "" */
};

struct rk_opts { /* open; made by rk_opts_init */
    const struct rk_opt *table;
    size_t n;
    void *values;               /* borrowed: the program's struct */
    enum rk_opt_source *source; /* arena: per row, who set it */
    struct rk_arena *mem;       /* borrowed */
    struct rk_strs notes;       /* arena: what was accepted without effect, a sentence each */
};

/** Zero-based start: sets every value to its default. Errors: RK_INVALID for a bad default (our
 *  bug, found by the first run). */
enum rk_code rk_opts_init(struct rk_opts *o, const struct rk_opt *table, size_t n, void *values,
                          struct rk_arena *mem, struct rk_err *err) RK_MUST;

/** Set one option by its flag name (configuration files). A lower source never overrides a higher
 *  one. Errors: RK_NOT_FOUND (no such option), RK_INVALID (value; the text names the option). */
enum rk_code rk_opt_set(struct rk_opts *o, struct rk_str flag, struct rk_str value,
                        enum rk_opt_source source, struct rk_err *err) RK_MUST;

/** Append one item to a list, commas and all; `first` starts the list over. Else as rk_opt_set. */
enum rk_code rk_opt_add(struct rk_opts *o, struct rk_str flag, struct rk_str item, bool first,
                        enum rk_opt_source source, struct rk_err *err) RK_MUST;

/** A sentence for whoever reads `notes`. */
void rk_opts_note(struct rk_opts *o, struct rk_str sentence); /* kept: arena or static */

/** Whether v is empty or stands in quiet ("true|1"; any case; NULL: nothing stands there). */
bool rk_opt_is_quiet(const char *quiet, struct rk_str v);

/** Read the environment. Errors: RK_INVALID naming the variable. */
enum rk_code rk_opts_env(struct rk_opts *o, struct rk_err *err) RK_MUST;

/** Read a command line (argv[0] is the first argument, not the program): --flag V, --flag=V, -l V,
 *  -lV, --bool, --no-bool; "--" ends options. What is not an option is moved to the front of argv
 *  and counted in *n_rest. Errors: RK_INVALID (unknown option with a hint, missing or bad value).
 */
enum rk_code rk_opts_args(struct rk_opts *o, int argc, char **argv, int *n_rest,
                          struct rk_err *err) RK_MUST;

/** After all sources: required options that are empty. RK_INVALID names flag and variable. */
enum rk_code rk_opts_check(const struct rk_opts *o, struct rk_err *err) RK_MUST;

/** init, environment, command line and check in one. *want_help is set instead of an error when
 *  --help or -h stands anywhere before "--". */
enum rk_code rk_opts_load(struct rk_opts *o, const struct rk_opt *table, size_t n, void *values,
                          struct rk_arena *mem, int argc, char **argv, int *n_rest, bool *want_help,
                          struct rk_err *err) RK_MUST;

/** Who set an option; RK_OPT_DEFAULT for an unknown name. */
enum rk_opt_source rk_opt_source_of(const struct rk_opts *o, const char *flag);

/** What --help calls the value of an option; "" of a switch. */
const char *rk_opt_arg_name(const struct rk_opt *opt);

/** The table as text for --help: names, environment, default, sentence. */
void rk_opts_help(const struct rk_opt *table, size_t n, struct rk_buf *out);

/** One line per option: "flag: value  # source, variables"; secrets as "(set)" or "(not set)". */
void rk_opts_show(const struct rk_opts *o, struct rk_buf *out);

#endif
