/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of management/proxy; nothing else includes it. */
#ifndef MGMT_PROXY_IMPL_H
#define MGMT_PROXY_IMPL_H

#include <pthread.h>

#include "lib/base/list.h"
#include "lib/base/ratelimit.h"
#include "lib/crypto/secret.h"
#include "lib/grpc/server.h"
#include "management/ops/proxy_log.h"
#include "management/ops/proxy_tokens.h"
#include "management/ops/services.h"
#include "management/proxy/proxy.h"
#include "schema/gen/proxy_service.pb-c.h"
#include "schema/pb_arena.h"

struct proxies {
    struct proxies_opts o;
    struct rk_key key;             /* signs one-time tokens */
    pthread_mutex_t lock;          /* guards streams, failures and guesses */
    struct rk_list streams;        /* of struct proxy_stream */
    struct rk_ratelimit *failures; /* by address: tokens that were wrong */
    struct rk_ratelimit *guesses;  /* by service and scheme: secrets that were wrong */
    struct mgmt_observer observer;
    struct mgmt_chore sweep;
};

static inline struct proxies *proxies_of(const struct grpc_call *c)
{
    return (struct proxies *)grpc_call_app(c);
}

/* ---- who calls */

/** May this address show a token? Counts nothing. Any thread. */
bool proxy_may_try(struct proxies *p, struct rk_str ip);

/** The token of the header "authorization"; wrong ones count against the address. Store thread.
 *  arena. RK_UNAUTHENTICATED. */
enum rk_code proxy_who(struct proxies *p, struct db *db, struct rk_arena *mem, struct rk_str header,
                       struct rk_str ip, struct proxy_token *out, struct rk_err *err) RK_MUST;

/** May one more secret of this service and scheme be tried? A right one is given back. Any thread.
 */
bool proxy_may_guess(struct proxies *p, struct rk_str what);
void proxy_guessed(struct proxies *p, struct rk_str what);

/** RK_FORBIDDEN: the token is of another account. */
enum rk_code proxy_scope(const struct proxy_token *t, struct rk_str account_id,
                         struct rk_err *err) RK_MUST;

/** End a call with an error, by the numbers that proxies know. Loop. */
void proxy_fail(struct grpc_call *c, const struct rk_err *err);

/* ---- calls with one answer */

struct proxy_call { /* lives in the call's arena; while it is out, both are the worker's */
    struct rk_work work;
    struct grpc_call *call; /* one reference */
    struct proxies *p;
    struct rk_arena *mem;
    struct proxy_token token;
    struct rk_str header, ip;
    const void *msg;          /* the request */
    ProtobufCMessage *answer; /* set by run */
    enum rk_code (*run)(struct proxy_call *c, struct db *db, struct rk_err *err);
    struct rk_err err;
};

enum rk_code proxy_authenticate(struct proxy_call *c, struct db *db, struct rk_err *err);
enum rk_code proxy_validate_session(struct proxy_call *c, struct db *db, struct rk_err *err);
enum rk_code proxy_validate_peer(struct proxy_call *c, struct db *db, struct rk_err *err);
enum rk_code proxy_status_update(struct proxy_call *c, struct db *db, struct rk_err *err);
enum rk_code proxy_create_peer(struct proxy_call *c, struct db *db, struct rk_err *err);
enum rk_code proxy_access_log(struct proxy_call *c, struct db *db, struct rk_err *err);

/* ---- mappings */

/** The texts as protobuf wants them; n: how many. arena */
char **proxy_texts(struct rk_arena *mem, const struct str_list *l, size_t *n);

/** What a proxy is told of a service, without its one-time token. arena */
Management__ProxyMapping *proxy_mapping(struct rk_arena *mem, const struct snapshot *s,
                                        const struct service *svc);

/** For one CreateProxyPeer of this service. arena */
struct rk_str proxy_once_make(const struct proxies *p, struct rk_arena *mem,
                              const struct service *svc);

/** Is it one of ours, for this service, and not used before? RK_UNAUTHENTICATED. */
enum rk_code proxy_once_take(const struct proxies *p, struct db *db, struct rk_arena *mem,
                             struct rk_str account_id, struct rk_str service_id,
                             struct rk_str token, struct rk_err *err) RK_MUST;

/* ---- session tokens: JWTs that a proxy checks by itself */

#define PROXY_SESSION_S 86400

struct proxy_session { /* open */
    struct rk_str subject, method, email;
    struct str_list groups, group_names; /* in one order */
};

/** arena. RK_INTERNAL: the service has no key. */
enum rk_code proxy_session_make(struct rk_arena *mem, const struct service *svc,
                                const struct proxy_session *in, int64_t now_us, struct rk_str *out,
                                struct rk_err *err) RK_MUST;

/** Whose token is it? arena. RK_UNAUTHENTICATED. */
enum rk_code proxy_session_read(struct rk_arena *mem, const struct service *svc,
                                struct rk_str token, int64_t now_us, struct rk_str *subject,
                                struct rk_err *err) RK_MUST;

/* ---- streams */

void proxy_sync_message(struct grpc_call *c, struct rk_str body);
void proxy_sync_half_closed(struct grpc_call *c);
void proxy_updates(struct grpc_call *c, struct rk_str body);
void proxy_stream_ended(struct grpc_call *c, enum rk_code why);

/** Accounts changed: streams that it may concern look again. Lane thread. */
void proxy_streams_changed(struct proxies *p, const struct snapshot *old,
                           const struct snapshot *now, const struct change *changes, size_t n);

#endif
