/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `rookery admin` can ask of a server: named commands with JSON arguments and results, run on
 * the engine. The running server answers them on a socket that only root and its own user may use
 * (socket.h); when it is stopped the command line runs the same code on the store.
 *
 *     rookery admin user list ──▶ DATADIR/admin.sock ──▶ command_run (thread of the socket)
 *                            └──▶ (stopped) mgmt_open ──▶ command_run
 *
 * Commands act as the owner of the account, with an owner's rights and limits.
 */
#ifndef RK_SERVER_COMMAND_H
#define RK_SERVER_COMMAND_H

#include <jansson.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "management/engine/engine.h"

struct rest; /* management/rest/rest.h */

struct commands {       /* open */
    struct mgmt *m;     /* lent */
    struct rest *rest;  /* lent: its handlers do what files of the network say */
    struct rk_log *log; /* whose level may be changed; NULL: not a running server */
    int64_t started_unix_ms;
    const char *version;
    /** The state of a certificate that the server keeps by itself, an object; NULL: it keeps none.
     *  Called on the socket's thread; the result is owned by who asks. */
    json_t *(*certificate)(void *arg);
    void *certificate_arg;
};

/** Run one request, {"command":"user list","args":{…}}. Returns the answer, {"ok":true,"result":…}
 *  or {"ok":false,"code":…,"error":…}; owned. Blocks. One at a time. */
json_t *command_run(struct commands *c, const json_t *request);

/** Whether there is a command of this name. */
bool command_knows(const char *command);
/** Whether it changes something; false also for those that are not known. */
bool command_changes(const char *command);

#endif
