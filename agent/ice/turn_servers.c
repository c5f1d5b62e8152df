/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TURN servers that management named, and the one address that we hold at one of them for all
 * peers; see mux.h. All servers are asked at once, and the first that gives an address keeps us;
 * nothing is asked before somebody needs it.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/ice/mux_priv.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"

#define RETRY_MS     5000  /* after all have failed, then doubled ... */
#define RETRY_MAX    60000 /* ... up to this */
#define SAY_AGAIN_MS 600000
#define LINGER_MS    30000 /* of an address that nobody holds any more */

static void work(void *arg);

static void soon(struct ice_mux *m, int64_t ms)
{
    rk_timer_start(m->loop, &m->turn_timer, ms, work, m);
}

static void server_close(struct ice_mux_turn *s)
{
    if (s->mux->relayed == s)
        s->mux->relayed = NULL;
    ice_turn_close(s->turn);
    s->turn = NULL;
    s->ended = false;
}

/* ---- what a server says */

static void tell(struct ice_mux *m, struct ice_mux_gather *g)
{
    struct ice_cand c = {.type = ICE_RELAY};

    if (!g->relayed || !m->relayed)
        return;
    c.addr = *ice_turn_relayed(m->relayed->turn);
    c.related = (struct rk_addr){{.family = c.addr.ip.family}, ice_mux_port(m)};
    ice_cand_complete(&c);
    g->ops->candidate(g, &c);
}

void ice_mux_turn_tell(struct ice_mux *m, struct ice_mux_gather *g)
{
    tell(m, g);
}

static void on_allocated(struct ice_turn_user *u, const struct rk_addr *relayed)
{
    struct ice_mux_turn *s = rk_container_of(u, struct ice_mux_turn, user);
    struct ice_mux *m = s->mux;
    char text[RK_ADDR_TEXT];

    s->err = (struct rk_err){0};
    if (m->relayed) { /* another one was quicker */
        s->ended = true;
        soon(m, 0);
        return;
    }
    m->relayed = s;
    m->turn_retry_ms = 0;
    rk_log(m->log, RK_INFO, "TURN server gave an address", kv_z("server", s->text),
           kv_str("address", rk_addr_format(relayed, text)));
    RK_LIST_FOR_EACH_SAFE (it, &m->gathers)
        tell(m, rk_container_of(it, struct ice_mux_gather, link));
    soon(m, 0);
}

static void on_data(struct ice_turn_user *u, const struct rk_addr *from, struct rk_str datagram)
{
    const struct ice_mux_turn *s = rk_container_of(u, struct ice_mux_turn, user);

    if (s == s->mux->relayed)
        ice_mux_relayed_input(s->mux, from, datagram);
}

/* Once, and when the reason changes; else now and then. */
static void failed(struct ice_mux_turn *s, const char *event, const struct rk_err *why)
{
    struct rk_log *log = s->mux->log;

    if (s->err.code != why->code)
        rk_log(log, RK_WARN, event, kv_z("server", s->text), KV_ERR(why));
    else
        rk_log_every(&s->gate, SAY_AGAIN_MS, log, RK_WARN, event, kv_z("server", s->text),
                     KV_ERR(why));
    s->err = *why;
}

static void on_gone(struct ice_turn_user *u, const struct rk_err *why)
{
    struct ice_mux_turn *s = rk_container_of(u, struct ice_mux_turn, user);
    struct ice_mux *m = s->mux;

    failed(s, m->relayed == s ? "TURN server lost" : "TURN server cannot be used", why);
    s->ended = true;
    if (m->relayed == s)
        m->relayed = NULL;
    soon(m, 0);
}

static const struct ice_turn_ops TURN_OPS = {on_allocated, on_data, on_gone};

/* ---- which are asked, and when */

static bool may_send(void *arg, const struct rk_ip *ip)
{
    return ice_mux_may_send(arg, ip);
}

static void server_open(struct ice_mux *m, struct ice_mux_turn *s)
{
    struct ice_turn_opts o = {.loop = m->loop,
                              .uri = &s->uri,
                              .user = rk_str_z(s->name),
                              .password = rk_str_z(s->password),
                              .fwmark = m->fwmark,
                              .tls = m->tls,
                              .scratch = m->scratch,
                              .may_send = may_send,
                              .arg = m};
    struct rk_err err = {0};

    s->user.ops = &TURN_OPS;
    if (ice_turn_open(&o, &s->user, &s->turn, &err) == RK_OK)
        return;
    failed(s, "TURN server cannot be used", &err);
}

/* Close what has ended or is not needed; ask anew when somebody needs an address. */
static void work(void *arg)
{
    struct ice_mux *m = arg;
    int64_t now = rk_loop_now_ms(m->loop);
    bool asking = false;

    for (size_t i = 0; i < m->n_turns; i++) {
        struct ice_mux_turn *s = m->turns[i];

        if (s->turn && (s->ended || !m->turn_holds || (m->relayed && m->relayed != s)))
            server_close(s);
        asking = asking || s->turn;
    }
    if (!m->turn_holds || asking || !m->n_turns)
        return;
    if (now < m->turn_next_ms) {
        soon(m, m->turn_next_ms - now);
        return;
    }
    m->turn_retry_ms = m->turn_retry_ms ? rk_min_i64(2 * m->turn_retry_ms, RETRY_MAX) : RETRY_MS;
    m->turn_next_ms = now + m->turn_retry_ms;
    for (size_t i = 0; i < m->n_turns; i++) {
        server_open(m, m->turns[i]);
        asking = asking || m->turns[i]->turn;
    }
    if (!asking)
        soon(m, m->turn_retry_ms);
}

void ice_mux_turn_hold(struct ice_mux *m)
{
    if (m->relayed) /* nobody may have used it for a while, or all lost their path over it */
        ice_turn_check(m->relayed->turn);
    if (m->turn_holds++ == 0)
        soon(m, 0);
}

void ice_mux_turn_release(struct ice_mux *m)
{
    if (--m->turn_holds == 0)
        soon(m, LINGER_MS);
}

bool ice_mux_has_turn(const struct ice_mux *m)
{
    return m->n_turns > 0;
}

void ice_mux_send_relayed(struct ice_mux *m, const struct rk_addr *to, struct rk_str datagram)
{
    if (m->relayed && ice_mux_may_send(m, &to->ip))
        ice_turn_send(m->relayed->turn, to, datagram);
}

void ice_mux_turn_network_changed(struct ice_mux *m)
{
    for (size_t i = 0; i < m->n_turns; i++)
        if (m->turns[i]->turn)
            server_close(m->turns[i]); /* its socket has an address that we may have lost */
    m->turn_next_ms = m->turn_retry_ms = 0;
    if (m->turn_holds)
        soon(m, 0);
}

/* ---- the list */

static void forget_credentials(struct ice_mux_turn *s)
{
    if (s->password)
        rk_secret_wipe(s->password, strlen(s->password));
    free(s->name);
    free(s->password);
    s->name = s->password = NULL;
}

static void server_free(struct ice_mux_turn *s)
{
    if (s->turn)
        server_close(s);
    free(s->text);
    forget_credentials(s);
    free(s);
}

void ice_mux_turn_clear(struct ice_mux *m)
{
    rk_timer_cancel(&m->turn_timer);
    while (m->n_turns)
        server_free(m->turns[--m->n_turns]);
}

static void set_credentials(struct ice_mux_turn *s, const struct ice_mux_turn_server *v)
{
    forget_credentials(s);
    s->name = rk_str_dupz(v->user);
    s->password = rk_str_dupz(v->password);
}

/* Management repeats the list, with new credentials of limited life before the old ones end. An
 * address that we hold goes on with those that it began with. */
static bool same_servers(struct ice_mux *m, const struct ice_mux_turn_server *v, size_t n)
{
    bool same = n == m->n_turns_told;

    for (size_t i = 0; same && i < m->n_turns; i++)
        same = m->turns[i]->index < n && rk_str_eqz(v[m->turns[i]->index].uri, m->turns[i]->text);
    for (size_t i = 0; same && i < m->n_turns; i++)
        set_credentials(m->turns[i], &v[m->turns[i]->index]);
    return same;
}

void ice_mux_set_turn(struct ice_mux *m, const struct ice_mux_turn_server *v, size_t n)
{
    struct rk_err err = {0};

    if (same_servers(m, v, n))
        return;
    ice_mux_turn_clear(m);
    m->n_turns_told = n;
    m->turn_next_ms = m->turn_retry_ms = 0;
    for (size_t i = 0; i < n && m->n_turns < ICE_MUX_MAX_TURNS; i++) {
        struct ice_mux_turn *s = rk_calloc(1, sizeof *s);

        s->mux = m;
        s->index = i;
        s->text = rk_str_dupz(v[i].uri);
        if (ice_turn_uri_parse(v[i].uri, &s->uri, &err)) {
            rk_log(m->log, RK_WARN, "TURN server is not used", kv_str("uri", v[i].uri),
                   KV_ERR(&err));
            server_free(s);
            continue;
        }
        set_credentials(s, &v[i]);
        m->turns[m->n_turns++] = s;
    }
    if (m->turn_holds)
        soon(m, 0);
}

bool ice_mux_turn_status(const struct ice_mux *m, size_t i, struct rk_str *uri,
                         struct rk_addr *relayed, struct rk_err *last_err)
{
    const struct ice_mux_turn *s;

    if (i >= m->n_turns)
        return false;
    s = m->turns[i];
    *uri = rk_str_z(s->text);
    *relayed = s == m->relayed ? *ice_turn_relayed(s->turn) : (struct rk_addr){0};
    *last_err = s->err;
    return true;
}
