/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery setup`: answers, looks, files, start, owner, in this order; see setup_priv.h. */
#include "config.h"

#include "server/setup.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/net/addr.h"
#include "server/options.h"
#include "server/setup_priv.h"

enum { TEXT_MAX = 1 << 16, NOT_FINISHED = 3 };

static enum rk_code prefix_check(struct rk_str v, struct rk_err *err)
{
    struct rk_prefix p;

    if (rk_prefix_parse_or_ip(v, &p, NULL))
        return rk_fail(err, RK_INVALID, "\"%.*s\" is neither an address nor a prefix",
                       RK_STR_ARG(v));
    return RK_OK;
}

static enum rk_code path_check(struct rk_str v, struct rk_err *err)
{
    if (v.n && v.p[0] != '/')
        return rk_fail(err, RK_INVALID, "\"%.*s\" does not begin with /", RK_STR_ARG(v));
    return RK_OK;
}

#define AT(member) offsetof(struct setup_opts, member)

static const struct rk_opt SETUP_OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     .at = AT(config),
     .arg = "FILE",
     .help = "configuration file; written when it is not there (" SETUP_CONFIG ")"},
    {.flag = "domain",
     .type = RK_OPT_TEXT,
     .at = AT(domain),
     .arg = "NAME",
     .help = "machines reach the server by this name; it gets a certificate for it by itself"},
    {.flag = "ip",
     .type = RK_OPT_TEXT,
     .at = AT(ip),
     .arg = "ADDR|auto",
     .help = "machines reach the server by this address"},
    {.flag = "lan",
     .type = RK_OPT_BOOL,
     .at = AT(lan),
     .help = "clear text on all addresses, for a network where everybody may read along"},
    {.flag = "behind-proxy",
     .type = RK_OPT_BOOL,
     .at = AT(behind_proxy),
     .help = "a reverse proxy has the certificate of --domain (rookery config proxy says how)"},
    {.flag = "proxy-address",
     .type = RK_OPT_LIST,
     .at = AT(proxies),
     .arg = "ADDR",
     .check = prefix_check,
     .help = "where that proxy is, when it is not this machine"},
    {.flag = "cert",
     .type = RK_OPT_TEXT,
     .at = AT(cert),
     .check = path_check,
     .arg = "FILE",
     .help = "certificate in PEM, with --key, instead of one that the server gets by itself"},
    {.flag = "key",
     .type = RK_OPT_TEXT,
     .at = AT(key),
     .check = path_check,
     .arg = "FILE",
     .help = "its key; only root needs to be able to read both"},
    {.flag = "email",
     .type = RK_OPT_TEXT,
     .at = AT(email),
     .arg = "ADDRESS",
     .help = "given to the authority that makes certificates; the owner's when not given"},
    {.flag = "acme-directory",
     .type = RK_OPT_TEXT,
     .def = "https://acme-v02.api.letsencrypt.org/directory",
     .at = AT(directory),
     .arg = "URL",
     .help = "another authority than Let's Encrypt"},
    {.flag = "store",
     .type = RK_OPT_SECRET,
     .at = AT(store),
     .help = "\"sqlite\", or the DSN of a PostgreSQL database (sqlite)"},
    {.flag = "data",
     .type = RK_OPT_TEXT,
     .def = SETUP_DATA,
     .at = AT(data),
     .check = path_check,
     .arg = "DIR",
     .help = "database and keys"},
    {.flag = "port",
     .type = RK_OPT_I64,
     .min = 0,
     .max = 65535,
     .at = AT(port),
     .help = "TCP port; 443 with a certificate, else 8080"},
    {.flag = "stun-port",
     .type = RK_OPT_I64,
     .def = "3478",
     .min = 1,
     .max = 65535,
     .at = AT(stun_port),
     .help = "UDP port of STUN"},
    {.flag = "owner-email",
     .type = RK_OPT_TEXT,
     .at = AT(owner_email),
     .arg = "ADDRESS",
     .help = "e-mail address that the owner signs in with; asked for on a terminal"},
    {.flag = "owner", .type = RK_OPT_TEXT, .at = AT(owner_email)}, /* the same */
    {.flag = "owner-name",
     .type = RK_OPT_TEXT,
     .def = "Owner",
     .min = 1,
     .max = 200,
     .at = AT(owner_name),
     .arg = "NAME",
     .help = "name of the owner"},
    {.flag = "owner-password",
     .env = "ROOKERY_OWNER_PASSWORD",
     .type = RK_OPT_SECRET,
     .at = AT(password),
     .help = "password; without it one is made up"},
    {.flag = "yes",
     .letter = 'y',
     .type = RK_OPT_BOOL,
     .at = AT(yes),
     .help = "no questions; warnings do not stop it"},
    {.flag = "no-start",
     .type = RK_OPT_BOOL,
     .at = AT(no_start),
     .help = "look and write the configuration; start nothing and make no owner"},
    {.flag = "wait",
     .type = RK_OPT_DURATION,
     .def = "30s",
     .min = 0,
     .max = 3600000,
     .at = AT(wait_ms),
     .arg = "TIME",
     .help = "how long to wait for the server to answer"},
    {.flag = "wait-certificate",
     .type = RK_OPT_DURATION,
     .def = "2m",
     .min = 0,
     .max = 3600000,
     .at = AT(certificate_ms),
     .arg = "TIME",
     .help = "how long to wait for the first certificate; the server goes on trying"},
    {.flag = "qr",
     .type = RK_OPT_BOOL,
     .at = AT(qr),
     .help = "also as a QR code; on a terminal it is shown anyway"},
    {.flag = "json",
     .type = RK_OPT_BOOL,
     .at = AT(json),
     .help = "print one JSON object; everything else goes to stderr"},
};

/* ---- a new configuration */

/* Read back as the server will read it, from memory: nothing is on the disk yet. */
static enum rk_code load_text(struct setup *s, struct rk_str text, struct rk_err *err)
{
    int fd = memfd_create("rookery-config", MFD_CLOEXEC);
    enum rk_code rc;

    if (fd < 0 || write(fd, text.p, text.n) != (ssize_t)text.n)
        rc = rk_fail(err, RK_UNAVAILABLE, "no memory for the configuration");
    else
        rc = server_config_load(s->mem, rk_arena_printf(s->mem, "/proc/self/fd/%d", fd).p, &s->c,
                                NULL, err);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static enum rk_code agree(struct setup *s, bool warned, struct rk_err *err)
{
    struct rk_str answer;
    enum rk_code rc;

    if (s->o.yes || !setup_on_terminal())
        return RK_OK;
    rc = setup_question(s,
                        warned ? "There are warnings. Write the configuration and start?"
                               : "Write the configuration and start?",
                        warned ? "n" : "y", &answer, err);
    if (rc == RK_OK && !rk_str_istarts(answer, RK_STR("y")))
        rc = rk_fail(err, RK_CANCELLED, "as you wish");
    return rc;
}

/* A file that is there stays: the same answers change nothing, others are refused. */
static enum rk_code keep(struct setup *s, struct rk_str text, struct rk_err *err)
{
    struct rk_buf b;
    enum rk_code rc;

    rk_buf_init(&b, TEXT_MAX);
    rc = rk_file_read(s->path, 0, &b, err);
    if (rc == RK_OK && !rk_str_eq(rk_buf_str(&b), text))
        rc = rk_fail(err, RK_EXISTS,
                     "%s is there and says something else than what you gave; change it by hand, "
                     "or run setup without --domain, --ip, --lan and --behind-proxy to go on with "
                     "it. Nothing was changed",
                     s->path);
    rk_secret_wipe(b.p, b.n);
    rk_buf_done(&b);
    return rc;
}

static enum rk_code install(struct setup *s, struct rk_err *err)
{
    struct rk_buf b;
    struct rk_str text;
    bool warned = false;
    enum rk_code rc;

    rk_buf_init(&b, TEXT_MAX);
    rc = setup_text(s, &b, err);
    text = rk_arena_dup(s->mem, rk_buf_str(&b));
    rk_secret_wipe(b.p, b.n);
    rk_buf_done(&b);
    if (rc == RK_OK)
        rc = load_text(s, text, err);
    if (rc)
        return rc;
    s->unit = setup_unit_there(s);
    if (access(s->path, F_OK) == 0)
        return keep(s, text, err);
    if (!setup_check(s, &warned))
        return rk_fail(err, RK_PRECONDITION, "not like this: see above. Nothing was written");
    rc = agree(s, warned, err);
    if (rc)
        return rk_wrap(err, "nothing was written");
    rc = setup_write(s, text, err);
    if (rc == RK_OK)
        setup_say(s, "wrote %s\n", s->path);
    return rc;
}

/* ---- the running server */

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

static int say_done_before(struct setup *s)
{
    if (s->o.json)
        printf("{\"url\": \"%.*s\", \"set_up_before\": true}\n", RK_STR_ARG(s->c.exposed_address));
    else
        printf("Rookery runs at %.*s and was set up before; nothing was changed.\n",
               RK_STR_ARG(s->c.exposed_address));
    return EXIT_SUCCESS;
}

/* Nothing starts the server here: say who does. */
static int say_start(struct setup *s)
{
    setup_say(s,
              "No service manager runs the server here. Start it and go on:\n"
              "  rookery run --config %s &\n  rookery setup --config %s --owner-email %.*s\n",
              s->path, s->path,
              RK_STR_ARG(s->o.owner_email.n ? s->o.owner_email : RK_STR("you@example.com")));
    return NOT_FINISHED;
}

static int fail(struct setup *s, const struct rk_err *err)
{
    (void)fprintf(stderr, "rookery setup: %s\n", err->msg);
    tell_password(s);
    return EXIT_FAILURE;
}

static int finish(struct setup *s)
{
    struct rk_err err = {0};
    bool required = false;
    enum rk_code rc = RK_OK;

    if (s->unit)
        rc = setup_unit_start(s, &err);
    rest_target_of(s->mem, &s->c, &s->t);
    if (s->wrote && !s->unit) { /* was it started already, by whoever waits for the file? */
        s->o.wait_ms = 0;
        rc = setup_wait_ready(s, &required, &err);
        if (rc)
            return say_start(s);
    } else if (rc == RK_OK) {
        rc = setup_wait_ready(s, &required, &err);
        if (rc)
            (void)rk_wrap(&err, "the server does not answer (waited %lld s%s)",
                          (long long)(s->o.wait_ms / 1000),
                          s->unit ? "" : "; rookery run starts it");
    }
    if (rc) {
        setup_unit_tail(s);
        return fail(s, &err);
    }
    if (!required)
        return say_done_before(s);
    rc = setup_owner(s, &err);
    if (rc)
        return fail(s, &err);
    setup_wait_certificate(s);
    if (s->o.json)
        setup_print_json(s);
    else
        setup_print(s);
    return s->uncertified ? NOT_FINISHED : EXIT_SUCCESS;
}

static bool places_given(const struct setup *s)
{
    return s->o.domain.n || s->o.ip.n || s->o.lan || s->o.behind_proxy;
}

/* Options that only a new configuration takes up. */
static enum rk_code refuse_idle(const struct setup *s, struct rk_err *err)
{
    static const char *const only[] = {"proxy-address",  "cert",      "key",     "email",
                                       "acme-directory", "store",     "store",   "data",
                                       "port",           "stun-port", "no-start"};

    for (size_t i = 0; i < RK_ARRAY_LEN(only); i++)
        if (rk_opt_source_of(&s->given, only[i]) == RK_OPT_ARGV)
            return rk_fail(err, RK_INVALID,
                           "--%s is for a new configuration: say also how machines reach the "
                           "server, --domain, --ip, --lan or --behind-proxy",
                           only[i]);
    return RK_OK;
}

/* A new configuration from answers; *done: that was all that was asked for. */
static enum rk_code begin(struct setup *s, bool there, bool *done, struct rk_err *err)
{
    enum rk_code rc = setup_on_terminal() && !s->o.yes && !there ? setup_ask(s, err) : RK_OK;

    if (rc == RK_OK)
        rc = setup_owner_check(s, err);
    if (rc)
        return rk_wrap(err, "nothing was written");
    rc = install(s, err);
    *done = rc == RK_OK && s->o.no_start;
    if (*done)
        setup_say(s, "nothing was started (--no-start)\n");
    return rc;
}

/* With what is there. */
static enum rk_code go_on(struct setup *s, bool by_env, bool there, struct rk_err *err)
{
    enum rk_code rc;

    if (!s->o.config.n && (by_env || !there))
        s->path = NULL; /* the environment says it all */
    rc = refuse_idle(s, err);
    if (rc == RK_OK)
        rc = setup_owner_check(s, err);
    if (rc == RK_OK)
        rc = server_config_load(s->mem, s->path, &s->c, NULL, err);
    s->unit = rc == RK_OK && setup_unit_there(s);
    return rc;
}

static int setup_run(struct setup *s)
{
    bool by_env = getenv("ROOKERY_DATA_DIR") || getenv("ROOKERY_LISTEN_ADDRESS"), done = false;
    const char *path = s->o.config.n ? rk_arena_dupz(s->mem, s->o.config) : SETUP_CONFIG;
    bool there = access(path, F_OK) == 0;
    struct rk_err err = {0};
    enum rk_code rc;

    s->o.qr = s->o.qr || (setup_on_terminal() && !s->o.json);
    s->path = path;
    if (places_given(s) || (!there && !by_env && setup_on_terminal() && !s->o.yes))
        rc = begin(s, there, &done, &err);
    else
        rc = go_on(s, by_env, there, &err);
    if (done)
        return EXIT_SUCCESS;
    return rc ? fail(s, &err) : finish(s);
}

static const struct server_command SETUP = {
    .name = "setup",
    .args = "",
    .what =
        "Set up the server of this machine: look whether it can work, write its configuration,\n"
        "start the unit, make the owner and a first setup key, print how to enrol machines.\n"
        "On a terminal it asks for what is not given. Without --domain, --ip, --lan or\n"
        "--behind-proxy it goes on with the configuration that is there. Run again it changes\n"
        "nothing. Status 0: done, 1: not possible, 3: the certificate or the start is to come.",
    .table = SETUP_OPTS,
    .n = RK_ARRAY_LEN(SETUP_OPTS),
};

int server_setup_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct setup s = {.mem = mem};
    int status;

    if (!server_options_given(mem, &SETUP, &s.o, argc, argv, &s.given, &status))
        return status;
    return setup_run(&s);
}
