/* SPDX-License-Identifier: BSD-3-Clause */
/* People with a password of our own; see local_users.h. */
#include "config.h"

#include "management/identity/local_users.h"

#include <ctype.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/pwhash.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/identity/logins.h"

#define EMAIL_MAX      254 /* RFC 5321 with its erratum 1690 */
#define EMAIL_KEY_NAME "local_user.email_key"

#define COLUMNS                                                                                    \
    "SELECT id, subject, email_sealed, name_sealed, pw_hash, totp_sealed, totp_last, created_at, " \
    "updated_at, recovery, totp_fails, COALESCE((SELECT gen FROM idp_login g WHERE g.subject = "   \
    "local_user.subject), 0) FROM local_user "

static const char SQL_KEY_GET[] = "SELECT value FROM kv WHERE name = $1";
static const char SQL_KEY_PUT[] =
    "INSERT INTO kv (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
static const char SQL_INSERT[] =
    "INSERT INTO local_user (id, subject, email_key, email_sealed, name_sealed, pw_hash, "
    "totp_sealed, totp_last, created_at, updated_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
static const char SQL_BY_EMAIL[] = COLUMNS "WHERE email_key = $1";
static const char SQL_BY_SUBJECT[] = COLUMNS "WHERE subject = $1";
static const char SQL_PASSWORD[] =
    "UPDATE local_user SET pw_hash = $2, updated_at = $3 WHERE subject = $1";
static const char SQL_TOTP[] =
    "UPDATE local_user SET totp_sealed = $2, totp_last = $3, recovery = $4, totp_fails = 0 "
    "WHERE subject = $1";
static const char SQL_TOTP_USE[] = "UPDATE local_user SET totp_last = $2, totp_fails = 0 "
                                   "WHERE subject = $1 AND totp_last < $2";
static const char SQL_TOTP_FAILED[] =
    "UPDATE local_user SET totp_fails = totp_fails + 1 WHERE subject = $1";
static const char SQL_RECOVERY[] = "UPDATE local_user SET recovery = $3, totp_fails = 0 "
                                   "WHERE subject = $1 AND recovery = $2";
static const char SQL_DELETE[] = "DELETE FROM local_user WHERE subject = $1";
static const char SQL_COUNT[] = "SELECT count(*) FROM local_user";

/* ---- the key that addresses are hashed with */

static enum rk_code read_key(struct local_users *l, struct rk_str *sealed, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(l->db, &rows, err, SQL_KEY_GET, DB_ARGS(db_textz(EMAIL_KEY_NAME)));

    *sealed = (struct rk_str){0};
    if (!rc && db_next(rows))
        *sealed = db_col_text(rows, 0, l->mem);
    return rc ? rc : db_end(rows, err);
}

/* Made at the first use; of two processes that make one the first to write wins. */
static enum rk_code email_key(struct local_users *l, struct rk_str *key, struct rk_err *err)
{
    struct rk_str sealed, context = RK_STR(EMAIL_KEY_NAME);
    char raw[RK_KEY_SIZE];
    enum rk_code rc = read_key(l, &sealed, err);

    if (!rc && !sealed.n) {
        rk_secret_random(raw, sizeof raw);
        rc = vault_seal(l->vault, l->mem, context,
                        rk_base64_encode(l->mem, rk_str_of(raw, sizeof raw)), &sealed, err);
        if (!rc)
            rc = db_exec(l->db, err, NULL, SQL_KEY_PUT,
                         DB_ARGS(db_textz(EMAIL_KEY_NAME), db_text(sealed)));
        if (!rc)
            rc = read_key(l, &sealed, err);
    }
    return rc ? rc : vault_open(l->vault, l->mem, context, sealed, key, err);
}

static enum rk_code hash_email(struct local_users *l, struct rk_str email, struct rk_str *out,
                               struct rk_err *err)
{
    uint8_t mac[HMAC_SHA256_SIZE];
    struct rk_str key, lower = rk_arena_dup(l->mem, email);
    enum rk_code rc = email_key(l, &key, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < lower.n; i++)
        ((char *)(uintptr_t)lower.p)[i] = (char)tolower((unsigned char)lower.p[i]);
    hmac_sha256(key, lower, mac);
    *out = rk_base64_encode(l->mem, rk_str_of(mac, sizeof mac));
    return RK_OK;
}

/* ---- rows */

static enum rk_code seal(struct local_users *l, const char *column, struct rk_str id,
                         struct rk_str plain, struct rk_str *out, struct rk_err *err)
{
    *out = RK_STR("");
    if (!plain.n)
        return RK_OK;
    return vault_seal(l->vault, l->mem,
                      rk_arena_printf(l->mem, "local_user.%s/%.*s", column, RK_STR_ARG(id)), plain,
                      out, err);
}

static enum rk_code unseal(struct local_users *l, const char *column, struct rk_str id,
                           struct rk_str *text, struct rk_err *err)
{
    if (!text->n)
        return RK_OK;
    return vault_open(l->vault, l->mem,
                      rk_arena_printf(l->mem, "local_user.%s/%.*s", column, RK_STR_ARG(id)), *text,
                      text, err);
}

enum rk_code local_user_insert(struct local_users *l, const struct local_user *u,
                               struct rk_err *err)
{
    struct rk_str key, email, name, totp;
    enum rk_code rc = hash_email(l, u->email, &key, err);

    if (!rc)
        rc = seal(l, "email", u->id, u->email, &email, err);
    if (!rc)
        rc = seal(l, "name", u->id, u->name, &name, err);
    if (!rc)
        rc = seal(l, "totp", u->id, u->totp, &totp, err);
    if (rc)
        return rc;
    rc = db_exec(l->db, err, NULL, SQL_INSERT,
                 DB_ARGS(db_text(u->id), db_text(u->subject), db_text(key), db_text(email),
                         db_text(name), db_text(u->pw_hash), db_text(totp), db_i64(u->totp_last),
                         db_time(u->created_at_us), db_time(u->created_at_us)));
    return rc == RK_EXISTS ? rk_fail(err, RK_EXISTS, "a user with this email already exists") : rc;
}

static enum rk_code load(struct local_users *l, const char *sql, struct rk_str arg,
                         struct local_user *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct local_user u = {0};
    bool found = false;
    enum rk_code rc = db_query(l->db, &rows, err, sql, DB_ARGS(db_text(arg)));

    if (!rc && db_next(rows)) {
        found = true;
        u = (struct local_user){.id = db_col_text(rows, 0, l->mem),
                                .subject = db_col_text(rows, 1, l->mem),
                                .email = db_col_text(rows, 2, l->mem),
                                .name = db_col_text(rows, 3, l->mem),
                                .pw_hash = db_col_text(rows, 4, l->mem),
                                .totp = db_col_text(rows, 5, l->mem),
                                .totp_last = db_col_i64(rows, 6),
                                .created_at_us = db_col_i64(rows, 7),
                                .changed_at_us = db_col_i64(rows, 8),
                                .recovery = db_col_text(rows, 9, l->mem),
                                .totp_fails = db_col_i64(rows, 10),
                                .gen = db_col_i64(rows, 11),
                                .email_verified = 1};
    }
    if (!rc)
        rc = db_end(rows, err);
    if (!rc && !found)
        rc = rk_fail(err, RK_NOT_FOUND, "no such local user");
    if (!rc)
        rc = unseal(l, "email", u.id, &u.email, err);
    if (!rc)
        rc = unseal(l, "name", u.id, &u.name, err);
    if (!rc)
        rc = unseal(l, "totp", u.id, &u.totp, err);
    if (!rc)
        *out = u;
    return rc;
}

enum rk_code local_user_by_email(struct local_users *l, struct rk_str email, struct local_user *out,
                                 struct rk_err *err)
{
    struct rk_str key;
    enum rk_code rc = hash_email(l, email, &key, err);

    return rc ? rc : load(l, SQL_BY_EMAIL, key, out, err);
}

enum rk_code local_user_by_subject(struct local_users *l, struct rk_str subject,
                                   struct local_user *out, struct rk_err *err)
{
    return load(l, SQL_BY_SUBJECT, subject, out, err);
}

enum rk_code local_user_set_password(struct local_users *l, struct rk_str subject,
                                     struct rk_str pw_hash, int64_t now_us, struct rk_err *err)
{
    return db_exec(l->db, err, NULL, SQL_PASSWORD,
                   DB_ARGS(db_text(subject), db_text(pw_hash), db_time(now_us)));
}

enum rk_code local_user_change_password(struct local_users *l, struct rk_str subject,
                                        struct rk_str pw_hash, int64_t now_us, struct rk_err *err)
{
    enum rk_code rc = local_user_set_password(l, subject, pw_hash, now_us, err);

    return rc ? rc : logins_end(l->db, subject, err);
}

enum rk_code local_user_set_totp(struct local_users *l, struct rk_str subject, struct rk_str secret,
                                 int64_t last_step, struct rk_str recovery, struct rk_err *err)
{
    struct local_user u;
    struct rk_str sealed;
    enum rk_code rc = local_user_by_subject(l, subject, &u, err);

    if (!rc)
        rc = seal(l, "totp", u.id, secret, &sealed, err);
    return rc ? rc
              : db_exec(l->db, err, NULL, SQL_TOTP,
                        DB_ARGS(db_text(subject), db_text(sealed), db_i64(last_step),
                                db_text(recovery)));
}

enum rk_code local_user_reset_totp(struct local_users *l, struct rk_str subject, struct rk_err *err)
{
    enum rk_code rc = local_user_set_totp(l, subject, RK_STR(""), 0, RK_STR(""), err);

    return rc ? rc : logins_end(l->db, subject, err);
}

enum rk_code local_user_totp_failed(struct local_users *l, struct rk_str subject,
                                    struct rk_err *err)
{
    return db_exec(l->db, err, NULL, SQL_TOTP_FAILED, DB_ARGS(db_text(subject)));
}

enum rk_code local_user_use_recovery(struct local_users *l, const struct local_user *u,
                                     struct rk_str hash, bool *ok, struct rk_err *err)
{
    struct rk_str rest = u->recovery, one, left = RK_STR("");
    bool found = false;
    int64_t n = 0;
    enum rk_code rc;

    *ok = false;
    while (rest.n) {
        (void)rk_str_cut(rest, ' ', &one, &rest);
        if (!found && rk_secret_str_eq(one, hash))
            found = true;
        else
            left = left.n ? RK_CAT(l->mem, left, RK_STR(" "), one) : one;
    }
    if (!found)
        return RK_OK;
    rc = db_exec(l->db, err, &n, SQL_RECOVERY,
                 DB_ARGS(db_text(u->subject), db_text(u->recovery), db_text(left)));
    *ok = rc == RK_OK && n == 1; /* else somebody else was faster */
    return rc;
}

/* ---- by the server's administrator */

struct admin {
    struct local_users *l;
    struct rk_str subject, hash;
    int64_t now_us;
};

static enum rk_code admin_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct admin *a = arg;

    (void)db;
    return a->hash.n ? local_user_change_password(a->l, a->subject, a->hash, a->now_us, err)
                     : local_user_reset_totp(a->l, a->subject, err);
}

enum rk_code local_user_admin_password(struct local_users *l, struct rk_str email,
                                       struct rk_str password, int64_t now_us, struct rk_err *err)
{
    struct admin a = {.l = l, .now_us = now_us};
    char hash[PWHASH_TEXT_MAX + 1];
    struct local_user u;
    enum rk_code rc = local_user_by_email(l, email, &u, err);

    if (rc == RK_OK)
        rc = idp_password_check(password, err);
    if (rc == RK_OK)
        rc = pwhash_make(PWHASH_COST_DEFAULT, password, hash, err);
    if (rc)
        return rc;
    a.subject = u.subject;
    a.hash = rk_str_z(hash);
    return db_tx(l->db, admin_tx, &a, err);
}

enum rk_code local_user_admin_reset_totp(struct local_users *l, struct rk_str email,
                                         struct rk_err *err)
{
    struct admin a = {.l = l};
    struct local_user u;
    enum rk_code rc = local_user_by_email(l, email, &u, err);

    if (rc)
        return rc;
    a.subject = u.subject;
    return db_tx(l->db, admin_tx, &a, err);
}

enum rk_code local_user_use_totp(struct local_users *l, struct rk_str subject, int64_t step,
                                 bool *first, struct rk_err *err)
{
    int64_t n = 0;
    enum rk_code rc =
        db_exec(l->db, err, &n, SQL_TOTP_USE, DB_ARGS(db_text(subject), db_i64(step)));

    *first = rc == RK_OK && n == 1;
    return rc;
}

enum rk_code local_user_delete(struct local_users *l, struct rk_str subject, struct rk_err *err)
{
    return db_exec(l->db, err, NULL, SQL_DELETE, DB_ARGS(db_text(subject)));
}

enum rk_code local_user_count(struct db *db, int64_t *out, struct rk_err *err)
{
    return db_get_i64(db, out, err, SQL_COUNT, DB_NOARGS);
}

/* ---- addresses and passwords */

bool idp_email_ok(struct rk_str email)
{
    size_t at = rk_str_find_c(email, '@');
    struct rk_str domain = rk_str_sub(email, at + 1, email.n);

    if (email.n > EMAIL_MAX || !at || at == email.n || !domain.n ||
        rk_str_find_c(domain, '@') < domain.n)
        return false;
    for (size_t i = 0; i < email.n; i++)
        if ((unsigned char)email.p[i] <= ' ' || email.p[i] == 0x7f ||
            strchr("<>()[]\\,;:\"", email.p[i]))
            return false;
    return domain.p[0] != '.' && domain.p[domain.n - 1] != '.' && rk_str_utf8_ok(email);
}

void idp_password_new(char out[17])
{
    static const char LOWER[] = "abcdefghijkmnopqrstuvwxyz", UPPER[] = "ABCDEFGHJKLMNPQRSTUVWXYZ";
    static const char DIGIT[] = "23456789", MARK[] = "!@#$%*+-?_";
    static const struct {
        const char *from;
        unsigned n;
    } PARTS[] = {{MARK, 2}, {DIGIT, 2}, {UPPER, 2}, {LOWER, 10}};
    unsigned n = 0;

    for (size_t k = 0; k < RK_ARRAY_LEN(PARTS); k++)
        for (unsigned i = 0; i < PARTS[k].n; i++)
            out[n++] = PARTS[k].from[rk_secret_random_below((uint32_t)strlen(PARTS[k].from))];
    for (uint32_t i = 15; i > 0; i--) { /* Fisher-Yates */
        uint32_t j = rk_secret_random_below(i + 1);
        char c = out[i];

        out[i] = out[j];
        out[j] = c;
    }
    out[16] = '\0';
}

enum rk_code idp_password_check(struct rk_str password, struct rk_err *err)
{
    bool digit = false, upper = false, mark = false;

    if (password.n < 8)
        return rk_fail(err, RK_INVALID, "password must be at least 8 characters long");
    if (password.n > PWHASH_PASSWORD_MAX)
        return rk_fail(err, RK_INVALID, "password must be at most %d characters long",
                       PWHASH_PASSWORD_MAX);
    for (size_t i = 0; i < password.n; i++) {
        unsigned char c = (unsigned char)password.p[i];

        digit = digit || (c >= '0' && c <= '9');
        upper = upper || (c >= 'A' && c <= 'Z');
        mark = mark || (c < 0x80 && !isalnum(c));
    }
    if (!digit)
        return rk_fail(err, RK_INVALID, "password must contain at least one digit");
    if (!upper)
        return rk_fail(err, RK_INVALID, "password must contain at least one uppercase letter");
    if (!mark)
        return rk_fail(err, RK_INVALID, "password must contain at least one special character");
    return RK_OK;
}
