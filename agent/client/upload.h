/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Giving a file to an upload service, as official agents do: GET its address with ?id=SHA-256 of
 * the management URL answers {"URL", "Key"}; the file is PUT to the URL; the key is what people who
 * look for it need. Blocks; main thread of a command.
 */
#ifndef RK_AGENT_UPLOAD_H
#define RK_AGENT_UPLOAD_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct upload_opts {              /* borrowed */
    struct rk_str service;        /* URL */
    struct rk_str management_url; /* tells the installations apart */
    bool insecure;                /* http and any certificate */
    struct rk_str content;
};

/** *key: arena. Errors: RK_INVALID (not https, and not insecure), RK_LIMIT (more than 50 MiB),
 *  RK_UNAVAILABLE, RK_TIMEOUT, RK_BAD_REQUEST (answers that make no sense). */
enum rk_code upload(struct rk_arena *mem, const struct upload_opts *o, struct rk_str *key,
                    struct rk_err *err) RK_MUST;

#endif
