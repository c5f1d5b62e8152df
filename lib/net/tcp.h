/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Non-blocking stream sockets: options, listening, accepting, peeking, resolving, and the watch on
 * a loop that tells when one is ready. lib/net/transport and lib/http/edge build on it.
 */
#ifndef RK_NET_TCP_H
#define RK_NET_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/base/loop_uv.h"
#include "lib/net/addr.h"

/** New non-blocking, close-on-exec socket; fwmark 0: none. Errors: RK_UNAVAILABLE. Any thread. */
enum rk_code tcp_socket(const struct rk_addr *to, uint32_t fwmark, int *out,
                        struct rk_err *err) RK_MUST;

/** No Nagle delay, keepalive probes (120 s, then 4 × 30 s) against silent half-open peers, and a
 *  limit of 60 s for unacknowledged data. Harmless on other sockets. */
void tcp_tune(int fd);

/** Also notice a remote that is silently gone: when sent bytes, or a keepalive after as long of
 *  silence, have not been acknowledged for about this long. After tcp_tune. */
void tcp_dead_after(int fd, int64_t ms);

/** Start connecting: true when it is under way or done. */
bool tcp_connect(int fd, const struct rk_addr *to);

/** errno of a finished connect; 0 for success. */
int tcp_error(int fd);

/**
 * Listening socket. addr.ip.family 0: all IPv6 and IPv4 addresses (IPv4 only where the machine has
 * no IPv6). reuseport: several sockets share the port and the kernel spreads connections.
 * Errors: RK_UNAVAILABLE naming the address.
 */
enum rk_code tcp_listen(const struct rk_addr *addr, bool reuseport, int *out,
                        struct rk_err *err) RK_MUST;

/** Was it opened with reuseport? */
bool tcp_shares_port(int fd);

/** Next connection as a non-blocking socket, or -1 with errno. */
int tcp_accept(int listener, struct rk_addr *peer);

enum rk_code tcp_local(int fd, struct rk_addr *out, struct rk_err *err) RK_MUST;

/** Look at received bytes without taking them; as recv(). */
ssize_t tcp_peek(int fd, void *buf, size_t size);

/** Report "readable" only once n bytes are there (or the end): so that peeking does not spin. */
void tcp_set_low_water(int fd, size_t n);

/** Watch on one socket. Embed; init, start/stop, then close: closed() is the last callback, after
 *  which the memory may go. Closes the socket itself unless told to keep it. Loop thread. */
struct tcp_watch {
    uv_poll_t uv; /* private */
    int fd;
    int events;
    bool keep_fd;
    void (*ready)(struct tcp_watch *w, bool readable, bool writable); /* both: an error is there */
    void (*closed)(struct tcp_watch *w);
};
/** fd is taken, also on error. */
enum rk_code tcp_watch_init(struct rk_loop *l, struct tcp_watch *w, int fd,
                            struct rk_err *err) RK_MUST;
void tcp_watch_set(struct tcp_watch *w, bool readable, bool writable);
void tcp_watch_close(struct tcp_watch *w);
/** Close the watch, keep the socket: returns it. */
int tcp_watch_detach(struct tcp_watch *w);

struct tcp_resolver;

/** Name to addresses, off the loop. Embed; done is always called, once. */
struct tcp_resolve {
    uv_getaddrinfo_t uv;     /* private */
    struct tcp_resolver *by; /* private; NULL: the C library */
    /** n 0: failed, why says so. addrs is borrowed. */
    void (*done)(struct tcp_resolve *r, const struct rk_addr *addrs, size_t n,
                 const struct rk_err *why);
    uint16_t port;
};
#define TCP_RESOLVE_MAX 16
enum rk_code tcp_resolve_start(struct rk_loop *l, struct tcp_resolve *r, const char *host,
                               uint16_t port, struct rk_err *err) RK_MUST;
void tcp_resolve_cancel(struct tcp_resolve *r); /* done still comes */

/** Who answers for a loop instead of the C library, whose questions go where the host's routes and
 *  settings lead: a program that has changed those itself may have to go around them. Embed. */
struct tcp_resolver {
    /** Call r->done later, not within; also after cancel. */
    void (*start)(struct tcp_resolver *s, struct tcp_resolve *r, const char *host);
    void (*cancel)(struct tcp_resolver *s, struct tcp_resolve *r);
};
/** For all that tcp_resolve_start is asked on this loop from now on; NULL: the C library. */
void tcp_resolver_set(struct rk_loop *l, struct tcp_resolver *s);
/** The C library, whoever is set. */
enum rk_code tcp_resolve_system(struct rk_loop *l, struct tcp_resolve *r, const char *host,
                                uint16_t port, struct rk_err *err) RK_MUST;

#endif
