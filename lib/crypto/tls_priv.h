/* SPDX-License-Identifier: BSD-3-Clause */
/* What lib/crypto/tls_peer.c needs of a context; internal to lib/crypto. */
#ifndef RK_CRYPTO_TLS_PRIV_H
#define RK_CRYPTO_TLS_PRIV_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "lib/crypto/tls.h"

/** What is loaded now, with a reference: SSL_CTX_free. Any thread. */
SSL_CTX *tls_ctx_ssl(struct tls_ctx *ctx);

bool tls_ctx_insecure(const struct tls_ctx *ctx);

#endif
