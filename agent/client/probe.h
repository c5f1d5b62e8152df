/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looking from this machine at the servers of an overlay, each step by itself, for `rook doctor`.
 * Sockets are marked as the daemon's are, where the caller may, so that they do not go through an
 * exit node. Blocks up to some seconds each; main thread of a command.
 */
#ifndef RK_AGENT_PROBE_H
#define RK_AGENT_PROBE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/tls.h"
#include "lib/net/addr.h"

#define PROBE_ADDRS_MAX 8

/** Addresses of a name, by this machine's resolver. Returns how many (at most PROBE_ADDRS_MAX). */
size_t probe_names(const char *host, struct rk_ip out[PROBE_ADDRS_MAX], struct rk_err *err);

/** A TCP connection. *ms: how long it took. RK_TIMEOUT, RK_UNAVAILABLE. */
enum rk_code probe_tcp(const struct rk_ip *ip, uint16_t port, uint32_t mark, int64_t *ms,
                       struct rk_err *err) RK_MUST;

/** HTTP/2 as gRPC speaks it; tls NULL: in clear text. RK_UNAUTHENTICATED: the certificate is
 *  refused. */
enum rk_code probe_grpc(const char *host, uint16_t port, struct tls_ctx *tls, uint32_t mark,
                        struct rk_err *err) RK_MUST;

/** A WebSocket on /relay: rel:// or rels://, as status shows relays. */
enum rk_code probe_relay(struct rk_str url, struct tls_ctx *tls, uint32_t mark,
                         struct rk_err *err) RK_MUST;

struct probe_mapping {
    struct rk_addr server, mapped; /* mapped.ip.family 0: no answer */
};

/** Ask STUN servers ("stun:host:port") from one UDP port. *local: its number. Returns how many
 *  rows of out were filled (each an address of a server). */
size_t probe_stun(const struct rk_str *uris, size_t n, uint32_t mark, struct probe_mapping *out,
                  size_t max, uint16_t *local);

/** How far this machine's clock is ahead of a web server's (its Date header), in seconds.
 *  RK_UNAVAILABLE, RK_NOT_FOUND (it says no time). */
enum rk_code probe_clock(struct rk_arena *mem, const char *url, const char *ca_file,
                         int64_t *ahead_s, struct rk_err *err) RK_MUST;

#endif
