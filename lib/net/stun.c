/* SPDX-License-Identifier: BSD-3-Clause */
/* STUN codec; see stun.h. */
#include "config.h"

#include "lib/net/stun.h"

#include <string.h>

#include "lib/base/rd.h"
#include "lib/base/wr.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/hmac.h"
#include "lib/crypto/secret.h"

enum {
    ATTR_HEADER = 4,
    INTEGRITY_ATTR = ATTR_HEADER + HMAC_SHA1_SIZE,
    FINGERPRINT_ATTR = ATTR_HEADER + 4,
    COMPREHENSION_OPTIONAL = 0x8000,
    FAMILY_IP4 = 1,
    FAMILY_IP6 = 2,
};

#define FINGERPRINT_XOR 0x5354554eu /* "STUN", RFC 8489 section 14.7 */

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void set16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

bool stun_is(struct rk_str datagram)
{
    const uint8_t *p = (const uint8_t *)datagram.p;

    if (datagram.n < STUN_HEADER_SIZE || (p[0] & 0xc0) || get32(p + 4) != STUN_COOKIE)
        return false;
    /* WireGuard: type 1..4 and three zero bytes, 32 bytes at least */
    return !(datagram.n >= 32 && p[0] >= 1 && p[0] <= 4 && !p[1] && !p[2] && !p[3]);
}

/* (XOR-)MAPPED-ADDRESS: 0, family, port, address. */
static bool read_address(struct rk_str v, bool xored, const struct stun_txid *txid,
                         struct rk_addr *out)
{
    struct rk_rd rd = rk_rd_of(v);
    struct rk_addr a = {0};
    uint8_t pad[16];
    unsigned family;
    struct rk_str raw;

    rk_rd_skip(&rd, 1);
    family = rk_rd_u8(&rd);
    a.port = rk_rd_u16(&rd);
    raw = rk_rd_rest(&rd);
    if (rd.bad || (family != FAMILY_IP4 && family != FAMILY_IP6) ||
        raw.n != (family == FAMILY_IP4 ? 4U : 16U) || rk_ip_from_bytes(raw, &a.ip, NULL))
        return false;
    if (xored) {
        set16(pad, STUN_COOKIE >> 16);
        set16(pad + 2, STUN_COOKIE & 0xffff);
        memcpy(pad + 4, txid->b, STUN_TXID_SIZE);
        a.port ^= (uint16_t)(STUN_COOKIE >> 16);
        for (size_t i = 0; i < raw.n; i++)
            a.ip.b[i] ^= pad[i];
    }
    *out = a;
    return true;
}

static bool read_u64(struct rk_str v, uint64_t *out)
{
    struct rk_rd rd = rk_rd_of(v);

    *out = rk_rd_u64(&rd);
    return !rd.bad && rd.left == 0;
}

static bool read_error(struct rk_str v, struct stun_msg *m)
{
    struct rk_rd rd = rk_rd_of(v);
    unsigned hundreds, rest;

    rk_rd_skip(&rd, 2);
    hundreds = rk_rd_u8(&rd) & 7U;
    rest = rk_rd_u8(&rd);
    if (rd.bad || hundreds < 3 || hundreds > 6 || rest > 99)
        return false;
    m->error_code = hundreds * 100 + rest;
    m->error_reason = rk_rd_rest(&rd);
    return true;
}

static void note_unknown(struct stun_msg *m, unsigned type)
{
    if (type < COMPREHENSION_OPTIONAL && m->n_unknown < STUN_UNKNOWN_MAX)
        m->unknown[m->n_unknown++] = (uint16_t)type;
}

static bool read_role(struct stun_msg *m, unsigned type, struct rk_str v)
{
    bool first = !m->has_controlling && !m->has_controlled;
    uint64_t tie;

    if (!read_u64(v, &tie))
        return false;
    if (first) {
        m->tie_breaker = tie;
        m->has_controlling = type == STUN_ATTR_ICE_CONTROLLING;
        m->has_controlled = !m->has_controlling;
    }
    return true;
}

/* One attribute that stands before MESSAGE-INTEGRITY; false when its value is malformed. */
static bool read_attr(struct stun_msg *m, unsigned type, struct rk_str v, bool *xor_seen)
{
    struct rk_addr a;

    switch (type) {
    case STUN_ATTR_USERNAME:
        if (!m->has_username)
            m->username = v;
        m->has_username = true;
        return v.n <= STUN_USERNAME_MAX;
    case STUN_ATTR_PRIORITY:
        if (v.n == 4 && !m->has_priority)
            m->priority = get32((const uint8_t *)v.p);
        m->has_priority = true;
        return v.n == 4;
    case STUN_ATTR_USE_CANDIDATE:
        m->use_candidate = true;
        return v.n == 0;
    case STUN_ATTR_ICE_CONTROLLING:
    case STUN_ATTR_ICE_CONTROLLED:
        return read_role(m, type, v);
    case STUN_ATTR_XOR_MAPPED_ADDRESS:
    case STUN_ATTR_MAPPED_ADDRESS:
        if (!read_address(v, type == STUN_ATTR_XOR_MAPPED_ADDRESS, &m->txid, &a))
            return false;
        if (!*xor_seen && (type == STUN_ATTR_XOR_MAPPED_ADDRESS || !m->mapped.ip.family))
            m->mapped = a;
        *xor_seen |= type == STUN_ATTR_XOR_MAPPED_ADDRESS;
        return true;
    case STUN_ATTR_ERROR_CODE:
        return m->error_code || read_error(v, m);
    case STUN_ATTR_UNKNOWN_ATTRIBUTES:
        return v.n % 2 == 0;
    case STUN_ATTR_SOFTWARE:
        if (!m->software.n)
            m->software = v;
        return true;
    default:
        note_unknown(m, type);
        return true;
    }
}

/* Attributes that close a message, and the one official peers put behind them. */
static bool read_tail(struct stun_msg *m, unsigned type, struct rk_str v, size_t at, bool *taken)
{
    *taken = true;
    switch (type) {
    case STUN_ATTR_MESSAGE_INTEGRITY:
        if (!m->integrity_at && !m->fingerprint_at)
            m->integrity_at = at;
        return v.n == HMAC_SHA1_SIZE;
    case STUN_ATTR_FINGERPRINT:
        if (!m->fingerprint_at)
            m->fingerprint_at = at;
        return v.n == 4;
    case STUN_ATTR_NB_CANDIDATES:
        if (!m->nb_candidates.n && v.n <= STUN_CANDIDATES_MAX)
            m->nb_candidates = v;
        return true;
    default:
        *taken = m->integrity_at || m->fingerprint_at; /* unprotected: ignored */
        return true;
    }
}

static bool read_attrs(struct stun_msg *m)
{
    struct rk_rd rd = rk_rd_of(rk_str_sub(m->raw, STUN_HEADER_SIZE, m->raw.n));
    bool xor_seen = false, taken;

    while (rd.left && !rd.bad) {
        size_t at = m->raw.n - rd.left;
        unsigned type = rk_rd_u16(&rd);
        size_t n = rk_rd_u16(&rd);
        struct rk_str v = rk_rd_str(&rd, padded(n));

        v.n = rd.bad ? 0 : n;
        if (rd.bad || !read_tail(m, type, v, at, &taken) ||
            (!taken && !read_attr(m, type, v, &xor_seen)))
            return false;
    }
    return !rd.bad;
}

enum rk_code stun_decode(struct rk_str in, struct stun_msg *out, struct rk_err *err)
{
    struct rk_rd rd = rk_rd_of(in);
    struct stun_msg m = {0};
    unsigned type;
    size_t n;
    uint32_t cookie;
    struct rk_str id;

    if (in.n > STUN_MAX_SIZE)
        return rk_fail(err, RK_LIMIT, "stun: %zu bytes", in.n);
    type = rk_rd_u16(&rd);
    n = rk_rd_u16(&rd);
    cookie = rk_rd_u32(&rd);
    id = rk_rd_str(&rd, STUN_TXID_SIZE);
    if (rd.bad || (type & 0xc000) || cookie != STUN_COOKIE || n > rd.left)
        return rk_fail(err, RK_BAD_REQUEST, "stun: not a message (%zu bytes)", in.n);
    memcpy(m.txid.b, id.p, STUN_TXID_SIZE);
    m.cls = (enum stun_class)((type >> 7 & 2) | (type >> 4 & 1));
    m.method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
    m.raw = rk_str_of(in.p, STUN_HEADER_SIZE + n);
    if (!read_attrs(&m))
        return rk_fail(err, RK_BAD_REQUEST, "stun: malformed attribute");
    *out = m;
    return RK_OK;
}

/* The bytes before `at` with a header length that counts up to `end`: what both checks cover. */
static struct rk_str covered(const struct stun_msg *m, size_t at, size_t end,
                             uint8_t copy[STUN_MAX_SIZE])
{
    memcpy(copy, m->raw.p, at);
    set16(copy + 2, (unsigned)(end - STUN_HEADER_SIZE));
    return rk_str_of(copy, at);
}

bool stun_integrity_ok(const struct stun_msg *m, struct rk_str key)
{
    uint8_t copy[STUN_MAX_SIZE], mac[HMAC_SHA1_SIZE];

    if (!m->integrity_at)
        return false;
    hmac_sha1(key, covered(m, m->integrity_at, m->integrity_at + INTEGRITY_ATTR, copy), mac);
    return rk_secret_eq(mac, m->raw.p + m->integrity_at + ATTR_HEADER, sizeof mac);
}

bool stun_fingerprint_ok(const struct stun_msg *m)
{
    uint8_t copy[STUN_MAX_SIZE];
    uint32_t crc;

    if (!m->fingerprint_at)
        return false;
    crc = hash_crc32(covered(m, m->fingerprint_at, m->fingerprint_at + FINGERPRINT_ATTR, copy));
    return (crc ^ FINGERPRINT_XOR) ==
           get32((const uint8_t *)m->raw.p + m->fingerprint_at + ATTR_HEADER);
}

bool stun_attr_find(const struct stun_msg *m, unsigned type, struct rk_str *value)
{
    size_t end = m->integrity_at ? m->integrity_at : m->raw.n;
    struct rk_rd rd = rk_rd_of(rk_str_sub(m->raw, STUN_HEADER_SIZE, end - STUN_HEADER_SIZE));

    while (rd.left && !rd.bad) {
        unsigned t = rk_rd_u16(&rd);
        size_t n = rk_rd_u16(&rd);
        struct rk_str v = rk_rd_str(&rd, padded(n));

        if (rd.bad || t != type)
            continue;
        *value = rk_str_of(v.p, n);
        return true;
    }
    return false;
}

bool stun_attr_xor_address(const struct stun_msg *m, unsigned type, struct rk_addr *out)
{
    struct rk_str v;

    return stun_attr_find(m, type, &v) && read_address(v, true, &m->txid, out);
}

bool stun_attr_u32(const struct stun_msg *m, unsigned type, uint32_t *out)
{
    struct rk_str v;

    if (!stun_attr_find(m, type, &v) || v.n != 4)
        return false;
    *out = get32((const uint8_t *)v.p);
    return true;
}

bool stun_nb_candidates_split(const struct stun_msg *m, struct rk_str *sender,
                              struct rk_str *receiver)
{
    struct rk_str head, rest;

    if (!rk_str_cut(m->nb_candidates, ':', &head, &rest))
        return false;
    *sender = head;
    *receiver = rest;
    return true;
}

void stun_txid_random(struct stun_txid *out)
{
    rk_secret_random(out->b, sizeof out->b);
}

bool stun_txid_eq(const struct stun_txid *a, const struct stun_txid *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* n bytes to fill in; NULL once the writer has failed. */
static uint8_t *room(struct stun_writer *w, size_t n)
{
    uint8_t *p = w->p + w->n;

    if (w->bad || n > w->cap - w->n) {
        w->bad = true;
        return NULL;
    }
    w->n += n;
    return p;
}

/* Attribute header and zeroed padded value; the message length follows. */
static uint8_t *attr(struct stun_writer *w, unsigned type, size_t n)
{
    size_t size;
    uint8_t *p;

    if (n > STUN_MAX_SIZE) {
        w->bad = true;
        return NULL;
    }
    size = ATTR_HEADER + padded(n);
    p = room(w, size);
    if (!p)
        return NULL;
    memset(p, 0, size);
    set16(p, type);
    set16(p + 2, (unsigned)n);
    set16(w->p + 2, (unsigned)(w->n - STUN_HEADER_SIZE));
    return p + ATTR_HEADER;
}

void stun_begin(struct stun_writer *w, void *buf, size_t cap, enum stun_class cls, unsigned method,
                const struct stun_txid *txid)
{
    unsigned c = (unsigned)cls;
    uint8_t *p;

    /* the message length is 16 bits; nothing we send comes near */
    *w = (struct stun_writer){.p = buf, .cap = cap < STUN_MAX_SIZE ? cap : STUN_MAX_SIZE};
    p = room(w, STUN_HEADER_SIZE);
    if (!p)
        return;
    set16(p, (c & 2) << 7 | (c & 1) << 4 | (method & 0xf) | (method & 0x70) << 1 |
                 (method & 0xf80) << 2);
    set16(p + 2, 0);
    set16(p + 4, STUN_COOKIE >> 16);
    set16(p + 6, STUN_COOKIE & 0xffff);
    memcpy(p + 8, txid->b, STUN_TXID_SIZE);
}

void stun_put_bytes(struct stun_writer *w, unsigned type, struct rk_str value)
{
    uint8_t *p = attr(w, type, value.n);

    if (p && value.n)
        memcpy(p, value.p, value.n);
}

void stun_put_u32(struct stun_writer *w, unsigned type, uint32_t v)
{
    uint8_t *p = attr(w, type, 4);

    if (p) {
        set16(p, v >> 16);
        set16(p + 2, v & 0xffff);
    }
}

static void put_u64(struct stun_writer *w, unsigned type, uint64_t v)
{
    uint8_t *p = attr(w, type, 8);

    for (int i = 0; p && i < 8; i++)
        p[i] = (uint8_t)(v >> (56 - 8 * i));
}

void stun_put_username(struct stun_writer *w, struct rk_str username)
{
    stun_put_bytes(w, STUN_ATTR_USERNAME, username);
}

void stun_put_priority(struct stun_writer *w, uint32_t priority)
{
    stun_put_u32(w, STUN_ATTR_PRIORITY, priority);
}

void stun_put_use_candidate(struct stun_writer *w)
{
    (void)attr(w, STUN_ATTR_USE_CANDIDATE, 0);
}

void stun_put_controlling(struct stun_writer *w, uint64_t tie_breaker)
{
    put_u64(w, STUN_ATTR_ICE_CONTROLLING, tie_breaker);
}

void stun_put_controlled(struct stun_writer *w, uint64_t tie_breaker)
{
    put_u64(w, STUN_ATTR_ICE_CONTROLLED, tie_breaker);
}

void stun_put_xor_address(struct stun_writer *w, unsigned type, const struct rk_addr *a)
{
    struct rk_ip ip = rk_ip_unmap(&a->ip);
    size_t n = rk_ip_size(&ip);
    uint8_t *p;

    if (!n) {
        w->bad = true;
        return;
    }
    p = attr(w, type, 4 + n);
    if (!p)
        return;
    p[1] = n == 4 ? FAMILY_IP4 : FAMILY_IP6;
    set16(p + 2, a->port ^ (STUN_COOKIE >> 16));
    for (size_t i = 0; i < n; i++)
        p[4 + i] = ip.b[i] ^ w->p[4 + i]; /* cookie and transaction id stand in a row */
}

void stun_put_xor_mapped(struct stun_writer *w, const struct rk_addr *a)
{
    stun_put_xor_address(w, STUN_ATTR_XOR_MAPPED_ADDRESS, a);
}

void stun_put_error(struct stun_writer *w, unsigned code, struct rk_str reason)
{
    uint8_t *p = attr(w, STUN_ATTR_ERROR_CODE, 4 + reason.n);

    if (!p)
        return;
    p[2] = (uint8_t)(code / 100 & 7);
    p[3] = (uint8_t)(code % 100);
    if (reason.n)
        memcpy(p + 4, reason.p, reason.n);
}

void stun_put_unknown(struct stun_writer *w, const uint16_t *types, size_t n)
{
    uint8_t *p = attr(w, STUN_ATTR_UNKNOWN_ATTRIBUTES, n > STUN_MAX_SIZE ? n : 2 * n);

    for (size_t i = 0; p && i < n; i++)
        set16(p + 2 * i, types[i]);
}

void stun_put_integrity(struct stun_writer *w, struct rk_str key)
{
    size_t at = w->n;
    uint8_t *p = attr(w, STUN_ATTR_MESSAGE_INTEGRITY, HMAC_SHA1_SIZE);

    if (p) /* the length counts this attribute, the bytes end before it */
        hmac_sha1(key, rk_str_of(w->p, at), p);
}

void stun_put_fingerprint(struct stun_writer *w)
{
    size_t at = w->n;
    uint8_t *p = attr(w, STUN_ATTR_FINGERPRINT, 4);
    uint32_t v;

    if (!p)
        return;
    v = hash_crc32(rk_str_of(w->p, at)) ^ FINGERPRINT_XOR;
    set16(p, v >> 16);
    set16(p + 2, v & 0xffff);
}

void stun_put_nb_candidates(struct stun_writer *w, struct rk_str sender, struct rk_str receiver)
{
    uint8_t *p;

    if (sender.n > STUN_CANDIDATES_MAX || receiver.n > STUN_CANDIDATES_MAX) {
        w->bad = true;
        return;
    }
    p = attr(w, STUN_ATTR_NB_CANDIDATES, sender.n + 1 + receiver.n);
    if (!p)
        return;
    if (sender.n)
        memcpy(p, sender.p, sender.n);
    p[sender.n] = ':';
    if (receiver.n)
        memcpy(p + sender.n + 1, receiver.p, receiver.n);
}

struct rk_str stun_end(struct stun_writer *w)
{
    return w->bad ? (struct rk_str){0} : rk_str_of(w->p, w->n);
}
