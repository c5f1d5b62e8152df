/* SPDX-License-Identifier: BSD-3-Clause */
/* First owner and setup key over the server's own REST API, with the setup token of its data
 * folder; and the wait for its first certificate. */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/crypto/keyfile.h"
#include "lib/crypto/secret.h"
#include "management/identity/local_users.h"
#include "server/command/socket.h"
#include "server/setup_priv.h"
#include "server/wiring.h"

enum { PASSWORD_BYTES = 15, POLL_US = 100000 };

enum rk_code setup_wait_ready(struct setup *s, bool *required, struct rk_err *err)
{
    int64_t end = rk_mono_ms() + s->o.wait_ms;

    for (;;) {
        json_t *answer = NULL;
        long status = 0;
        enum rk_code rc = rest_call(&s->t, "GET", "/api/instance", (struct rk_str){0}, NULL,
                                    &status, &answer, err);

        if (rc == RK_OK && status != 200)
            rc = rk_fail(err, RK_UNAVAILABLE, "/api/instance answers %ld: %s", status,
                         rest_error_text(answer));
        if (rc == RK_OK)
            *required = json_is_true(json_object_get(answer, "setup_required"));
        json_decref(answer);
        if (rc == RK_OK || rk_mono_ms() >= end)
            return rc;
        (void)usleep(POLL_US);
    }
}

/* The one-time token that the server left in its data folder, as a header. */
static enum rk_code setup_header(struct setup *s, struct rk_str *out, struct rk_err *err)
{
    struct rk_str token = s->c.setup_token;
    enum rk_code rc = RK_OK;

    if (!token.n)
        rc = keyfile_read(s->mem, s->c.data_dir, "setup-token", &token, err);
    if (rc)
        return rk_wrap(err, "the one-time setup token");
    *out = rk_arena_printf(s->mem, "X-Setup-Token: %.*s", RK_STR_ARG(token));
    return RK_OK;
}

static void make_password(struct setup *s)
{
    static const char alphabet[] = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    uint8_t raw[PASSWORD_BYTES];
    char text[PASSWORD_BYTES + 6];
    size_t n = 0;

    rk_secret_random(raw, sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++) {
        if (i && i % 5 == 0)
            text[n++] = '-';
        text[n++] = alphabet[raw[i] % (sizeof alphabet - 1)];
    }
    text[n++] = '!';
    text[n++] = '7';
    text[n++] = 'K'; /* mark, digit and capital: the rules are met whatever came out */
    s->password = rk_arena_dup(s->mem, rk_str_of(text, n));
    rk_secret_wipe(raw, sizeof raw);
    rk_secret_wipe(text, sizeof text);
}

/* What the server would refuse when everything else has been done. */
enum rk_code setup_owner_check(const struct setup *s, struct rk_err *err)
{
    if (s->o.owner_email.n && !idp_email_ok(s->o.owner_email))
        return rk_fail(err, RK_INVALID, "--owner-email \"%.*s\" is no e-mail address",
                       RK_STR_ARG(s->o.owner_email));
    if (s->o.password.n && idp_password_check(s->o.password, err))
        return rk_wrap(err, "--owner-password");
    return RK_OK;
}

/* Nobody becomes owner under a name that was made up. */
static enum rk_code ask_owner(struct setup *s, struct rk_err *err)
{
    if (!s->o.owner_email.n && setup_on_terminal() &&
        setup_question(s, "E-mail address of the owner (signs in with it)", "", &s->o.owner_email,
                       err))
        return err->code;
    if (s->o.owner_email.n && rk_str_find_c(s->o.owner_email, '@') < s->o.owner_email.n)
        return RK_OK;
    return rk_fail(err, RK_INVALID,
                   "nobody owns this server yet: say who will, --owner-email you@example.com");
}

static enum rk_code make_owner(struct setup *s, struct rk_err *err)
{
    struct rk_str header, password = s->o.password;
    enum rk_code rc = setup_header(s, &header, err);
    json_t *body, *answer = NULL;
    long status = 0;
    const char *pat;

    if (rc)
        return rc;
    if (!password.n) {
        make_password(s);
        password = s->password;
    }
    body = json_pack("{s:s%, s:s%, s:s%, s:b, s:i}", "email", s->o.owner_email.p,
                     s->o.owner_email.n, "password", password.p, password.n, "name",
                     s->o.owner_name.p, s->o.owner_name.n, "create_pat", 1, "pat_expire_in", 1);
    rc = rest_call(&s->t, "POST", "/api/setup", header, body, &status, &answer, err);
    json_decref(body);
    s->owner_sent = rc || status < 400 || status >= 500; /* 4xx: refused, nobody was made */
    if (rc == RK_OK && status != 200)
        rc = rk_fail(err, RK_PRECONDITION, "/api/setup answers %ld: %s", status,
                     rest_error_text(answer));
    pat = json_string_value(json_object_get(answer, "personal_access_token"));
    if (rc == RK_OK && pat)
        s->pat = rk_arena_printf(s->mem, "Authorization: Token %s", pat);
    json_decref(answer);
    return rc;
}

static enum rk_code make_setup_key(struct setup *s, struct rk_err *err)
{
    json_t *body = json_pack("{s:s, s:s, s:i, s:[], s:i}", "name", "First machines", "type",
                             "reusable", "expires_in", 7 * 86400, "auto_groups", "usage_limit", 10);
    json_t *answer = NULL;
    long status = 0;
    const char *key;
    enum rk_code rc =
        rest_call(&s->t, "POST", "/api/setup-keys", s->pat, body, &status, &answer, err);

    json_decref(body);
    key = json_string_value(json_object_get(answer, "key"));
    if (rc == RK_OK && (status != 200 || !key))
        rc = rk_fail(err, RK_UNAVAILABLE, "/api/setup-keys answers %ld: %s", status,
                     rest_error_text(answer));
    if (rc == RK_OK)
        s->setup_key = rk_arena_dup(s->mem, rk_str_z(key));
    json_decref(answer);
    return rc;
}

enum rk_code setup_owner(struct setup *s, struct rk_err *err)
{
    enum rk_code rc = ask_owner(s, err);

    if (rc == RK_OK)
        rc = make_owner(s, err);
    if (rc == RK_OK && !s->pat.n)
        rc = rk_fail(err, RK_PRECONDITION,
                     "the owner was made, but the server gives no token (server.x.setupPAT)");
    return rc ? rc : make_setup_key(s, err);
}

/* Does the running server have its certificate? Why not is noted. */
static bool certified(struct setup *s)
{
    json_t *request = json_pack("{s:s}", "command", "status"), *answer = NULL, *r;
    struct rk_err err = {0};
    enum rk_code rc = command_ask(wiring_admin_socket(s->mem, &s->c), request, &answer, &err);
    const char *state, *why;
    bool yes;

    json_decref(request);
    r = json_object_get(answer, "result");
    state = json_string_value(json_object_get(r, "certificate_state"));
    why = rc ? err.msg : json_string_value(json_object_get(r, "certificate_error"));
    yes = state && strcmp(state, "valid") == 0;
    if (!yes && why)
        (void)snprintf(s->certificate_error, sizeof s->certificate_error, "%s", why);
    json_decref(answer);
    return yes;
}

void setup_wait_certificate(struct setup *s)
{
    int64_t end = rk_mono_ms() + s->o.certificate_ms;

    if (!s->c.acme_enabled)
        return;
    if (!certified(s))
        setup_say(s, "waiting for the certificate (at most %lld s)\n",
                  (long long)(s->o.certificate_ms / 1000));
    for (;;) {
        if (certified(s))
            return;
        if (rk_mono_ms() >= end)
            break;
        (void)usleep(POLL_US);
    }
    s->uncertified = true;
}
