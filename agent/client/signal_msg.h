/* SPDX-License-Identifier: BSD-3-Clause */
/* Bodies of signal messages between agents: decode and encode. Any thread; no I/O. */
#ifndef RK_AGENT_SIGNAL_MSG_H
#define RK_AGENT_SIGNAL_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

enum signal_msg_type { /* numbers of the wire */
                       SIGNAL_MSG_OFFER = 0,
                       SIGNAL_MSG_ANSWER = 1,
                       SIGNAL_MSG_CANDIDATE = 2,
                       SIGNAL_MSG_MODE = 4,
                       SIGNAL_MSG_GO_IDLE = 5,
                       SIGNAL_MSG_HEARTBEAT = 6
};

#define SIGNAL_MSG_SESSION_ID_SIZE 5

struct signal_msg { /* open; views are borrowed */
    enum signal_msg_type type;
    /* offer and answer */
    struct rk_str ufrag, pwd; /* both empty: the sender does no ICE */
    uint16_t wg_port;         /* 0: not said, meaning 51820 */
    struct rk_str version;
    bool has_session_id;
    uint8_t session_id[SIGNAL_MSG_SESSION_ID_SIZE];
    struct rk_str relay_url;                     /* empty: not connected to a relay */
    struct rk_ip relay_ip;                       /* family 0: not said */
    struct rk_str rosenpass_key, rosenpass_addr; /* empty: off */
    /* candidate */
    struct rk_str candidate;
};

/** Decode a plaintext body. The views point into the arena.
 *  Errors: RK_BAD_REQUEST (not a body, a payload without its colon, an unknown type). */
enum rk_code signal_msg_decode(struct rk_arena *mem, struct rk_str plain, struct signal_msg *out,
                               struct rk_err *err) RK_MUST;

/** Encode a body into the arena. Errors: RK_LIMIT. */
enum rk_code signal_msg_encode(struct rk_arena *mem, const struct signal_msg *msg,
                               struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
