/* SPDX-License-Identifier: BSD-3-Clause */
/* Offers and answers of a peer; see conn.h. */
#include "config.h"

#include "agent/peer/conn_priv.h"

static void send_terms(struct peer_conn *p, enum signal_msg_type type)
{
    struct peer_conn_env *e = p->env;
    struct rk_err err = {0};
    struct signal_msg m = {
        .type = type,
        .wg_port = e->mux ? ice_mux_port(e->mux) : 0,
        .version = rk_str_z(e->version),
    };

    /* Also when the remote seems to do no ICE: leaving it out because the other side did would make
     * two agents that once disagreed stay without for ever. */
    if (!e->force_relay) {
        m.ufrag = rk_str_z(p->ufrag);
        m.pwd = rk_str_z(p->pwd);
        m.has_session_id = true;
        memcpy(m.session_id, p->session_id, sizeof m.session_id);
    }
    (void)relay_client_home(e->relay, &m.relay_url, &m.relay_ip);
    if (signal_client_send(e->signal, &p->key, &m, &err))
        rk_log(e->log, RK_DEBUG, "offer is not sent", kv_z("peer", p->key_text), KV_ERR(&err));
    else
        p->told_relay = m.relay_url.n != 0;
}

void peer_conn_send_offer(struct peer_conn *p)
{
    send_terms(p, SIGNAL_MSG_OFFER);
}

void peer_conn_send_candidate(struct peer_conn *p, const struct ice_cand *c)
{
    struct signal_msg m = {.type = SIGNAL_MSG_CANDIDATE};
    struct rk_err err = {0};
    struct rk_buf line;

    rk_buf_init(&line, ICE_CAND_LINE_MAX);
    ice_cand_format(c, rk_str_z(p->ufrag), &line);
    m.candidate = rk_buf_str(&line);
    if (signal_client_send(p->env->signal, &p->key, &m, &err))
        rk_log(p->env->log, RK_DEBUG, "candidate is not sent", kv_z("peer", p->key_text),
               KV_ERR(&err));
    rk_buf_done(&line);
}

/* A remote that stops or starts doing ICE: follow it. */
static void follow_ice(struct peer_conn *p, bool remote_ice)
{
    if (p->remote_ice == remote_ice)
        return;
    p->remote_ice = remote_ice;
    rk_log(p->env->log, RK_INFO, remote_ice ? "peer does ICE now" : "peer does no ICE any more",
           kv_z("peer", p->key_text));
    if (!remote_ice) {
        peer_conn_ice_fail(p);
        peer_conn_ice_stop_probing(p);
    }
}

void peer_conn_on_offer(struct peer_conn *p, const struct signal_msg *msg)
{
    follow_ice(p, msg->ufrag.n && msg->pwd.n);
    p->remote_wg_port = msg->wg_port;
    peer_conn_relay_on_offer(p, msg);
    if (p->env->mux && !p->env->force_relay && p->remote_ice)
        peer_conn_ice_on_offer(p, msg);
    if (msg->type == SIGNAL_MSG_OFFER)
        send_terms(p, SIGNAL_MSG_ANSWER); /* in any case: the remote may have restarted */
}
