/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bench of tokens: making and checking them as the server does. Prints one JSON line per kind, in
 * microseconds of CPU, with the ratio to the bare signature operation of OpenSSL in the same run,
 * below which nobody can be. "openssl" is the way that tokens take which libjwt does not know.
 *
 *   tokens [ROUNDS]
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "management/oidc/jws.h"
#include "management/oidc/jwt.h"

#define NOW INT64_C(1800000000)

static struct jwk *key;
static struct rk_arena *mem;
static struct rk_err err;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, err.msg);
    exit(1);
}

static enum rk_code find(struct jwks_source *s, struct rk_str kid, enum jwk_alg alg,
                         struct jwks_found *out, struct rk_err *e)
{
    (void)s;
    (void)kid;
    (void)alg;
    (void)e;
    *out = (struct jwks_found){.v = {jwk_ref(key)}, .n = 1};
    return RK_OK;
}

static struct jwks_source source = {.find = find};
static const char *const AUDIENCE[] = {"netbird-dashboard"};
static const struct jwt_issuer issuer = {.issuer = "https://id.example/oauth2",
                                         .audiences = AUDIENCE,
                                         .n_audiences = 1,
                                         .keys = &source};

static json_t *claims(void)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s}", "iss", issuer.issuer, "sub",
                     "CiQ3YWFkOGMwNS0zMjg3LTQ3M2YtYjQyYS0zNjU1MDRiZjI1ZTcSBWxvY2Fs", "aud",
                     AUDIENCE[0], "exp", (json_int_t)(NOW + 3600), "iat", (json_int_t)NOW, "email",
                     "somebody@example.com", "name", "Some Body", "jti", "c29tZXRoaW5nIHJhbmRvbQ");
}

static double cpu_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double time_of(void (*fn)(struct rk_str), struct rk_str arg, int64_t rounds)
{
    double began;

    fn(arg); /* caches */
    began = cpu_us();
    for (int64_t i = 0; i < rounds; i++) {
        fn(arg);
        rk_arena_free(mem);
        mem = rk_arena_new(0);
    }
    return (cpu_us() - began) / (double)rounds;
}

static void check(struct rk_str token)
{
    struct jwt t = {0};

    if (jwt_verify(&issuer, 1, mem, token, NOW, &t, NULL, &err))
        die("check");
    jwt_done(&t);
}

/* As if it came for the first time: another one is in its place in the key's memory. */
static void check_anew(struct rk_str token)
{
    uint8_t digest[HASH_SHA256_SIZE], other[HASH_SHA256_SIZE] = {0};

    hash_sha256(token, digest);
    memcpy(other, digest, 2); /* what the slot is found by */
    jwk_remember(key, other);
    check(token);
}

static void make(struct rk_str unused)
{
    json_t *c = claims();
    struct rk_str out;

    (void)unused;
    if (jwt_make(mem, key, RK_STR("key-1"), c, &out, &err))
        die("make");
    json_decref(c);
}

static struct rk_str signed_part, raw_sig;

static void bare_check(struct rk_str unused)
{
    (void)unused;
    if (jwk_verify(key, JWK_RS256, signed_part, raw_sig, &err))
        die("bare check");
}

static void bare_make(struct rk_str unused)
{
    struct rk_str out;

    (void)unused;
    if (jwk_sign(key, mem, signed_part, &out, &err))
        die("bare make");
}

static void line(const char *what, const char *by, double us, double floor_us)
{
    (void)printf("{\"what\":\"%s\",\"by\":\"%s\",\"us\":%.1f,\"floor_us\":%.1f,\"ratio\":%.2f}\n",
                 what, by, us, floor_us, us / floor_us);
}

/* The same claims under another type, which libjwt does not take. Lasts for the program. */
static struct rk_str other_type(struct rk_arena *keep)
{
    struct rk_str head = rk_base64url_encode(
        keep, RK_STR("{\"alg\":\"RS256\",\"kid\":\"key-1\",\"typ\":\"at+jwt\"}"));
    json_t *c = claims();
    char *text = json_dumps(c, JSON_COMPACT);
    struct rk_str body = rk_base64url_encode(keep, rk_str_z(text)), in, sig;

    in = rk_arena_printf(keep, "%.*s.%.*s", RK_STR_ARG(head), RK_STR_ARG(body));
    free(text);
    json_decref(c);
    if (jwk_sign(key, keep, in, &sig, &err))
        die("sign");
    return rk_arena_printf(keep, "%.*s.%.*s", RK_STR_ARG(in), RK_STR_ARG(sig));
}

int main(int argc, char **argv)
{
    struct rk_arena *keep = rk_arena_new(0);
    int64_t rounds = 20000;
    json_t *c = claims(), *header = NULL, *got = NULL;
    struct rk_str token, other;
    double check_us, make_us;

    if (argc > 1 && rk_parse_i64(rk_str_z(argv[1]), 1, 100000000, &rounds, &err))
        die("rounds");
    mem = rk_arena_new(0);
    if (jwk_rsa_new(&key, &err) || jwt_make(keep, key, RK_STR("key-1"), c, &token, &err) ||
        jwt_split(keep, token, &header, &got, &signed_part, &raw_sig, &err))
        die("prepare");
    json_decref(header);
    json_decref(got);
    json_decref(c);
    other = other_type(keep);
    check_us = time_of(bare_check, token, rounds);
    make_us = time_of(bare_make, token, rounds / 10 + 1);
    line("check RS256", "libjwt, first time", time_of(check_anew, token, rounds / 10 + 1),
         check_us);
    line("check RS256", "libjwt, again", time_of(check, token, rounds), check_us);
    line("check RS256", "openssl", time_of(check, other, rounds), check_us);
    line("make RS256", "libjwt", time_of(make, token, rounds / 10 + 1), make_us);
    jwk_unref(key);
    rk_arena_free(mem);
    rk_arena_free(keep);
    return 0;
}
