/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The admin socket: a request is one line of JSON, the answer another one. It stands in the data
 * folder (mode 0700 of the server's user), and who connects must be root or that user by the
 * kernel's word (SO_PEERCRED).
 */
#ifndef RK_SERVER_COMMAND_SOCKET_H
#define RK_SERVER_COMMAND_SOCKET_H

#include "server/command/command.h"

struct command_socket;

/** Listen at path with a thread that answers one request at a time. *commands is lent until
 *  command_socket_close. Errors: RK_UNAVAILABLE naming the path. */
enum rk_code command_socket_open(const char *path, struct commands *commands,
                                 struct command_socket **out, struct rk_err *err) RK_MUST;
/** End the thread, remove the socket. Accepts NULL. */
void command_socket_close(struct command_socket *s);

/** Ask a server. *answer is owned. Errors: RK_NOT_FOUND (nobody listens), RK_FORBIDDEN,
 *  RK_UNAVAILABLE. Blocks. */
enum rk_code command_ask(const char *path, const json_t *request, json_t **answer,
                         struct rk_err *err) RK_MUST;

#endif
