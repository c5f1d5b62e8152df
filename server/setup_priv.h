/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of `rookery setup`, included by server/setup*.c only.
 *
 *   setup.c ─┬─ setup_ask.c    questions on a terminal
 *            ├─ setup_text.c   answers → configuration file
 *            ├─ setup_check.c  name, clock, disk, authority, store   (nothing is written before)
 *            ├─ setup_ports.c  ports, who holds them, containers
 *            ├─ setup_write.c  files
 *            ├─ setup_unit.c   the service manager
 *            ├─ setup_owner.c  owner, setup key, certificate: over the running server's own ways
 *            └─ setup_print.c  what was made, for people and programs
 * All of it on the main thread, blocking, each wait with a limit.
 */
#ifndef RK_SERVER_SETUP_PRIV_H
#define RK_SERVER_SETUP_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/cfg.h"
#include "server/conf.h"
#include "server/rest_call.h"

#define SETUP_CONFIG "/etc/rookery/config.yaml"
#define SETUP_DATA   "/var/lib/rookery"
#define SETUP_USER   "rookery"
#define SETUP_UNIT   "rookery.service"
#define SETUP_SOCKET "rookery.socket"

enum setup_place {              /* how machines reach the server */
                   SETUP_AS_IS, /* nothing was said: the configuration that is there */
                   SETUP_DOMAIN,
                   SETUP_IP,
                   SETUP_PROXY,
                   SETUP_LAN,
};

struct setup_opts {
    struct rk_str config, domain, ip, cert, key, email, directory, store, data;
    struct rk_strs proxies;
    int64_t port, stun_port, wait_ms, certificate_ms;
    struct rk_str owner_email, owner_name, password;
    bool lan, behind_proxy, yes, no_start, qr, json;
};

struct setup {
    struct rk_arena *mem;
    struct setup_opts o;
    struct rk_opts given; /* which options were given */
    enum setup_place place;
    const char *path;       /* configuration file; NULL: environment alone */
    struct rk_str host;     /* name or address that machines use, brackets around IPv6 */
    struct server_config c; /* loaded */
    struct rest_target t;
    bool wrote, unit; /* the configuration; the unit runs the server */

    struct rk_str pat;      /* "Authorization: Token …" */
    struct rk_str password; /* set when one was made up */
    struct rk_str setup_key;
    bool owner_sent;  /* the server may have made the owner */
    bool uncertified; /* it runs, but has no certificate yet; why: */
    char certificate_error[240];
};

/** Progress and findings: to stdout, or to stderr when stdout is for JSON. */
__attribute__((format(printf, 2, 3))) void setup_say(const struct setup *s, const char *fmt, ...);

/** Ask what was not given. Errors: RK_CANCELLED (the answers ended, or "no"). */
enum rk_code setup_ask(struct setup *s, struct rk_err *err) RK_MUST;
/** One question; the answer, or otherwise when it is empty. arena. Errors: RK_CANCELLED. */
enum rk_code setup_question(struct setup *s, const char *question, const char *otherwise,
                            struct rk_str *out, struct rk_err *err) RK_MUST;
bool setup_on_terminal(void);

/** Options → place, host and the text of a configuration file. Errors: RK_INVALID. */
enum rk_code setup_text(struct setup *s, struct rk_buf *out, struct rk_err *err) RK_MUST;

/** What would keep the configuration s->c from working; prints a line per finding. False: not
 *  usable; *warned is set when somebody should be asked. */
bool setup_check(struct setup *s, bool *warned);

enum setup_level { SETUP_GOOD, SETUP_WARN, SETUP_BAD };
struct setup_checks {
    struct setup *s;
    enum setup_level worst;
};
__attribute__((format(printf, 5, 6))) void setup_find(struct setup_checks *k, enum setup_level v,
                                                      const char *area, const char *todo,
                                                      const char *fmt, ...);
void setup_check_ports(struct setup_checks *k);

struct setup_get { /* a GET whose answer is looked at */
    const char *url, *unix_socket;
    int64_t limit_ms;
    long status;         /* out */
    int64_t date_unix_s; /* out: of the Date header, 0: none */
    struct rk_str body;  /* out: arena */
};
enum rk_code setup_get(struct rk_arena *mem, struct setup_get *g, struct rk_err *err) RK_MUST;

/** Put the file and the data folder into place, for the service's user when there is one. */
enum rk_code setup_write(struct setup *s, struct rk_str text, struct rk_err *err) RK_MUST;

/** Is there a unit that reads this configuration file? */
bool setup_unit_there(struct setup *s);
/** Does the service manager hold ports for it? */
bool setup_unit_holds_ports(void);
/** Start it, or restart it after something was written. Errors: RK_UNAVAILABLE. */
enum rk_code setup_unit_start(struct setup *s, struct rk_err *err) RK_MUST;
/** The last lines of its log, to stderr. */
void setup_unit_tail(struct setup *s);

enum rk_code setup_wait_ready(struct setup *s, bool *required, struct rk_err *err) RK_MUST;
/** Would the server take the address and the password that were given? RK_INVALID: no. */
enum rk_code setup_owner_check(const struct setup *s, struct rk_err *err) RK_MUST;
enum rk_code setup_owner(struct setup *s, struct rk_err *err) RK_MUST;
/** Until the first certificate is there; a failure is noted in s and no error. */
void setup_wait_certificate(struct setup *s);

void setup_print(const struct setup *s);
void setup_print_json(const struct setup *s);
/** The text as a QR code of block characters. */
void setup_qr(const char *text);

#endif
