/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The debug bundle: a ZIP archive with the names that official ones have. Never in it: private
 * keys, pre-shared keys, tokens. Main thread of a command; takes seconds.
 */
#ifndef RK_AGENT_CLI_BUNDLE_H
#define RK_AGENT_CLI_BUNDLE_H

#include <jansson.h>

#include "agent/cli/cli_priv.h"
#include "lib/base/err.h"

struct bundle_opts {        /* borrowed */
    struct rk_str output;   /* file to make; empty: one in $TMPDIR or /tmp */
    const json_t *debug;    /* the daemon's answer to "debug"; NULL: it did not answer */
    const char *no_debug;   /* why it did not */
    const json_t *findings; /* of the doctor; NULL: none */
    enum cli_anon anon;
    bool system; /* what this machine says, too */
};

/** Make it. *path: its name; arena. Errors: RK_EXISTS (the file is there), RK_UNAVAILABLE. */
enum rk_code bundle_make(struct rk_arena *mem, const struct bundle_opts *o, struct rk_str *path,
                         struct rk_err *err) RK_MUST;

#endif
