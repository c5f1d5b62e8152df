/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS on OpenSSL with a BIO of our own, so that bytes are not copied through memory BIOs; see
 * tls.h.
 */
#include "config.h"

#include "lib/crypto/acme_cert.h"
#include "lib/crypto/tls.h"
#include "lib/crypto/tls_priv.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

enum {
    ALPN_MAX = 64,
    RECORD_MAX = 16384,
    HASHED_CERTS_MIN = 16, /* fewer are somebody's own, beside a bundle */
};

struct tls_ctx {
    _Atomic unsigned refs; /* owner and sessions */
    bool server;
    bool edge_alpn; /* the edge's rule instead of a list */
    bool no_system_roots, insecure;
    char *cert_file, *key_file, *ca_file;
    unsigned char alpn[ALPN_MAX]; /* wire form, server's preference */
    unsigned alpn_n;
    BIO_METHOD *bio;
    pthread_mutex_t lock; /* guards ssl and not_after_ms */
    SSL_CTX *ssl;
    int64_t not_after_ms;
    _Atomic unsigned generation;
};

struct tls_sess {
    struct tls_ctx *ctx; /* reference */
    SSL *ssl;
    struct tls_sess_user *user;
    struct rk_str in; /* lent ciphertext that OpenSSL has not taken yet */
};

/* Text of the oldest error in OpenSSL's queue, which it empties. */
static const char *reason(void)
{
    static _Thread_local char system[96];
    unsigned long e = ERR_get_error();
    const char *text = e ? ERR_reason_error_string(e) : NULL;

    if (e && ERR_SYSTEM_ERROR(e)) { /* a file: OpenSSL has no text for these */
        int why = ERR_GET_REASON(e);

        (void)snprintf(system, sizeof system, "%s%s", strerror(why),
                       why == EACCES ? " (may the user that this runs as read it?)" : "");
        text = system;
    }
    ERR_clear_error();
    return text ? text : "unknown reason";
}

/* ---- BIO */

static int bio_read(BIO *bio, char *buf, size_t size, size_t *n)
{
    struct tls_sess *s = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *n = size < s->in.n ? size : s->in.n;
    if (!*n) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(buf, s->in.p, *n);
    s->in.p += *n;
    s->in.n -= *n;
    return 1;
}

static int bio_write(BIO *bio, const char *buf, size_t size, size_t *n)
{
    struct tls_sess *s = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    s->user->output(s->user, rk_str_of(buf, size));
    *n = size;
    return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "rookery");

    if (!m || !BIO_meth_set_read_ex(m, bio_read) || !BIO_meth_set_write_ex(m, bio_write) ||
        !BIO_meth_set_ctrl(m, bio_ctrl) || !BIO_meth_set_create(m, bio_create))
        abort(); /* only without memory */
    return m;
}

/* ---- ALPN */

/* "h2,http/1.1" to length-prefixed form; 0 when it does not fit. */
static unsigned alpn_wire(const char *list, unsigned char out[ALPN_MAX])
{
    struct rk_str rest = rk_str_z(list), name;
    unsigned n = 0;

    while (rest.n) {
        (void)rk_str_cut(rest, ',', &name, &rest);
        if (!name.n || name.n >= ALPN_MAX - n)
            return 0;
        out[n++] = (unsigned char)name.n;
        memcpy(out + n, name.p, name.n);
        n += (unsigned)name.n;
    }
    return n;
}

static const unsigned char *alpn_find(const unsigned char *list, unsigned n, struct rk_str want)
{
    for (unsigned i = 0; i < n && list[i] < n - i; i += list[i] + 1U)
        if (rk_str_eq(rk_str_of(list + i + 1, list[i]), want))
            return list + i;
    return NULL;
}

#define ACME_ONLY "\012" ACME_ALPN /* the whole list of an ACME authority that asks */

/* An ACME authority asks (RFC 8737): it offers nothing but acme-tls/1, and names whom it means. */
static int hello(SSL *ssl, int *alert, void *arg)
{
    static const unsigned char want[] = "\0\013" ACME_ONLY;
    const unsigned char *ext;
    size_t n;

    (void)arg;
    if (!acme_answers() ||
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &ext,
                                  &n) != 1 ||
        n != sizeof want - 1 || memcmp(ext, want, n) != 0)
        return SSL_CLIENT_HELLO_SUCCESS;
    /* server_name: length of the list, type 0, length, name (RFC 6066 3) */
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &n) == 1 && n > 5 &&
        ext[2] == 0 && (size_t)ext[3] * 256 + ext[4] == n - 5 &&
        acme_answer_use(ssl, rk_str_of(ext + 5, n - 5)))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
}

static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char edge_order[] = "\010http/1.1\002h2";
    const struct tls_ctx *ctx = arg;
    const unsigned char *order = ctx->edge_alpn ? edge_order : ctx->alpn;
    unsigned order_n = ctx->edge_alpn ? sizeof edge_order - 1 : ctx->alpn_n;

    (void)ssl;
    if (acme_answers() && in_n == sizeof ACME_ONLY - 1 && memcmp(in, ACME_ONLY, in_n) == 0) {
        *out = in + 1;
        *out_n = *in;
        return SSL_TLSEXT_ERR_OK;
    }
    for (unsigned i = 0; i < order_n; i += order[i] + 1U) {
        const unsigned char *hit = alpn_find(in, in_n, rk_str_of(order + i + 1, order[i]));

        if (hit) {
            *out = hit + 1;
            *out_n = *hit;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- contexts */

static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1; /* never ask on the terminal */
}

static int64_t leaf_end_ms(SSL_CTX *ssl)
{
    const X509 *leaf = SSL_CTX_get0_certificate(ssl);
    struct tm tm;

    if (!leaf || !ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm))
        return 0;
    return (int64_t)timegm(&tm) * 1000;
}

/* Whether a PEM file has a label in it ("PRIVATE KEY"). */
static bool pem_has(const char *path, const char *label)
{
    FILE *f = fopen(path, "re");
    char line[200];
    bool has = false;

    while (f && !has && fgets(line, sizeof line, f))
        has = strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, label);
    explicit_bzero(line, sizeof line);
    if (f)
        (void)fclose(f);
    return has;
}

/* What people do with these two files, in words; OpenSSL's where that is something else. */
static enum rk_code load_server(struct tls_ctx *ctx, SSL_CTX *ssl, struct rk_err *err)
{
    if (SSL_CTX_use_certificate_chain_file(ssl, ctx->cert_file) != 1)
        return rk_fail(err, RK_INVALID, "certificate %s: %s", ctx->cert_file,
                       pem_has(ctx->cert_file, "PRIVATE KEY") &&
                               !pem_has(ctx->cert_file, "CERTIFICATE")
                           ? "a key stands in it: are certificate and key exchanged?"
                           : reason());
    if (SSL_CTX_use_PrivateKey_file(ssl, ctx->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl) != 1) {
        const char *why = reason();

        if (strstr(why, "mismatch"))
            return rk_fail(err, RK_INVALID,
                           "key %s: it does not belong to the first certificate of %s; the "
                           "server's own stands before those of its issuers",
                           ctx->key_file, ctx->cert_file);
        if (pem_has(ctx->key_file, "ENCRYPTED") || strstr(why, "password"))
            why = "it is encrypted; a server needs it without a passphrase";
        else if (!pem_has(ctx->key_file, "PRIVATE KEY") && pem_has(ctx->key_file, "CERTIFICATE"))
            why = "a certificate stands in it: are certificate and key exchanged?";
        return rk_fail(err, RK_INVALID, "key %s: %s", ctx->key_file, why);
    }
    if (ctx->edge_alpn || ctx->alpn_n)
        SSL_CTX_set_alpn_select_cb(ssl, alpn_select, ctx);
    SSL_CTX_set_client_hello_cb(ssl, hello, NULL);
    (void)SSL_CTX_set_num_tickets(ssl, 1);
    return RK_OK;
}

/* A folder of certificates under the hashes of their names: OpenSSL then reads the one root that a
 * server needs, when it needs it, where the bundle would put all 140 (a megabyte) in memory. */
static bool has_hashed_certs(const char *folder)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    size_t n = 0;

    if (!d)
        return false;
    while (n < HASHED_CERTS_MIN && (e = readdir(d)))
        n += strlen(e->d_name) == sizeof "01234567.0" - 1 && strcmp(e->d_name + 8, ".0") == 0 &&
             strspn(e->d_name, "0123456789abcdef") == 8;
    (void)closedir(d);
    return n >= HASHED_CERTS_MIN;
}

static bool load_system_roots(SSL_CTX *ssl)
{
    if (!getenv(X509_get_default_cert_dir_env()) && !getenv(X509_get_default_cert_file_env()) &&
        has_hashed_certs(X509_get_default_cert_dir()))
        return SSL_CTX_set_default_verify_dir(ssl) == 1;
    return SSL_CTX_set_default_verify_paths(ssl) == 1;
}

static enum rk_code load_client(struct tls_ctx *ctx, SSL_CTX *ssl, struct rk_err *err)
{
    if (!ctx->no_system_roots && !load_system_roots(ssl))
        return rk_fail(err, RK_INVALID, "system certificates: %s", reason());
    if (ctx->ca_file && SSL_CTX_load_verify_file(ssl, ctx->ca_file) != 1)
        return rk_fail(err, RK_INVALID, "CA file %s: %s", ctx->ca_file, reason());
    SSL_CTX_set_verify(ssl, ctx->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return RK_OK;
}

/* AES with the processor's help is twice as fast as ChaCha20, and four times as slow without. */
static bool has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes") != 0;
#elif defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

#define AES_SUITES    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
#define CHACHA_SUITE  "TLS_CHACHA20_POLY1305_SHA256"
#define AES_CIPHERS   "ECDHE+AESGCM+AES128:ECDHE+AESGCM"
#define CHACHA_CIPHER "ECDHE+CHACHA20"
#define NO_CIPHERS    ":!aNULL:!PSK"

/* Of TLS 1.2 only what has forward secrecy and authenticated encryption (RFC 9325). A client that
 * puts ChaCha20 first gets it: it has no AES. */
static bool choose_ciphers(SSL_CTX *ssl)
{
    bool aes = has_aes();

    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    return SSL_CTX_set_ciphersuites(ssl, aes ? AES_SUITES ":" CHACHA_SUITE
                                             : CHACHA_SUITE ":" AES_SUITES) == 1 &&
           SSL_CTX_set_cipher_list(ssl, aes ? AES_CIPHERS ":" CHACHA_CIPHER NO_CIPHERS
                                            : CHACHA_CIPHER ":" AES_CIPHERS NO_CIPHERS) == 1;
}

enum rk_code tls_ctx_reload(struct tls_ctx *ctx, struct rk_err *err)
{
    SSL_CTX *ssl = SSL_CTX_new(ctx->server ? TLS_server_method() : TLS_client_method());
    SSL_CTX *old;
    enum rk_code rc;

    ERR_clear_error();
    if (!ssl)
        return rk_fail(err, RK_INTERNAL, "TLS: %s", reason());
    (void)SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    if (!choose_ciphers(ssl)) {
        SSL_CTX_free(ssl);
        return rk_fail(err, RK_INTERNAL, "TLS: %s", reason());
    }
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    rc = ctx->server ? load_server(ctx, ssl, err) : load_client(ctx, ssl, err);
    ERR_clear_error();
    if (rc) {
        SSL_CTX_free(ssl);
        return rc;
    }
    (void)pthread_mutex_lock(&ctx->lock);
    old = ctx->ssl;
    ctx->ssl = ssl;
    ctx->not_after_ms = ctx->server ? leaf_end_ms(ssl) : 0;
    (void)pthread_mutex_unlock(&ctx->lock);
    SSL_CTX_free(old);
    (void)atomic_fetch_add(&ctx->generation, 1);
    return RK_OK;
}

unsigned tls_ctx_generation(const struct tls_ctx *ctx)
{
    return atomic_load(&ctx->generation);
}

SSL_CTX *tls_ctx_ssl(struct tls_ctx *ctx)
{
    SSL_CTX *ssl;

    (void)pthread_mutex_lock(&ctx->lock);
    ssl = ctx->ssl;
    (void)SSL_CTX_up_ref(ssl);
    (void)pthread_mutex_unlock(&ctx->lock);
    return ssl;
}

bool tls_ctx_insecure(const struct tls_ctx *ctx)
{
    return ctx->insecure;
}

static char *dup_or_null(const char *z)
{
    return z ? rk_str_dupz(rk_str_z(z)) : NULL;
}

static struct tls_ctx *ctx_new(bool server)
{
    struct tls_ctx *ctx = rk_calloc(1, sizeof *ctx);

    atomic_init(&ctx->refs, 1);
    ctx->server = server;
    (void)pthread_mutex_init(&ctx->lock, NULL);
    ctx->bio = bio_method();
    return ctx;
}

enum rk_code tls_server_new(const struct tls_server_opts *opts, struct tls_ctx **out,
                            struct rk_err *err)
{
    struct tls_ctx *ctx;
    enum rk_code rc;

    if (!opts->cert_file || !opts->key_file)
        return rk_fail(err, RK_INVALID, "TLS needs a certificate file and a key file");
    ctx = ctx_new(true);
    ctx->cert_file = dup_or_null(opts->cert_file);
    ctx->key_file = dup_or_null(opts->key_file);
    ctx->edge_alpn = !opts->alpn;
    ctx->alpn_n = opts->alpn ? alpn_wire(opts->alpn, ctx->alpn) : 0;
    rc = tls_ctx_reload(ctx, err);
    if (rc)
        tls_ctx_free(ctx);
    else
        *out = ctx;
    return rc;
}

enum rk_code tls_client_new(const struct tls_client_opts *opts, struct tls_ctx **out,
                            struct rk_err *err)
{
    struct tls_ctx *ctx = ctx_new(false);
    enum rk_code rc;

    ctx->ca_file = dup_or_null(opts->ca_file);
    ctx->no_system_roots = opts->no_system_roots;
    ctx->insecure = opts->insecure;
    rc = tls_ctx_reload(ctx, err);
    if (rc)
        tls_ctx_free(ctx);
    else
        *out = ctx;
    return rc;
}

void tls_ctx_free(struct tls_ctx *ctx)
{
    if (!ctx || atomic_fetch_sub(&ctx->refs, 1) != 1)
        return;
    SSL_CTX_free(ctx->ssl);
    BIO_meth_free(ctx->bio);
    (void)pthread_mutex_destroy(&ctx->lock);
    free(ctx->cert_file);
    free(ctx->key_file);
    free(ctx->ca_file);
    free(ctx);
}

int64_t tls_ctx_not_after_ms(struct tls_ctx *ctx)
{
    int64_t ms;

    (void)pthread_mutex_lock(&ctx->lock);
    ms = ctx->not_after_ms;
    (void)pthread_mutex_unlock(&ctx->lock);
    return ms;
}

/* ---- sessions */

static enum rk_code client_setup(struct tls_sess *s, const char *name, const char *alpn,
                                 struct rk_err *err)
{
    X509_VERIFY_PARAM *vp = SSL_get0_param(s->ssl);
    unsigned char wire[ALPN_MAX], ip[sizeof(struct in6_addr)];
    unsigned n;

    SSL_set_connect_state(s->ssl);
    if (alpn) {
        n = alpn_wire(alpn, wire);
        if (!n || SSL_set_alpn_protos(s->ssl, wire, n))
            return rk_fail(err, RK_INVALID, "ALPN list %s", alpn);
    }
    if (!name)
        return s->ctx->insecure ? RK_OK : rk_fail(err, RK_INVALID, "TLS needs a server name");
    if (inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1) {
        if (X509_VERIFY_PARAM_set1_ip_asc(vp, name) != 1)
            return rk_fail(err, RK_INVALID, "server address %s", name);
        return RK_OK;
    }
    SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(s->ssl, name) != 1 || SSL_set_tlsext_host_name(s->ssl, name) != 1)
        return rk_fail(err, RK_INVALID, "server name %s", name);
    return RK_OK;
}

enum rk_code tls_sess_new(struct tls_ctx *ctx, const char *server_name, const char *alpn,
                          struct tls_sess_user *user, struct tls_sess **out, struct rk_err *err)
{
    struct tls_sess *s = rk_calloc(1, sizeof *s);
    enum rk_code rc = RK_OK;
    BIO *bio = BIO_new(ctx->bio);

    ERR_clear_error();
    (void)pthread_mutex_lock(&ctx->lock);
    s->ssl = SSL_new(ctx->ssl);
    (void)pthread_mutex_unlock(&ctx->lock);
    if (!s->ssl || !bio)
        abort(); /* only without memory */
    (void)atomic_fetch_add(&ctx->refs, 1);
    s->ctx = ctx;
    s->user = user;
    BIO_set_data(bio, s);
    SSL_set_bio(s->ssl, bio, bio);
    if (ctx->server)
        SSL_set_accept_state(s->ssl);
    else
        rc = client_setup(s, server_name, alpn, err);
    if (rc)
        tls_sess_free(s);
    else
        *out = s;
    return rc;
}

void tls_sess_free(struct tls_sess *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    tls_ctx_free(s->ctx);
    free(s);
}

void tls_sess_feed(struct tls_sess *s, struct rk_str cipher)
{
    s->in = cipher;
}

size_t tls_sess_unread(const struct tls_sess *s)
{
    return s->in.n;
}

static enum rk_code ssl_failed(struct tls_sess *s, const char *what, struct rk_err *err)
{
    long verify = SSL_get_verify_result(s->ssl);

    if (!s->ctx->server && !s->ctx->insecure && verify != X509_V_OK) {
        ERR_clear_error();
        return rk_fail(err, RK_UNAUTHENTICATED, "%s: certificate refused: %s", what,
                       X509_verify_cert_error_string(verify));
    }
    return rk_fail(err, RK_BAD_REQUEST, "%s: %s", what, reason());
}

enum rk_code tls_sess_handshake(struct tls_sess *s, bool *done, struct rk_err *err)
{
    int rc, why;

    ERR_clear_error();
    rc = SSL_do_handshake(s->ssl);
    *done = rc == 1;
    if (rc == 1)
        return RK_OK;
    why = SSL_get_error(s->ssl, rc);
    if (why == SSL_ERROR_WANT_READ)
        return RK_OK;
    return ssl_failed(s, "TLS handshake", err);
}

enum rk_code tls_sess_read(struct tls_sess *s, char *buf, size_t size, size_t *n, bool *eof,
                           struct rk_err *err)
{
    int rc, why;

    ERR_clear_error();
    *n = 0;
    *eof = false;
    rc = SSL_read_ex(s->ssl, buf, size, n);
    if (rc == 1)
        return RK_OK;
    *n = 0;
    why = SSL_get_error(s->ssl, rc);
    if (why == SSL_ERROR_WANT_READ)
        return RK_OK;
    if (why == SSL_ERROR_ZERO_RETURN) {
        *eof = true;
        return RK_OK;
    }
    return ssl_failed(s, "TLS", err);
}

enum rk_code tls_sess_write(struct tls_sess *s, struct rk_str plain, struct rk_err *err)
{
    while (plain.n) {
        size_t part = plain.n < RECORD_MAX ? plain.n : RECORD_MAX, n = 0;
        int rc;

        ERR_clear_error();
        rc = SSL_write_ex(s->ssl, plain.p, part, &n);
        if (rc != 1)
            return ssl_failed(s, "TLS", err);
        plain.p += n;
        plain.n -= n;
    }
    return RK_OK;
}

void tls_sess_shutdown(struct tls_sess *s)
{
    ERR_clear_error();
    if (SSL_is_init_finished(s->ssl))
        (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
}

struct rk_str tls_sess_alpn(const struct tls_sess *s)
{
    const unsigned char *p = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(s->ssl, &p, &n);
    return rk_str_of(p, n);
}

const char *tls_sess_version(const struct tls_sess *s)
{
    return SSL_get_version(s->ssl);
}
