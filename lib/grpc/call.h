/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct grpc_call: one call on the server's side. Everything here runs on the call's loop thread,
 * never inside another call's callback of the same function (sends only queue).
 *
 * Life: begin → message… → [half_closed] → answer → ended. The call may be kept beyond `ended` with
 * grpc_call_ref (a worker is out): then every send is ignored and grpc_call_is_over tells.
 */
#ifndef RK_GRPC_CALL_H
#define RK_GRPC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/grpc/status.h"
#include "lib/net/addr.h"

struct grpc_call;

/** Memory of the call, made at first use, ceiling GRPC_CALL_ARENA_MAX. Dies with the last
 *  reference. */
struct rk_arena *grpc_call_arena(struct grpc_call *c);
#define GRPC_CALL_ARENA_MAX ((size_t)64 << 20)

/** Keep the call's memory past `ended`. Loop thread only (not atomic). */
struct grpc_call *grpc_call_ref(struct grpc_call *c);
void grpc_call_unref(struct grpc_call *c); /* accepts NULL */

void *grpc_call_app(const struct grpc_call *c);           /* given to edge_add_grpc */
void grpc_call_set_data(struct grpc_call *c, void *data); /* one pointer for the service */
void *grpc_call_data(const struct grpc_call *c);
struct rk_loop *grpc_call_loop(const struct grpc_call *c);
const char *grpc_call_path(const struct grpc_call *c);
struct rk_log *grpc_call_log(const struct grpc_call *c); /* the edge's; may be NULL */

/** The real client address by trusted proxies. family 0 when unknown. */
const struct rk_addr *grpc_call_peer(const struct grpc_call *c);

/** The connection that carries the call, for counting: never dereference it. */
const void *grpc_call_conn(const struct grpc_call *c);

/** Behind its connection are many clients, as far as one can tell: a trusted proxy, or a private
 *  address. */
bool grpc_call_of_many(const struct grpc_call *c);

/** Request metadata by lower-case name; the first of several; empty where absent. Lent. */
struct rk_str grpc_call_header(const struct grpc_call *c, const char *name);

/** Forget the metadata of a call that stays long: nothing of grpc_call_header is there any more. */
void grpc_call_forget_headers(struct grpc_call *c);

/** Nothing can be sent any more: finished, reset, deadline passed, connection lost. */
bool grpc_call_is_over(const struct grpc_call *c);

/** Milliseconds until the client's deadline; INT64_MAX without one. */
int64_t grpc_call_time_left_ms(const struct grpc_call *c);

/** Send the response headers at once, with one metadata pair. Only the first call counts; later
 *  ones and calls after the first message are ignored with a log line. */
void grpc_call_send_header(struct grpc_call *c, const char *name, const char *value);

/** Queue one message. _owned takes the caller's reference, copies nothing. */
void grpc_call_send(struct grpc_call *c, struct rk_str body);
void grpc_call_send_owned(struct grpc_call *c, struct rk_bytes *body);

/** Bytes of this call that have not been handed to the socket. drained() tells when it is 0. */
size_t grpc_call_queued(const struct grpc_call *c);

/** Drop queued messages whose first byte has not left yet (newest wins). Returns how many. */
size_t grpc_call_drop_unsent(struct grpc_call *c);

/** The caller is somebody we know (a registered peer, not just any key): what waits for it does not
 *  count as a stranger's, and its connection is kept when places are short. */
void grpc_call_set_known(struct grpc_call *c);

/** A refusal of this call is part of normal use: it is not told above debug level. Before it fails,
 *  by whom the call is with. */
void grpc_call_set_quiet(struct grpc_call *c);

/** Stop and go on taking messages from a BIDI client; flow control holds the client back. */
void grpc_call_pause(struct grpc_call *c);
void grpc_call_resume(struct grpc_call *c);

/** End with OK: grpc_call_reply = send + finish. */
void grpc_call_reply(struct grpc_call *c, struct rk_str body);
void grpc_call_finish(struct grpc_call *c);

/** End with an error: logs once, maps by grpc_status_of; INTERNAL and UNAVAILABLE show a fixed text
 *  outside. */
void grpc_call_fail(struct grpc_call *c, const struct rk_err *err);

/** End by RST_STREAM, at once: what is queued is dropped. For clients that do not take what they
 * are sent, so that no status would reach them either. ended() gets RK_LIMIT. */
void grpc_call_abort(struct grpc_call *c);

/** End with exactly this status and text, where the protocol asks for numbers outside the table.
 *  Logged at DEBUG. */
void grpc_call_fail_status(struct grpc_call *c, enum grpc_status status, struct rk_str text);

#endif
