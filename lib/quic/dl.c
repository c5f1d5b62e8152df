/* SPDX-License-Identifier: BSD-3-Clause */
/* ngtcp2 and GnuTLS on demand; see dl.h. */
#include "config.h"

#define QUIC_DL_OWN_NAMES
#include "lib/quic/dl.h"

#include "lib/base/dl.h"
#include "lib/base/num.h"

struct quic_dl quic_dl;

#define X(name) {#name, offsetof(struct quic_dl, name)},
static const struct rk_dl_sym NGTCP2_SYMS[] = {QUIC_DL_NGTCP2(X)};
static const struct rk_dl_sym CRYPTO_SYMS[] = {QUIC_DL_CRYPTO(X)};
static const struct rk_dl_sym GNUTLS_SYMS[] = {QUIC_DL_GNUTLS(X)};
#undef X

#define LIBRARY(file, list)                                                                        \
    {                                                                                              \
        .soname = file, .purpose = "QUIC", .syms = list, .n = RK_ARRAY_LEN(list),                  \
        .table = &quic_dl, .lock = PTHREAD_MUTEX_INITIALIZER                                       \
    }

static struct rk_dl libraries[] = {
    LIBRARY(NGTCP2_SONAME, NGTCP2_SYMS),
    LIBRARY(NGTCP2_CRYPTO_GNUTLS_SONAME, CRYPTO_SYMS),
    LIBRARY(GNUTLS_SONAME, GNUTLS_SYMS),
};

enum rk_code quic_dl_load(struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < RK_ARRAY_LEN(libraries) && rc == RK_OK; i++)
        rc = rk_dl_load(&libraries[i], err);
    return rc;
}
