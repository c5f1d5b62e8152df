/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Certificates that we make ourselves: the answer to an ACME authority's TLS-ALPN-01 question
 * (RFC 8737), and a placeholder to listen with until the first real one is there.
 *
 * The answers are a small set in memory: put there by whoever runs the ACME client, looked up by a
 * server context when a client offers nothing but "acme-tls/1". Any thread.
 */
#ifndef RK_CRYPTO_ACME_CERT_H
#define RK_CRYPTO_ACME_CERT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct ssl_st; /* OpenSSL's SSL */

#define ACME_ALPN "acme-tls/1"

/** Answer for `name` (a domain, or an address as text): digest is the base64url SHA-256 of the key
 *  authorization. Errors: RK_INVALID (digest, name), RK_LIMIT (more than 32). */
enum rk_code acme_answer_put(struct rk_str name, struct rk_str digest, struct rk_err *err) RK_MUST;
void acme_answer_drop(struct rk_str name);

/** Are there any? Cheap. */
bool acme_answers(void);

/** Give the session the answer for a server name. false: there is none. For lib/crypto/tls. */
bool acme_answer_use(struct ssl_st *ssl, struct rk_str server_name);

/** A self-signed certificate for `name` and its key as PEM files (mode 0600). Errors:
 *  RK_UNAVAILABLE naming the file. */
enum rk_code acme_placeholder(struct rk_str name, const char *cert_file, const char *key_file,
                              struct rk_err *err) RK_MUST;

struct acme_cert_info {                /* open */
    int64_t not_before_s, not_after_s; /* Unix time */
    bool covers;                       /* the name that was asked for */
};
/** Read the leaf of a PEM file. RK_INVALID. */
enum rk_code acme_cert_read(const char *file, struct rk_str name, struct acme_cert_info *out,
                            struct rk_err *err) RK_MUST;

#endif
