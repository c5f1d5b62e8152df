/* SPDX-License-Identifier: BSD-3-Clause */
/* The ICE agent's life: candidates in, time, nomination, loss; see agent.h. Messages: check.c. */
#include "config.h"

#include "agent/ice/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/ice/pair.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"

#define KEEPALIVE_MS     2000
#define DISCONNECTED_MS  6000
#define LOST_MS          3000  /* of silence; official agents take 6 s */
#define LOST_BUSY_MS     800   /* of silence, when data is sent */
#define RETRY_MS         150   /* after a check that nobody has answered yet */
#define LOOK_MS          200   /* between two looks for traffic */
#define BUSY_MS          10000 /* of no traffic, and we look with each keepalive only */
#define LOST_CHECKS      4     /* so many must have gone unanswered: not while we slept */
#define LOST_CHECKS_BUSY 3     /* the same, when data is not answered either */
#define FAILED_MS        6000
#define MIN_UFRAG        4  /* RFC 8839 section 5.4 */
#define MIN_PWD          22 /* likewise */

static bool copy_cred(char out[ICE_MAX_CRED + 1], struct rk_str s, size_t min)
{
    if (s.n < min || s.n > ICE_MAX_CRED || memchr(s.p, '\0', s.n))
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static int64_t timer_us(int64_t ms, int64_t fallback_ms)
{
    return (ms ? ms : fallback_ms) * ICE_US_PER_MS;
}

enum rk_code ice_session_new(const struct ice_opts *opts, struct ice_user *user, int64_t now_us,
                             struct ice_session **out, struct rk_err *err)
{
    struct ice_session *a = rk_calloc(1, sizeof *a);

    if (!copy_cred(a->local_ufrag, opts->local_ufrag, MIN_UFRAG) ||
        !copy_cred(a->local_pwd, opts->local_pwd, MIN_PWD) ||
        !copy_cred(a->remote_ufrag, opts->remote_ufrag, MIN_UFRAG) ||
        !copy_cred(a->remote_pwd, opts->remote_pwd, MIN_PWD)) {
        ice_session_free(a);
        return rk_fail(err, RK_INVALID, "ICE credentials of an impossible length");
    }
    a->user = user;
    a->controlling = opts->controlling;
    a->txid_tag = opts->txid_tag;
    a->state = ICE_CHECKING;
    a->start_us = now_us;
    a->keepalive_us = timer_us(opts->keepalive_ms, KEEPALIVE_MS);
    a->lost_us = timer_us(opts->disconnected_ms, LOST_MS);
    a->checking_us =
        timer_us(opts->disconnected_ms, DISCONNECTED_MS) + timer_us(opts->failed_ms, FAILED_MS);
    rk_secret_random(&a->tie_breaker, sizeof a->tie_breaker);
    *out = a;
    return RK_OK;
}

void ice_session_free(struct ice_session *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n_pairs; i++)
        free(a->pairs[i]);
    free(a->locals);
    rk_secret_wipe(a, sizeof *a); /* passwords */
    free(a);
}

static bool can_send_to(const struct rk_addr *to)
{
    return to->port && (to->ip.family == 4 || to->ip.family == 6) &&
           !rk_ip_is_unspecified(&to->ip) && !rk_ip_is_multicast(&to->ip);
}

static void fill(struct ice_cand *c)
{
    uint32_t priority = c->priority;

    if (priority && c->foundation[0])
        return;
    ice_cand_complete(c);
    if (priority)
        c->priority = priority;
}

/* Every remote address can be reached from our relayed one too. */
static void add_relayed_pairs(struct ice_session *a, uint8_t family, int64_t now_us)
{
    for (size_t i = 0, n = a->n_pairs; i < n; i++) {
        const struct ice_cand *remote = &a->pairs[i]->remote;

        if (!a->pairs[i]->relayed && remote->addr.ip.family == family &&
            !ice_pair_find(a, &remote->addr, true))
            (void)ice_pair_add(a, remote, true, now_us);
    }
}

enum rk_code ice_session_add_local(struct ice_session *a, struct ice_cand *c, int64_t now_us,
                                   struct rk_err *err)
{
    bool relayed = c->type == ICE_RELAY;
    bool first = !ice_local_for(a, c->addr.ip.family, relayed);

    if (!can_send_to(&c->addr) || (relayed && !a->user->ops->send_relayed))
        return rk_fail(err, RK_INVALID, "local candidate without a usable address");
    for (size_t i = 0; i < a->n_locals; i++)
        if (rk_addr_eq(&a->locals[i].addr, &c->addr))
            return rk_fail(err, RK_EXISTS, "local candidate with a known address");
    if (a->n_locals == ICE_MAX_LOCAL)
        return rk_fail(err, RK_LIMIT, "more than %d local candidates", ICE_MAX_LOCAL);
    fill(c);
    if (!c->id[0])
        ice_cand_make_id(c->id);
    a->locals = rk_realloc(a->locals, a->n_locals + 1, sizeof *a->locals);
    a->locals[a->n_locals++] = *c;
    if (relayed)
        add_relayed_pairs(a, c->addr.ip.family, now_us);
    for (size_t i = 0; i < a->n_pairs; i++) /* those of this kind can be checked from now on */
        if (first && a->pairs[i]->relayed == relayed &&
            a->pairs[i]->remote.addr.ip.family == c->addr.ip.family)
            a->pairs[i]->next_check_us = now_us;
    return RK_OK;
}

const struct ice_cand *ice_session_local(const struct ice_session *a, size_t i)
{
    return i < a->n_locals ? &a->locals[i] : NULL;
}

enum rk_code ice_session_add_remote(struct ice_session *a, const struct ice_cand *c, int64_t now_us,
                                    struct rk_err *err)
{
    struct ice_cand known = *c;
    struct ice_pair *p = ice_pair_find(a, &c->addr, false);
    struct ice_pair *twin = ice_pair_find(a, &c->addr, true);

    if (!can_send_to(&c->addr))
        return rk_fail(err, RK_INVALID, "remote candidate without a usable address");
    fill(&known);
    if (p && p->remote.type != ICE_PRFLX)
        return rk_fail(err, RK_EXISTS, "remote candidate with a known address");
    if (p)
        p->remote = known; /* its check came before its signal message */
    else if (!ice_pair_add(a, &known, false, now_us))
        return rk_fail(err, RK_LIMIT, "more than %d remote candidates", ICE_MAX_REMOTE);
    if (twin)
        twin->remote = known;
    else if (ice_local_for(a, known.addr.ip.family, true))
        (void)ice_pair_add(a, &known, true, now_us);
    return RK_OK;
}

/* Official agents wait with less direct kinds, so that better pairs get their chance. */
static int64_t acceptance_us(enum ice_cand_type t)
{
    switch (t) {
    case ICE_HOST:
        return 0;
    case ICE_SRFLX:
        return 500 * ICE_US_PER_MS;
    case ICE_PRFLX:
        return 1000 * ICE_US_PER_MS;
    case ICE_RELAY:
        break;
    }
    return 2000 * ICE_US_PER_MS;
}

static int64_t nominatable_at(const struct ice_session *a, const struct ice_pair *p)
{
    return a->start_us + rk_max_i64(acceptance_us(p->local.type), acceptance_us(p->remote.type));
}

static struct ice_pair *best_valid(const struct ice_session *a)
{
    struct ice_pair *best = NULL;

    for (size_t i = 0; i < a->n_pairs; i++) {
        struct ice_pair *p = a->pairs[i];

        if (p->valid && (!best || ice_pair_priority(a, best) < ice_pair_priority(a, p)))
            best = p;
    }
    return best;
}

static void send_nomination(struct ice_session *a, int64_t now_us)
{
    struct ice_pair *p = a->nominated;

    if (p->next_check_us > now_us)
        return;
    if (a->nominate_tries == ICE_NOMINATE_TRIES) { /* it worked before and does not any more */
        p->valid = false;
        p->checks = ICE_FAST_CHECKS;
        p->next_check_us = now_us + ICE_SLOW_CHECK_US;
        a->nominated = NULL;
        return;
    }
    a->nominate_tries++;
    p->next_check_us = now_us + ICE_CHECK_US;
    ice_check_send(a, p, true, now_us);
}

static void nominate_best(struct ice_session *a, int64_t now_us)
{
    struct ice_pair *p = best_valid(a);

    if (!p || nominatable_at(a, p) > now_us)
        return;
    a->nominated = p;
    a->nominate_tries = 0;
    p->next_check_us = now_us;
}

static bool wants_checks(const struct ice_session *a, const struct ice_pair *p)
{
    return !p->valid && ice_local_for(a, p->remote.addr.ip.family, p->relayed);
}

static void tick_checking(struct ice_session *a, int64_t now_us)
{
    if (now_us - a->start_us >= a->checking_us) {
        a->state = ICE_FAILED;
        a->changed = true;
        return;
    }
    if (a->controlling && !a->nominated)
        nominate_best(a, now_us);
    if (a->nominated)
        send_nomination(a, now_us);
    for (size_t i = 0; i < a->n_pairs; i++) {
        struct ice_pair *p = a->pairs[i];

        if (!wants_checks(a, p) || p->next_check_us > now_us)
            continue;
        p->checks++;
        p->next_check_us =
            now_us + (p->checks < ICE_FAST_CHECKS ? ICE_CHECK_US : ICE_SLOW_CHECK_US);
        ice_check_send(a, p, false, now_us);
    }
}

/* When the selected pair is lost if nothing comes; far lines get their round trips on top. */
static int64_t lost_at(const struct ice_session *a)
{
    const struct ice_pair *p = a->selected;
    int64_t silence =
        a->unheard ? rk_min_i64(a->lost_us, LOST_BUSY_MS * ICE_US_PER_MS) : a->lost_us;

    if (p->unanswered < (a->unheard ? LOST_CHECKS_BUSY : LOST_CHECKS))
        return INT64_MAX;
    return rk_max_i64(rk_max_i64(p->last_rx_us, a->heard_us) + silence + 2 * p->rtt_us,
                      p->next_check_us); /* the last one has its time too */
}

static int64_t retry_us(const struct ice_session *a, const struct ice_pair *p)
{
    return rk_min_i64(a->keepalive_us, RETRY_MS * ICE_US_PER_MS + p->rtt_us);
}

static bool alive(struct ice_session *a, bool begin)
{
    return a->user->ops->alive && a->user->ops->alive(a->user, begin);
}

/* Data that nobody answers is the first sign of a lost path: check at once. */
static void look(struct ice_session *a, int64_t now_us)
{
    struct ice_pair *p = a->selected;
    enum ice_traffic t = a->user->ops->traffic(a->user);

    if (t != ICE_TRAFFIC_NONE) {
        a->busy_us = now_us;
        a->unheard = t == ICE_TRAFFIC_UNHEARD;
    }
    if (t == ICE_TRAFFIC_HEARD) {
        a->heard_us = now_us;
        p->unanswered = 0;
    }
    if (t == ICE_TRAFFIC_UNHEARD && !p->unanswered)
        p->next_check_us = now_us;
    a->look_us = now_us + (now_us - a->busy_us < BUSY_MS * ICE_US_PER_MS ? LOOK_MS * ICE_US_PER_MS
                                                                         : a->keepalive_us);
}

static void tick_connected(struct ice_session *a, int64_t now_us)
{
    struct ice_pair *p = a->selected;

    if (now_us >= a->look_us && a->user->ops->traffic)
        look(a, now_us);
    if (now_us >= lost_at(a)) {
        if (!alive(a, false)) {
            a->state = ICE_FAILED;
            a->changed = true;
            return;
        }
        p->last_rx_us = now_us;
        p->unanswered = 0;
    }
    if (p->next_check_us <= now_us) { /* the answer moves the next one on: see check.c */
        p->next_check_us = now_us + retry_us(a, p);
        if (++p->unanswered == 2)
            (void)alive(a, true);
        ice_check_send(a, p, false, now_us);
    }
    for (size_t i = 0; i < a->n_pairs; i++) { /* triggered checks of late nominations */
        p = a->pairs[i];
        if (p != a->selected && p->nominate_when_valid && wants_checks(a, p) &&
            p->next_check_us <= now_us && p->checks < ICE_FAST_CHECKS) {
            p->checks++;
            p->next_check_us = now_us + ICE_CHECK_US;
            ice_check_send(a, p, false, now_us);
        }
    }
}

void ice_session_tick(struct ice_session *a, int64_t now_us)
{
    if (a->state == ICE_CHECKING)
        tick_checking(a, now_us);
    else if (a->state == ICE_CONNECTED)
        tick_connected(a, now_us);
    if (a->changed) {
        a->changed = false;
        a->user->ops->changed(a->user);
    }
}

bool ice_session_input(struct ice_session *a, const struct rk_addr *from, const struct rk_ip *to,
                       const struct stun_msg *msg, int64_t now_us)
{
    if (!ice_check_input(a, (struct ice_from){from, to}, msg, now_us))
        return false;
    ice_session_tick(a, now_us);
    return true;
}

bool ice_session_input_relayed(struct ice_session *a, const struct rk_addr *from,
                               const struct stun_msg *msg, int64_t now_us)
{
    if (!ice_check_input(a, (struct ice_from){from, NULL}, msg, now_us))
        return false;
    ice_session_tick(a, now_us);
    return true;
}

static int64_t deadline_checking(const struct ice_session *a)
{
    int64_t at = a->start_us + a->checking_us;
    const struct ice_pair *best = a->controlling && !a->nominated ? best_valid(a) : NULL;

    if (best)
        at = rk_min_i64(at, nominatable_at(a, best));
    for (size_t i = 0; i < a->n_pairs; i++) {
        const struct ice_pair *p = a->pairs[i];

        if (wants_checks(a, p) || p == a->nominated)
            at = rk_min_i64(at, p->next_check_us);
    }
    return at;
}

static int64_t deadline_connected(const struct ice_session *a)
{
    int64_t at = rk_min_i64(a->selected->next_check_us, lost_at(a));

    if (a->user->ops->traffic)
        at = rk_min_i64(at, a->look_us);
    for (size_t i = 0; i < a->n_pairs; i++) {
        const struct ice_pair *p = a->pairs[i];

        if (p != a->selected && p->nominate_when_valid && wants_checks(a, p) &&
            p->checks < ICE_FAST_CHECKS)
            at = rk_min_i64(at, p->next_check_us);
    }
    return at;
}

int64_t ice_session_deadline(const struct ice_session *a)
{
    switch (a->state) {
    case ICE_CHECKING:
        return deadline_checking(a);
    case ICE_CONNECTED:
        return deadline_connected(a);
    case ICE_FAILED:
        break;
    }
    return INT64_MAX;
}

enum ice_state ice_session_state(const struct ice_session *a)
{
    return a->state;
}

bool ice_session_selected(const struct ice_session *a, struct ice_pair_info *out)
{
    if (a->state != ICE_CONNECTED || !a->selected)
        return false;
    *out = (struct ice_pair_info){.local = &a->selected->local,
                                  .remote = &a->selected->remote,
                                  .rtt_us = a->selected->rtt_us};
    return true;
}
