/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Certificates by themselves: the ACME client `uacme` as a child process, our answers to the
 * authority's questions, and a certificate that is renewed at two thirds of its life.
 *
 *   thread ── runs ──▶ uacme ── runs ──▶ rookery (as its hook) ── hook.sock ──▶ thread
 *                                                                     │
 *     TLS-ALPN-01: lib/crypto/acme_cert, asked by the TLS listener ◀──┤
 *     HTTP-01: the listener on port 80, which else redirects     ◀────┘
 *
 * Files below `dir`: uacme's account and keys, `current` -> live-NUMBER with cert.pem and key.pem.
 * Until the first one is there a self-signed placeholder is used; an old certificate stays in force
 * whatever fails. docs/decisions/0010-acme-by-a-child.md says why not a client of our own.
 */
#ifndef RK_SERVER_ACME_H
#define RK_SERVER_ACME_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "server/conf.h"

struct acme;

struct acme_opts { /* open; lent until acme_free */
    const struct server_config *c;
    struct rk_log *log;
    struct rk_metrics *metrics;
    /** A new certificate stands in the files: use it. On the thread of the client. */
    void (*reload)(void *arg);
    void *arg;
};

/** Is the client that is run not installed? */
bool acme_missing(struct rk_arena *mem);

/** Make folder and placeholder where c->tls_cert and c->tls_key say. Before the listeners. Errors:
 * RK_UNAVAILABLE, RK_PRECONDITION (uacme is not installed). */
enum rk_code acme_prepare(struct rk_arena *mem, const struct server_config *c,
                          struct rk_err *err) RK_MUST;

/** Begin: the thread, and the listener on port 80 when it is configured. Owned: acme_free.
 *  Errors: RK_UNAVAILABLE (the port). */
enum rk_code acme_new(const struct acme_opts *opts, struct acme **out, struct rk_err *err) RK_MUST;
/** End the child and the threads. Accepts NULL. */
void acme_free(struct acme *a);

/** {"state":…,"next_try":…,"error":…}: for the health page and the doctor. Any thread. */
void acme_json(struct acme *a, struct rk_buf *out);

/** What uacme runs: rookery with ROOKERY_ACME_HOOK in its environment and five arguments. */
int server_acme_hook_main(int argc, char **argv);

#endif
