/* SPDX-License-Identifier: BSD-3-Clause */
/* Connectivity checks of the ICE agent: building and judging Binding messages; see agent.h. */
#include "config.h"

#include <stdio.h>

#include "agent/ice/pair.h"
#include "lib/crypto/secret.h"

#define RTT_SHARE 4 /* a quarter of a new round-trip time counts */

static void send_message(struct ice_session *a, struct ice_from to, struct stun_writer *w)
{
    struct rk_str out = stun_end(w);

    if (out.n && to.to)
        a->user->ops->send(a->user, to.to, to.addr, out);
    else if (out.n && a->user->ops->send_relayed)
        a->user->ops->send_relayed(a->user, to.addr, out);
}

/* FINGERPRINT, then the ids of both candidates as official agents put them. */
static void finish(struct ice_session *a, struct stun_writer *w, const char *key,
                   const struct ice_pair *p, struct ice_from to)
{
    const struct ice_cand *local = ice_local_for(a, to.addr->ip.family, !to.to);

    stun_put_integrity(w, rk_str_z(key));
    stun_put_fingerprint(w);
    if (local && p)
        stun_put_nb_candidates(w, rk_str_z(local->id), rk_str_z(p->remote.id));
}

static void new_txid(const struct ice_session *a, struct stun_txid *out)
{
    stun_txid_random(out);
    out->b[0] = (uint8_t)(a->txid_tag >> 24);
    out->b[1] = (uint8_t)(a->txid_tag >> 16);
    out->b[2] = (uint8_t)(a->txid_tag >> 8);
    out->b[3] = (uint8_t)a->txid_tag;
}

void ice_check_send(struct ice_session *a, struct ice_pair *p, bool nominating, int64_t now_us)
{
    static const struct rk_ip any;
    struct ice_from to = {&p->remote.addr, p->relayed ? NULL : &any};
    const struct ice_cand *local = ice_local_for(a, p->remote.addr.ip.family, p->relayed);
    struct ice_request *r = &p->open[p->open_at];
    uint8_t buf[STUN_MAX_SIZE];
    char username[2 * ICE_MAX_CRED + 2];
    struct stun_writer w;

    if (!local)
        return;
    *r = (struct ice_request){
        .sent_us = now_us, .nominating = nominating, .as_controlling = a->controlling};
    p->open_at = (p->open_at + 1) % ICE_MAX_OPEN;
    new_txid(a, &r->txid);
    (void)snprintf(username, sizeof username, "%s:%s", a->remote_ufrag, a->local_ufrag);
    stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, &r->txid);
    stun_put_username(&w, rk_str_z(username));
    if (nominating)
        stun_put_use_candidate(&w);
    if (a->controlling)
        stun_put_controlling(&w, a->tie_breaker);
    else
        stun_put_controlled(&w, a->tie_breaker);
    stun_put_priority(&w, local->priority);
    finish(a, &w, a->remote_pwd, p, to);
    send_message(a, to, &w);
}

static void answer_error(struct ice_session *a, const struct stun_msg *m, const struct ice_pair *p,
                         struct ice_from from, unsigned code)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;

    stun_begin(&w, buf, sizeof buf, STUN_ERROR, STUN_METHOD_BINDING, &m->txid);
    stun_put_error(&w, code,
                   code == STUN_ERR_ROLE_CONFLICT ? RK_STR("Role Conflict")
                                                  : RK_STR("Unknown Attribute"));
    if (code == STUN_ERR_UNKNOWN_ATTRIBUTE)
        stun_put_unknown(&w, m->unknown, m->n_unknown);
    finish(a, &w, a->local_pwd, p, from);
    send_message(a, from, &w);
}

static void answer_success(struct ice_session *a, const struct stun_msg *m,
                           const struct ice_pair *p, struct ice_from from)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;

    stun_begin(&w, buf, sizeof buf, STUN_SUCCESS, STUN_METHOD_BINDING, &m->txid);
    stun_put_xor_mapped(&w, from.addr);
    finish(a, &w, a->local_pwd, p, from);
    send_message(a, from, &w);
}

static bool username_ok(const struct ice_session *a, struct rk_str username)
{
    char want[2 * ICE_MAX_CRED + 2];

    (void)snprintf(want, sizeof want, "%s:%s", a->local_ufrag, a->remote_ufrag);
    return rk_str_eqz(username, want);
}

/* A request from an address that nobody signalled: a NAT made it. */
static struct ice_pair *add_peer_reflexive(struct ice_session *a, const struct stun_msg *m,
                                           struct ice_from from, int64_t now_us)
{
    struct ice_cand c = {.type = ICE_PRFLX, .addr = *from.addr};
    struct rk_str sender, receiver;

    ice_cand_complete(&c);
    if (stun_nb_candidates_split(m, &sender, &receiver) && sender.n <= ICE_CAND_ID_MAX)
        (void)snprintf(c.id, sizeof c.id, "%.*s", RK_STR_ARG(sender));
    return ice_pair_add(a, &c, !from.to, now_us);
}

static void switch_role(struct ice_session *a)
{
    a->controlling = !a->controlling;
    rk_secret_random(&a->tie_breaker, sizeof a->tie_breaker);
    a->nominated = NULL;
}

/* RFC 8445 section 7.3.1.1; true: answered with an error, the request counts for nothing else. */
static bool role_conflict(struct ice_session *a, const struct stun_msg *m, struct ice_pair *p,
                          struct ice_from from)
{
    bool same = a->controlling ? m->has_controlling : m->has_controlled;
    bool ours_greater = a->tie_breaker >= m->tie_breaker;

    if (!same)
        return false;
    if (a->controlling == ours_greater) {
        answer_error(a, m, p, from, STUN_ERR_ROLE_CONFLICT);
        return true;
    }
    a->controlling = !a->controlling; /* the peer keeps its tie breaker, and so do we */
    a->nominated = NULL;
    return false;
}

static void on_use_candidate(struct ice_session *a, struct ice_pair *p, int64_t now_us)
{
    if (!p->valid)
        p->nominate_when_valid = true;
    else if (!a->selected || ice_pair_priority(a, a->selected) <= ice_pair_priority(a, p))
        ice_pair_select(a, p, now_us);
}

static bool on_request(struct ice_session *a, struct ice_from from, const struct stun_msg *m,
                       int64_t now_us)
{
    struct ice_pair *p = ice_pair_find(a, from.addr, !from.to);

    if (!username_ok(a, m->username) || !stun_integrity_ok(m, rk_str_z(a->local_pwd)))
        return false;
    if (m->n_unknown) {
        answer_error(a, m, p, from, STUN_ERR_UNKNOWN_ATTRIBUTE);
        return true;
    }
    if (!p)
        p = add_peer_reflexive(a, m, from, now_us);
    if (!p)
        return true; /* too many addresses; those known go on */
    p->last_rx_us = now_us;
    if (role_conflict(a, m, p, from))
        return true;
    answer_success(a, m, p, from);
    if (!p->valid) { /* triggered check: the peer can reach us, so we may reach it now */
        p->checks = 0;
        p->next_check_us = now_us;
    }
    if (m->use_candidate && !a->controlling)
        on_use_candidate(a, p, now_us);
    return true;
}

/* Which of our candidates is the address that the peer saw? None: a NAT on the way made it. */
static void set_local(struct ice_session *a, struct ice_pair *p, const struct rk_addr *mapped)
{
    const struct ice_cand *base = ice_local_for(a, p->remote.addr.ip.family, p->relayed);

    if (p->relayed) { /* whatever it saw is the server's */
        if (base)
            p->local = *base;
        return;
    }
    for (size_t i = 0; i < a->n_locals; i++)
        if (rk_addr_eq(&a->locals[i].addr, mapped)) {
            p->local = a->locals[i];
            return;
        }
    if (!base)
        return;
    p->local = *base;
    if (mapped->ip.family == base->addr.ip.family) {
        p->local.type = ICE_PRFLX;
        p->local.addr = *mapped;
        p->local.related = base->addr;
        ice_cand_complete(&p->local);
    }
}

static struct ice_request *take_request(struct ice_session *a, const struct stun_msg *m,
                                        struct ice_pair **pair)
{
    for (size_t i = 0; i < a->n_pairs; i++)
        for (size_t k = 0; k < ICE_MAX_OPEN; k++) {
            struct ice_request *r = &a->pairs[i]->open[k];

            if (r->sent_us && stun_txid_eq(&r->txid, &m->txid)) {
                *pair = a->pairs[i];
                return r;
            }
        }
    return NULL;
}

/* RFC 8445 section 7.2.5.2.1: the answer comes the way that the request went, or is none. */
static bool same_way(const struct ice_pair *p, struct ice_from from)
{
    return p->relayed == !from.to && rk_addr_eq(&p->remote.addr, from.addr);
}

static bool on_success(struct ice_session *a, struct ice_from from, const struct stun_msg *m,
                       int64_t now_us)
{
    struct ice_pair *p;
    struct ice_request *r = take_request(a, m, &p);
    int64_t took_us;
    bool nominated;

    if (!r || !stun_integrity_ok(m, rk_str_z(a->remote_pwd)))
        return false;
    if (!same_way(p, from))
        return false;
    nominated = r->nominating && a->controlling;
    took_us = now_us - r->sent_us;
    if (took_us < ICE_REQUEST_LIFE_US) /* one late answer says little: RFC 6298 section 2.3 */
        p->rtt_us = p->rtt_us ? p->rtt_us + (took_us - p->rtt_us) / RTT_SHARE : took_us;
    r->sent_us = 0;
    p->last_rx_us = now_us;
    p->unanswered = 0;
    if (a->selected == p) {
        p->next_check_us = now_us + a->keepalive_us;
        a->unheard = false;
    }
    p->valid = true;
    if (a->selected != p) /* an address that changes under a selected pair is not news */
        set_local(a, p, &m->mapped);
    if (nominated && !a->selected)
        ice_pair_select(a, p, now_us);
    if (p->nominate_when_valid && !a->controlling) {
        p->nominate_when_valid = false;
        on_use_candidate(a, p, now_us);
    }
    return true;
}

static bool on_error(struct ice_session *a, struct ice_from from, const struct stun_msg *m,
                     int64_t now_us)
{
    struct ice_pair *p;
    struct ice_request *r = take_request(a, m, &p);

    if (!r || !same_way(p, from) || !stun_integrity_ok(m, rk_str_z(a->remote_pwd)))
        return false;
    if (m->error_code == STUN_ERR_ROLE_CONFLICT && r->as_controlling == a->controlling)
        switch_role(a);
    r->sent_us = 0;
    p->last_rx_us = now_us;
    if (a->selected != p)
        p->next_check_us = now_us;
    return true;
}

bool ice_check_input(struct ice_session *a, struct ice_from from, const struct stun_msg *msg,
                     int64_t now_us)
{
    bool ours = false;

    if (a->state == ICE_FAILED || msg->method != STUN_METHOD_BINDING)
        return false;
    switch (msg->cls) {
    case STUN_REQUEST:
        ours = on_request(a, from, msg, now_us);
        break;
    case STUN_SUCCESS:
        ours = on_success(a, from, msg, now_us);
        break;
    case STUN_ERROR:
        ours = on_error(a, from, msg, now_us);
        break;
    case STUN_INDICATION: /* keepalives of other implementations carry nothing to check */
        break;
    }
    return ours;
}
