/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz tokens, key sets and form parameters: what strangers send to the identity provider. */
#include "config.h"

#include "management/idp/request.h"
#include "management/oidc/jwt.h"
#include "tests/fuzz/fuzz.h"

static enum rk_code find(struct jwks_source *s, struct rk_str kid, enum jwk_alg alg,
                         struct jwks_found *out, struct rk_err *err)
{
    (void)s;
    (void)kid;
    (void)alg;
    (void)out;
    return rk_fail(err, RK_UNAUTHENTICATED, "no such key");
}

static void token(struct rk_arena *mem, struct rk_str in)
{
    static const char *const AUD[] = {"a"};
    struct jwks_source s = {.find = find};
    struct jwt_issuer i = {.issuer = "i", .audiences = AUD, .n_audiences = 1, .keys = &s};
    json_t *header = NULL, *claims = NULL;
    struct rk_str part, sig;
    struct jwt j;

    if (jwt_split(mem, in, &header, &claims, &part, &sig, NULL) == RK_OK) {
        FUZZ_CHECK(json_is_object(header) && json_is_object(claims));
        FUZZ_CHECK(part.p == in.p && part.n < in.n);
        json_decref(header);
        json_decref(claims);
    }
    FUZZ_CHECK(jwt_verify(&i, 1, mem, in, 0, &j, NULL, NULL) == RK_UNAUTHENTICATED);
}

static void form(struct rk_arena *mem, struct rk_str in)
{
    static const char *const NAMES[] = {"code", "client_id", "redirect_uri", ""};
    struct rk_str v;

    for (size_t k = 0; k < RK_ARRAY_LEN(NAMES); k++) {
        bool bad = false;

        if (idp_param(mem, in, NAMES[k], &v, &bad))
            FUZZ_CHECK(!bad && v.n <= IDP_PARAM_MAX && rk_str_utf8_ok(v));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_str in = rk_str_of(data, size);
    struct jwks_set set;

    token(mem, in);
    form(mem, in);
    if (jwks_parse(in, &set, NULL) == RK_OK) {
        FUZZ_CHECK(set.n <= JWKS_KEYS_MAX);
        jwks_set_done(&set);
    }
    rk_arena_free(mem);
    return 0;
}
