/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS 1.2/1.3 on OpenSSL. A context holds certificates or roots and is shared by loops; a session
 * is one connection as a sans-I/O machine: ciphertext in, plaintext out and the other way round.
 *
 *     socket bytes ─▶ tls_sess_feed ─▶ tls_sess_read ─▶ plaintext
 *     plaintext ─▶ tls_sess_write ─▶ tls_sess_ops.output ─▶ socket bytes (full records)
 */
#ifndef RK_CRYPTO_TLS_H
#define RK_CRYPTO_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct tls_ctx;

struct tls_server_opts {   /* open; texts are copied */
    const char *cert_file; /* PEM, leaf first, then intermediates */
    const char *key_file;  /* PEM, not encrypted */
    /** What ALPN may select. NULL: the rule of the edge: a client that offers http/1.1 gets it, one
     *  that offers only h2 gets h2, one that offers neither is refused, no ALPN is fine. Else a
     *  comma-separated list in order of the server's preference. */
    const char *alpn;
};

struct tls_client_opts {  /* open; texts are copied; all may be zero */
    const char *ca_file;  /* PEM bundle trusted in addition to the system's roots */
    bool no_system_roots; /* trust only ca_file */
    bool insecure;        /* do not verify (tests and `doctor` only) */
};

/** Owned: tls_ctx_free. Errors: RK_INVALID naming the file and the reason. Reads files: blocks. */
enum rk_code tls_server_new(const struct tls_server_opts *opts, struct tls_ctx **out,
                            struct rk_err *err) RK_MUST;
enum rk_code tls_client_new(const struct tls_client_opts *opts, struct tls_ctx **out,
                            struct rk_err *err) RK_MUST;

/** Read the certificate files of a server (or roots of a client) again. New sessions use them, open
 *  ones go on. On an error the old ones stay in use. Any thread; blocks on files. */
enum rk_code tls_ctx_reload(struct tls_ctx *ctx, struct rk_err *err) RK_MUST;

/** Sessions that still exist keep what they need. Accepts NULL. */
void tls_ctx_free(struct tls_ctx *ctx);

/** Counts what tls_ctx_reload has loaded, from 1: who keeps something made of the certificate sees
 *  that it is out of date. Any thread. */
unsigned tls_ctx_generation(const struct tls_ctx *ctx);

/** Certificate chain (leaf first) and key of a server context as PEM, for a TLS machine that is not
 *  OpenSSL's (QUIC). key holds a secret: the caller wipes it. Any thread. RK_INTERNAL. */
enum rk_code tls_ctx_identity(struct tls_ctx *ctx, struct rk_buf *chain, struct rk_buf *key,
                              struct rk_err *err) RK_MUST;

/** Is this chain (DER, leaf first) one that a client context believes for a server of that name or
 *  IP literal? The same roots and rules as a session of its own. Any thread; may read a root from
 *  disk. Errors: RK_UNAUTHENTICATED with the reason, RK_BAD_REQUEST (no certificate). */
enum rk_code tls_ctx_verify(struct tls_ctx *ctx, const struct rk_str *chain, size_t n,
                            const char *server_name, struct rk_err *err) RK_MUST;

/** When the leaf certificate of a server context ends, ms since 1970; 0 for clients. Any thread. */
int64_t tls_ctx_not_after_ms(struct tls_ctx *ctx);

struct tls_sess;

struct tls_sess_user {
    /** Ciphertext for the socket; borrowed during the call. Runs inside the functions below. */
    void (*output)(struct tls_sess_user *u, struct rk_str cipher);
};

/** One connection. Server or client by the kind of ctx. Clients: server_name is verified and sent
 *  as SNI (an IP literal is verified and not sent); alpn is a comma-separated list or NULL.
 *  user is borrowed until tls_sess_free. Owned. One thread at a time. */
enum rk_code tls_sess_new(struct tls_ctx *ctx, const char *server_name, const char *alpn,
                          struct tls_sess_user *user, struct tls_sess **out,
                          struct rk_err *err) RK_MUST;
void tls_sess_free(struct tls_sess *s); /* accepts NULL */

/** Lend received ciphertext; it must stay in place until tls_sess_read has returned RK_OK with
 *  *n == 0 or tls_sess_unread has told how much is left. Nothing is processed here. */
void tls_sess_feed(struct tls_sess *s, struct rk_str cipher);
size_t tls_sess_unread(const struct tls_sess *s);

/** Drive the handshake. *done once both sides have finished. Errors: RK_UNAUTHENTICATED
 *  (certificate refused), RK_BAD_REQUEST (not TLS, no common parameters). Alerts leave by output.
 */
enum rk_code tls_sess_handshake(struct tls_sess *s, bool *done, struct rk_err *err) RK_MUST;

/** Up to size bytes of plaintext; *n == 0: more ciphertext is needed. *eof: close_notify came. */
enum rk_code tls_sess_read(struct tls_sess *s, char *buf, size_t size, size_t *n, bool *eof,
                           struct rk_err *err) RK_MUST;

/** Encrypt all of plain (after the handshake). */
enum rk_code tls_sess_write(struct tls_sess *s, struct rk_str plain, struct rk_err *err) RK_MUST;

/** Send close_notify. */
void tls_sess_shutdown(struct tls_sess *s);

/** Selected protocol ("h2", "http/1.1") or empty. Lent by the session. */
struct rk_str tls_sess_alpn(const struct tls_sess *s);

/** "TLSv1.3". Static text. */
const char *tls_sess_version(const struct tls_sess *s);

#endif
