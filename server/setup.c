/* SPDX-License-Identifier: BSD-3-Clause */
/* First run over the server's own REST API, with the setup token of its data folder. */
#include "config.h"

#include "server/setup.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/crypto/keyfile.h"
#include "lib/crypto/secret.h"
#include "server/options.h"
#include "server/rest_call.h"

enum { PASSWORD_BYTES = 15 };

struct setup_opts {
    struct rk_str config, owner_email, owner_name, password;
    int64_t wait_ms;
    bool json;
};

static const struct rk_opt SETUP_OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct setup_opts, config),
     .arg = "FILE",
     .help = "configuration file"},
    {.flag = "owner-email",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct setup_opts, owner_email),
     .arg = "ADDRESS",
     .help = "e-mail address that the owner logs in with; asked for on a terminal"},
    {.flag = "owner-name",
     .type = RK_OPT_TEXT,
     .def = "Owner",
     .min = 1,
     .max = 200,
     .at = offsetof(struct setup_opts, owner_name),
     .arg = "NAME",
     .help = "name of the owner"},
    {.flag = "owner-password",
     .env = "ROOKERY_OWNER_PASSWORD",
     .type = RK_OPT_SECRET,
     .at = offsetof(struct setup_opts, password),
     .help = "password; without it one is made up"},
    {.flag = "wait",
     .type = RK_OPT_DURATION,
     .def = "30s",
     .min = 0,
     .max = 3600000,
     .at = offsetof(struct setup_opts, wait_ms),
     .arg = "TIME",
     .help = "how long to wait for the server to answer"},
    {.flag = "json",
     .type = RK_OPT_BOOL,
     .at = offsetof(struct setup_opts, json),
     .help = "print one JSON object instead of text"},
};

struct setup {
    struct rk_arena *mem;
    struct setup_opts o;
    struct server_config c;
    struct rest_target t;
    struct rk_str pat;      /* "Authorization: Token …" */
    struct rk_str password; /* set when one was made up */
    struct rk_str setup_key;
    bool owner_sent; /* the server may have made the owner */
};

static enum rk_code wait_ready(struct setup *s, bool *required, struct rk_err *err)
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
        (void)usleep(100000);
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

/* Nobody becomes owner under a name that was made up. */
static enum rk_code ask_owner(struct setup *s, struct rk_err *err)
{
    char line[256];

    if (!s->o.owner_email.n && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        (void)fputs("E-mail address of the owner (signs in with it): ", stdout);
        (void)fflush(stdout);
        if (fgets(line, sizeof line, stdin))
            s->o.owner_email = rk_arena_dup(s->mem, rk_str_trim(rk_str_z(line)));
    }
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

static void print_done(const struct setup *s)
{
    const struct rk_str url = s->c.exposed_address;

    printf("\nRookery is ready at %.*s\n\n", RK_STR_ARG(url));
    printf("  owner        %.*s\n", RK_STR_ARG(s->o.owner_email));
    if (s->password.n)
        printf("  password     %.*s   (shown this once; keep it)\n", RK_STR_ARG(s->password));
    if (s->pat.n)
        printf("  API token    %.*s   (valid for one day)\n",
               RK_STR_ARG(rk_str_sub(s->pat, strlen("Authorization: Token "), s->pat.n)));
    printf("  setup key    %.*s   (7 days, 10 machines)\n\n", RK_STR_ARG(s->setup_key));
    printf("Enrol a machine:\n");
    printf("  with rook            sudo rook up --management-url %.*s --setup-key %.*s\n",
           RK_STR_ARG(url), RK_STR_ARG(s->setup_key));
    printf("  official client      sudo netbird up --management-url %.*s --setup-key %.*s\n\n",
           RK_STR_ARG(url), RK_STR_ARG(s->setup_key));
    printf("API: curl -H 'Authorization: Token …' %.*s/api/peers\n", RK_STR_ARG(url));
    printf("Data and keys are in %.*s; back that folder up.\n", RK_STR_ARG(s->c.data_dir));
}

static void print_json(const struct setup *s)
{
    const struct rk_str token = rk_str_sub(s->pat, strlen("Authorization: Token "), s->pat.n);
    json_t *o =
        json_pack("{s:s%, s:s%, s:s%, s:s%, s:s%}", "url", s->c.exposed_address.p,
                  s->c.exposed_address.n, "owner", s->o.owner_email.p, s->o.owner_email.n,
                  "password", s->password.n ? s->password.p : "", s->password.n, "api_token",
                  token.n ? token.p : "", token.n, "setup_key", s->setup_key.p, s->setup_key.n);

    (void)json_dumpf(o, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(o);
}

/* A password that was made up here is known to nobody else: it is not lost with what failed. */
static void tell_password(const struct setup *s)
{
    if (s->owner_sent && s->password.n)
        (void)fprintf(stderr,
                      "The owner may have been made before that. Keep this: %.*s signs in at %.*s "
                      "with the password %.*s\n",
                      RK_STR_ARG(s->o.owner_email), RK_STR_ARG(s->c.exposed_address),
                      RK_STR_ARG(s->password));
}

static int setup_run(struct setup *s)
{
    struct rk_err err = {0};
    bool required = false;
    char *path = s->o.config.n ? rk_arena_dupz(s->mem, s->o.config) : NULL;
    enum rk_code rc = server_config_load(s->mem, path, &s->c, NULL, &err);

    if (rc == RK_OK) {
        rest_target_of(s->mem, &s->c, &s->t);
        rc = wait_ready(s, &required, &err);
    }
    if (rc == RK_OK && !required) {
        printf("Rookery runs at %.*s and was set up before; nothing was changed.\n",
               RK_STR_ARG(s->c.exposed_address));
        return EXIT_SUCCESS;
    }
    if (rc == RK_OK)
        rc = ask_owner(s, &err);
    if (rc == RK_OK)
        rc = make_owner(s, &err);
    if (rc == RK_OK && !s->pat.n)
        rc = rk_fail(&err, RK_PRECONDITION,
                     "the owner was made, but the server gives no token (server.x.setupPAT)");
    if (rc == RK_OK)
        rc = make_setup_key(s, &err);
    if (rc) {
        (void)fprintf(stderr, "rookery setup: %s\n", err.msg);
        tell_password(s);
        return EXIT_FAILURE;
    }
    if (s->o.json)
        print_json(s);
    else
        print_done(s);
    return EXIT_SUCCESS;
}

static const struct server_command SETUP = {
    .name = "setup",
    .args = "",
    .what = "Make the first owner and a setup key on a running, fresh server, and print how to\n"
            "enrol machines. On a server that was set up it changes nothing.",
    .table = SETUP_OPTS,
    .n = RK_ARRAY_LEN(SETUP_OPTS),
};

int server_setup_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct setup s = {.mem = mem};
    int status;

    if (!server_options_load(mem, &SETUP, &s.o, argc, argv, NULL, &status))
        return status;
    return setup_run(&s);
}

struct health_opts {
    struct rk_str config, url;
};

static const struct rk_opt HEALTH_OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct health_opts, config),
     .arg = "FILE",
     .help = "configuration file"},
    {.flag = "url",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct health_opts, url),
     .arg = "URL",
     .help = "address to ask instead of the configured one, e.g. http://127.0.0.1:8080/livez"},
};

static const struct server_command HEALTH = {
    .name = "health",
    .args = "",
    .what = "Status 0 when the server of this machine is ready.",
    .table = HEALTH_OPTS,
    .n = RK_ARRAY_LEN(HEALTH_OPTS),
};

int server_health_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct health_opts o = {0};
    struct server_config c;
    struct rest_target t = {0};
    struct rk_err err = {0};
    json_t *answer = NULL;
    const char *path = "/api/instance";
    long status = 0;
    enum rk_code rc = RK_OK;
    int ended;

    if (!server_options_load(mem, &HEALTH, &o, argc, argv, NULL, &ended))
        return ended;
    if (o.url.n) {
        t.base = o.url;
        path = "";
    } else {
        rc = server_config_load(mem, o.config.n ? rk_arena_dupz(mem, o.config) : NULL, &c, NULL,
                                &err);
        if (rc == RK_OK)
            rest_target_of(mem, &c, &t);
    }
    if (rc == RK_OK)
        rc = rest_call(&t, "GET", path, (struct rk_str){0}, NULL, &status, &answer, &err);
    json_decref(answer);
    if (rc) {
        (void)fprintf(stderr, "rookery health: %s\n", err.msg);
        return EXIT_FAILURE;
    }
    printf("%s\n", status == 200 ? "ready" : "not ready");
    return status == 200 ? EXIT_SUCCESS : EXIT_FAILURE;
}
