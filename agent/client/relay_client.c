/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Home relay, foreign relays, and when to dial again; see relay_client.h. One connection is
 * relay_link.c.
 *
 *   home lost -> 1.5 s -> same URL, after another second all others too -> wait 0.5, 0.75 … 2 s in
 *   the first minute, then up to 60 s -> all URLs …
 */
#include "config.h"

#include "agent/client/relay_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/client/backoff.h"
#include "agent/client/relay_link.h"
#include "lib/base/buf.h"
#include "lib/base/enc.h"
#include "lib/base/list.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/net/relayproto.h"

#define MAX_URLS        16
#define MAX_DIALS       7 /* at once, as official clients */
#define MAX_FOREIGN     64
#define SETTLE_MS       1500
#define ALONE_MS        1000 /* for the relay that was lost, before the others are dialled too */
#define RETRY_MIN_MS    500  /* an outage of seconds, such as a restart, costs about as long */
#define RETRY_EARLY_MS  2000 /* 1 to 3 s, in the first minute; what bounds the load: backoff.h */
#define RETRY_MAX_MS    60000
#define SWEEP_MS        60000
#define FOREIGN_OLD_MS  5000
#define WG_OVERHEAD     32 /* of a data packet */
#define AVOID_MAX       16
#define AVOID_MS        600000  /* without QUIC to a relay that it does not do for ... */
#define AVOID_MAX_MS    3600000 /* ... twice as long each time */
#define SIGNATURE_MAX   64      /* bytes; HMAC-SHA256 has 32 */
#define TOKEN_ALGORITHM 1

struct dial { /* a connection, from its first packet on */
    struct rk_list link;
    struct relay_link_user user;
    struct relay_client *client;
    struct relay_link *rlk;
    bool foreign;
    bool quick;       /* the first try at the relay that was lost */
    size_t url_index; /* home: among the configured ones; MAX_URLS: not configured any more */
};

struct avoid { /* a relay that QUIC does not do for */
    char *url; /* owned; NULL: free */
    int64_t until_ms, for_ms;
};

struct relay_client {
    struct rk_loop *loop;
    struct rk_log *log;
    struct relay_client_user *user;
    struct tls_ctx *tls;
    uint32_t fwmark;
    enum relay_transport_mode transport;
    int64_t mtu_bytes;
    struct avoid avoid[AVOID_MAX];
    struct rly_peer_id self;
    char *urls[MAX_URLS]; /* owned */
    size_t n_urls;
    struct rk_err url_err[MAX_URLS];
    size_t next_url; /* of the round under way: the first not dialled yet */
    struct rk_buf token;
    bool has_token;
    struct rk_list dials;   /* towards a home relay */
    struct dial *home;      /* up; not in dials */
    struct rk_list foreign; /* dialling or up */
    size_t n_foreign;
    char *lost_url; /* the home that was lost; owned, may be NULL */
    bool moved;     /* it is lost with our address, not by the relay: do not wait */
    struct backoff wait;
    struct rk_timer *retry, *sweep;
};

static void start_round(struct relay_client *c);

/* ---- connections */

static void on_up(struct relay_link_user *u);
static void on_down(struct relay_link_user *u, const struct rk_err *why);
static void on_quic_unfit(struct relay_link_user *u);
static const struct relay_link_user_ops LINK_OPS = {
    .up = on_up, .quic_unfit = on_quic_unfit, .down = on_down};

enum relay_transport_mode relay_transport_mode_parse(struct rk_str text)
{
    static const char *const words[] = {"auto", "quic", "ws", "prefer-quic", "prefer-ws"};

    for (size_t i = 0; i < RK_ARRAY_LEN(words); i++)
        if (rk_str_ieq(text, rk_str_z(words[i])))
            return (enum relay_transport_mode)i;
    return RELAY_TRANSPORT_AUTO;
}

static struct avoid *avoid_find(struct relay_client *c, struct rk_str url)
{
    for (size_t i = 0; i < AVOID_MAX; i++)
        if (c->avoid[i].url && rk_str_eqz(url, c->avoid[i].url))
            return &c->avoid[i];
    return NULL;
}

static bool may_quic(struct relay_client *c, struct rk_str url)
{
    const struct avoid *a = avoid_find(c, url);

    return c->mtu_bytes <= RELAY_QUIC_MTU_MAX && (!a || rk_mono_ms() >= a->until_ms);
}

static void on_quic_unfit(struct relay_link_user *u)
{
    struct dial *d = rk_container_of(u, struct dial, user);
    struct relay_client *c = d->client;
    struct rk_str url = relay_link_url(d->rlk);
    struct avoid *a = avoid_find(c, url);
    int64_t now = rk_mono_ms();

    for (size_t i = 0; !a && i < AVOID_MAX; i++)
        if (!c->avoid[i].url || now >= c->avoid[i].until_ms)
            a = &c->avoid[i];
    if (!a || (a->url && now < a->until_ms))
        return;
    if (!a->url || !rk_str_eqz(url, a->url)) {
        free(a->url);
        *a = (struct avoid){.url = rk_str_dupz(url)};
    }
    a->for_ms = a->for_ms ? rk_min_i64(2 * a->for_ms, AVOID_MAX_MS) : AVOID_MS;
    a->until_ms = now + a->for_ms;
    rk_log(c->log, RK_WARN, "relay without QUIC from now on", kv_str("url", url),
           kv_i64("for_ms", a->for_ms));
}

static enum rk_code dial_open(struct relay_client *c, struct rk_str url, struct rk_ip ip,
                              bool foreign, struct dial **out, struct rk_err *err)
{
    struct dial *d = rk_calloc(1, sizeof *d);
    struct relay_link_opts o = {
        .loop = c->loop,
        .log = c->log,
        .tls = c->tls,
        .fwmark = c->fwmark,
        .mode = c->transport,
        .may_quic = may_quic(c, url),
        .need_bytes = c->mtu_bytes ? (size_t)c->mtu_bytes + WG_OVERHEAD + RLY_TRANSPORT_HEADER : 0,
        .url = url,
        .ip = ip,
        .self = c->self,
        .token = rk_buf_str(&c->token),
    };
    enum rk_code rc;

    d->user.ops = &LINK_OPS;
    d->client = c;
    d->foreign = foreign;
    rc = relay_link_open(&o, &d->user, &d->rlk, err);
    if (rc) {
        free(d);
        return rc;
    }
    rk_list_push_back(foreign ? &c->foreign : &c->dials, &d->link);
    c->n_foreign += foreign;
    *out = d;
    return RK_OK;
}

static void dial_free(struct dial *d)
{
    if (rk_list_linked(&d->link))
        d->client->n_foreign -= d->foreign;
    rk_list_remove(&d->link);
    free(d);
}

static void dial_close(struct dial *d)
{
    struct rk_err why = {0};

    (void)rk_fail(&why, RK_CANCELLED, "relay connection closed");
    relay_link_close(d->rlk, &why);
    dial_free(d);
}

static size_t url_index(const struct relay_client *c, struct rk_str url)
{
    for (size_t i = 0; i < c->n_urls; i++)
        if (rk_str_eqz(url, c->urls[i]))
            return i;
    return MAX_URLS;
}

/* ---- home */

static void on_retry(void *arg)
{
    start_round(arg);
}

static void retry_in(struct relay_client *c, int64_t ms)
{
    rk_timer_start(c->loop, &c->retry, ms, on_retry, c);
}

/* Nothing of this round is left: wait 0.5 s, then 1.5 times as long, each +-50 %; up to 2 s in the
 * first minute and 60 s after it. */
static void round_failed(struct relay_client *c)
{
    retry_in(c, backoff_next_ms(&c->wait));
}

static size_t list_len(const struct rk_list *l)
{
    size_t n = 0;

    RK_LIST_FOR_EACH (it, l)
        n++;
    return n;
}

static bool is_dialled(const struct relay_client *c, size_t url_index)
{
    RK_LIST_FOR_EACH (it, &c->dials)
        if (rk_container_of(it, struct dial, link)->url_index == url_index)
            return true;
    return false;
}

static void dial_more(struct relay_client *c)
{
    size_t running = list_len(&c->dials);

    while (c->next_url < c->n_urls && running < MAX_DIALS) {
        size_t i = c->next_url++;
        struct dial *d;

        if (is_dialled(c, i))
            continue;
        if (dial_open(c, rk_str_z(c->urls[i]), (struct rk_ip){0}, false, &d, &c->url_err[i])) {
            rk_log(c->log, RK_WARN, "relay cannot be dialled", KV_ERR(&c->url_err[i]));
            continue;
        }
        d->url_index = i;
        running++;
    }
    if (!running)
        round_failed(c);
}

static void start_round(struct relay_client *c)
{
    if (c->home || !c->n_urls || !c->has_token)
        return;
    rk_timer_cancel(&c->retry);
    if (!rk_list_empty(&c->dials)) { /* one is under way: the others do not wait for its end */
        dial_more(c);
        return;
    }
    if (c->lost_url) { /* once more where we were: peers know us there */
        size_t i = url_index(c, rk_str_z(c->lost_url));

        free(c->lost_url);
        c->lost_url = NULL;
        if (i < MAX_URLS) {
            struct dial *d;

            if (!dial_open(c, rk_str_z(c->urls[i]), (struct rk_ip){0}, false, &d, &c->url_err[i])) {
                d->url_index = i;
                d->quick = true;
                c->next_url = 0;
                retry_in(c, ALONE_MS); /* it may be gone without a word */
                return;
            }
        }
    }
    c->next_url = 0;
    dial_more(c);
}

static void home_won(struct relay_client *c, struct dial *d)
{
    rk_list_remove(&d->link);
    while (!rk_list_empty(&c->dials))
        dial_close(rk_container_of(c->dials.next, struct dial, link));
    c->home = d;
    rk_timer_cancel(&c->retry);
    c->moved = false;
    backoff_reset(&c->wait);
    if (d->url_index < MAX_URLS)
        c->url_err[d->url_index] = (struct rk_err){0};
    rk_log(c->log, RK_INFO, "relay connected", kv_str("url", relay_link_url(d->rlk)),
           kv_str("instance", relay_link_instance(d->rlk)),
           kv_z("transport", relay_link_transport(d->rlk)));
    c->user->ops->home_up(c->user);
}

static void on_up(struct relay_link_user *u)
{
    struct dial *d = rk_container_of(u, struct dial, user);

    if (!d->foreign)
        home_won(d->client, d);
}

static void home_lost(struct relay_client *c, const struct rk_err *why)
{
    c->lost_url = rk_str_dupz(relay_link_url(c->home->rlk));
    rk_log(c->log, RK_WARN, "relay lost", KV_ERR(why));
    dial_free(c->home);
    c->home = NULL;
    retry_in(c, c->moved || why->code == RK_TIMEOUT ? 0 : SETTLE_MS);
    c->user->ops->home_down(c->user, why);
}

static void on_down(struct relay_link_user *u, const struct rk_err *why)
{
    struct dial *d = rk_container_of(u, struct dial, user);
    struct relay_client *c = d->client;

    if (!d->foreign && d->url_index < MAX_URLS)
        c->url_err[d->url_index] = *why;
    if (d == c->home) {
        home_lost(c, why);
        return;
    }
    rk_log(c->log, d->foreign ? RK_INFO : RK_WARN, "relay connection failed", KV_ERR(why));
    if (d->foreign) {
        dial_free(d);
        return;
    }
    if (d->quick)
        rk_timer_cancel(&c->retry);
    dial_free(d);
    dial_more(c);
}

/* ---- configuration */

static enum rk_code make_token(struct rk_str payload, struct rk_str signature, struct rk_buf *out,
                               struct rk_err *err)
{
    uint8_t mac[SIGNATURE_MAX];
    size_t n;
    enum rk_code rc = rk_base64_decode(signature, mac, sizeof mac, &n, err);

    if (rc) {
        (void)rk_wrap(err, "relay token");
        return RK_BAD_REQUEST;
    }
    rk_buf_addc(out, TOKEN_ALGORITHM);
    rk_buf_add(out, rk_str_of(mac, n));
    rk_buf_add(out, payload);
    if (out->full)
        return rk_fail(err, RK_BAD_REQUEST, "relay token: too long");
    return RK_OK;
}

static void clear_urls(struct relay_client *c)
{
    for (size_t i = 0; i < c->n_urls; i++) {
        free(c->urls[i]);
        c->url_err[i] = (struct rk_err){0};
    }
    c->n_urls = 0;
}

static bool same_urls(const struct relay_client *c, const struct rk_str *urls, size_t n)
{
    if (n != c->n_urls)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!rk_str_eqz(urls[i], c->urls[i]))
            return false;
    return true;
}

static void replace_urls(struct relay_client *c, const struct rk_str *urls, size_t n)
{
    while (!rk_list_empty(&c->dials)) /* they belong to the old list */
        dial_close(rk_container_of(c->dials.next, struct dial, link));
    clear_urls(c);
    for (size_t i = 0; i < n; i++)
        c->urls[c->n_urls++] = rk_str_dupz(urls[i]);
    c->next_url = c->n_urls;
    backoff_reset(&c->wait);
    if (c->home)
        c->home->url_index = url_index(c, relay_link_url(c->home->rlk));
}

enum rk_code relay_client_set_config(struct relay_client *c, const struct rk_str *urls, size_t n,
                                     struct rk_str token_payload, struct rk_str token_signature,
                                     struct rk_err *err)
{
    struct rk_buf token;
    bool news = !same_urls(c, urls, rk_min_size(n, MAX_URLS));
    enum rk_code rc = RK_OK;

    n = rk_min_size(n, MAX_URLS);
    rk_buf_init(&token, RLY_MAX_AUTH - RLY_TRANSPORT_HEADER - 4);
    if (n)
        rc = make_token(token_payload, token_signature, &token, err);
    if (rc) {
        rk_buf_done(&token);
        return rc;
    }
    if (news)
        replace_urls(c, urls, n);
    if (n) {
        news = news || !rk_str_eq(rk_buf_str(&c->token), rk_buf_str(&token));
        rk_buf_done(&c->token);
        c->token = token;
        c->has_token = true;
    } else {
        rk_buf_done(&token);
    }
    if (news || !c->retry)
        start_round(c);
    return RK_OK;
}

bool relay_client_has_urls(const struct relay_client *c)
{
    return c->n_urls != 0;
}

bool relay_client_home(const struct relay_client *c, struct rk_str *instance_url, struct rk_ip *ip)
{
    if (!c->home || !relay_link_is_up(c->home->rlk))
        return false;
    if (instance_url)
        *instance_url = relay_link_instance(c->home->rlk);
    if (ip)
        *ip = relay_link_ip(c->home->rlk);
    return true;
}

bool relay_client_status_at(const struct relay_client *c, size_t i, struct relay_client_status *out)
{
    bool home = c->home && relay_link_is_up(c->home->rlk);
    size_t k = home ? 1 : c->n_urls;

    if (i < k) {
        *out = home ? (struct relay_client_status){.url = relay_link_instance(c->home->rlk),
                                                   .connected = true,
                                                   .transport = relay_link_transport(c->home->rlk)}
                    : (struct relay_client_status){.url = rk_str_z(c->urls[i]),
                                                   .transport = "",
                                                   .error = rk_str_z(c->url_err[i].msg)};
        return true;
    }
    RK_LIST_FOR_EACH (it, &c->foreign) {
        const struct dial *d = rk_container_of(it, struct dial, link);

        if (!relay_link_is_up(d->rlk) || k++ != i)
            continue;
        *out = (struct relay_client_status){.url = relay_link_instance(d->rlk),
                                            .connected = true,
                                            .transport = relay_link_transport(d->rlk)};
        return true;
    }
    return false;
}

/* ---- streams */

static void on_sweep(void *arg)
{
    struct relay_client *c = arg;
    int64_t now = rk_mono_ms();

    RK_LIST_FOR_EACH_SAFE (it, &c->foreign) {
        struct dial *d = rk_container_of(it, struct dial, link);

        if (!relay_link_streams(d->rlk) && now - relay_link_opened_ms(d->rlk) > FOREIGN_OLD_MS)
            dial_close(d);
    }
    if (c->n_foreign)
        rk_timer_start(c->loop, &c->sweep, SWEEP_MS, on_sweep, c);
}

static struct dial *foreign_find(const struct relay_client *c, struct rk_str url)
{
    RK_LIST_FOR_EACH (it, &c->foreign) {
        struct dial *d = rk_container_of(it, struct dial, link);

        if (rk_str_eq(relay_link_url(d->rlk), url))
            return d;
    }
    return NULL;
}

enum rk_code relay_client_stream_open(struct relay_client *c, struct rk_str url, struct rk_ip ip,
                                      struct rk_str peer_key_text,
                                      struct relay_client_stream_user *user,
                                      struct relay_client_stream **out, struct rk_err *err)
{
    struct dial *d;
    struct rk_str home;
    enum rk_code rc;

    if (!relay_client_home(c, &home, NULL))
        return rk_fail(err, RK_PRECONDITION, "no home relay");
    if (rk_str_eq(home, url))
        return relay_link_stream_open(c->home->rlk, peer_key_text, user, out, err);
    d = foreign_find(c, url);
    if (!d) {
        if (c->n_foreign >= MAX_FOREIGN)
            return rk_fail(err, RK_LIMIT, "more than %d foreign relays", MAX_FOREIGN);
        rc = dial_open(c, url, ip, true, &d, err);
        if (rc)
            return rc;
        if (!c->sweep)
            rk_timer_start(c->loop, &c->sweep, SWEEP_MS, on_sweep, c);
    }
    return relay_link_stream_open(d->rlk, peer_key_text, user, out, err);
}

/* ---- life */

enum rk_code relay_client_open(const struct relay_client_opts *opts, struct relay_client_user *user,
                               struct relay_client **out, struct rk_err *err)
{
    struct relay_client *c;

    if (opts->own_key_text.n != RK_KEY_TEXT)
        return rk_fail(err, RK_INVALID, "relay client: key text of %zu characters",
                       opts->own_key_text.n);
    c = rk_calloc(1, sizeof *c);
    c->loop = opts->loop;
    c->log = opts->log;
    c->user = user;
    c->tls = opts->tls;
    c->fwmark = opts->fwmark;
    c->transport = opts->transport;
    c->mtu_bytes = opts->mtu_bytes;
    rly_peer_id_of(opts->own_key_text, &c->self);
    rk_list_init(&c->dials);
    rk_list_init(&c->foreign);
    rk_buf_init(&c->token, 0);
    c->wait = (struct backoff){.first_ms = RETRY_MIN_MS,
                               .max_ms = RETRY_MAX_MS,
                               .early_max_ms = RETRY_EARLY_MS,
                               .factor_permille = 1500,
                               .spread_permille = 500};
    *out = c;
    return RK_OK;
}

void relay_client_close(struct relay_client *c)
{
    if (!c)
        return;
    rk_timer_cancel(&c->retry);
    rk_timer_cancel(&c->sweep);
    while (!rk_list_empty(&c->dials))
        dial_close(rk_container_of(c->dials.next, struct dial, link));
    while (!rk_list_empty(&c->foreign))
        dial_close(rk_container_of(c->foreign.next, struct dial, link));
    if (c->home)
        dial_close(c->home);
    clear_urls(c);
    for (size_t i = 0; i < AVOID_MAX; i++)
        free(c->avoid[i].url);
    free(c->lost_url);
    rk_buf_done(&c->token);
    free(c);
}

void relay_client_hurry(struct relay_client *c)
{
    if (!c->home && c->retry && rk_list_empty(&c->dials))
        retry_in(c, 0);
}

void relay_client_network(struct relay_client *c, const struct rk_ip *own, size_t n)
{
    RK_LIST_FOR_EACH (it, &c->foreign)
        (void)relay_link_network(rk_container_of(it, struct dial, link)->rlk, own, n);
    if (c->home)
        c->moved = relay_link_network(c->home->rlk, own, n) || c->moved;
    backoff_reset(&c->wait);
    if (!c->home && c->retry)
        retry_in(c, 0);
}
