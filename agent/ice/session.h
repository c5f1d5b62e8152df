/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICE agent for one session with one peer (RFC 8445, full, regular nomination, one component), as
 * a state machine without I/O: feed candidates, datagrams and the time; it hands out datagrams to
 * send and events through its user, and names its next deadline.
 *
 * Timing and wire form follow the official client: checks every 200 ms, 8 requests per pair,
 * nomination waits (host 0, srflx 500 ms, prflx 1 s, relay 2 s), keepalive by Binding requests,
 * attribute 0x8100 behind FINGERPRINT. A selected pair is lost after 3 s without an answer, and
 * after 0.8 s when data is sent over it and none comes back; official agents take 6 s. No restart
 * inside an agent: a new session is a new agent. One thread at a time.
 */
#ifndef RK_AGENT_ICE_AGENT_H
#define RK_AGENT_ICE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ice/candidate.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "lib/net/stun.h"

struct ice_session;

enum ice_state { ICE_CHECKING, ICE_CONNECTED, ICE_FAILED };

struct ice_user { /* embedded in the owner's struct */
    const struct ice_user_ops *ops;
};

enum ice_traffic { /* of the selected path by other means than ours, since last asked */
                   ICE_TRAFFIC_NONE,
                   ICE_TRAFFIC_HEARD,  /* something authentic came */
                   ICE_TRAFFIC_UNHEARD /* something was sent, and nothing came */
};

struct ice_user_ops {
    /** Send a datagram; src is the local address to send from (an answer leaves from where the
     *  request came in), family 0: any. */
    void (*send)(struct ice_user *u, const struct rk_ip *src, const struct rk_addr *to,
                 struct rk_str datagram);
    /** The same from our relayed address (a local candidate of that type). Optional: without it
     *  such candidates are refused. */
    void (*send_relayed)(struct ice_user *u, const struct rk_addr *to, struct rk_str datagram);
    /** State or selected pair changed. ICE_FAILED covers "never connected" (12 s) and "lost";
     *  the agent does nothing any more then. The agent must not be freed from inside. */
    void (*changed)(struct ice_user *u);
    /** Checks have no answer, perhaps since a full line drops them. begin: note what has come over
     *  the selected path by other means; else: has anything authentic come since? Then the path is
     *  not given up. Optional. */
    bool (*alive)(struct ice_user *u, bool begin);
    /** What happened on the selected path? Asked a few times a second while there is traffic, else
     *  with each keepalive. Optional. */
    enum ice_traffic (*traffic)(struct ice_user *u);
};

struct ice_opts { /* copied; views borrowed for the call */
    bool controlling;
    struct rk_str local_ufrag, local_pwd;
    struct rk_str remote_ufrag, remote_pwd;
    uint32_t txid_tag; /* first 4 bytes of the transaction ids that we choose (big endian), by which
                          a shared socket finds the agent that a response is for */
    /* timers; 0 means the default in brackets */
    int64_t keepalive_ms;    /* 2000 */
    int64_t disconnected_ms; /* 3000 when connected, 6000 before */
    int64_t failed_ms;       /* 6000 */
};

/** New agent, checking; checks leave with ice_session_tick. Owned: ice_session_free.
 *  Errors: RK_INVALID (credentials too short or too long). */
enum rk_code ice_session_new(const struct ice_opts *opts, struct ice_user *user, int64_t now_us,
                             struct ice_session **out, struct rk_err *err) RK_MUST;
void ice_session_free(struct ice_session *a); /* accepts NULL */

/** Add candidates (copied). Local ones get an id and, where missing, priority and foundation, also
 *  in *c. Errors: RK_EXISTS (same address: nothing to signal), RK_LIMIT, RK_INVALID (an address
 * that cannot be sent to). */
enum rk_code ice_session_add_local(struct ice_session *a, struct ice_cand *c, int64_t now_us,
                                   struct rk_err *err);
enum rk_code ice_session_add_remote(struct ice_session *a, const struct ice_cand *c, int64_t now_us,
                                    struct rk_err *err);

/** Local candidate i; NULL past the end. Lent until the next candidate. */
const struct ice_cand *ice_session_local(const struct ice_session *a, size_t i);

/** A STUN message for this agent, from `from` and sent to our address `to` (family 0: unknown).
 *  true: it belonged to this session (authenticated). */
bool ice_session_input(struct ice_session *a, const struct rk_addr *from, const struct rk_ip *to,
                       const struct stun_msg *msg, int64_t now_us);

/** The same, sent to our relayed address. */
bool ice_session_input_relayed(struct ice_session *a, const struct rk_addr *from,
                               const struct stun_msg *msg, int64_t now_us);

/** Let time pass; call at the deadline (INT64_MAX: none) or later. */
void ice_session_tick(struct ice_session *a, int64_t now_us);
int64_t ice_session_deadline(const struct ice_session *a);

enum ice_state ice_session_state(const struct ice_session *a);

struct ice_pair_info {            /* lent until the next call */
    const struct ice_cand *local; /* what the remote sees us as; of type relay: from there */
    const struct ice_cand *remote;
    int64_t rtt_us; /* 0: not measured */
};
/** The selected pair; false before there is one. */
bool ice_session_selected(const struct ice_session *a, struct ice_pair_info *out);

#endif
