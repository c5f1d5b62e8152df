/* SPDX-License-Identifier: BSD-3-Clause */
/* The relayed path of a peer: both sides meet at the controller's relay; see conn.h. */
#include "config.h"

#include <stdlib.h>

#include "agent/peer/conn_priv.h"

static void on_ready(struct relay_client_stream_user *u)
{
    struct peer_conn *p = rk_container_of(u, struct peer_conn, stream_user);

    p->relay_up = true;
    peer_conn_path_before(p);
    peer_proxy_set_relay(&p->proxy, p->stream);
    peer_conn_path_update(p, false);
}

static void on_data(struct relay_client_stream_user *u, struct rk_str datagram)
{
    peer_proxy_from_relay(&rk_container_of(u, struct peer_conn, stream_user)->proxy, datagram);
}

static void stream_gone(struct peer_conn *p)
{
    peer_proxy_set_relay(&p->proxy, NULL);
    p->stream = NULL;
    p->relay_up = false;
    free(p->stream_url);
    p->stream_url = NULL;
}

static void on_closed(struct relay_client_stream_user *u, const struct rk_err *why)
{
    struct peer_conn *p = rk_container_of(u, struct peer_conn, stream_user);
    bool was_up = p->relay_up;

    rk_log(p->env->log, RK_INFO, "relayed path closed", kv_z("peer", p->key_text), KV_ERR(why));
    if (!relay_client_home(p->env->relay, NULL, NULL)) {
        free(p->resume_url);
        p->resume_url = p->stream_url;
        p->stream_url = NULL;
    }
    stream_gone(p);
    p->told_relay = false; /* our next home may be another one */
    if (!was_up)
        return; /* the guard goes on at its pace */
    peer_conn_path_update(p, false);
    peer_conn_guard_event(p);
}

static const struct relay_client_stream_ops STREAM_OPS = {
    .ready = on_ready,
    .data = on_data,
    .closed = on_closed,
};

void peer_conn_relay_close(struct peer_conn *p)
{
    free(p->resume_url);
    p->resume_url = NULL;
    if (!p->stream)
        return;
    relay_client_stream_close(p->stream);
    stream_gone(p);
}

void peer_conn_relay_fail(struct peer_conn *p)
{
    peer_conn_relay_close(p);
    peer_conn_path_update(p, false);
    peer_conn_guard_event(p);
}

static void open_stream(struct peer_conn *p, struct rk_str url, struct rk_ip ip)
{
    struct rk_err err = {0};

    p->stream_user.ops = &STREAM_OPS;
    if (relay_client_stream_open(p->env->relay, url, ip, rk_str_of(p->key_text, RK_KEY_TEXT),
                                 &p->stream_user, &p->stream, &err)) {
        rk_log(p->env->log, RK_WARN, "relayed path", kv_z("peer", p->key_text), KV_ERR(&err));
        p->stream = NULL;
        return;
    }
    p->stream_url = rk_str_dupz(url);
}

/* Both sides last agreed on this relay, and it says itself when the peer is there again. Official
 * peers wait for an offer; they have lost the stream too, so their guards send one, and what comes
 * from us before is early data to them. A controller that has moved says so in its next offer. */
void peer_conn_relay_resume(struct peer_conn *p)
{
    struct rk_str home;
    char *url = p->resume_url;

    p->resume_url = NULL;
    if (url && p->open && p->uses_relay && !p->stream &&
        relay_client_home(p->env->relay, &home, NULL) && rk_str_eqz(home, url))
        open_stream(p, home, (struct rk_ip){0});
    free(url);
}

void peer_conn_relay_on_offer(struct peer_conn *p, const struct signal_msg *msg)
{
    struct relay_client *relay = p->env->relay;
    struct rk_str home, url;
    struct rk_ip ip = {0};

    p->uses_relay = relay_client_has_urls(relay) && msg->relay_url.n;
    if (!p->uses_relay || !relay_client_home(relay, &home, NULL))
        return;
    url = p->controller ? home : msg->relay_url;
    if (p->stream) {
        if (rk_str_eqz(url, p->stream_url))
            return;
        peer_conn_relay_close(p); /* the controller has moved to another relay */
        peer_conn_path_update(p, false);
    }
    if (!p->controller && !rk_str_eq(url, home))
        ip = msg->relay_ip;
    open_stream(p, url, ip);
}
