/* SPDX-License-Identifier: BSD-3-Clause */
/* argon2id by libsodium, bcrypt by libcrypt. */
#include "config.h"

#include "lib/crypto/pwhash.h"

#include <string.h>

#include <crypt.h>
#include <sodium.h>

#include "lib/base/num.h"
#include "lib/crypto/secret.h"

#define BCRYPT_LEN 60 /* $2b$10$ + 22 salt + 31 digest */

_Static_assert(PWHASH_TEXT_MAX + 1 == crypto_pwhash_argon2id_STRBYTES, "text");

/* "$argon2id$v=19$m=32768,t=3,p=1$salt$digest": take the three numbers. */
static bool argon2_cost(struct rk_str hash, int64_t *kib, int64_t *passes)
{
    static const struct rk_str prefix = {"$argon2id$v=19$m=", 17};
    struct rk_str m, t, p, rest;
    int64_t lanes;

    return hash.n <= PWHASH_TEXT_MAX && rk_str_starts(hash, prefix) &&
           !memchr(hash.p, '\0', hash.n) &&
           rk_str_cut(rk_str_sub(hash, prefix.n, hash.n), ',', &m, &rest) &&
           rk_str_cut(rest, ',', &t, &rest) && rk_str_cut(rest, '$', &p, &rest) &&
           rk_str_starts(t, RK_STR("t=")) && rk_str_starts(p, RK_STR("p=")) &&
           rk_parse_i64(m, 8, PWHASH_ARGON2_KIB_MAX, kib, NULL) == RK_OK &&
           rk_parse_i64(rk_str_sub(t, 2, t.n), 1, PWHASH_ARGON2_PASSES_MAX, passes, NULL) ==
               RK_OK &&
           rk_parse_i64(rk_str_sub(p, 2, p.n), 1, 16, &lanes, NULL) == RK_OK;
}

/* "$2a$10$...": the variants that hash alike for us; $2x$ is a bug kept alive, so not that one. */
static bool bcrypt_known(struct rk_str hash)
{
    int64_t rounds;

    return hash.n == BCRYPT_LEN && hash.p[0] == '$' && hash.p[1] == '2' &&
           (hash.p[2] == 'a' || hash.p[2] == 'b' || hash.p[2] == 'y') && hash.p[3] == '$' &&
           hash.p[6] == '$' && !memchr(hash.p, '\0', hash.n) &&
           rk_parse_i64(rk_str_sub(hash, 4, 2), 4, PWHASH_BCRYPT_ROUNDS_MAX, &rounds, NULL) ==
               RK_OK;
}

enum rk_code pwhash_make(struct pwhash_cost cost, struct rk_str password,
                         char out[PWHASH_TEXT_MAX + 1], struct rk_err *err)
{
    if (password.n > PWHASH_PASSWORD_MAX)
        return rk_fail(err, RK_LIMIT, "password is longer than %d bytes", PWHASH_PASSWORD_MAX);
    if (crypto_pwhash_argon2id_str(out, password.n ? password.p : "", password.n, cost.passes,
                                   cost.memory_bytes))
        return rk_fail(err, RK_UNAVAILABLE, "no memory to hash a password");
    return RK_OK;
}

static enum rk_code bcrypt_verify(const char *hash, struct rk_str password, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) struct crypt_data *data = rk_calloc(1, sizeof *data);
    char phrase[PWHASH_PASSWORD_MAX + 1] = {0};
    const char *got;
    bool same;

    if (password.n)
        memcpy(phrase, password.p, password.n);
    got = crypt_rn(phrase, hash, data, (int)sizeof *data); /* NULL instead of "*0" */
    same = got && strlen(got) == BCRYPT_LEN && rk_secret_eq(got, hash, BCRYPT_LEN);
    rk_secret_wipe(phrase, sizeof phrase);
    rk_secret_wipe(data, sizeof *data);
    return same ? RK_OK : rk_fail(err, RK_UNAUTHENTICATED, "wrong password");
}

enum rk_code pwhash_verify(struct rk_str hash, struct rk_str password, struct rk_err *err)
{
    char text[PWHASH_TEXT_MAX + 1] = {0};
    bool bcrypt = bcrypt_known(hash);
    int64_t kib, passes;

    if (!bcrypt && !argon2_cost(hash, &kib, &passes))
        return rk_fail(err, RK_INTERNAL, "stored password hash is of no known kind");
    if (password.n > PWHASH_PASSWORD_MAX)
        return rk_fail(err, RK_UNAUTHENTICATED, "wrong password");
    memcpy(text, hash.p, hash.n);
    if (bcrypt) {
        /* crypt() would stop at a NUL and accept what follows it. */
        if (password.n && memchr(password.p, '\0', password.n))
            return rk_fail(err, RK_UNAUTHENTICATED, "wrong password");
        return bcrypt_verify(text, password, err);
    }
    if (crypto_pwhash_argon2id_str_verify(text, password.n ? password.p : "", password.n))
        return rk_fail(err, RK_UNAUTHENTICATED, "wrong password");
    return RK_OK;
}

void pwhash_burn(struct pwhash_cost cost, struct rk_str password)
{
    char out[PWHASH_TEXT_MAX + 1];

    password.n = rk_min_size(password.n, PWHASH_PASSWORD_MAX);
    RK_IGNORE(pwhash_make(cost, password, out, NULL));
}

bool pwhash_is_stale(struct pwhash_cost cost, struct rk_str hash)
{
    int64_t kib, passes;

    return !argon2_cost(hash, &kib, &passes) || passes != (int64_t)cost.passes ||
           kib != (int64_t)(cost.memory_bytes / 1024);
}

bool pwhash_is_known(struct rk_str hash)
{
    int64_t kib, passes;

    return bcrypt_known(hash) || argon2_cost(hash, &kib, &passes);
}
