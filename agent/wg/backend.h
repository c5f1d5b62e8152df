/* SPDX-License-Identifier: BSD-3-Clause */
/* What device.c shares with two of its back-ends, kernel and daemon; nobody else includes it. Our
 * own is agent/wg/own/own.h. */
#ifndef RK_AGENT_WG_BACKEND_H
#define RK_AGENT_WG_BACKEND_H

#include <linux/netlink.h>

#include "agent/wg/device.h"
#include "lib/base/buf.h"

#define WG_SOCKET_DIR "/var/run/wireguard"
#define WG_PROGRAM    "wireguard-go"

/* ---- kernel: generic netlink */

/* Where the encoder stands in a change that needs several messages. All zero: at the start. */
struct wg_nl_pos {
    size_t peer, allowed;
    bool started; /* the device's own attributes are out */
    bool done;
};

/** Append the attributes of WG_CMD_SET_DEVICE to h, as many peers and allowed addresses as fit into
 *  cap bytes; repeat with a fresh message until pos->done. Pure. */
void wg_nl_encode(struct nlmsghdr *h, size_t cap, uint32_t ifindex, const struct wg_change *c,
                  struct wg_nl_pos *pos);

/** One WG_CMD_GET_DEVICE answer; a peer that continues the last one of `out` is joined to it. */
enum rk_code wg_nl_decode(const struct nlmsghdr *h, struct rk_arena *mem, struct wg_state *out,
                          struct rk_err *err) RK_MUST;

struct wg_kernel;
enum rk_code wg_kernel_new(uint32_t ifindex, struct wg_kernel **out, struct rk_err *err) RK_MUST;
void wg_kernel_free(struct wg_kernel *k); /* accepts NULL; leaves the interface */
enum rk_code wg_kernel_apply(struct wg_kernel *k, const struct wg_change *c,
                             struct rk_err *err) RK_MUST;
enum rk_code wg_kernel_read(struct wg_kernel *k, struct rk_arena *mem, struct wg_state *out,
                            struct rk_err *err) RK_MUST;

/* ---- userspace: text over a UNIX socket */

/** The set=1 text with its empty line. Secret: out must be wiped. */
void wg_uapi_encode(const struct wg_change *c, struct rk_buf *out);

/** The answer of set=1 or get=1. Errors: RK_BAD_REQUEST (not such a text), or by its errno. */
enum rk_code wg_uapi_decode(struct rk_str text, struct rk_arena *mem, struct wg_state *out,
                            struct rk_err *err) RK_MUST;

struct wg_uapi;
/** Connect to a daemon. RK_NOT_FOUND, RK_UNAVAILABLE: nobody listens (yet). */
enum rk_code wg_uapi_connect(const char *path, struct wg_uapi **out, struct rk_err *err) RK_MUST;
void wg_uapi_free(struct wg_uapi *u); /* accepts NULL */
enum rk_code wg_uapi_apply(struct wg_uapi *u, const struct wg_change *c,
                           struct rk_err *err) RK_MUST;
enum rk_code wg_uapi_read(struct wg_uapi *u, struct rk_arena *mem, struct wg_state *out,
                          struct rk_err *err) RK_MUST;
/** For how long it has not answered; 0: it answers. Meanwhile most questions fail at once. */
int64_t wg_uapi_silent_ms(const struct wg_uapi *u);

/** Start the daemon in the foreground for an interface; it is told to end when our thread ends.
 *  *pidfd becomes readable when it has ended. */
enum rk_code wg_daemon_start(const char *program, const char *name, const char *dir, pid_t *pid,
                             int *pidfd, struct rk_err *err) RK_MUST;

#endif
