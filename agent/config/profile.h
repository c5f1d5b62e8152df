/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The profile: this agent's identity and settings, one JSON file (mode 0600) with the names that
 * official agents use, so that a file of theirs can be taken over. Names that we do not know are
 * kept. Main thread or loop thread; reads and writes the file at once.
 */
#ifndef RK_AGENT_PROFILE_H
#define RK_AGENT_PROFILE_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/config/options.h"
#include "lib/base/arena.h"
#include "lib/base/cfg.h"
#include "lib/base/err.h"
#include "lib/crypto/secret.h"

struct profile { /* open for reading */
    struct rk_key private_key;
    struct rk_key ssh_seed; /* of the Ed25519 host key */
    struct settings settings;
    bool fresh; /* made by this load: never logged in */
    /* private */
    char *path;
    json_t *json;
    struct rk_opts opts;  /* over `settings` */
    struct rk_arena *mem; /* wiping */
};

/** Load the file, or make a profile with new keys and write it. Missing values get their defaults.
 *  Owned: profile_free. Errors: RK_INVALID (not such a file; nothing is overwritten), RK_INTERNAL
 *  (cannot read or write). */
enum rk_code profile_load(const char *path, struct profile **out, struct rk_err *err) RK_MUST;
void profile_free(struct profile *p); /* accepts NULL */

/** Change one setting by its flag name; checked as on a command line. Not yet written. A pre-shared
 *  key of asterisks only is what GetConfig shows and changes nothing. */
enum rk_code profile_set(struct profile *p, struct rk_str flag, struct rk_str value,
                         struct rk_err *err) RK_MUST;

/** Back to what the file says. On an error the settings are the defaults, keys stay. */
enum rk_code profile_reload(struct profile *p, struct rk_err *err) RK_MUST;

/** Write the file: a new one beside it takes its place. */
enum rk_code profile_save(struct profile *p, struct rk_err *err) RK_MUST;

/** Its name for people; see profiles.h, which writes it. Kept when the profile is saved. */
void profile_set_name(struct profile *p, const char *name);

/** All of it as JSON for people: secrets are "(set)". Owned by the caller. */
json_t *profile_shown(const struct profile *p);

/** Scheme, host and port of a URL setting: "https://host[:port][/…]". https means 443, http 80.
 *  RK_INVALID for anything else. arena */
enum rk_code profile_url(struct rk_arena *mem, struct rk_str url, bool *tls, char **host,
                         uint16_t *port, struct rk_err *err) RK_MUST;

/** The pre-shared key; false: none. Errors are kept out by profile_set. */
bool profile_psk(const struct profile *p, struct rk_key *out);

/** "ssh-ed25519 AAAA…", the public half of ssh_seed. arena */
struct rk_str profile_ssh_line(const struct profile *p, struct rk_arena *mem);

#endif
