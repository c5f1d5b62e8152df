/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions on a terminal; see setup_priv.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "lib/crypto/secret.h"
#include "server/setup_priv.h"

bool setup_on_terminal(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

enum rk_code setup_question(struct setup *s, const char *question, const char *otherwise,
                            struct rk_str *out, struct rk_err *err)
{
    char line[1024];
    struct rk_str answer;

    printf(*otherwise ? "%s [%s]: " : "%s: ", question, otherwise);
    (void)fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return rk_fail(err, RK_CANCELLED, "no answer");
    answer = rk_str_trim(rk_str_z(line));
    *out = rk_arena_dup(s->mem, answer.n ? answer : rk_str_z(otherwise));
    rk_secret_wipe(line, sizeof line);
    return RK_OK;
}

/* Until it is answered. */
static enum rk_code need(struct setup *s, const char *question, struct rk_str *out,
                         struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    while (rc == RK_OK && !out->n)
        rc = setup_question(s, question, "", out, err);
    return rc;
}

static enum rk_code ask_place(struct setup *s, struct rk_err *err)
{
    struct setup_opts *o = &s->o;
    struct rk_str choice;
    enum rk_code rc;

    puts("How do machines reach this server?\n"
         "  1  by a domain name; it gets its certificate by itself (Let's Encrypt)\n"
         "  2  by a domain name; a reverse proxy on this machine has the certificate\n"
         "  3  on a local network, in clear text: everybody there may read along");
    do {
        rc = setup_question(s, "Which", "1", &choice, err);
    } while (rc == RK_OK && !rk_str_eqz(choice, "1") && !rk_str_eqz(choice, "2") &&
             !rk_str_eqz(choice, "3"));
    if (rc)
        return rc;
    o->behind_proxy = rk_str_eqz(choice, "2");
    o->lan = rk_str_eqz(choice, "3");
    if (o->lan)
        return setup_question(s, "Address of this machine", "auto", &o->ip, err);
    return need(s, "Domain name, such as vpn.example.com", &o->domain, err);
}

/* A DSN holds a password: nobody reads along. */
static enum rk_code ask_store(struct setup *s, struct rk_err *err)
{
    struct termios before, quiet;
    bool hidden = tcgetattr(STDIN_FILENO, &before) == 0;
    struct rk_str choice;
    enum rk_code rc;

    rc = setup_question(s, "Store: sqlite, or postgres", "sqlite", &choice, err);
    if (rc || !rk_str_istarts(choice, RK_STR("postgres")))
        return rc;
    if (hidden) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    rc = need(s, "DSN, such as postgres://rookery:password@db.example.com/rookery (not shown)",
              &s->o.store, err);
    if (hidden) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)putchar('\n');
    }
    return rc;
}

enum rk_code setup_ask(struct setup *s, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (!s->o.domain.n && !s->o.ip.n && !s->o.lan)
        rc = ask_place(s, err);
    if (rc == RK_OK)
        rc = need(s, "E-mail address of the owner (signs in with it)", &s->o.owner_email, err);
    if (rc == RK_OK && !s->o.store.n)
        rc = ask_store(s, err);
    return rc;
}
