/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The direct path of a peer: one ICE agent per session, and the rules when a session ends and a new
 * one begins; see conn.h.
 *
 *   offer, no agent            -> agent, gather, check
 *   offer, agent, same session -> nothing (offers repeat)
 *   offer, agent, new session  -> the remote began anew: so do we
 *   failed or lost             -> no agent; new own session id, so the remote does too
 *
 * A TURN server is asked for an address when neither a direct nor a relayed path is there after a
 * second; official agents do so where one side has no relay.
 *
 * After a loss both sides, if they are agents of ours, probe the lost path with a check every 5 s.
 * As soon as one gets through they offer again, instead of at the guard's next tick, which may be
 * an hour away while the relay works. Official agents do not answer.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/peer/conn_priv.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"

#define REPEAT_MS       300 /* then doubled: 0.3, 0.9, 2.1 s after the beginning */
#define REPEATS         3
#define PUNCH_MS        1000
#define TURN_WAIT_MS    1000 /* for better ways, before we ask a TURN server for an address */
#define DEFAULT_WG_PORT 51820
#define ALIVE_BYTES     500 /* direct data that shows that a path without answers works */
#define PROBE_MS        5000
#define PROBE_QUIET_MS  15000 /* between two events that probes cause: a session's life */

static void on_ice_timer(void *arg);

static void random_letters(char *out, size_t n)
{
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (size_t i = 0; i < n; i++)
        out[i] = LETTERS[rk_secret_random_below(sizeof LETTERS - 1)];
    out[n] = '\0';
}

static void arm(struct peer_conn *p)
{
    int64_t now = rk_mono_us(), at;

    if (!p->agent)
        return;
    at = ice_session_deadline(p->agent);
    if (ice_session_state(p->agent) == ICE_FAILED)
        at = now; /* not from inside the agent's callback */
    rk_timer_start(p->env->loop, &p->ice_timer, rk_max_i64(0, (at - now + 999) / 1000),
                   on_ice_timer, p);
}

/* ---- probing a lost path */

static void send_probe(struct peer_conn *p)
{
    char username[2 * ICE_UFRAG_MAX + 2];
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;

    stun_txid_random(&p->probe_txid);
    memcpy(p->probe_txid.b, p->session.tag_bytes, sizeof p->session.tag_bytes);
    (void)snprintf(username, sizeof username, "%s:%s", p->remote_ufrag, p->ufrag);
    stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, &p->probe_txid);
    stun_put_username(&w, rk_str_z(username));
    stun_put_priority(&w, 0);
    stun_put_integrity(&w, rk_str_z(p->remote_pwd));
    stun_put_fingerprint(&w);
    ice_mux_send(p->env->mux, NULL, &p->probe_to, stun_end(&w));
}

static void on_probe(void *arg)
{
    struct peer_conn *p = arg;

    if (!p->agent)
        send_probe(p);
    rk_timer_start(p->env->loop, &p->probe_timer, PROBE_MS, on_probe, p);
}

static void start_probing(struct peer_conn *p, const struct rk_addr *to)
{
    p->probe_to = *to;
    p->probe_event_ms = rk_mono_ms();
    rk_timer_start(p->env->loop, &p->probe_timer, PROBE_MS, on_probe, p);
}

void peer_conn_ice_stop_probing(struct peer_conn *p)
{
    rk_timer_cancel(&p->probe_timer);
    p->probe_to = (struct rk_addr){0};
}

/* The lost path works again, at least towards us. */
static void probe_got_through(struct peer_conn *p)
{
    int64_t now = rk_mono_ms();

    if (now - p->probe_event_ms < PROBE_QUIET_MS)
        return;
    p->probe_event_ms = now;
    rk_log(p->env->log, RK_INFO, "lost direct path answers again", kv_z("peer", p->key_text));
    peer_conn_guard_event(p);
}

/* A STUN message for us while there is no agent. */
static bool on_stray(struct peer_conn *p, const struct rk_addr *from, const struct rk_ip *to,
                     const struct stun_msg *msg)
{
    char want[2 * ICE_UFRAG_MAX + 2];
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;

    if (!p->probe_to.ip.family)
        return false;
    if (msg->cls == STUN_SUCCESS) {
        if (!stun_txid_eq(&msg->txid, &p->probe_txid) ||
            !stun_integrity_ok(msg, rk_str_z(p->remote_pwd)))
            return false;
        probe_got_through(p);
        return true;
    }
    (void)snprintf(want, sizeof want, "%s:%s", p->ufrag, p->remote_ufrag);
    if (msg->cls != STUN_REQUEST || !rk_str_eqz(msg->username, want) ||
        !stun_integrity_ok(msg, rk_str_z(p->pwd)))
        return false;
    stun_begin(&w, buf, sizeof buf, STUN_SUCCESS, STUN_METHOD_BINDING, &msg->txid);
    stun_put_xor_mapped(&w, from);
    stun_put_integrity(&w, rk_str_z(p->pwd));
    stun_put_fingerprint(&w);
    ice_mux_send(p->env->mux, to, from, stun_end(&w));
    return true;
}

/* ---- the agent's surroundings */

static void on_send(struct ice_user *u, const struct rk_ip *src, const struct rk_addr *to,
                    struct rk_str datagram)
{
    struct peer_conn *p = rk_container_of(u, struct peer_conn, ice_user);

    ice_mux_send(p->env->mux, src, to, datagram);
}

static void on_send_relayed(struct ice_user *u, const struct rk_addr *to, struct rk_str datagram)
{
    struct peer_conn *p = rk_container_of(u, struct peer_conn, ice_user);

    ice_mux_send_relayed(p->env->mux, to, datagram);
}

static bool on_stun_relayed(struct ice_mux_session *s, const struct rk_addr *from,
                            const struct stun_msg *msg)
{
    struct peer_conn *p = rk_container_of(s, struct peer_conn, session);

    if (!p->agent || !ice_session_input_relayed(p->agent, from, msg, rk_mono_us()))
        return false;
    peer_proxy_claim(&p->proxy, from);
    arm(p);
    return true;
}

static bool on_stun(struct ice_mux_session *s, const struct rk_addr *from, const struct rk_ip *to,
                    const struct stun_msg *msg)
{
    struct peer_conn *p = rk_container_of(s, struct peer_conn, session);

    if (!p->agent)
        return on_stray(p, from, to, msg);
    if (!ice_session_input(p->agent, from, to, msg, rk_mono_us()))
        return false;
    peer_proxy_claim(&p->proxy, from);
    arm(p);
    return true;
}

static void on_candidate(struct ice_mux_gather *g, const struct ice_cand *c)
{
    struct peer_conn *p = rk_container_of(g, struct peer_conn, gather);
    struct ice_cand mine = *c;

    if (!p->agent || (p->turn_only && c->type != ICE_RELAY) ||
        ice_session_add_local(p->agent, &mine, rk_mono_us(), NULL))
        return;
    peer_conn_send_candidate(p, &mine);
    arm(p);
}

/* Official agents drop candidates that overtake the answer, and their agent takes some milliseconds
 * to make; there is no acknowledgement. So tell ours again while there is no path; what the remote
 * has already it ignores. */
static void on_repeat(void *arg)
{
    struct peer_conn *p = arg;
    const struct ice_cand *c;
    size_t i;

    if (!p->agent || p->ice_up)
        return;
    for (i = 0; (c = ice_session_local(p->agent, i)); i++)
        peer_conn_send_candidate(p, c);
    if (!i) /* we had no address then */
        ice_mux_gather_start(p->env->mux, &p->gather);
    if (++p->repeats < REPEATS)
        rk_timer_start(p->env->loop, &p->repeat_timer, REPEAT_MS << p->repeats, on_repeat, p);
}

/* No way so far: perhaps from a TURN server. */
static void on_turn_wait(void *arg)
{
    struct peer_conn *p = arg;

    if (!p->agent || p->ice_up || (p->relay_up && !p->turn_only) || p->turn_held ||
        !ice_mux_has_turn(p->env->mux))
        return;
    p->turn_held = true;
    ice_mux_turn_hold(p->env->mux);
    p->gather.relayed = true;
    ice_mux_gather_start(p->env->mux, &p->gather);
}

static void turn_release(struct peer_conn *p)
{
    rk_timer_cancel(&p->turn_timer);
    p->gather.relayed = false;
    if (p->turn_held)
        ice_mux_turn_release(p->env->mux);
    p->turn_held = false;
}

static const struct ice_mux_session_ops SESSION_OPS = {.stun = on_stun,
                                                       .stun_relayed = on_stun_relayed};
static const struct ice_mux_gather_ops GATHER_OPS = {.candidate = on_candidate};

/* Agents of before 0.17 expect a packet from our WireGuard port to theirs. */
static void on_punch(void *arg)
{
    struct peer_conn *p = arg;
    struct ice_pair_info info;
    struct rk_addr to;

    if (!p->agent || p->proxy.turned || !ice_session_selected(p->agent, &info))
        return;
    to = info.remote->addr;
    to.port = p->remote_wg_port ? p->remote_wg_port : DEFAULT_WG_PORT;
    ice_mux_send(p->env->mux, NULL, &to, RK_STR("nb"));
}

static void on_connected(struct peer_conn *p)
{
    struct ice_pair_info info;

    if (!ice_session_selected(p->agent, &info))
        return;
    p->direct_src = ice_mux_source(p->env->mux, &info.remote->addr);
    peer_proxy_claim(&p->proxy, &info.remote->addr);
    peer_conn_path_before(p);
    peer_proxy_set_direct(&p->proxy, &info.remote->addr, info.local->type == ICE_RELAY);
    if (p->ice_up) { /* another pair was selected */
        peer_conn_path_follow(p);
        peer_conn_changed(p);
        return;
    }
    p->ice_up = true;
    peer_conn_ice_stop_probing(p);
    rk_timer_start(p->env->loop, &p->punch_timer, PUNCH_MS, on_punch, p);
    peer_conn_path_update(p, false);
}

static void on_changed(struct ice_user *u)
{
    struct peer_conn *p = rk_container_of(u, struct peer_conn, ice_user);

    if (ice_session_state(p->agent) == ICE_CONNECTED)
        on_connected(p);
    /* a failure is handled by on_ice_timer, which arm() makes fire at once */
}

/* Data that the device got without us, so not by the relay. What passed the relay meanwhile may be
 * counted a little later there than here. */
static bool on_alive(struct ice_user *u, bool begin)
{
    struct peer_conn *p = rk_container_of(u, struct peer_conn, ice_user);
    struct peer_conn_wg_stats stats = {0};
    uint64_t all, relayed;

    if (!p->env->shared || p->proxy.turned || !p->user->ops->wg_stats(p->user, &stats))
        return false;
    all = stats.rx_bytes - p->alive_all;
    relayed = p->proxy.rx_bytes - p->alive_relayed;
    if (begin) {
        p->alive_all = stats.rx_bytes;
        p->alive_relayed = p->proxy.rx_bytes;
        return false;
    }
    return all > 2 * relayed && all - relayed > ALIVE_BYTES;
}

/* The same for both directions, but without a threshold: a wrong guess costs one check. */
static enum ice_traffic on_traffic(struct ice_user *u)
{
    struct peer_conn *p = rk_container_of(u, struct peer_conn, ice_user);
    struct peer_conn_wg_stats was = p->traffic;
    uint64_t rx = p->proxy.rx_bytes - p->traffic_rx, tx = p->proxy.tx_bytes - p->traffic_tx;

    if (!p->env->shared || p->proxy.turned || !p->user->ops->wg_stats(p->user, &p->traffic))
        return ICE_TRAFFIC_NONE;
    p->traffic_rx += rx;
    p->traffic_tx += tx;
    if (p->traffic.rx_bytes - was.rx_bytes > 2 * rx)
        return ICE_TRAFFIC_HEARD;
    return p->traffic.tx_bytes - was.tx_bytes > 2 * tx ? ICE_TRAFFIC_UNHEARD : ICE_TRAFFIC_NONE;
}

static const struct ice_user_ops ICE_OPS = {.send = on_send,
                                            .send_relayed = on_send_relayed,
                                            .changed = on_changed,
                                            .alive = on_alive,
                                            .traffic = on_traffic};

/* ---- sessions */

/* Drop the agent; a new session id tells the remote that its own is of no use any more. */
static void agent_drop(struct peer_conn *p)
{
    rk_timer_cancel(&p->ice_timer);
    rk_timer_cancel(&p->punch_timer);
    rk_timer_cancel(&p->repeat_timer);
    ice_mux_gather_stop(p->env->mux, &p->gather);
    turn_release(p);
    ice_session_free(p->agent);
    p->agent = NULL;
    p->has_remote_session = false;
    rk_secret_random(p->session_id, sizeof p->session_id);
}

/* Why a session ends. */
enum ending {
    END_LOST,     /* its path is no good */
    END_REPLACED, /* the remote has begun another one */
    END_RESTARTED /* and it is a new remote: our WireGuard session is gone there too */
};

/* The agent is no more; what follows if it had been connected. */
static void agent_end(struct peer_conn *p, enum ending why)
{
    bool was_up = p->ice_up, turned = p->proxy.turned;
    struct ice_pair_info info;
    struct rk_addr lost = {0};

    if (ice_session_selected(p->agent, &info))
        lost = info.remote->addr;
    else if (was_up)
        lost = p->proxy.direct;
    agent_drop(p);
    if (!was_up)
        return;
    p->ice_up = false;
    peer_proxy_set_direct(&p->proxy, NULL, false);
    if (why == END_LOST && !turned)
        start_probing(p, &lost);
    peer_conn_path_update(p, why == END_RESTARTED);
    peer_conn_guard_event(p);
}

void peer_conn_ice_fail(struct peer_conn *p)
{
    if (p->agent)
        agent_end(p, END_LOST);
}

/* The remote would need seconds to find out, and ICE has no way to move a session. */
void peer_conn_ice_moved(struct peer_conn *p, bool slept)
{
    struct ice_pair_info info;
    struct rk_ip src;

    if (!p->agent)
        return;
    if (!slept && !ice_session_selected(p->agent, &info)) { /* it may go on with new candidates */
        ice_mux_gather_start(p->env->mux, &p->gather);
        return;
    }
    if (!slept && p->proxy.turned)
        return; /* it notices when the server does not know us any more */
    if (!slept) {
        src = ice_mux_source(p->env->mux, &info.remote->addr);
        if (!src.family || rk_ip_eq(&src, &p->direct_src))
            return; /* without any way: see what comes */
    }
    rk_log(p->env->log, RK_INFO, "direct path has moved", kv_z("peer", p->key_text));
    agent_end(p, END_LOST);
    p->hurry = true;
}

static void on_ice_timer(void *arg)
{
    struct peer_conn *p = arg;
    bool was_up;

    ice_session_tick(p->agent, rk_mono_us());
    if (ice_session_state(p->agent) == ICE_FAILED) {
        rk_log(p->env->log, p->ice_up ? RK_WARN : RK_INFO,
               p->ice_up ? "direct path lost" : "no direct path found", kv_z("peer", p->key_text));
        was_up = p->ice_up;
        agent_end(p, END_LOST);
        if (was_up) /* the remote need not find out by itself */
            peer_conn_send_offer(p);
        return;
    }
    arm(p);
}

static void add_remote(struct peer_conn *p, const struct ice_cand *c)
{
    struct rk_err err = {0};
    struct ice_cand extra = *c;

    if (!ice_mux_may_send(p->env->mux, &c->addr.ip))
        return;
    if (ice_session_add_remote(p->agent, c, rk_mono_us(), &err) && err.code != RK_EXISTS)
        rk_log(p->env->log, RK_DEBUG, "candidate", kv_z("peer", p->key_text), KV_ERR(&err));
    /* a forwarded WireGuard port looks like this: the same address, the port behind the NAT */
    if (c->type == ICE_SRFLX && c->id[0] && c->related.port && c->related.port != c->addr.port) {
        extra.addr.port = c->related.port;
        (void)ice_session_add_remote(p->agent, &extra, rk_mono_us(), NULL);
    }
}

static void forget_early(struct peer_conn *p)
{
    free(p->early);
    p->early = NULL;
    p->n_early = 0;
}

static enum rk_code agent_start(struct peer_conn *p, const struct signal_msg *msg,
                                struct rk_err *err)
{
    struct ice_opts o = {
        .controlling = p->controller,
        .local_ufrag = rk_str_z(p->ufrag),
        .local_pwd = rk_str_z(p->pwd),
        .remote_ufrag = msg->ufrag,
        .remote_pwd = msg->pwd,
        .txid_tag = p->session.tag,
    };
    enum rk_code rc = ice_session_new(&o, &p->ice_user, rk_mono_us(), &p->agent, err);

    if (rc)
        return rc;
    (void)snprintf(p->remote_ufrag, sizeof p->remote_ufrag, "%.*s", RK_STR_ARG(msg->ufrag));
    (void)snprintf(p->remote_pwd, sizeof p->remote_pwd, "%.*s", RK_STR_ARG(msg->pwd));
    p->has_remote_session = msg->has_session_id;
    memcpy(p->remote_session, msg->session_id, sizeof p->remote_session);
    for (size_t i = 0; i < p->n_early; i++)
        add_remote(p, &p->early[i]);
    forget_early(p);
    /* as official agents have it: whether both have a relay decides, not whether it carries */
    p->turn_only =
        p->env->turn_only && !(msg->relay_url.n && relay_client_home(p->env->relay, NULL, NULL));
    ice_mux_gather_start(p->env->mux, &p->gather);
    p->repeats = 0;
    rk_timer_start(p->env->loop, &p->repeat_timer, REPEAT_MS, on_repeat, p);
    rk_timer_start(p->env->loop, &p->turn_timer, p->turn_only ? 0 : TURN_WAIT_MS, on_turn_wait, p);
    arm(p);
    return RK_OK;
}

void peer_conn_ice_on_offer(struct peer_conn *p, const struct signal_msg *msg)
{
    struct rk_err err = {0};

    if (p->agent) {
        if (!msg->has_session_id)
            return; /* an old agent, or one that does not know better: its offers repeat */
        if (p->has_remote_session &&
            memcmp(p->remote_session, msg->session_id, sizeof p->remote_session) == 0)
            return;
        /* credentials belong to a connection of the remote, session ids to its agents */
        agent_end(p, rk_str_eqz(msg->ufrag, p->remote_ufrag) ? END_REPLACED : END_RESTARTED);
    }
    if (agent_start(p, msg, &err))
        rk_log(p->env->log, RK_WARN, "ice session", kv_z("peer", p->key_text), KV_ERR(&err));
}

void peer_conn_ice_on_candidate(struct peer_conn *p, struct rk_str line)
{
    struct rk_err err = {0};
    struct ice_cand c;

    if (!p->env->mux || p->env->force_relay)
        return;
    if (ice_cand_parse(line, &c, &err)) {
        rk_log(p->env->log, RK_WARN, "candidate", kv_z("peer", p->key_text), KV_ERR(&err));
        return;
    }
    if (p->agent) {
        add_remote(p, &c);
        arm(p);
    } else if (p->n_early <
               PEER_CONN_MAX_EARLY) { /* may overtake the offer or answer it belongs to */
        if (!p->early)
            p->early = rk_calloc(PEER_CONN_MAX_EARLY, sizeof *p->early);
        p->early[p->n_early++] = c;
    }
}

void peer_conn_ice_open(struct peer_conn *p)
{
    random_letters(p->ufrag, PEER_CONN_UFRAG_LEN);
    random_letters(p->pwd, PEER_CONN_PWD_LEN);
    rk_secret_random(p->session_id, sizeof p->session_id);
    p->has_remote_session = false;
    p->ice_user.ops = &ICE_OPS;
    p->gather.ops = &GATHER_OPS;
    p->session.ops = &SESSION_OPS;
    p->session.ufrag = rk_str_z(p->ufrag);
    if (p->env->mux && !p->env->force_relay) {
        ice_mux_session_add(p->env->mux, &p->session);
        p->in_mux = true;
    }
}

void peer_conn_ice_close(struct peer_conn *p)
{
    peer_conn_ice_stop_probing(p);
    if (p->agent)
        agent_drop(p);
    forget_early(p);
    p->ice_up = false;
    peer_proxy_set_direct(&p->proxy, NULL, false);
    if (p->in_mux)
        ice_mux_session_remove(p->env->mux, &p->session);
    p->in_mux = false;
    rk_secret_wipe(p->pwd, sizeof p->pwd);
    rk_secret_wipe(p->remote_pwd, sizeof p->remote_pwd);
}
