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
#include "lib/crypto/secret.h"
#include "management/snapshot/snapshot.h"

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
    /* Where traffic events go, "https://host:port"; NULL: agents are told nothing of them. */
    const char *flow_url;
    struct rk_str flow_store_key; /* see flow_token_key */
    int64_t flow_interval_ms;     /* agents sum up for so long; 0: 30 s */
};

#define SERVERS_TTL_DEFAULT_S ((int64_t)12 * 3600)
#define SERVERS_FLOW_TTL_S    ((int64_t)24 * 3600)

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

/* The agent that is told, and what its account says of it. */
struct servers_agent { /* open; borrowed */
    struct rk_str account_id, peer_id;
    bool metrics;
    bool traffic, traffic_counters; /* it records traffic events, with bytes and packets */
};
struct servers_agent servers_agent_of(const struct snapshot *s, uint32_t index);

/** Append the bytes of a NetbirdConfig. Tokens live from now_s. */
void servers_encode(struct servers *s, enum servers_form form, const struct servers_agent *agent,
                    int64_t now_s, struct rk_buf *out);

/** Agents are told of traffic events. */
bool servers_have_flow(const struct servers *s);

/** Seconds after which a stream needs SERVERS_REFRESH: three quarters of the shortest credential
 *  life; 0 when nothing expires. */
int64_t servers_refresh_s(const struct servers *s);

#endif
