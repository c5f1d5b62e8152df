/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every key of the official management.json (spec/deploy.md 2.2): what is read here, what is
 * accepted without effect and why, what is refused. file.c reads the first kind by name; the walk
 * of file_keys.c answers for the others, and for keys that nobody knows. Main thread.
 */
#ifndef MGMT_FILE_KEYS_H
#define MGMT_FILE_KEYS_H

#include <jansson.h>

#include "lib/base/arena.h"
#include "lib/base/cfg.h"

struct mgmt_file_key { /* open, static */
    const char *path;  /* "TURNConfig.Turns[].URI"; one that ends in a dot stands for all below */
    const char *idle, *refuse,
        *quiet; /* as in struct rk_opt; neither of the first two: it is read */
};

extern const struct mgmt_file_key MGMT_FILE_KEYS[];
extern const size_t MGMT_N_FILE_KEYS;

/** Look at every value of the file. notes receives a sentence for each one without effect (arena).
 *  Errors: RK_INVALID naming a key that is refused. */
enum rk_code mgmt_file_keys_check(struct rk_arena *mem, const json_t *root, struct rk_strs *notes,
                                  struct rk_err *err) RK_MUST;

#endif
