/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * People with a password of our own: table local_user. Which account they belong to is said by
 * struct user with the same id (`subject`). Statements only; callers bring the transaction.
 * Addresses are found by a keyed hash, so the table does not tell who is in it. Store thread.
 */
#ifndef MGMT_IDP_LOCAL_USERS_H
#define MGMT_IDP_LOCAL_USERS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "management/identity/subject.h"
#include "management/store/db.h"

struct vault;

struct local_user {        /* open; arena */
    struct rk_str id;      /* UUID */
    struct rk_str subject; /* idp_subject_encode(id, "local") */
    struct rk_str email;   /* as given */
    struct rk_str name;
    struct rk_str pw_hash;  /* lib/crypto/pwhash */
    struct rk_str totp;     /* secret; empty: none */
    int64_t totp_last;      /* time step of the last accepted code */
    int64_t totp_fails;     /* wrong codes since the last right one */
    struct rk_str recovery; /* hashes of recovery codes with blanks between */
    int64_t gen;            /* of its logins: identity/logins.h */
    int email_verified;     /* 1, 0; -1: a provider did not say */
    int64_t created_at_us;
    int64_t changed_at_us; /* of the password; set by the calls below */
};

struct local_users { /* open; what each call needs */
    struct db *db;
    const struct vault *vault;
    struct rk_arena *mem; /* results */
};

/** RK_EXISTS when the address (in any case) is taken. */
enum rk_code local_user_insert(struct local_users *l, const struct local_user *u,
                               struct rk_err *err) RK_MUST;

/** Errors: RK_NOT_FOUND. */
enum rk_code local_user_by_email(struct local_users *l, struct rk_str email, struct local_user *out,
                                 struct rk_err *err) RK_MUST;
enum rk_code local_user_by_subject(struct local_users *l, struct rk_str subject,
                                   struct local_user *out, struct rk_err *err) RK_MUST;

/** A better hash of the same password. */
enum rk_code local_user_set_password(struct local_users *l, struct rk_str subject,
                                     struct rk_str pw_hash, int64_t now_us,
                                     struct rk_err *err) RK_MUST;
/** Another password: also ends all logins. */
enum rk_code local_user_change_password(struct local_users *l, struct rk_str subject,
                                        struct rk_str pw_hash, int64_t now_us,
                                        struct rk_err *err) RK_MUST;

/** A second factor that was shown to work, with the hashes of its recovery codes. */
enum rk_code local_user_set_totp(struct local_users *l, struct rk_str subject, struct rk_str secret,
                                 int64_t last_step, struct rk_str recovery,
                                 struct rk_err *err) RK_MUST;

/** The second factor is set up anew at the next login; all logins end. */
enum rk_code local_user_reset_totp(struct local_users *l, struct rk_str subject,
                                   struct rk_err *err) RK_MUST;

/* Wrong codes in a row after which only a recovery code or an admin helps (NIST 800-63B 5.2.2). */
#define LOCAL_TOTP_FAILS_MAX 100

enum rk_code local_user_totp_failed(struct local_users *l, struct rk_str subject,
                                    struct rk_err *err) RK_MUST;

/** Take one recovery code away. *ok: it was there. */
enum rk_code local_user_use_recovery(struct local_users *l, const struct local_user *u,
                                     struct rk_str hash, bool *ok, struct rk_err *err) RK_MUST;

/* For who administers the server, by address. With the rules for passwords; all logins end.
 * Errors: RK_NOT_FOUND, RK_INVALID (the password, with the reason), RK_UNAVAILABLE. */
enum rk_code local_user_admin_password(struct local_users *l, struct rk_str email,
                                       struct rk_str password, int64_t now_us,
                                       struct rk_err *err) RK_MUST;
enum rk_code local_user_admin_reset_totp(struct local_users *l, struct rk_str email,
                                         struct rk_err *err) RK_MUST;

/** Note that the code of a step was used; *first is false when it or a later one was already. */
enum rk_code local_user_use_totp(struct local_users *l, struct rk_str subject, int64_t step,
                                 bool *first, struct rk_err *err) RK_MUST;

/** Harmless when there is none. */
enum rk_code local_user_delete(struct local_users *l, struct rk_str subject,
                               struct rk_err *err) RK_MUST;

/** Number of local users. */
enum rk_code local_user_count(struct db *db, int64_t *out, struct rk_err *err) RK_MUST;

/** Plausible address: one '@' with a local part and a dotted domain, no blanks or controls, at most
 *  254 bytes. */
bool idp_email_ok(struct rk_str email);

/** Random password that meets every rule: 16 characters, two digits, two capitals, two marks. */
void idp_password_new(char out[17]);

/** The rules, wherever a password is set: 8 to 128 bytes, a digit, a capital, a mark.
 *  Errors: RK_INVALID saying what is missing. */
enum rk_code idp_password_check(struct rk_str password, struct rk_err *err) RK_MUST;

#endif
