/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the ICE agent: the body of struct ice_session, its pairs and the order among them. Only
 * session.c and check.c include this.
 */
#ifndef RK_AGENT_ICE_PAIR_H
#define RK_AGENT_ICE_PAIR_H

#include "agent/ice/session.h"

#define ICE_MAX_LOCAL  32 /* addresses of one machine that are worth offering */
#define ICE_MAX_REMOTE 64 /* signalled and peer-reflexive; more come only from a broken peer */
#define ICE_MAX_CRED   256
#define ICE_MAX_OPEN   8 /* requests under way per pair: at 200 ms apart they live 1.6 s */

#define ICE_US_PER_MS       1000
#define ICE_CHECK_US        (200 * ICE_US_PER_MS)
#define ICE_SLOW_CHECK_US   (500 * ICE_US_PER_MS)
#define ICE_FAST_CHECKS     8 /* then two per second; the official agent gives up */
#define ICE_REQUEST_LIFE_US (4000 * ICE_US_PER_MS)
#define ICE_NOMINATE_TRIES  8

struct ice_request { /* a Binding request that may still be answered */
    struct stun_txid txid;
    int64_t sent_us; /* 0: free */
    bool nominating;
    bool as_controlling;
};

/* One remote candidate, checked from our one socket or from our relayed address. */
struct ice_pair {
    bool relayed;
    struct ice_cand remote;
    struct ice_cand local;    /* how the remote sees us; set once the pair is valid */
    bool valid;               /* a check succeeded */
    bool nominate_when_valid; /* controlled: USE-CANDIDATE came before our check succeeded */
    unsigned checks;          /* requests sent since the pair was (re)started */
    int64_t next_check_us;
    unsigned unanswered; /* checks since the last answer, while it is selected */
    int64_t last_rx_us;  /* authenticated STUN from it */
    int64_t rtt_us;
    struct ice_request open[ICE_MAX_OPEN];
    unsigned open_at; /* ring position for the next request */
};

struct ice_session {
    struct ice_user *user; /* borrowed */
    bool controlling;
    uint64_t tie_breaker;
    uint32_t txid_tag;
    enum ice_state state;
    int64_t start_us;
    int64_t keepalive_us, lost_us, checking_us;
    char local_ufrag[ICE_MAX_CRED + 1], local_pwd[ICE_MAX_CRED + 1];
    char remote_ufrag[ICE_MAX_CRED + 1], remote_pwd[ICE_MAX_CRED + 1];
    struct ice_cand *locals; /* owned array */
    size_t n_locals;
    struct ice_pair *pairs[2 * ICE_MAX_REMOTE]; /* each owned; never moved; two per remote */
    size_t n_pairs;
    struct ice_pair *nominated; /* controlling: USE-CANDIDATE is being sent */
    unsigned nominate_tries;
    struct ice_pair *selected;
    int64_t look_us; /* when to ask for traffic next */
    int64_t busy_us; /* there was traffic; 0: never */
    int64_t heard_us;
    bool unheard; /* sent since something came */
    bool changed; /* tell the user at the end of the entry point */
};

/** Our candidate that stands for the socket towards this address family: the best one, NULL when
 *  we have none. relayed: our newest address at a TURN server. */
const struct ice_cand *ice_local_for(const struct ice_session *a, uint8_t family, bool relayed);

struct ice_pair *ice_pair_find(struct ice_session *a, const struct rk_addr *remote, bool relayed);

/** New pair for a remote candidate; NULL when the table is full. */
struct ice_pair *ice_pair_add(struct ice_session *a, const struct ice_cand *remote, bool relayed,
                              int64_t now_us);

/** RFC 8445 section 6.1.2.3, with the factor 2^32-1 of the official agent. */
uint64_t ice_pair_priority(const struct ice_session *a, const struct ice_pair *p);

/** Make it the selected pair: connected. */
void ice_pair_select(struct ice_session *a, struct ice_pair *p, int64_t now_us);

/** Send a Binding request on the pair now. */
void ice_check_send(struct ice_session *a, struct ice_pair *p, bool nominating, int64_t now_us);

struct ice_from { /* where a message came from and how; answers go back the same way */
    const struct rk_addr *addr;
    const struct rk_ip *to; /* our address; NULL: our relayed one */
};

/** A STUN message for this session; true when it was taken, and then a tick is due. */
bool ice_check_input(struct ice_session *a, struct ice_from from, const struct stun_msg *msg,
                     int64_t now_us);

#endif
