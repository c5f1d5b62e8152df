/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet filter; see filter.h. */
#include "config.h"

#include "agent/wg/own/filter.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/base/str.h"

#define SHARDS 64
#define PLACES 256 /* flows of a shard */
#define WAYS   8   /* places that a flow may have */

/* How long a silent flow is remembered. */
#define UDP_MS      30000
#define ICMP_MS     30000
#define FRAGMENT_MS 30000
#define TCP_NEW_MS  60000
#define TCP_OPEN_MS (3 * 3600 * 1000)
#define TCP_END_MS  60000

#define FRAGMENT_PROTO 255 /* stands for "the first fragment came in" */

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4 };

/* As this host sees it; compared as bytes, so that unused ones are zero. */
struct flow {
    struct rk_ip here, there;
    uint16_t here_port, there_port; /* of ICMP: number of the echo; 1: this host has begun */
    uint8_t proto;
    uint8_t pad;
};

struct place {
    struct flow flow;
    int64_t until_ms; /* 0: free */
    bool answered;
};

struct shard {
    pthread_mutex_t lock;
    struct place v[PLACES];
};

struct rules { /* a copy */
    struct rk_ip own[2];
    struct wgo_filter_rule *local, *routed;
    size_t n_local, n_routed;
};

struct wgo_filter {
    pthread_rwlock_t lock; /* guards rules */
    struct rules rules;
    struct shard shards[SHARDS];
};

struct packet {
    struct rk_ip src, dst;
    uint8_t proto; /* of what it carries */
    uint16_t sport, dport;
    uint8_t tcp_flags;
    bool icmp_error;
    bool request;  /* an echo that wants an answer */
    bool fragment; /* a trailing one */
    bool first;    /* of several */
    uint32_t id;
    const uint8_t *body; /* behind the headers of IP */
    size_t n;
};

/* ---- reading packets */

static unsigned u16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* False: its ports come in a later fragment, past every rule that names some (RFC 7112, 8200 5). */
static bool read_ports(struct packet *k)
{
    if (k->proto != IPPROTO_TCP && k->proto != IPPROTO_UDP)
        return true;
    if (k->n < 4)
        return false;
    k->sport = (uint16_t)u16(k->body);
    k->dport = (uint16_t)u16(k->body + 2);
    if (k->proto == IPPROTO_TCP && k->n >= 14)
        k->tcp_flags = k->body[13];
    return true;
}

static void read_icmp(struct packet *k, bool v6)
{
    unsigned type = k->n ? k->body[0] : 0;
    bool echo = v6 ? type == 128 || type == 129 : type == 8 || type == 0;

    k->icmp_error = v6 ? type < 128 : type == 3 || type == 11 || type == 12;
    k->request = echo && type == (v6 ? 128 : 8);
    if (echo && k->n >= 8)
        k->sport = k->dport = (uint16_t)u16(k->body + 4);
}

static bool read_v4(const uint8_t *p, size_t n, struct packet *k)
{
    size_t head = (size_t)(p[0] & 15) * 4;
    unsigned off = u16(p + 6);

    if (head < 20 || n < head)
        return false;
    k->src = rk_ip4(p[12], p[13], p[14], p[15]);
    k->dst = rk_ip4(p[16], p[17], p[18], p[19]);
    k->proto = p[9];
    k->fragment = (off & 0x1fff) != 0;
    k->first = !k->fragment && off & 0x2000;
    k->id = u16(p + 4);
    k->body = p + head;
    k->n = n - head;
    return true;
}

/* Extension headers that may stand before what is carried (RFC 8200 4). */
static bool is_extension(uint8_t next)
{
    return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
           next == IPPROTO_DSTOPTS;
}

static bool read_v6(const uint8_t *p, size_t n, struct packet *k)
{
    uint8_t next = p[6];
    size_t at = 40;

    RK_IGNORE(rk_ip_from_bytes(rk_str_of(p + 8, 16), &k->src, NULL));
    RK_IGNORE(rk_ip_from_bytes(rk_str_of(p + 24, 16), &k->dst, NULL));
    for (int i = 0; is_extension(next) && !k->fragment; i++) {
        size_t len;

        if (i == 8 || n - at < 8)
            return false;
        len = next == IPPROTO_FRAGMENT ? 8 : ((size_t)p[at + 1] + 1) * 8;
        if (next == IPPROTO_FRAGMENT) {
            k->fragment = (u16(p + at + 2) & 0xfff8) != 0;
            k->first = !k->fragment && p[at + 3] & 1;
            k->id = (uint32_t)u16(p + at + 4) << 16 | u16(p + at + 6);
        }
        next = p[at];
        if (n - at < len)
            return false;
        at += len;
    }
    k->proto = next;
    k->body = p + at;
    k->n = n - at;
    return true;
}

static bool read_packet(const uint8_t *p, size_t n, struct packet *k)
{
    bool v6 = n && p[0] >> 4 == 6;

    *k = (struct packet){0};
    if (!n || n < (v6 ? 40u : 20u) || (!v6 && p[0] >> 4 != 4))
        return false;
    if (!(v6 ? read_v6(p, n, k) : read_v4(p, n, k)))
        return false;
    if (k->fragment)
        return true;
    if (k->proto != (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
        return read_ports(k);
    read_icmp(k, v6);
    return true;
}

/* ---- flows */

static uint32_t hash_of(const struct flow *w)
{
    return (uint32_t)rk_str_hash(rk_str_of(w, sizeof *w));
}
_Static_assert(sizeof(struct flow) == 2 * sizeof(struct rk_ip) + 6, "compared as bytes");

/* The place of a flow, or with make the best one for it; the shard is locked. */
static struct place *place_of(struct shard *s, const struct flow *w, uint32_t hash, bool make,
                              int64_t now_ms)
{
    struct place *worst = NULL;

    for (unsigned i = 0; i < WAYS; i++) {
        struct place *p = &s->v[(hash / SHARDS + i) % PLACES];

        if (p->until_ms > now_ms && memcmp(&p->flow, w, sizeof *w) == 0)
            return p;
        if (!worst || p->until_ms < worst->until_ms)
            worst = p;
    }
    if (!make)
        return NULL;
    *worst = (struct place){.flow = *w};
    return worst;
}

static int64_t life_of(const struct packet *k, bool answered, bool ended)
{
    switch (k->proto) {
    case IPPROTO_TCP:
        return ended ? TCP_END_MS : answered ? TCP_OPEN_MS : TCP_NEW_MS;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return ICMP_MS;
    default:
        return UDP_MS;
    }
}

static void touch(struct place *p, const struct packet *k, bool answer, int64_t now_ms)
{
    p->answered = p->answered || answer;
    p->until_ms = now_ms + life_of(k, p->answered, k->tcp_flags & (TCP_FIN | TCP_RST));
}

static struct flow flow_of(const struct packet *k, bool out)
{
    struct flow w;

    memset(&w, 0, sizeof w);
    w.here = out ? k->src : k->dst;
    w.there = out ? k->dst : k->src;
    w.here_port = out ? k->sport : k->dport;
    w.there_port = out ? k->dport : k->sport;
    w.proto = k->proto;
    if (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6)
        w.there_port = k->request == out;
    return w;
}

static void remember(struct wgo_filter *f, const struct flow *w, const struct packet *k,
                     int64_t now_ms)
{
    uint32_t hash = hash_of(w);
    struct shard *s = &f->shards[hash % SHARDS];

    (void)pthread_mutex_lock(&s->lock);
    touch(place_of(s, w, hash, true, now_ms), k, false, now_ms);
    (void)pthread_mutex_unlock(&s->lock);
}

static bool is_known(struct wgo_filter *f, const struct flow *w, const struct packet *k,
                     int64_t now_ms)
{
    uint32_t hash = hash_of(w);
    struct shard *s = &f->shards[hash % SHARDS];
    struct place *p;

    (void)pthread_mutex_lock(&s->lock);
    p = place_of(s, w, hash, false, now_ms);
    if (p && k)
        touch(p, k, true, now_ms);
    (void)pthread_mutex_unlock(&s->lock);
    return p != NULL;
}

/* ---- fragments */

static struct flow fragment_of(const struct packet *k)
{
    struct flow w;

    memset(&w, 0, sizeof w);
    w.here = k->dst;
    w.there = k->src;
    w.here_port = (uint16_t)(k->id >> 16);
    w.there_port = (uint16_t)k->id;
    w.proto = FRAGMENT_PROTO;
    return w;
}

/* ---- errors about flows of ours */

static bool about_known(struct wgo_filter *f, const struct packet *k, int64_t now_ms)
{
    struct packet in;
    struct flow w;

    if (!k->icmp_error || k->n < 8 || !read_packet(k->body + 8, k->n - 8, &in) || in.fragment)
        return false;
    w = flow_of(&in, true); /* it is a packet that we sent */
    return is_known(f, &w, NULL, now_ms);
}

/* ---- rules */

static bool meets(const struct wgo_filter_rule *r, const struct packet *k)
{
    static const uint8_t protos[][2] = {[WGO_ALL] = {0, 0},
                                        [WGO_TCP] = {IPPROTO_TCP, IPPROTO_TCP},
                                        [WGO_UDP] = {IPPROTO_UDP, IPPROTO_UDP},
                                        [WGO_ICMP] = {IPPROTO_ICMP, IPPROTO_ICMPV6}};

    if (r->src.ip.family != k->src.family || !rk_prefix_contains(&r->src, &k->src) ||
        !rk_prefix_contains(&r->dst, &k->dst))
        return false;
    if (r->proto != WGO_ALL && k->proto != protos[r->proto][k->src.family == 6])
        return false;
    return !r->port_hi || (k->dport >= r->port_lo && k->dport <= r->port_hi);
}

static bool allowed(const struct wgo_filter_rule *v, size_t n, const struct packet *k)
{
    bool accept = false;

    for (size_t i = 0; i < n; i++) {
        if (!meets(&v[i], k))
            continue;
        if (v[i].drop)
            return false;
        accept = true;
    }
    return accept;
}

static bool by_rule(struct wgo_filter *f, const struct packet *k)
{
    bool local, ok;

    (void)pthread_rwlock_rdlock(&f->lock);
    local = rk_ip_eq(&f->rules.own[0], &k->dst) ||
            (f->rules.own[1].family && rk_ip_eq(&f->rules.own[1], &k->dst));
    ok = local ? allowed(f->rules.local, f->rules.n_local, k)
               : allowed(f->rules.routed, f->rules.n_routed, k);
    (void)pthread_rwlock_unlock(&f->lock);
    return ok;
}

/* ---- packets */

void wgo_filter_out(struct wgo_filter *f, const uint8_t *p, size_t n, int64_t now_ms)
{
    struct packet k;
    struct flow w;

    if (!read_packet(p, n, &k) || k.fragment || k.icmp_error)
        return;
    w = flow_of(&k, true);
    remember(f, &w, &k, now_ms);
}

bool wgo_filter_in(struct wgo_filter *f, const uint8_t *p, size_t n, int64_t now_ms)
{
    struct packet k;
    struct flow w;
    bool ok;

    if (!read_packet(p, n, &k))
        return false;
    if (k.fragment) {
        w = fragment_of(&k);
        return is_known(f, &w, NULL, now_ms);
    }
    w = flow_of(&k, false);
    ok = is_known(f, &w, &k, now_ms) || about_known(f, &k, now_ms) || by_rule(f, &k);
    if (ok && k.first) {
        w = fragment_of(&k);
        k.proto = IPPROTO_UDP; /* they live as long */
        remember(f, &w, &k, now_ms);
    }
    return ok;
}

/* ---- life */

static void rules_done(struct rules *r)
{
    free(r->local);
    free(r->routed);
}

void wgo_filter_set(struct wgo_filter *f, const struct wgo_filter_rules *r)
{
    struct rules now = {.own = {r->own[0], r->own[1]},
                        .n_local = r->n_local,
                        .n_routed = r->n_routed},
                 old;

    if (r->n_local)
        now.local = rk_memdup(r->local, r->n_local * sizeof *r->local);
    if (r->n_routed)
        now.routed = rk_memdup(r->routed, r->n_routed * sizeof *r->routed);
    (void)pthread_rwlock_wrlock(&f->lock);
    old = f->rules;
    f->rules = now;
    (void)pthread_rwlock_unlock(&f->lock);
    rules_done(&old);
}

struct wgo_filter *wgo_filter_new(void)
{
    struct wgo_filter *f = rk_calloc(1, sizeof *f);

    (void)pthread_rwlock_init(&f->lock, NULL);
    for (size_t i = 0; i < SHARDS; i++)
        (void)pthread_mutex_init(&f->shards[i].lock, NULL);
    return f;
}

void wgo_filter_free(struct wgo_filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        (void)pthread_mutex_destroy(&f->shards[i].lock);
    (void)pthread_rwlock_destroy(&f->lock);
    rules_done(&f->rules);
    free(f);
}
