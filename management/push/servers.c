/* SPDX-License-Identifier: BSD-3-Clause */
/* See servers.h. */
#include "config.h"

#include "management/push/servers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "management/push/flow_token.h"
#include "management/snapshot/pb.h"

enum protocol {
    PROTOCOL_UDP = 0,
    PROTOCOL_TCP = 1,
    PROTOCOL_HTTP = 2,
    PROTOCOL_HTTPS = 3,
    PROTOCOL_DTLS = 4
};

struct turn {
    struct rk_str uri, user, password;
};

struct servers {
    struct rk_arena *mem; /* wiping */
    struct rk_str *stuns;
    size_t n_stuns;
    struct turn *turns;
    size_t n_turns;
    struct rk_str turn_secret;
    int64_t turn_ttl_s;
    struct rk_str signal;
    bool signal_tls;
    struct rk_str *relays; /* configured */
    size_t n_relays;
    pthread_rwlock_t pool_lock; /* guards the next three */
    struct rk_arena *pool_mem;  /* NULL: told is relays */
    struct rk_str *told;        /* to agents */
    size_t n_told;
    struct rk_key relay_key;
    int64_t relay_ttl_s;
    struct rk_str flow_url; /* empty: none */
    struct rk_key flow_key;
    int64_t flow_interval_ms;
};

#define FLOW_INTERVAL_DEFAULT_MS 30000

/* Agents parse strictly and drop the whole message, map included, over one bad URI. */
static bool host_ok(struct rk_str s)
{
    struct rk_str host;
    uint16_t port;

    return rk_authority_parse(s, &host, &port, NULL) == RK_OK;
}

/* s as this server's list holds it: the scheme in lower case. False when it is none such. */
static bool ice_uri(struct rk_arena *mem, struct rk_str s, bool turn, struct rk_str *out)
{
    static const struct rk_str schemes[2][2] = {{{""
                                                  "stun",
                                                  sizeof "stun" - 1},
                                                 {""
                                                  "stuns",
                                                  sizeof "stuns" - 1}},
                                                {{""
                                                  "turn",
                                                  sizeof "turn" - 1},
                                                 {""
                                                  "turns",
                                                  sizeof "turns" - 1}}};
    struct rk_str scheme, rest, host, query;

    if (!rk_str_cut(rk_str_trim(s), ':', &scheme, &rest))
        return false;
    for (int i = 0; i < 2; i++)
        if (rk_str_ieq(scheme, schemes[turn][i]))
            *out =
                rk_arena_printf(mem, "%.*s:%.*s", RK_STR_ARG(schemes[turn][i]), RK_STR_ARG(rest));
    if (rk_str_cut(rest, '?', &host, &query) &&
        (!turn || (!rk_str_eqz(query, "transport=udp") && !rk_str_eqz(query, "transport=tcp"))))
        return false;
    return out->n && host_ok(host);
}

/* "rels://host:port/relay" is meant as rels://host:port: agents put the path behind it themselves,
 * and compare addresses as texts. */
static bool relay_uri(struct rk_arena *mem, struct rk_str s, struct rk_str *out)
{
    struct rk_str rel = RK_STR("rel://"), rels = RK_STR("rels://"), host;
    bool tls = rk_str_istarts(s, rels);

    if (!tls && !rk_str_istarts(s, rel))
        return false;
    host = rk_str_sub(s, tls ? rels.n : rel.n, s.n);
    host = rk_str_sub(host, 0, rk_str_find_c(host, '/'));
    *out = rk_arena_printf(mem, "%.*s%.*s", RK_STR_ARG(tls ? rels : rel), RK_STR_ARG(host));
    return host_ok(host);
}

static enum rk_code take_lists(struct servers *s, const struct servers_opts *o, struct rk_err *err)
{
    s->stuns = rk_new_n(s->mem, struct rk_str, o->n_stuns);
    for (; s->n_stuns < o->n_stuns; s->n_stuns++) {
        if (!ice_uri(s->mem, rk_str_z(o->stuns[s->n_stuns]), false, &s->stuns[s->n_stuns]))
            return rk_fail(err, RK_INVALID, "STUN server \"%s\": expected stun:host:port",
                           o->stuns[s->n_stuns]);
    }
    s->turns = rk_new_n(s->mem, struct turn, o->n_turns);
    for (; s->n_turns < o->n_turns; s->n_turns++) {
        const struct servers_turn *t = &o->turns[s->n_turns];

        s->turns[s->n_turns] = (struct turn){
            .user = rk_arena_dup(s->mem, rk_str_z(t->user)),
            .password = rk_arena_dup(s->mem, rk_str_z(t->password)),
        };
        if (!ice_uri(s->mem, rk_str_z(t->uri), true, &s->turns[s->n_turns].uri))
            return rk_fail(err, RK_INVALID,
                           "TURN server \"%s\": expected turn:host:port[?transport=udp|tcp]",
                           t->uri);
    }
    s->relays = rk_new_n(s->mem, struct rk_str, o->n_relays);
    for (; s->n_relays < o->n_relays; s->n_relays++) {
        if (!relay_uri(s->mem, rk_str_z(o->relays[s->n_relays]), &s->relays[s->n_relays]))
            return rk_fail(err, RK_INVALID, "relay \"%s\": expected rel://host:port or rels://",
                           o->relays[s->n_relays]);
    }
    if (s->n_relays && !o->relay_secret.n)
        return rk_fail(err, RK_INVALID, "relays are configured without their secret");
    return RK_OK;
}

static enum rk_code take_signal(struct servers *s, const struct servers_opts *o, struct rk_err *err)
{
    struct rk_str uri = rk_str_z(o->signal_uri);
    struct rk_str http = RK_STR("http://"), https = RK_STR("https://");
    bool port;

    s->signal_tls = o->signal_tls;
    if (rk_str_istarts(uri, https)) {
        uri = rk_str_sub(uri, https.n, uri.n);
        s->signal_tls = true;
    } else if (rk_str_istarts(uri, http)) {
        uri = rk_str_sub(uri, http.n, uri.n);
        s->signal_tls = false;
    }
    while (rk_str_ends(uri, RK_STR("/")))
        uri.n--;
    if (!host_ok(uri))
        return rk_fail(err, RK_INVALID, "signal server \"%s\": expected host:port",
                       o->signal_uri ? o->signal_uri : "");
    /* agents dial exactly this text */
    port =
        uri.p[0] == '[' ? rk_str_find(uri, RK_STR("]:")) < uri.n : rk_str_find_c(uri, ':') < uri.n;
    s->signal = rk_arena_printf(s->mem, "%.*s%s", RK_STR_ARG(uri),
                                port            ? ""
                                : s->signal_tls ? ":443"
                                                : ":80");
    return RK_OK;
}

enum rk_code servers_new(const struct servers_opts *o, struct servers **out, struct rk_err *err)
{
    struct servers *s = rk_calloc(1, sizeof *s);
    enum rk_code rc;

    s->mem = rk_arena_new_wiping(0);
    (void)pthread_rwlock_init(&s->pool_lock, NULL);
    s->turn_ttl_s = o->turn_ttl_s > 0 ? o->turn_ttl_s : SERVERS_TTL_DEFAULT_S;
    s->relay_ttl_s = o->relay_ttl_s > 0 ? o->relay_ttl_s : SERVERS_TTL_DEFAULT_S;
    s->turn_secret = rk_arena_dup(s->mem, o->turn_secret);
    rc = take_lists(s, o, err);
    if (rc == RK_OK)
        rc = take_signal(s, o, err);
    if (rc) {
        servers_free(s);
        return rc;
    }
    hmac_relay_key(o->relay_secret, &s->relay_key);
    s->flow_url = rk_arena_dup(s->mem, rk_str_z(o->flow_url));
    flow_token_key(o->flow_store_key, &s->flow_key);
    s->flow_interval_ms = o->flow_interval_ms ? o->flow_interval_ms : FLOW_INTERVAL_DEFAULT_MS;
    s->told = s->relays;
    s->n_told = s->n_relays;
    *out = s;
    return RK_OK;
}

void servers_free(struct servers *s)
{
    if (!s)
        return;
    rk_key_wipe(&s->relay_key);
    rk_key_wipe(&s->flow_key);
    (void)pthread_rwlock_destroy(&s->pool_lock);
    rk_arena_free(s->pool_mem);
    rk_arena_free(s->mem);
    free(s);
}

static int by_text(const void *a, const void *b)
{
    return rk_str_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

bool servers_relays_set(struct servers *s, const struct rk_str *others, size_t n)
{
    struct rk_arena *mem = rk_arena_new(0), *before;
    struct rk_str *list = rk_new_n(mem, struct rk_str, s->n_relays + n);
    size_t n_list = 0, kept = 0;
    bool same;

    for (size_t i = 0; i < s->n_relays; i++)
        list[n_list++] = s->relays[i];
    for (size_t i = 0; s->n_relays && i < n; i++)
        if (relay_uri(mem, others[i], &list[n_list]))
            n_list++;
    if (n)
        qsort(list, n_list, sizeof *list, by_text);
    for (size_t i = 0; i < n_list; i++)
        if (kept == 0 || !rk_str_eq(list[kept - 1], list[i]))
            list[kept++] = list[i];
    (void)pthread_rwlock_wrlock(&s->pool_lock);
    same = kept == s->n_told;
    for (size_t i = 0; same && i < kept; i++)
        same = rk_str_eq(list[i], s->told[i]);
    before = same ? mem : s->pool_mem;
    if (!same) {
        s->pool_mem = mem;
        s->told = list;
        s->n_told = kept;
    }
    (void)pthread_rwlock_unlock(&s->pool_lock);
    rk_arena_free(before);
    return !same;
}

/* ---- encoding */

static void put_host(struct rk_buf *b, unsigned field, struct rk_str uri, enum protocol protocol)
{
    size_t at = pb_begin(b, field);

    pb_str(b, 1, uri);
    pb_uint(b, 2, (uint64_t)protocol);
    pb_end(b, at);
}

static enum protocol protocol_of(struct rk_str uri)
{
    if (rk_str_ends(uri, RK_STR("transport=tcp")))
        return PROTOCOL_TCP;
    return rk_str_starts(uri, RK_STR("stuns:")) || rk_str_starts(uri, RK_STR("turns:"))
               ? PROTOCOL_DTLS
               : PROTOCOL_UDP;
}

static void put_turn(struct rk_buf *b, const struct turn *t, const struct hmac_credential *timed)
{
    size_t at = pb_begin(b, 2);

    put_host(b, 1, t->uri, protocol_of(t->uri));
    pb_str(b, 2, timed ? rk_str_z(timed->payload) : t->user);
    pb_str(b, 3, timed ? rk_str_z(timed->signature) : t->password);
    pb_end(b, at);
}

static void put_turns(const struct servers *s, enum servers_form form, int64_t now_s,
                      struct rk_buf *b)
{
    struct hmac_credential c;
    bool timed = s->turn_secret.n && form != SERVERS_LOGIN;

    if (form == SERVERS_REFRESH && !timed)
        return;
    if (timed)
        hmac_turn_credential(s->turn_secret, now_s + s->turn_ttl_s, &c);
    for (size_t i = 0; i < s->n_turns; i++)
        put_turn(b, &s->turns[i], timed ? &c : NULL);
}

static void put_relay(struct servers *s, int64_t now_s, struct rk_buf *b)
{
    struct hmac_credential c;
    size_t at;

    if (!s->n_relays)
        return;
    hmac_relay_credential(&s->relay_key, now_s + s->relay_ttl_s, &c);
    at = pb_begin(b, 4);
    (void)pthread_rwlock_rdlock(&s->pool_lock);
    for (size_t i = 0; i < s->n_told; i++)
        pb_str_always(b, 1, s->told[i]);
    (void)pthread_rwlock_unlock(&s->pool_lock);
    pb_str(b, 2, rk_str_z(c.payload));
    pb_str(b, 3, rk_str_z(c.signature));
    pb_end(b, at);
}

/* Present for all: one that is off makes an agent stop. */
static void put_flow(const struct servers *s, const struct servers_agent *agent, int64_t now_s,
                     struct rk_buf *b)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = NULL;
    struct flow_token t = {agent->account_id, agent->peer_id, now_s + SERVERS_FLOW_TTL_S};
    struct rk_str payload, signature;
    size_t at, interval;

    if (!s->flow_url.n)
        return;
    mem = rk_arena_new(0);
    flow_token_make(mem, &s->flow_key, &t, &payload, &signature);
    at = pb_begin(b, 5);
    pb_str(b, 1, s->flow_url);
    pb_str(b, 2, payload);
    pb_str(b, 3, signature);
    interval = pb_begin(b, 4);
    pb_int(b, 1, s->flow_interval_ms / 1000);
    pb_int(b, 2, s->flow_interval_ms % 1000 * 1000000);
    pb_end(b, interval);
    pb_bool(b, 5, agent->traffic);
    pb_bool(b, 6, agent->traffic_counters);
    pb_end(b, at);
}

struct servers_agent servers_agent_of(const struct snapshot *s, uint32_t index)
{
    const struct settings *set = snap_settings(s);
    struct servers_agent a = {.account_id = snap_account(s)->id,
                              .peer_id = snap_peer_at(s, index)->id,
                              .metrics = set->metrics_push,
                              .traffic = set->traffic_logs && !set->traffic_groups.n,
                              .traffic_counters = set->traffic_counters};

    for (size_t i = 0; set->traffic_logs && !a.traffic && i < set->traffic_groups.n; i++)
        a.traffic = snap_is_member(s, set->traffic_groups.v[i], index);
    return a;
}

bool servers_have_flow(const struct servers *s)
{
    return s->flow_url.n > 0;
}

void servers_encode(struct servers *s, enum servers_form form, const struct servers_agent *agent,
                    int64_t now_s, struct rk_buf *out)
{
    bool all = form != SERVERS_REFRESH;

    for (size_t i = 0; all && i < s->n_stuns; i++)
        put_host(out, 1, s->stuns[i], protocol_of(s->stuns[i]));
    put_turns(s, form, now_s, out);
    if (all)
        put_host(out, 3, s->signal, s->signal_tls ? PROTOCOL_HTTPS : PROTOCOL_HTTP);
    put_relay(s, now_s, out);
    put_flow(s, agent, now_s, out);
    if (all) {
        size_t at = pb_begin(out, 6);

        pb_bool(out, 1, agent->metrics);
        pb_end(out, at);
    }
}

int64_t servers_refresh_s(const struct servers *s)
{
    int64_t ttl = 0;

    if (s->n_relays)
        ttl = s->relay_ttl_s;
    if (s->n_turns && s->turn_secret.n && (!ttl || s->turn_ttl_s < ttl))
        ttl = s->turn_ttl_s;
    if (s->flow_url.n && (!ttl || SERVERS_FLOW_TTL_S < ttl))
        ttl = SERVERS_FLOW_TTL_S;
    return ttl ? rk_max_i64(ttl / 4 * 3, 1) : 0;
}
