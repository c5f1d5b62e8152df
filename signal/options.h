/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of rookery-signal: flags of the official signal server and ours. */
#ifndef RK_SIGNAL_OPTIONS_H
#define RK_SIGNAL_OPTIONS_H

#include "lib/serve/svc.h"

struct sig_options { /* open */
    struct svc_common common;
    struct rk_str listen_address; /* empty: port */
    int64_t port;                 /* 0: 443 with TLS, else 80 */
    int64_t legacy_port;          /* 0: none */
    int64_t max_peers, send_timeout_ms;
    bool greeting;
};

extern const struct svc_program SIG_PROGRAM;

/** Listeners, at most two. Errors: RK_INVALID naming the flag. */
enum rk_code sig_options_check(const struct sig_options *o, struct edge_listen listen[2],
                               size_t *n_listen, struct rk_err *err) RK_MUST;

#endif
