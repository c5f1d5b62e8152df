/* SPDX-License-Identifier: BSD-3-Clause */
/* What others have and we do not; see foreign.h. */
#include "config.h"

#include "agent/cli/foreign.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

#define NO_SSH       "this agent has no SSH server"
#define NO_ROSENPASS "this agent has no Rosenpass: there is no maintained library of it for C"

static const struct foreign {
    const char *flag;
    bool harmless; /* without it the same happens */
    const char *why;
} FOREIGN[] = {
    {"allow-server-ssh", false, NO_SSH},
    {"enable-ssh-root", false, NO_SSH},
    {"enable-ssh-sftp", false, NO_SSH},
    {"enable-ssh-local-port-forwarding", false, NO_SSH},
    {"enable-ssh-remote-port-forwarding", false, NO_SSH},
    {"disable-ssh-auth", true, NO_SSH},
    {"ssh-jwt-cache-ttl", false, NO_SSH},
    {"enable-rosenpass", false, NO_ROSENPASS},
    {"rosenpass-permissive", false, NO_ROSENPASS},
    {"external-ip-map", false, "this agent offers the addresses that it and STUN servers see"},
    {"anonymize", false, "this agent prints addresses and names as they are"},
    {"anonymize-level", false, "this agent prints addresses and names as they are"},
    {"yaml", false, "use --json"},
    {"qr", false, "this agent prints the address to open, not its picture"},
    {"profile", false,
     "one daemon has one profile: start another with its own --state-dir, "
     "--daemon-addr and --interface-name"},
    {"log-file", false, "the daemon logs to stderr: its service manager keeps that"},
    {"enable-lazy-connection", true, "the account's setting decides"},
    {"no-browser", true, "no browser is opened in any case"},
};

static const struct foreign *find(const char *arg)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(FOREIGN); i++) {
        size_t n = strlen(FOREIGN[i].flag);

        if (strncmp(arg, FOREIGN[i].flag, n) == 0 && (!arg[n] || arg[n] == '='))
            return &FOREIGN[i];
    }
    return NULL;
}

static bool says_no(const char *value)
{
    return strcmp(value, "false") == 0 || strcmp(value, "0") == 0 || strcmp(value, "") == 0;
}

enum rk_code foreign_args(int *argc, char **argv, struct rk_err *err)
{
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        const struct foreign *f = strncmp(argv[i], "--", 2) == 0 ? find(argv[i] + 2) : NULL;
        const char *value = f ? strchr(argv[i], '=') : NULL;

        if (!f) {
            argv[kept++] = argv[i];
            continue;
        }
        if (value && says_no(value + 1))
            continue;
        if (!f->harmless)
            return rk_fail(err, RK_PRECONDITION, "--%s: %s", f->flag, f->why);
        (void)fprintf(stderr, "--%s has no effect: %s\n", f->flag, f->why);
    }
    *argc = kept;
    return RK_OK;
}

void foreign_env(struct rk_log *log)
{
    static const char *const prefixes[] = {"ROOK_", "NB_"};

    for (size_t i = 0; i < RK_ARRAY_LEN(FOREIGN); i++)
        for (size_t k = 0; k < RK_ARRAY_LEN(prefixes); k++) {
            char name[64];
            const char *value;

            (void)snprintf(name, sizeof name, "%s%s", prefixes[k], FOREIGN[i].flag);
            for (char *c = name; *c; c++)
                *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
            value = getenv(name);
            if (value && !says_no(value))
                rk_log(log, RK_WARN, "a variable of the environment has no effect",
                       kv_z("name", name), kv_z("why", FOREIGN[i].why));
        }
}

const char *foreign_verb(const char *verb)
{
    static const struct {
        const char *verb, *why;
    } verbs[] = {
        {"ssh", NO_SSH " and no client for one: use ssh to the peer's overlay address"},
        {"profile", "one daemon has one profile: start another with its own --state-dir, "
                    "--daemon-addr and --interface-name"},
        {"debug", "this agent makes no bundles: its log (--log-level debug) and \"rook status -d\" "
                  "say what it does"},
        {"state", "what a killed daemon left is taken back by the next start; the list is "
                  "state.json in the state folder"},
        {"forwarding", "this agent does not forward ports from outside to peers"},
        {"expose", "this agent does not publish ports by a reverse proxy"},
        {"update", "the package manager of this machine does that"},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(verbs); i++)
        if (strcmp(verb, verbs[i].verb) == 0)
            return verbs[i].why;
    return NULL;
}
