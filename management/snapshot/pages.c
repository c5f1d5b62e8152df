/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of 64 peers. A page's fragments (RemotePeerConfig, DNS records, firewall addresses) are
 * encoded once per version of the peer and copied into maps in runs, so a map of everybody costs
 * one memcpy per page.
 */
#include "config.h"

#include "management/snapshot/pages.h"

#include <stdlib.h>

#include "lib/base/enc.h"
#include "management/snapshot/pb.h"

#define DNS_TTL_S 300

/* ---- group sets */

static struct gset *gset_new(uint32_t n)
{
    struct gset *g = rk_malloc(sizeof *g + n * sizeof g->g[0]);

    g->refs = 1;
    g->n = n;
    return g;
}

struct gset *gset_ref(struct gset *g)
{
    if (g)
        atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void gset_unref(struct gset *g)
{
    if (g && atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) == 1)
        free(g);
}

bool gset_has(const struct gset *set, uint32_t g)
{
    if (set)
        for (uint32_t i = 0; i < set->n && set->g[i] <= g; i++)
            if (set->g[i] == g)
                return true;
    return false;
}

struct gset *gset_with(const struct gset *old, uint32_t g)
{
    uint32_t n = old ? old->n : 0, at = 0;
    struct gset *s = gset_new(n + 1);

    while (at < n && old->g[at] < g) {
        s->g[at] = old->g[at];
        at++;
    }
    s->g[at] = g;
    for (; at < n; at++)
        s->g[at + 1] = old->g[at];
    return s;
}

struct gset *gset_without(const struct gset *old, uint32_t g)
{
    struct gset *s = gset_new(old ? old->n : 0);

    s->n = 0;
    for (uint32_t i = 0; old && i < old->n; i++)
        if (old->g[i] != g)
            s->g[s->n++] = old->g[i];
    return s;
}

/* ---- pages */

static void derived_unref(struct page_derived *d)
{
    if (d && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1)
        free(d);
}

static void page_unref(struct page *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < 64; i++) {
        row_unref(p->row[i]);
        gset_unref(p->groups[i]);
    }
    derived_unref(p->derived);
    free(p);
}

struct page_list *page_list_ref(struct page_list *l)
{
    if (l)
        atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void page_list_unref(struct page_list *l)
{
    if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < l->n; i++)
        page_unref(l->page[i]);
    free(l);
}

static struct page_list *own_list(struct page_list *l, uint64_t owner)
{
    uint32_t n = l ? l->n : 0, cap = n + n / 2 + 4;
    struct page_list *copy;

    if (l && l->owner == owner && l->n < l->cap)
        return l;
    copy = rk_malloc(sizeof *copy + cap * sizeof copy->page[0]);
    copy->refs = 1;
    copy->owner = owner;
    copy->n = n;
    copy->cap = cap;
    for (uint32_t i = 0; i < n; i++) {
        copy->page[i] = l->page[i];
        atomic_fetch_add_explicit(&copy->page[i]->refs, 1, memory_order_relaxed);
    }
    page_list_unref(l);
    return copy;
}

static struct page *page_copy(const struct page *old, uint64_t owner)
{
    struct page *p = rk_calloc(1, sizeof *p);

    p->refs = 1;
    p->owner = owner;
    if (!old)
        return p;
    p->used = old->used;
    p->valid = old->valid;
    p->sso = old->sso;
    for (unsigned i = 0; i < 64; i++) {
        if (old->row[i])
            p->row[i] = row_ref(old->row[i]);
        p->groups[i] = gset_ref(old->groups[i]);
    }
    p->derived = old->derived;
    if (p->derived)
        atomic_fetch_add_explicit(&p->derived->refs, 1, memory_order_relaxed);
    return p;
}

struct page *pages_own(struct page_list **pl, uint64_t owner, uint32_t i)
{
    struct page_list *l = *pl = own_list(*pl, owner);
    struct page *p;

    if (i == l->n) {
        l->page[l->n++] = page_copy(NULL, owner);
        return l->page[i];
    }
    p = l->page[i];
    if (p->owner != owner) {
        l->page[i] = page_copy(p, owner);
        page_unref(p);
    }
    return l->page[i];
}

static void set_bit(uint64_t *w, unsigned slot, bool on)
{
    uint64_t bit = UINT64_C(1) << slot;

    *w = on ? *w | bit : *w & ~bit;
}

void page_set(struct page *p, unsigned slot, struct row *row)
{
    const struct peer *peer = row ? row_peer(row) : NULL;

    row_unref(p->row[slot]);
    p->row[slot] = row;
    set_bit(&p->used, slot, peer != NULL);
    set_bit(&p->valid, slot, peer && peer_is_validated(peer));
    set_bit(&p->sso, slot, peer && peer_is_sso(peer) && peer->login_expiration_enabled);
    set_bit(&p->stale, slot, true);
}

void page_set_groups(struct page *p, unsigned slot, struct gset *groups)
{
    gset_unref(p->groups[slot]);
    p->groups[slot] = groups;
}

/* ---- fragments */

static void put_fqdn(struct rk_buf *b, unsigned field, struct rk_str label, struct rk_str domain)
{
    if (domain.n == 0)
        return;
    pb_tag(b, field, PB_LEN);
    pb_varint(b, label.n + 1 + domain.n);
    rk_buf_add(b, label);
    rk_buf_addc(b, '.');
    rk_buf_add(b, domain);
}

static void put_allowed_ip(struct rk_buf *b, const struct rk_ip *ip)
{
    char text[RK_ADDR_TEXT];
    struct rk_str s = rk_ip_format(ip, text);

    pb_tag(b, 2, PB_LEN);
    pb_varint(b, s.n + (ip->family == 4 ? 3 : 4));
    rk_buf_add(b, s);
    rk_buf_addz(b, ip->family == 4 ? "/32" : "/128");
}

static void put_remote(struct rk_buf *b, const struct peer *p, const struct derive_env *env,
                       bool with_ip6)
{
    size_t msg = pb_begin(b, 3), ssh;

    pb_str(b, 1, p->key);
    put_allowed_ip(b, &p->ip);
    if (with_ip6 && p->ip6.family == 6)
        put_allowed_ip(b, &p->ip6);
    ssh = pb_begin(b, 3);
    pb_str(b, 2, p->ssh_key);
    pb_end(b, ssh);
    put_fqdn(b, 4, p->dns_label, env->domain);
    pb_str(b, 5, p->meta.version);
    pb_end(b, msg);
}

static void put_record(struct rk_buf *b, struct rk_str label, const struct rk_ip *ip,
                       const struct derive_env *env)
{
    char text[RK_ADDR_TEXT];
    size_t msg = pb_begin(b, 2);

    put_fqdn(b, 1, label, env->domain);
    pb_uint(b, 2, ip->family == 4 ? RECORD_A : RECORD_AAAA);
    pb_str(b, 3, RK_STR("IN"));
    pb_uint(b, 4, DNS_TTL_S);
    pb_str(b, 5, rk_ip_format(ip, text));
    pb_end(b, msg);
}

static void put_records(struct rk_buf *b, const struct peer *p, const struct derive_env *env,
                        bool with_ip6)
{
    if (p->dns_label.n == 0 || env->domain.n == 0)
        return;
    put_record(b, p->dns_label, &p->ip, env);
    if (with_ip6)
        put_record(b, p->dns_label, &p->ip6, env);
    for (size_t i = 0; i < p->extra_dns_labels.n; i++) {
        put_record(b, p->extra_dns_labels.v[i], &p->ip, env);
        if (with_ip6)
            put_record(b, p->extra_dns_labels.v[i], &p->ip6, env);
    }
}

/* Others may resolve the peer's IPv6 address. */
static bool publishes_ip6(const struct page *pg, unsigned slot, const struct peer *p,
                          const struct derive_env *env)
{
    if (p->ip6.family != 6 || !peer_supports_ipv6(p))
        return false;
    for (size_t i = 0; i < env->n_ipv6_groups; i++)
        if (gset_has(pg->groups[slot], env->ipv6_groups[i]))
            return true;
    return p->proxy_embedded && env->ipv6;
}

static uint8_t put_fw_ip(uint8_t *at, const struct rk_ip *ip)
{
    char text[RK_ADDR_TEXT];
    struct rk_str s = rk_ip_format(ip, text);

    at[0] = 1 << 3 | PB_LEN;
    at[1] = (uint8_t)s.n;
    memcpy(at + 2, s.p, s.n);
    return (uint8_t)(s.n + 2);
}

static uint8_t put_fw_src(uint8_t *at, const struct rk_ip *ip)
{
    size_t n = rk_ip_size(ip);

    at[0] = 9 << 3 | PB_LEN;
    at[1] = (uint8_t)(n + 1);
    memcpy(at + 2, ip->b, n);
    at[2 + n] = (uint8_t)(n * 8);
    return (uint8_t)(n + 3);
}

static void fw_addr_make(struct fw_addr *f, const struct peer *p)
{
    *f = (struct fw_addr){0};
    if (!p)
        return;
    f->n_ip4 = put_fw_ip(f->b + FW_IP4, &p->ip);
    f->n_src4 = put_fw_src(f->b + FW_SRC4, &p->ip);
    if (p->ip6.family == 6) {
        f->n_ip6 = put_fw_ip(f->b + FW_IP6, &p->ip6);
        f->n_src6 = put_fw_src(f->b + FW_SRC6, &p->ip6);
    }
}

/* A WireGuard key as its 32 bytes; nothing for text that is no key. */
static void put_raw_key(struct rk_buf *b, struct rk_str text)
{
    uint8_t raw[32];
    size_t n = 0;

    if (rk_base64_decode(text, raw, sizeof raw, &n, NULL) == RK_OK && n == sizeof raw)
        pb_str(b, 1, rk_str_of(raw, n));
}

static void put_compact(struct rk_buf *b, const struct peer *p)
{
    size_t msg = pb_begin(b, 9);

    put_raw_key(b, p->key);
    pb_str(b, 2, rk_str_of(p->ip.b, rk_ip_size(&p->ip)));
    pb_str(b, 3, rk_str_of(p->ip6.b, rk_ip_size(&p->ip6)));
    pb_str(b, 4, p->ssh_key);
    pb_str(b, 5, p->dns_label);
    pb_str(b, 6, p->meta.version);
    pb_bool(b, 7, peer_is_sso(p));
    pb_bool(b, 8, p->login_expiration_enabled);
    pb_int(b, 9, p->last_login_us * 1000);
    pb_bool(b, 10, p->ssh_enabled);
    pb_bool(b, 11, peer_supports_ipv6(p));
    pb_bool(b, 12, peer_supports_prefixes(p));
    pb_bool(b, 13, p->meta.flags & PEER_FLAG_SERVER_SSH_ALLOWED);
    pb_end(b, msg);
}

static void put_fragment(struct rk_buf *b, enum stream_kind k, const struct page *pg, unsigned slot,
                         const struct derive_env *env)
{
    const struct peer *p = row_peer(pg->row[slot]);
    bool ip6 = (k == STREAM_DNS6) && publishes_ip6(pg, slot, p, env);

    if (k == STREAM_COMPACT)
        put_compact(b, p);
    else if (k == STREAM_REMOTE || k == STREAM_REMOTE6)
        put_remote(b, p, env, k == STREAM_REMOTE6);
    else
        put_records(b, p, env, ip6);
}

static bool any_ip6(const struct page *p)
{
    for (unsigned i = 0; i < 64; i++)
        if (p->row[i] && row_peer(p->row[i])->ip6.family == 6)
            return true;
    return false;
}

/* Append the stream: fresh fragments for stale slots, old bytes for the others. */
static void build_stream(struct rk_buf *b, struct stream *st, enum stream_kind k,
                         const struct page *p, const struct derive_env *env)
{
    const struct stream *old = p->derived ? &p->derived->stream[k] : NULL;
    size_t start = b->n;

    for (unsigned i = 0; i < 64; i++) {
        st->off[i] = (uint32_t)(b->n - start);
        if (!p->row[i])
            continue;
        if (old && !(p->stale >> i & 1))
            rk_buf_add(b, rk_str_of(old->p + old->off[i], old->off[i + 1] - old->off[i]));
        else
            put_fragment(b, k, p, i, env);
    }
    st->off[64] = (uint32_t)(b->n - start);
}

void page_derive(struct page *p, const struct derive_env *env)
{
    bool ip6 = any_ip6(p);
    struct stream st[STREAM_COUNT];
    size_t at[STREAM_COUNT];
    struct page_derived *d;
    struct rk_buf b;

    rk_buf_init(&b, UINT32_MAX);
    for (unsigned k = 0; k < STREAM_COUNT; k++) {
        /* without IPv6 both variants are the same bytes */
        bool twin = !ip6 && (k == STREAM_REMOTE6 || k == STREAM_DNS6);

        at[k] = twin ? at[k - 1] : b.n;
        if (twin)
            st[k] = st[k - 1];
        else
            build_stream(&b, &st[k], (enum stream_kind)k, p, env);
    }
    d = rk_malloc(sizeof *d + b.n);
    d->refs = 1;
    if (b.n > 0)
        memcpy(d->bytes, b.p, b.n);
    for (unsigned k = 0; k < STREAM_COUNT; k++) {
        d->stream[k] = st[k];
        d->stream[k].p = d->bytes + at[k];
    }
    for (unsigned i = 0; i < 64; i++)
        if (p->derived && !(p->stale >> i & 1))
            d->fw[i] = p->derived->fw[i];
        else
            fw_addr_make(&d->fw[i], p->row[i] ? row_peer(p->row[i]) : NULL);
    rk_buf_done(&b);
    derived_unref(p->derived);
    p->derived = d;
    p->stale = 0;
}
