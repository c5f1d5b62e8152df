/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_bus: the system's D-Bus on our loop, by libsystemd (sd-bus), which is loaded when a
 * host is found to need it: routers and containers have neither. Calls are queued and answered
 * later; only dns_bus_last, for the way out, waits.
 *
 * Loop thread.
 */
#ifndef RK_AGENT_DNS_BUS_H
#define RK_AGENT_DNS_BUS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"

/* What we call; `bus_dl.open_system` is libsystemd's sd_bus_open_system, and so on. */
#define BUS_DL_FUNCTIONS(X)                                                                        \
    X(call)                                                                                        \
    X(call_async)                                                                                  \
    X(close)                                                                                       \
    X(error_free)                                                                                  \
    X(get_events)                                                                                  \
    X(get_fd)                                                                                      \
    X(get_timeout)                                                                                 \
    X(match_signal_async)                                                                          \
    X(message_append)                                                                              \
    X(message_append_array)                                                                        \
    X(message_close_container)                                                                     \
    X(message_copy)                                                                                \
    X(message_enter_container)                                                                     \
    X(message_exit_container)                                                                      \
    X(message_get_error)                                                                           \
    X(message_new_method_call)                                                                     \
    X(message_open_container)                                                                      \
    X(message_read)                                                                                \
    X(message_skip)                                                                                \
    X(message_unref)                                                                               \
    X(open_system)                                                                                 \
    X(process)                                                                                     \
    X(unref)

struct bus_dl {
#define X(name) __typeof__(sd_bus_##name) *name;
    BUS_DL_FUNCTIONS(X)
#undef X
};

extern struct bus_dl bus_dl; /* filled by dns_bus_open, never changed after */

struct dns_bus;

struct dns_bus_user { /* embed */
    /** The service of the name given at open has come anew: what it was told is forgotten. */
    void (*appeared)(struct dns_bus_user *u);
};

/** Connect. watch: the name of a service; lent for life. RK_UNAVAILABLE: no library, no bus. Owned:
 *  dns_bus_close. */
enum rk_code dns_bus_open(struct rk_loop *loop, struct rk_log *log, const char *watch,
                          struct dns_bus_user *user, struct dns_bus **out,
                          struct rk_err *err) RK_MUST;
/** Unanswered calls are dropped. Accepts NULL. */
void dns_bus_close(struct dns_bus *b);

/** A call to fill in; NULL: no connection any more. Owned until sent. */
sd_bus_message *dns_bus_call(struct dns_bus *b, const char *to, const char *path,
                             const char *interface, const char *method);

/** Queue it; m is taken. built < 0: what filling it in gave; then only the error is logged.
 */
void dns_bus_send(struct dns_bus *b, sd_bus_message *m, int built);

/** As dns_bus_send, and the answer comes back: reply is lent; NULL: an error, which text says. One
 * at a time; none comes after dns_bus_close. */
typedef void dns_bus_answer_fn(void *arg, sd_bus_message *reply, const char *text);
void dns_bus_ask(struct dns_bus *b, sd_bus_message *m, int built, dns_bus_answer_fn *fn, void *arg);

/** A text property of a service, by a connection of its own; waits a second at most. False: there
 * is no such thing. */
bool dns_bus_property(const char *service, const char *path, const char *interface,
                      const char *name, char *out, size_t size);

/** Send it behind all others and wait for the answer, a second at most; m is taken. The answer,
 * owned, or NULL. quiet: an error of the service that is none for us; may be NULL. */
sd_bus_message *dns_bus_wait(struct dns_bus *b, sd_bus_message *m, int built, const char *quiet);
/** The same without looking at the answer. */
void dns_bus_last(struct dns_bus *b, sd_bus_message *m, int built, const char *quiet);

#endif
