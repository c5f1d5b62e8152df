/* SPDX-License-Identifier: BSD-3-Clause */
/* The TLS handshake of QUIC by GnuTLS; certificates and their verification are those of
 * lib/crypto/tls. See quic_priv.h. */
#include "config.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/crypto/secret.h"
#include "lib/quic/quic_priv.h"

enum {
    PEM_MAX = 1 << 20,
    CHAIN_MAX = 16, /* certificates that a server may send */
};

/* TLS 1.3 alone (RFC 9001 4.2); AES-128 first, as the CPU has it. */
#define PRIORITY                                                                                   \
    "%DISABLE_TLS13_COMPAT_MODE:%SERVER_PRECEDENCE:NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:"     \
    "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"      \
    "+GROUP-SECP384R1"

struct quic_creds {
    unsigned refs;
    struct tls_ctx *tls;
    unsigned generation;
    bool server;
    gnutls_certificate_credentials_t cred;
    gnutls_priority_t priority;
};

struct session {
    struct quic_creds *creds;
    ngtcp2_crypto_conn_ref *ref;
    char *server_name;
    struct rk_err why;
};

/* ---- verification */

static struct session *session_of(gnutls_session_t s)
{
    return gnutls_db_get_ptr(s); /* the other pointer is the one that ngtcp2 looks at */
}

static int verify(gnutls_session_t tls)
{
    struct session *s = session_of(tls);
    struct rk_str chain[CHAIN_MAX];
    unsigned n = 0;
    const gnutls_datum_t *peers = gnutls_certificate_get_peers(tls, &n);

    if (!peers || n > CHAIN_MAX) {
        (void)rk_fail(&s->why, RK_UNAUTHENTICATED, "the server sent no certificates, or too many");
        return GNUTLS_E_CERTIFICATE_ERROR;
    }
    for (unsigned i = 0; i < n; i++)
        chain[i] = rk_str_of(peers[i].data, peers[i].size);
    return tls_ctx_verify(s->creds->tls, chain, n, s->server_name, &s->why)
               ? GNUTLS_E_CERTIFICATE_ERROR
               : 0;
}

/* ---- credentials */

static int load(struct quic_creds *c, struct rk_err *err)
{
    struct rk_buf chain, key;
    gnutls_datum_t cert_pem, key_pem;
    int rv = GNUTLS_E_INTERNAL_ERROR;

    rk_buf_init(&chain, PEM_MAX);
    rk_buf_init(&key, PEM_MAX);
    if (tls_ctx_identity(c->tls, &chain, &key, err) == RK_OK) {
        cert_pem = (gnutls_datum_t){(unsigned char *)chain.p, (unsigned)chain.n};
        key_pem = (gnutls_datum_t){(unsigned char *)key.p, (unsigned)key.n};
        rv = gnutls_certificate_set_x509_key_mem2(c->cred, &cert_pem, &key_pem, GNUTLS_X509_FMT_PEM,
                                                  NULL, 0);
        if (rv < 0)
            (void)rk_fail(err, RK_INVALID, "QUIC: certificate: %s", gnutls_strerror(rv));
    }
    if (key.p)
        rk_secret_wipe(key.p, key.cap);
    rk_buf_done(&key);
    rk_buf_done(&chain);
    return rv;
}

enum rk_code quic_creds_new(struct tls_ctx *tls, bool server, struct quic_creds **out,
                            struct rk_err *err)
{
    struct rk_err why = {0};
    enum rk_code rc = quic_dl_load(err);
    struct quic_creds *c;
    bool ok;

    if (rc)
        return rc;
    c = rk_calloc(1, sizeof *c);
    c->refs = 1;
    c->tls = tls;
    c->server = server;
    c->generation = tls_ctx_generation(tls);
    (void)rk_fail(&why, RK_INTERNAL, "QUIC: GnuTLS does not start");
    ok = gnutls_certificate_allocate_credentials(&c->cred) == 0 &&
         gnutls_priority_init(&c->priority, PRIORITY, NULL) == 0 && (!server || load(c, &why) >= 0);
    if (!ok) {
        if (err)
            *err = why;
        quic_creds_unref(c);
        return why.code;
    }
    if (!server)
        gnutls_certificate_set_verify_function(c->cred, verify);
    *out = c;
    return RK_OK;
}

void quic_creds_unref(struct quic_creds *c)
{
    if (!c || --c->refs)
        return;
    if (c->cred)
        gnutls_certificate_free_credentials(c->cred);
    if (c->priority)
        gnutls_priority_deinit(c->priority);
    free(c);
}

bool quic_creds_stale(const struct quic_creds *c)
{
    return c->generation != tls_ctx_generation(c->tls);
}

/* ---- sessions */

static bool is_literal(const char *name)
{
    unsigned char ip[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1;
}

static bool set_up(struct session *s, gnutls_session_t tls, const char *alpn)
{
    gnutls_datum_t name = {(unsigned char *)(uintptr_t)alpn, (unsigned)strlen(alpn)};

    gnutls_db_set_ptr(tls, s);
    gnutls_session_set_ptr(tls, s->ref);
    gnutls_handshake_set_timeout(tls, 0); /* the connection has one */
    if (gnutls_priority_set(tls, s->creds->priority) ||
        gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, s->creds->cred) ||
        gnutls_alpn_set_protocols(tls, &name, 1, GNUTLS_ALPN_MANDATORY))
        return false;
    if (s->server_name && !is_literal(s->server_name) &&
        gnutls_server_name_set(tls, GNUTLS_NAME_DNS, s->server_name, strlen(s->server_name)))
        return false;
    return (s->creds->server ? ngtcp2_crypto_gnutls_configure_server_session(tls)
                             : ngtcp2_crypto_gnutls_configure_client_session(tls)) == 0;
}

gnutls_session_t quic_tls_session_new(struct quic_creds *creds, const char *alpn,
                                      const char *server_name, ngtcp2_crypto_conn_ref *ref)
{
    struct session *s = rk_calloc(1, sizeof *s);
    gnutls_session_t tls = NULL;

    s->creds = creds;
    creds->refs++;
    s->ref = ref;
    s->server_name = server_name ? rk_str_dupz(rk_str_z(server_name)) : NULL;
    if (gnutls_init(&tls, (creds->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NO_TICKETS |
                              GNUTLS_NO_END_OF_EARLY_DATA) ||
        !set_up(s, tls, alpn)) {
        if (tls)
            gnutls_deinit(tls);
        quic_creds_unref(creds);
        free(s->server_name);
        free(s);
        return NULL;
    }
    return tls;
}

void quic_tls_session_free(gnutls_session_t tls)
{
    struct session *s;

    if (!tls)
        return;
    s = session_of(tls);
    gnutls_deinit(tls);
    quic_creds_unref(s->creds);
    free(s->server_name);
    free(s);
}

const char *quic_tls_session_why(gnutls_session_t tls)
{
    return session_of(tls)->why.msg;
}
