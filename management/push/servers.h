/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct servers: which signal, STUN, TURN and relay servers agents use, with fresh credentials;
 * the NetbirdConfig message. Immutable but for the relays of other processes: any thread.
 */
#ifndef MGMT_PUSH_SERVERS_H
#define MGMT_PUSH_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct servers_turn { /* open */
    const char *uri;  /* "turn:host:port?transport=udp" */
    const char *user; /* static credentials; unused in map pushes with turn_secret */
    const char *password;
};

struct servers_opts {         /* open; copied */
    const char *const *stuns; /* "stun:host:port" */
    size_t n_stuns;
    const struct servers_turn *turns;
    size_t n_turns;
    struct rk_str turn_secret; /* of coturn's static-auth-secret; empty: static credentials */
    int64_t turn_ttl_s;        /* 0: 12 h */
    const char *signal_uri;    /* "host:port", optionally with http:// or https:// in front */
    bool signal_tls;           /* when the URI has no scheme */
    const char *const *relays; /* "rel://host:port" or "rels://host:port" */
    size_t n_relays;
    struct rk_str relay_secret;
    int64_t relay_ttl_s; /* 0: 12 h */
};

#define SERVERS_TTL_DEFAULT_S ((int64_t)12 * 3600)

struct servers;

/** Owned: servers_free. Errors: RK_INVALID (no signal; a URI that agents would refuse, and with it
 *  the whole message; relays without a secret). */
enum rk_code servers_new(const struct servers_opts *opts, struct servers **out,
                         struct rk_err *err) RK_MUST;
void servers_free(struct servers *s); /* accepts NULL; wipes the secrets */

/** The relays that other processes of this service announce: told besides the configured ones, each
 *  once, in the order of their texts. Copied; what agents would refuse is left out. True: the list
 *  is another one now. Without configured relays nothing is told. */
bool servers_relays_set(struct servers *s, const struct rk_str *others, size_t n);

enum servers_form {
    SERVERS_LOGIN,   /* everything; TURN with static credentials */
    SERVERS_FIRST,   /* everything, for the first message of a stream */
    SERVERS_REFRESH, /* only what expires: TURN with a secret, relay */
};

/** Append the bytes of a NetbirdConfig. metrics: the account's setting. Tokens live from now_s. */
void servers_encode(struct servers *s, enum servers_form form, bool metrics, int64_t now_s,
                    struct rk_buf *out);

/** Seconds after which a stream needs SERVERS_REFRESH: three quarters of the shortest credential
 *  life; 0 when nothing expires. */
int64_t servers_refresh_s(const struct servers *s);

#endif
