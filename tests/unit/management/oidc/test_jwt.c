/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/oidc/jwt.c and jwks.c and lib/crypto/jwk.c: tokens made by us and by others, and
 * the keys of an issuer behind a real HTTP server. */
#include "config.h"

#include "management/oidc/jwt.h"

#include <arpa/inet.h>
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/enc.h"
#include "tests/unit/run.h"

#define NOW INT64_C(1800000000)
#define KID RK_STR("key-1")

static struct rk_arena *mem;
static struct jwk *key, *other;

static enum rk_code find(struct jwks_source *s, struct rk_str kid, enum jwk_alg alg,
                         struct jwks_found *out, struct rk_err *err)
{
    (void)s;
    if (!rk_str_eq(kid, KID) || !jwk_fits(key, alg))
        return rk_fail(err, RK_UNAUTHENTICATED, "the token's key is not known");
    *out = (struct jwks_found){.v = {jwk_ref(key)}, .n = 1};
    return RK_OK;
}

static struct jwks_source source = {.find = find};
static const char *const AUDIENCES[] = {"dash", "cli"};
static struct jwt_issuer issuer = {
    .issuer = "https://id.test/oauth2", .audiences = AUDIENCES, .n_audiences = 2, .keys = &source};

static void setup(void)
{
    mem = rk_arena_new_wiping(0);
    if (!key) { /* once: they take a while */
        ck_assert_int_eq(jwk_rsa_new(&key, NULL), RK_OK);
        ck_assert_int_eq(jwk_rsa_new(&other, NULL), RK_OK);
    }
}

static void teardown(void)
{
    rk_arena_free(mem);
}

static json_t *claims(void)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", issuer.issuer, "sub", "u1", "aud", "cli",
                     "exp", (json_int_t)(NOW + 3600), "iat", (json_int_t)NOW);
}

/* Takes the claims. */
static struct rk_str token_of(json_t *c, const struct jwk *k)
{
    struct rk_str t;

    ck_assert_int_eq(jwt_make(mem, k, KID, c, &t, NULL), RK_OK);
    json_decref(c);
    return t;
}

static enum jwt_fault fault;

static enum rk_code try(struct rk_str token, struct rk_err *err)
{
    struct jwt j;
    enum rk_code rc = jwt_verify(&issuer, 1, mem, token, NOW, &j, &fault, err);

    ck_assert_int_eq(rc == RK_OK, fault == JWT_FINE);

    if (rc == RK_OK) {
        ck_assert(rk_str_eqz(jwt_text(j.claims, "sub"), "u1"));
        jwt_done(&j);
    }
    return rc;
}

/* Claims with one changed; value is taken, NULL removes. */
static struct rk_str but(const char *name, json_t *value)
{
    json_t *c = claims();

    if (value)
        (void)json_object_set_new(c, name, value);
    else
        (void)json_object_del(c, name);
    return token_of(c, key);
}

START_TEST(a_good_token_is_taken)
{
    struct rk_err err = {0};

    ck_assert_msg(try(token_of(claims(), key), &err) == RK_OK, "%s", err.msg);
    ck_assert_int_eq(try(but("aud", json_pack("[s,s]", "x", "dash")), &err), RK_OK);
    ck_assert_int_eq(try(but("exp", json_integer(NOW - JWT_SKEW_S)), &err), RK_OK);
    ck_assert_int_eq(try(but("iat", json_integer(NOW + JWT_SKEW_S)), &err), RK_OK);
    ck_assert_int_eq(try(but("exp", json_real((double)NOW + 0.5)), &err), RK_OK);
}
END_TEST

START_TEST(every_claim_counts)
{
    static const struct {
        enum jwt_fault fault;
        const char *says[2]; /* what was found, what was expected */
    } WANT[] = {
        {JWT_ISSUER, {"\"https://id.test/oauth2/\"", "expected \"https://id.test/oauth2\""}},
        {JWT_ISSUER, {"\"\"", "expected \"https://id.test/oauth2\""}},
        {JWT_AUDIENCE, {"\"clix\"", "expected \"dash\", \"cli\""}},
        {JWT_AUDIENCE, {"[\"x\"]", "expected \"dash\", \"cli\""}},
        {JWT_AUDIENCE, {"[]", "expected"}},
        {JWT_AUDIENCE, {"aud is ", "expected"}},
        {JWT_EXPIRED, {"exp is 1799999939", "now is 1800000000"}},
        {JWT_EXPIRED, {"no expiration", ""}},
        {JWT_EXPIRED, {"no expiration", ""}},
        {JWT_EARLY, {"nbf is 1800000061", "now is 1800000000"}},
        {JWT_EARLY, {"nbf", "now is"}},
        {JWT_EARLY, {"iat is 1800000061", "now is 1800000000"}},
        {JWT_SIGNATURE, {"signature", ""}},
    };
    struct rk_str bad[] = {
        but("iss", json_string("https://id.test/oauth2/")),
        but("iss", NULL),
        but("aud", json_string("clix")),
        but("aud", json_pack("[s]", "x")),
        but("aud", json_array()),
        but("aud", NULL),
        but("exp", json_integer(NOW - JWT_SKEW_S - 1)),
        but("exp", NULL),
        but("exp", json_string("1900000000")),
        but("nbf", json_integer(NOW + JWT_SKEW_S + 1)),
        but("nbf", json_string("x")),
        but("iat", json_integer(NOW + JWT_SKEW_S + 1)),
        token_of(claims(), other),
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct rk_err err = {0};

        ck_assert_msg(try(bad[i], &err) == RK_UNAUTHENTICATED, "token %zu", i);
        ck_assert_msg(fault == WANT[i].fault, "token %zu: %d, %s", i, fault, err.msg);
        for (size_t k = 0; k < 2; k++)
            ck_assert_msg(strstr(err.msg, WANT[i].says[k]), "token %zu: %s", i, err.msg);
    }
}
END_TEST

START_TEST(no_other_header_will_do)
{
    static const char *const HEADERS[] = {
        "{\"alg\":\"none\",\"kid\":\"key-1\"}",
        "{\"alg\":\"HS256\",\"kid\":\"key-1\"}",
        "{\"alg\":\"rs256\",\"kid\":\"key-1\"}",
        "{\"alg\":\"ES256\",\"kid\":\"key-1\"}",
        "{\"alg\":\"RS256\",\"kid\":\"key-2\"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"RS256\",\"kid\":\"key-1\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"RS256\",\"alg\":\"none\",\"kid\":\"key-1\"}",
        "{\"kid\":\"key-1\"}",
        "[]",
        "x",
    };
    json_t *c = claims();
    char *text = json_dumps(c, JSON_COMPACT);
    struct rk_str body = rk_base64url_encode(mem, rk_str_z(text));

    for (size_t i = 0; i < RK_ARRAY_LEN(HEADERS); i++) {
        struct rk_str head = rk_base64url_encode(mem, rk_str_z(HEADERS[i])), sig, in;

        in = rk_arena_printf(mem, "%.*s.%.*s", RK_STR_ARG(head), RK_STR_ARG(body));
        ck_assert_int_eq(jwk_sign(key, mem, in, &sig, NULL), RK_OK);
        ck_assert_msg(try(rk_arena_printf(mem, "%.*s.%.*s", RK_STR_ARG(in), RK_STR_ARG(sig)),
                          NULL) == RK_UNAUTHENTICATED,
                      "%s", HEADERS[i]);
    }
    free(text);
    json_decref(c);
}
END_TEST

START_TEST(every_truncation_and_change_is_refused)
{
    struct rk_str good = token_of(claims(), key);

    for (size_t n = 0; n < good.n; n++) {
        char *exact = rk_memdup(good.p, n);

        ck_assert_int_eq(try(rk_str_of(exact, n), NULL), RK_UNAUTHENTICATED);
        free(exact);
    }
    for (size_t i = 0; i < good.n; i++) {
        char *changed = rk_arena_dupz(mem, good);

        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        ck_assert_int_eq(try(rk_str_of(changed, good.n), NULL), RK_UNAUTHENTICATED);
    }
    ck_assert_int_eq(try(rk_arena_printf(mem, "%.*s.x", RK_STR_ARG(good)), NULL),
                     RK_UNAUTHENTICATED);
    for (int n = 1; n <= 3; n++) /* padding would give one token several texts (RFC 7515 2) */
        ck_assert_int_eq(try(rk_arena_printf(mem, "%.*s%.*s", RK_STR_ARG(good), n, "==="), NULL),
                         RK_UNAUTHENTICATED);
}
END_TEST

/* ---- other kinds of keys */

static struct rk_str ec_sign(EVP_PKEY *k, struct rk_str in, size_t half)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char der[160], raw[132];
    const unsigned char *p = der;
    size_t n = sizeof der;
    ECDSA_SIG *sig;

    ck_assert_int_eq(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, der, &n, (const unsigned char *)in.p, in.n), 1);
    EVP_MD_CTX_free(ctx);
    sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, (int)half), (int)half);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, (int)half), (int)half);
    ECDSA_SIG_free(sig);
    return rk_arena_dup(mem, rk_str_of(raw, 2 * half));
}

START_TEST(keys_on_curves_verify)
{
    EVP_PKEY *k = EVP_EC_gen("P-256");
    unsigned char point[65];
    struct rk_str in = RK_STR("signed"), x, y, sig;
    struct jwk *pub = NULL;
    size_t n;

    ck_assert_int_eq(
        EVP_PKEY_get_octet_string_param(k, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &n), 1);
    x = rk_base64url_encode(mem, rk_str_of(point + 1, 32));
    y = rk_base64url_encode(mem, rk_str_of(point + 33, 32));
    ck_assert_int_eq(jwk_of_ec(RK_STR("P-256"), x, y, &pub, NULL), RK_OK);
    sig = ec_sign(k, in, 32);
    ck_assert_int_eq(jwk_verify(pub, JWK_ES256, in, sig, NULL), RK_OK);
    ck_assert_int_eq(jwk_verify(pub, JWK_RS256, in, sig, NULL), RK_UNAUTHENTICATED);
    ck_assert_int_eq(jwk_verify(pub, JWK_ES384, in, sig, NULL), RK_UNAUTHENTICATED);
    ck_assert_int_eq(jwk_verify(pub, JWK_ES256, RK_STR("other"), sig, NULL), RK_UNAUTHENTICATED);
    ck_assert_int_eq(jwk_verify(pub, JWK_ES256, in, rk_str_sub(sig, 0, 63), NULL),
                     RK_UNAUTHENTICATED);
    jwk_unref(pub);
    ck_assert_int_eq(jwk_of_ec(RK_STR("P-256"), x, x, &pub, NULL), RK_INVALID); /* not on it */
    ck_assert_int_eq(jwk_of_ec(RK_STR("secp256k1"), x, y, &pub, NULL), RK_INVALID);
    EVP_PKEY_free(k);
}
END_TEST

/* ---- whole tokens in every algorithm, from key sets as providers have them */

struct signer { /* open */
    const char *alg, *typ;
    EVP_PKEY *key;
    const EVP_MD *md;
    bool pss;
    size_t half; /* of an ES signature */
};

static struct rk_str b64(const void *p, size_t n)
{
    return rk_base64url_encode(mem, rk_str_of(p, n));
}

static struct rk_str number(EVP_PKEY *k, const char *name)
{
    unsigned char raw[1024];
    BIGNUM *bn = NULL;
    int n;

    ck_assert_int_eq(EVP_PKEY_get_bn_param(k, name, &bn), 1);
    n = BN_bn2bin(bn, raw);
    BN_free(bn);
    return b64(raw, (size_t)n);
}

/* The JWK of a key, with more members ("" or ",\"kid\":…"). */
static const char *jwk_text(EVP_PKEY *k, const char *more)
{
    unsigned char raw[160];
    size_t n = sizeof raw;

    if (EVP_PKEY_is_a(k, "RSA"))
        return rk_arena_printf(mem, "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%.*s\"%s}",
                               RK_STR_ARG(number(k, OSSL_PKEY_PARAM_RSA_N)),
                               RK_STR_ARG(number(k, OSSL_PKEY_PARAM_RSA_E)), more)
            .p;
    if (EVP_PKEY_is_a(k, "EC")) {
        ck_assert_int_eq(
            EVP_PKEY_get_octet_string_param(k, OSSL_PKEY_PARAM_PUB_KEY, raw, sizeof raw, &n), 1);
        return rk_arena_printf(
                   mem, "{\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"%.*s\",\"y\":\"%.*s\"%s}",
                   n == 65   ? 256
                   : n == 97 ? 384
                             : 521,
                   RK_STR_ARG(b64(raw + 1, n / 2)), RK_STR_ARG(b64(raw + 1 + n / 2, n / 2)), more)
            .p;
    }
    ck_assert_int_eq(EVP_PKEY_get_raw_public_key(k, raw, &n), 1);
    return rk_arena_printf(mem, "{\"kty\":\"OKP\",\"crv\":\"%s\",\"x\":\"%.*s\"%s}",
                           n == 32 ? "Ed25519" : "Ed448", RK_STR_ARG(b64(raw, n)), more)
        .p;
}

static struct rk_str raw_sign(const struct signer *s, struct rk_str in)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    unsigned char sig[1024], raw[132];
    const unsigned char *p = sig;
    size_t n = sizeof sig;
    ECDSA_SIG *ec;

    ck_assert_int_eq(EVP_DigestSignInit(ctx, &how, s->md, NULL, s->key), 1);
    if (s->pss) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    ck_assert_int_eq(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)in.p, in.n), 1);
    EVP_MD_CTX_free(ctx);
    if (!s->half)
        return b64(sig, n);
    ec = d2i_ECDSA_SIG(NULL, &p, (long)n);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(ec), raw, (int)s->half), (int)s->half);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(ec), raw + s->half, (int)s->half), (int)s->half);
    ECDSA_SIG_free(ec);
    return b64(raw, 2 * s->half);
}

static struct rk_str token_by(const struct signer *s, const char *alg, const char *kid)
{
    json_t *h = json_pack("{s:s, s:s*, s:s*}", "alg", alg, "typ", s->typ, "kid", kid);
    json_t *c = claims();
    char *head = json_dumps(h, 0), *body = json_dumps(c, 0);
    struct rk_str in = rk_arena_printf(mem, "%.*s.%.*s", RK_STR_ARG(b64(head, strlen(head))),
                                       RK_STR_ARG(b64(body, strlen(body))));

    free(head);
    free(body);
    json_decref(h);
    json_decref(c);
    return rk_arena_printf(mem, "%.*s.%.*s", RK_STR_ARG(in), RK_STR_ARG(raw_sign(s, in)));
}

static struct jwks_set set;

static enum rk_code find_in_set(struct jwks_source *s, struct rk_str kid, enum jwk_alg alg,
                                struct jwks_found *out, struct rk_err *err)
{
    (void)s;
    return jwks_set_find(&set, kid, alg, out)
               ? RK_OK
               : rk_fail(err, RK_UNAUTHENTICATED, "the token's key is not known");
}

/* Against a set of these keys (JSON texts with commas between). */
static enum rk_code try_set(const char *keys, struct rk_str token, struct rk_err *err)
{
    static struct jwks_source in_set = {.find = find_in_set};
    struct jwt_issuer i = issuer;
    struct jwt j = {0};
    enum rk_code rc;

    ck_assert_int_eq(jwks_parse(rk_arena_printf(mem, "{\"keys\":[%s]}", keys), &set, NULL), RK_OK);
    i.keys = &in_set;
    rc = jwt_verify(&i, 1, mem, token, NOW, &j, &fault, err);
    jwt_done(&j);
    jwks_set_done(&set);
    return rc;
}

static struct signer signers[14];
static size_t n_signers;

static void signers_make(void)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048U), *c256 = EVP_EC_gen("P-256"), *c384 = EVP_EC_gen("P-384");
    EVP_PKEY *c521 = EVP_EC_gen("P-521"), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_PKEY *ed448 = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    const struct signer all[] = {
        {"RS256", "JWT", rsa, EVP_sha256(), false, 0},
        {"RS384", NULL, rsa, EVP_sha384(), false, 0},
        {"RS512", "jwt", rsa, EVP_sha512(), false, 0},
        {"RS256", "at+jwt", rsa, EVP_sha256(), false, 0},
        {"PS256", "JWT", rsa, EVP_sha256(), true, 0},
        {"PS384", NULL, rsa, EVP_sha384(), true, 0},
        {"PS512", NULL, rsa, EVP_sha512(), true, 0},
        {"ES256", "JWT", c256, EVP_sha256(), false, 32},
        {"ES384", NULL, c384, EVP_sha384(), false, 48},
        {"ES512", NULL, c521, EVP_sha512(), false, 66},
        {"ES256", "application/at+jwt", c256, EVP_sha256(), false, 32},
        {"EdDSA", "JWT", ed, NULL, false, 0},
        {"EdDSA", NULL, ed448, NULL, false, 0},
    };

    n_signers = RK_ARRAY_LEN(all);
    memcpy(signers, all, sizeof all);
}

static void signers_free(void)
{
    for (size_t i = 0; i < n_signers; i++)
        if (i == 0 || signers[i].key != signers[i - 1].key)
            if (strcmp(signers[i].typ ? signers[i].typ : "", "application/at+jwt") != 0)
                EVP_PKEY_free(signers[i].key);
}

/* Every algorithm that we claim, and never the key of one for another. */
START_TEST(every_algorithm_verifies_with_its_own_kind_of_key)
{
    struct rk_err err = {0};

    signers_make();
    for (size_t i = 0; i < n_signers; i++) {
        const struct signer *s = &signers[i];
        struct rk_str t = token_by(s, s->alg, "k");

        ck_assert_msg(try_set(jwk_text(s->key, ",\"kid\":\"k\""), t, &err) == RK_OK, "%s %s: %s",
                      s->alg, s->typ ? s->typ : "-", err.msg);
        for (size_t k = 0; k < n_signers; k++) { /* the header's word for another kind */
            if (strcmp(signers[k].alg, s->alg) == 0)
                continue;
            t = token_by(s, signers[k].alg, "k");
            ck_assert_msg(try_set(jwk_text(s->key, ",\"kid\":\"k\""), t, &err) ==
                              RK_UNAUTHENTICATED,
                          "%s as %s", s->alg, signers[k].alg);
        }
    }
    signers_free();
}
END_TEST

START_TEST(keys_are_found_however_the_set_names_them)
{
    EVP_PKEY *another = EVP_RSA_gen(2048U);
    const char *rsa, *ec, *named;
    struct rk_str t, t_kid;
    struct rk_err err = {0};

    signers_make();
    rsa = jwk_text(signers[0].key, "");
    ec = jwk_text(signers[7].key, "");
    named = jwk_text(signers[0].key, ",\"kid\":\"a\",\"use\":\"sig\",\"alg\":\"RS256\"");
    t = token_by(&signers[0], "RS256", NULL);
    t_kid = token_by(&signers[0], "RS256", "a");
    /* several keys, none with an id, and a token without one */
    ck_assert_msg(try_set(rk_arena_printf(mem, "%s,%s", ec, rsa).p, t, &err) == RK_OK, "%s",
                  err.msg);
    /* a token without an id where the keys have one: all of its kind are tried */
    ck_assert_int_eq(
        try_set(rk_arena_printf(mem, "%s,%s", jwk_text(another, ",\"kid\":\"z\""), named).p, t,
                &err),
        RK_OK);
    /* a token with an id where the key has none */
    ck_assert_int_eq(try_set(rk_arena_printf(mem, "%s,%s", ec, rsa).p, t_kid, &err), RK_OK);
    /* one id for two kinds of keys */
    ck_assert_int_eq(
        try_set(rk_arena_printf(mem, "%s,%s", jwk_text(signers[7].key, ",\"kid\":\"a\""), named).p,
                t_kid, &err),
        RK_OK);
    /* the set's word for the key counts */
    ck_assert_int_eq(
        try_set(jwk_text(signers[0].key, ",\"kid\":\"a\",\"alg\":\"RS512\""), t_kid, &err),
        RK_UNAUTHENTICATED);
    ck_assert_int_eq(
        try_set(jwk_text(signers[0].key, ",\"kid\":\"a\",\"use\":\"enc\""), t_kid, &err),
        RK_UNAUTHENTICATED);
    ck_assert_int_eq(
        try_set(jwk_text(signers[0].key, ",\"kid\":\"a\",\"key_ops\":[\"encrypt\"]"), t_kid, &err),
        RK_UNAUTHENTICATED);
    ck_assert_int_eq(
        try_set(jwk_text(signers[0].key, ",\"kid\":\"a\",\"alg\":\"RSA-OAEP\""), t_kid, &err),
        RK_UNAUTHENTICATED);
    EVP_PKEY_free(another);
    signers_free();
}
END_TEST

START_TEST(weak_and_strange_rsa_keys_are_refused)
{
    struct rk_str n, e;
    struct jwk *pub = NULL;

    ck_assert_int_eq(jwk_rsa_public(key, mem, &n, &e, NULL), RK_OK);
    ck_assert_int_eq(jwk_of_rsa(n, e, &pub, NULL), RK_OK);
    jwk_unref(pub);
    ck_assert_int_eq(jwk_of_rsa(rk_str_sub(n, 0, 172), e, &pub, NULL), RK_INVALID); /* 1032 bits */
    ck_assert_int_eq(jwk_of_rsa(n, RK_STR("AQ"), &pub, NULL), RK_INVALID);          /* 1 */
    ck_assert_int_eq(jwk_of_rsa(n, RK_STR(""), &pub, NULL), RK_INVALID);
    ck_assert_int_eq(jwk_of_rsa(RK_STR("!"), e, &pub, NULL), RK_INVALID);
    ck_assert_int_eq(jwk_of_x5c(RK_STR("AAAA"), &pub, NULL), RK_INVALID);
}
END_TEST

START_TEST(a_private_key_survives_its_text)
{
    struct rk_str pem, sig, in = RK_STR("signed");
    uint8_t raw[JWK_SIG_MAX];
    struct jwk *k = NULL;
    size_t n;

    ck_assert_int_eq(jwk_to_pem(key, mem, &pem, NULL), RK_OK);
    ck_assert_int_eq(jwk_of_pem(pem, &k, NULL), RK_OK);
    ck_assert_int_eq(jwk_sign(k, mem, in, &sig, NULL), RK_OK);
    ck_assert_int_eq(rk_base64url_decode(sig, raw, sizeof raw, &n, NULL), RK_OK);
    ck_assert_int_eq(jwk_verify(key, JWK_RS256, in, rk_str_of(raw, n), NULL), RK_OK);
    jwk_unref(k);
    ck_assert_int_eq(jwk_of_pem(RK_STR("no key"), &k, NULL), RK_INTERNAL);
}
END_TEST

/* ---- an issuer elsewhere */

static struct server {
    int fd;
    unsigned port;
    pthread_t thread;
    _Atomic bool end, broken;
    _Atomic unsigned asked; /* requests for the keys */
    const char *keys;
} srv;

static void answer(int c)
{
    char in[4096], body[4096], out[8192];
    ssize_t n = recv(c, in, sizeof in - 1, 0);
    bool keys;

    if (n <= 0)
        return;
    in[n] = '\0';
    keys = strncmp(in, "GET /keys ", 10) == 0;
    srv.asked += keys;
    if (keys)
        (void)snprintf(body, sizeof body, "%s", srv.keys);
    else
        (void)snprintf(body, sizeof body,
                       "{\"issuer\":\"http://127.0.0.1:%u\",\"jwks_uri\":"
                       "\"http://127.0.0.1:%u/keys\"}",
                       srv.port, srv.port);
    n = snprintf(out, sizeof out,
                 "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                 srv.broken ? "503 No" : "200 OK", strlen(body), body);
    RK_IGNORE(send(c, out, (size_t)n, MSG_NOSIGNAL));
}

static void *serve(void *arg)
{
    (void)arg;
    while (!srv.end) {
        struct pollfd p = {.fd = srv.fd, .events = POLLIN};
        int c;

        if (poll(&p, 1, 50) != 1)
            continue;
        c = accept(srv.fd, NULL, NULL);
        answer(c);
        (void)close(c);
    }
    return NULL;
}

static void serve_start(const char *keys)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;

    srv.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(srv.fd, (struct sockaddr *)&sa, n), 0);
    ck_assert_int_eq(listen(srv.fd, 16), 0);
    ck_assert_int_eq(getsockname(srv.fd, (struct sockaddr *)&sa, &n), 0);
    srv.port = ntohs(sa.sin_port);
    srv.keys = keys;
    srv.asked = 0;
    srv.end = srv.broken = false;
    ck_assert_int_eq(pthread_create(&srv.thread, NULL, serve, NULL), 0);
}

static void serve_stop(void)
{
    srv.end = true;
    (void)pthread_join(srv.thread, NULL);
    (void)close(srv.fd);
}

static int64_t clock_ms;

static int64_t now_ms(void)
{
    return clock_ms;
}

static const char *set_of(const char *kid)
{
    struct rk_str n, e;

    ck_assert_int_eq(jwk_rsa_public(key, mem, &n, &e, NULL), RK_OK);
    return rk_arena_printf(mem,
                           "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\",\"kid\":\"%s\"},"
                           "{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"%s\"},"
                           "{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%.*s\",\"e\":\"%.*s\"}]}",
                           kid, kid, kid, RK_STR_ARG(n), RK_STR_ARG(e))
        .p;
}

static enum rk_code ask(struct jwks_remote *r, struct rk_str kid)
{
    struct jwks_source *s = jwks_remote_source(r);
    struct jwks_found found = {0};
    enum rk_code rc = s->find(s, kid, JWK_RS256, &found, NULL);

    ck_assert_int_eq(rc == RK_OK, found.n > 0);
    jwks_found_done(&found);
    return rc;
}

START_TEST(keys_elsewhere_are_asked_for_seldom)
{
    struct jwks_remote_opts o = {.now_ms = now_ms};
    struct jwks_remote *r;

    clock_ms = 1000;
    serve_start(set_of("key-1"));
    o.issuer = rk_arena_printf(mem, "http://127.0.0.1:%u", srv.port).p;
    r = jwks_remote_new(&o);
    ck_assert_int_eq(ask(r, RK_STR("key-1")), RK_OK);
    ck_assert_int_eq(ask(r, RK_STR("key-1")), RK_OK);
    ck_assert_uint_eq(srv.asked, 1);
    for (int i = 0; i < 100; i++) /* made-up key ids do not make us ask */
        ck_assert_int_eq(ask(r, rk_arena_printf(mem, "made-up-%d", i)), RK_UNAUTHENTICATED);
    ck_assert_uint_eq(srv.asked, 1);
    srv.keys = set_of("key-2");
    clock_ms += JWKS_REFRESH_MIN_MS;
    ck_assert_int_eq(ask(r, RK_STR("key-2")), RK_OK); /* rotated: found by asking once more */
    ck_assert_uint_eq(srv.asked, 2);
    ck_assert_int_eq(ask(r, RK_STR("key-1")), RK_UNAUTHENTICATED);
    srv.broken = true;
    clock_ms += JWKS_AGE_MAX_MS;
    ck_assert_int_eq(ask(r, RK_STR("key-2")), RK_OK); /* the old keys stay */
    ck_assert_int_eq(ask(r, RK_STR("key-2")), RK_OK);
    clock_ms += JWKS_REFRESH_MIN_MS;
    ck_assert_int_eq(ask(r, RK_STR("key-9")), RK_UNAVAILABLE);
    jwks_remote_free(r);
    serve_stop();
}
END_TEST

START_TEST(a_foreign_discovery_document_is_refused)
{
    struct jwks_remote_opts o = {.now_ms = now_ms};
    struct jwks_remote *r;

    clock_ms = 1000;
    serve_start(set_of("key-1"));
    o.issuer = rk_arena_printf(mem, "http://localhost:%u", srv.port).p;
    r = jwks_remote_new(&o);
    ck_assert_int_eq(ask(r, RK_STR("key-1")), RK_UNAVAILABLE);
    ck_assert_uint_eq(srv.asked, 0);
    jwks_remote_free(r);
    serve_stop();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jwt");
    TCase *t = tcase_create("jwt");

    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_test(t, a_good_token_is_taken);
    tcase_add_test(t, every_claim_counts);
    tcase_add_test(t, no_other_header_will_do);
    tcase_add_test(t, every_truncation_and_change_is_refused);
    tcase_add_test(t, keys_on_curves_verify);
    tcase_add_test(t, every_algorithm_verifies_with_its_own_kind_of_key);
    tcase_add_test(t, keys_are_found_however_the_set_names_them);
    tcase_add_test(t, weak_and_strange_rsa_keys_are_refused);
    tcase_add_test(t, a_private_key_survives_its_text);
    tcase_add_test(t, keys_elsewhere_are_asked_for_seldom);
    tcase_add_test(t, a_foreign_discovery_document_is_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
