/* SPDX-License-Identifier: BSD-3-Clause */
/* From configuration to what the services need: addresses, URLs, secrets. Main thread. */
#ifndef RK_SERVER_WIRING_H
#define RK_SERVER_WIRING_H

#include "lib/base/arena.h"
#include "lib/crypto/vault.h"
#include "lib/net/addr.h"
#include "management/app.h"
#include "server/conf.h"

struct servers_turn; /* management/app.h */

struct wiring { /* open, arena */
    struct rk_addr listen;
    struct rk_addr quic;  /* UDP address of our relay */
    struct rk_addr http;  /* of the listener that sends everybody to https; when one is wanted */
    struct rk_addr *stun; /* UDP addresses of our STUN server */
    size_t n_stun;
    struct rk_addr *ops; /* metrics and health listeners */
    size_t n_ops;
    struct rk_prefix *trusted;
    size_t n_trusted;
    struct rk_strs relay_urls; /* what peers are told */
    struct rk_strs stun_urls;
    struct servers_turn *turns;
    size_t n_turns;
    struct rk_str signal_url; /* "https://host:port" */
    struct rk_str relay_secret;
    bool own_relay, own_signal;
    const char *store_url;     /* for db_open */
    struct rk_str store_key;   /* base64 of 32 bytes */
    struct rk_str setup_token; /* of the first owner */
};

/** Addresses, URLs and the store's place; secrets stay empty and nothing is made. Errors:
 * RK_INVALID naming the key; RK_PRECONDITION (see wiring_make). arena */
enum rk_code wiring_derive(struct rk_arena *mem, const struct server_config *c, struct wiring *out,
                           struct rk_err *err) RK_MUST;

/** Makes the data folder and its secrets where they are missing. Errors: RK_INVALID, RK_FORBIDDEN,
 *  RK_UNAVAILABLE, each naming key or file; RK_PRECONDITION (the folder or the database is another
 *  product's: nothing is written). */
enum rk_code wiring_make(struct rk_arena *mem, const struct server_config *c, struct wiring *out,
                         struct rk_err *err) RK_MUST;

/** The key of the stored secrets, from the configuration or the data folder; nothing is made. For
 *  commands that work on the store. Owned: vault_free. Errors: RK_NOT_FOUND (names the file),
 *  RK_FORBIDDEN, RK_INVALID. */
enum rk_code wiring_vault(struct rk_arena *mem, const struct server_config *c, struct vault **out,
                          struct rk_err *err) RK_MUST;

/** Receivers of events outside, as they are configured. arena */
struct export_opts wiring_exports(struct rk_arena *mem, const struct server_config *c);

/** Path of the admin socket, in the data folder. arena */
const char *wiring_admin_socket(struct rk_arena *mem, const struct server_config *c);

/** Where the database is, for db_open. arena. Errors: RK_INVALID naming the key. */
enum rk_code wiring_store_url(struct rk_arena *mem, const struct server_config *c, const char **out,
                              struct rk_err *err) RK_MUST;

#endif
