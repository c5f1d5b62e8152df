/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct wg_device: one WireGuard interface of this host, made by us and removed by us.
 *
 *                          +--> device_netlink.c   the kernel's own WireGuard (generic netlink)
 *   wg_device_apply/read --+
 *                          +--> own/               rook itself: TUN, UDP, threads
 *                          +--> device_uapi.c      a daemon such as wireguard-go, started by us,
 *                                                  through its UNIX socket
 *
 * Loop thread only. Opening and closing need loop turns (a daemon must come up and go down); apply
 * and read are answered at once by the kernel or the daemon next door.
 */
#ifndef RK_AGENT_WG_DEVICE_H
#define RK_AGENT_WG_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/os/nl.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/crypto/secret.h"
#include "lib/net/addr.h"

#define WG_KEEPALIVE_KEEP (-1)

/* One peer's part of a change. Plain data, borrowed for the call. */
struct wg_peer_change {
    struct rk_key key;
    bool remove;
    bool update_only;     /* do nothing when the peer is not there */
    bool replace_allowed; /* else `allowed` is added to what the peer has */
    bool has_endpoint;
    bool has_psk;    /* all zero removes it */
    int keepalive_s; /* WG_KEEPALIVE_KEEP leaves it */
    struct rk_addr endpoint;
    struct rk_key psk;
    const struct rk_prefix *allowed; /* host bits must be clear */
    size_t n_allowed;
};

/* A change of the device. What is not flagged stays. Plain data, borrowed for the call. */
struct wg_change {
    bool has_private_key, has_port, has_mark;
    bool replace_peers; /* peers that are not in the list go */
    struct rk_key private_key;
    uint16_t port; /* 0: the kernel picks one */
    uint32_t mark;
    const struct wg_peer_change *peers;
    size_t n_peers;
};

struct wg_peer_state {
    struct rk_key key;
    struct rk_key psk;         /* wiped with the arena if that wipes */
    struct rk_addr endpoint;   /* family 0: none known */
    int64_t handshake_unix_ms; /* 0: never */
    uint64_t rx_bytes, tx_bytes;
    int keepalive_s;
    struct rk_prefix *allowed; /* arena */
    size_t n_allowed, cap_allowed;
};

struct wg_state {
    uint16_t port;
    uint32_t mark;
    struct wg_peer_state *peers; /* arena */
    size_t n_peers, cap_peers;
};

enum wg_mode { WG_AUTO, WG_KERNEL, WG_OWN, WG_DAEMON };

struct wg_open {            /* texts are copied */
    const char *name;       /* of the interface */
    enum wg_mode mode;      /* WG_AUTO: kernel if it knows the kind, else our own */
    const char *program;    /* userspace daemon: a path, or a name looked up in PATH; NULL or "" for
                               wireguard-go */
    const char *socket_dir; /* NULL: /var/run/wireguard */
    struct nl_sock *route;  /* NETLINK_ROUTE socket, borrowed until closed */
    struct rk_log *log;     /* borrowed until closed */
};

struct wg_device;

/** Embedded in the owner's struct. */
struct wg_device_user {
    const struct wg_device_ops *ops;
};

struct wg_device_ops {
    /** Once: the interface exists (down, without addresses) and apply works, or err says why not
     *  and only closed follows. */
    void (*opened)(struct wg_device_user *u, const struct rk_err *err);
    /** The daemon ended by itself after opened: apply fails from now on. Close it. */
    void (*lost)(struct wg_device_user *u, const struct rk_err *err);
    /** Last call: interface and daemon are gone, the device is freed. */
    void (*closed)(struct wg_device_user *u);
};

/** Never calls back before it has returned. An interface of that name that is in the way is
 *  removed, unless a live daemon that we do not know serves it (then opened gets RK_EXISTS). */
struct wg_device *wg_device_open(struct rk_loop *loop, const struct wg_open *o,
                                 struct wg_device_user *u);

/** Idempotent, allowed at any time after open; `closed` comes on a later turn. */
void wg_device_close(struct wg_device *d);

enum rk_code wg_device_apply(struct wg_device *d, const struct wg_change *c,
                             struct rk_err *err) RK_MUST;

/** Everything the device knows but the private key. arena (a wiping one: it holds pre-shared keys)
 */
enum rk_code wg_device_read(struct wg_device *d, struct rk_arena *mem, struct wg_state *out,
                            struct rk_err *err) RK_MUST;

const char *wg_device_name(const struct wg_device *d);
uint32_t wg_device_ifindex(const struct wg_device *d);
bool wg_device_is_kernel(const struct wg_device *d);
/** Who moves the packets: "kernel", "own" or "daemon". */
const char *wg_device_kind(const struct wg_device *d);

/** Its UDP port, shared for ICE (see port.h), once a change has set the port and the link is up.
 *  Lent until the device is closed. RK_UNAVAILABLE, RK_FORBIDDEN: it cannot be shared, use a socket
 *  of your own and loopback. */
struct wg_port;
enum rk_code wg_device_share(struct wg_device *d, bool no_ipv6, struct wg_port **out,
                             struct rk_err *err) RK_MUST;
/** A packet filter in the data path, where rook itself moves the packets: what peers may send to
 * this host and through it; see own/filter.h. RK_PRECONDITION: others move them. */
struct wgo_filter_rules;
enum rk_code wg_device_filter(struct wg_device *d, const struct wgo_filter_rules *r,
                              struct rk_err *err) RK_MUST;
/** The daemon and its start time (for the state file); 0 when there is none. */
pid_t wg_device_pid(const struct wg_device *d, uint64_t *start_ticks);

/** Start time of a process (field 22 of /proc/PID/stat): with the pid it names one process for
 *  ever. 0 when it is not there. */
uint64_t wg_process_start(pid_t pid);

/* What the state file of a dead agent says about its device. Plain data, borrowed. */
struct wg_left {
    const char *name;
    const char *socket_dir; /* NULL: /var/run/wireguard */
    uint32_t ifindex;
    pid_t pid; /* 0: it was the kernel's */
    uint64_t pid_start;
};

/** Remove what a dead agent left: the daemon (only if pid and start time still agree), the link
 *  (only if the index does), the socket file (only if nobody answers). Blocks up to a second.
 *  Missing things are fine. */
enum rk_code wg_device_clean(struct nl_sock *route, const struct wg_left *left,
                             struct rk_err *err) RK_MUST;

#endif
