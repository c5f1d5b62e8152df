/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The admin socket: a request is one line of JSON, the answer another one. It stands in the data
 * folder (mode 0700 of the server's user), and who connects must be root or that user by the
 * kernel's word (SO_PEERCRED).
 */
#ifndef RK_SERVER_CONSOLE_SOCKET_H
#define RK_SERVER_CONSOLE_SOCKET_H

#include "server/console/console.h"

struct console_socket;

/** Listen at path with a thread that answers one request at a time. *console is lent until
 *  console_socket_close. Errors: RK_UNAVAILABLE naming the path. */
enum rk_code console_socket_open(const char *path, struct console *console,
                                 struct console_socket **out, struct rk_err *err) RK_MUST;
/** End the thread, remove the socket. Accepts NULL. */
void console_socket_close(struct console_socket *s);

/** Ask a server. *answer is owned. Errors: RK_NOT_FOUND (nobody listens), RK_FORBIDDEN,
 *  RK_UNAVAILABLE. Blocks. */
enum rk_code console_ask(const char *path, const json_t *request, json_t **answer,
                         struct rk_err *err) RK_MUST;

#endif
