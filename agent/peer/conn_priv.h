/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of struct peer_conn. Files: conn.c (life, state, timers), path.c (which way
 * WireGuard takes), signal.c (offers and answers), ice.c (direct way), relay.c
 * (relayed way), env.c (what all peers share).
 */
#ifndef RK_AGENT_PEER_CONN_PRIV_H
#define RK_AGENT_PEER_CONN_PRIV_H

#include "agent/client/relay_client.h"
#include "agent/client/signal_client.h"
#include "agent/ice/mux.h"
#include "agent/ice/session.h"
#include "agent/peer/conn.h"
#include "agent/peer/guard.h"
#include "agent/peer/proxy.h"
#include "agent/peer/watch.h"
#include "lib/base/list.h"

#define PEER_CONN_UFRAG_LEN 16
#define PEER_CONN_PWD_LEN   32
#define PEER_CONN_MAX_ADDRS 64 /* own addresses that the monitor compares */
#define PEER_CONN_MAX_EARLY 32 /* candidates that came before there was an agent for them */

struct peer_conn_env {
    struct rk_loop *loop;
    struct rk_log *log;
    struct ice_mux *mux;
    struct signal_client *signal;
    struct relay_client *relay;
    struct rk_key own_key;
    char own_text[RK_KEY_TEXT + 1];
    char *version; /* owned */
    struct rk_addr wg_addr;
    struct wg_port *shared;
    bool force_relay, turn_only, lazy;
    int64_t idle_ms;
    struct udp_scratch *scratch, *own_scratch; /* own: without a mux */
    struct rk_list peers;                      /* struct peer_conn.link */
    struct rk_timer *idle_timer;               /* once a minute while lazy */
    /* candidate monitor */
    struct rk_timer *monitor_timer;
    struct ice_mux_gather monitor;
    struct rk_addr seen[PEER_CONN_MAX_ADDRS], last[PEER_CONN_MAX_ADDRS]; /* sorted */
    size_t n_seen, n_last;
    bool have_last;
};

struct peer_conn {
    struct rk_list link;
    struct peer_conn_env *env;
    struct peer_conn_user *user;
    struct rk_key key;
    char key_text[RK_KEY_TEXT + 1];
    bool controller; /* our key text is the greater one */
    bool lazy_able;  /* the remote knows lazy connections and may be lazy */
    bool open;       /* false: idle, waiting for traffic */
    int64_t opened_ms;
    int64_t changed_unix_ms;

    struct guard guard;
    struct rk_timer *guard_timer;

    /* data path */
    struct peer_proxy_user proxy_user;
    struct peer_proxy proxy;
    enum peer_conn_path path;
    bool wg_known;       /* the device has the peer */
    uint64_t seen_bytes; /* received by the device, when last asked */
    int64_t active_ms;   /* when that had become notably more; mono */
    bool path_was_lost;  /* since it was opened: WireGuard needs a push */
    struct rk_timer *endpoint_timer, *watch_timer;
    struct wg_watch watch;

    /* what the remote said last */
    bool remote_ice;
    uint16_t remote_wg_port;

    /* ICE */
    char ufrag[PEER_CONN_UFRAG_LEN + 1], pwd[PEER_CONN_PWD_LEN + 1];
    uint8_t session_id[SIGNAL_MSG_SESSION_ID_SIZE];
    bool has_remote_session;
    uint8_t remote_session[SIGNAL_MSG_SESSION_ID_SIZE];
    char remote_ufrag[ICE_UFRAG_MAX + 1], remote_pwd[ICE_UFRAG_MAX + 1]; /* of the last session */
    struct ice_user ice_user;
    struct ice_session *agent;
    struct ice_mux_session session;
    bool in_mux;
    struct ice_mux_gather gather;
    struct rk_timer *ice_timer, *punch_timer, *probe_timer, *repeat_timer, *turn_timer;
    bool turn_held;   /* an address at a TURN server */
    bool turn_only;   /* this session offers no other */
    unsigned repeats; /* of our candidates in this session */
    bool ice_up;
    struct rk_ip direct_src;           /* ours towards the remote, when the pair was selected */
    bool hurry;                        /* offer as soon as there is a signal connection */
    uint64_t alive_all, alive_relayed; /* bytes received when a check had no answer */
    struct peer_conn_wg_stats traffic; /* of the device, when last looked at */
    uint64_t traffic_rx, traffic_tx;   /* of these relayed, or by the proxy */
    struct rk_addr probe_to;           /* where the lost direct path went; family 0: nowhere */
    struct stun_txid probe_txid;
    int64_t probe_event_ms;
    struct ice_cand *early; /* PEER_CONN_MAX_EARLY of them once needed; owned */
    size_t n_early;

    /* relay */
    struct relay_client_stream_user stream_user;
    struct relay_client_stream *stream;
    char *stream_url; /* as opened; owned */
    char *resume_url; /* of the stream that our home relay took with it; owned, may be NULL */
    bool uses_relay, relay_up;
    bool told_relay; /* our newest offer or answer named our relay */
};

/* conn.c */
void peer_conn_open(struct peer_conn *p);
/** Close all paths and wait for traffic (lazy) or for being freed. */
void peer_conn_close(struct peer_conn *p, bool tell_remote);
void peer_conn_changed(struct peer_conn *p);
/** A path was lost or may be found now: offer soon. */
void peer_conn_guard_event(struct peer_conn *p);
bool peer_conn_is_lazy(const struct peer_conn *p);
/** Idle it when it is lazy and nothing came for longer than the limit. */
void peer_conn_check_idle(struct peer_conn *p, int64_t now_ms, int64_t limit_ms);

/* path.c */
const char *peer_conn_path_name(enum peer_conn_path path);
/** Choose the path by what is up, and make WireGuard use it. restarted: the remote began
 *  anew, so the WireGuard session may be gone too. */
void peer_conn_path_update(struct peer_conn *p, bool restarted);
/** Give WireGuard the endpoint of the path that is in use (when its port is shared). */
void peer_conn_path_follow(struct peer_conn *p);
/* Before the first way is given to the proxy. Only the controller's initiation may go out: two that
 * cross make both sides forget their own, and the next try is five seconds later. */
void peer_conn_path_before(struct peer_conn *p);
/** No path any more, no timers; what WireGuard knows is left. */
void peer_conn_path_close(struct peer_conn *p);
/** Give WireGuard the peer while no path is there yet. */
enum rk_code peer_conn_path_init(struct peer_conn *p, struct rk_err *err);

/* signal.c */
void peer_conn_send_offer(struct peer_conn *p);
void peer_conn_on_offer(struct peer_conn *p, const struct signal_msg *msg);
void peer_conn_send_candidate(struct peer_conn *p, const struct ice_cand *c);

/* ice.c */
void peer_conn_ice_open(struct peer_conn *p);
void peer_conn_ice_close(struct peer_conn *p);
void peer_conn_ice_on_offer(struct peer_conn *p, const struct signal_msg *msg);
void peer_conn_ice_on_candidate(struct peer_conn *p, struct rk_str line);
/** The direct path does not carry WireGuard: drop it. */
void peer_conn_ice_fail(struct peer_conn *p);
/** Addresses or routes of this host are others now; see peer_conn_env_network_changed. */
void peer_conn_ice_moved(struct peer_conn *p, bool slept);
void peer_conn_ice_stop_probing(struct peer_conn *p);
static inline bool peer_conn_ice_in_progress(const struct peer_conn *p)
{
    return p->agent && !p->ice_up;
}

/* relay.c */
void peer_conn_relay_on_offer(struct peer_conn *p, const struct signal_msg *msg);
/** The home relay is back: reopen the stream that was lost with it, without waiting for an offer.
 */
void peer_conn_relay_resume(struct peer_conn *p);
void peer_conn_relay_close(struct peer_conn *p);
void peer_conn_relay_fail(struct peer_conn *p);

#endif
