/* SPDX-License-Identifier: BSD-3-Clause */
/* Expiry, DNS labels and addresses of peers. See peer.h. */
#include "config.h"

#include "management/domain/peer.h"

#include "lib/base/buf.h"
#include "lib/base/num.h"

#define US_PER_S 1000000

bool peer_time_expired(const struct peer *p, const struct settings *s, int64_t now_us)
{
    if (!peer_is_sso(p) || !p->login_expiration_enabled)
        return false;
    if (p->last_login_us == 0)
        return true; /* counts as year 1 */
    return now_us - p->last_login_us >= s->peer_login_expiration_s * US_PER_S;
}

bool peer_login_expired(const struct peer *p, const struct settings *s, int64_t now_us)
{
    return p->status.login_expired || peer_offline_in_maps(p, s, now_us);
}

bool peer_offline_in_maps(const struct peer *p, const struct settings *s, int64_t now_us)
{
    return s->peer_login_expiration_enabled && peer_time_expired(p, s, now_us);
}

/* ---- DNS labels */

/* One code point from well-formed UTF-8; the caller has checked the form. */
static uint32_t utf8_next(struct rk_str s, size_t *i)
{
    unsigned char c = (unsigned char)s.p[*i];
    unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t v = more == 0 ? c : c & (0x3fU >> more);

    for (*i += 1; more > 0; more--, *i += 1)
        v = v << 6 | ((unsigned char)s.p[*i] & 0x3f);
    return v;
}

static char punycode_digit(uint32_t d)
{
    return (char)(d < 26 ? 'a' + d : '0' + (d - 26));
}

/* RFC 3492 section 6.1. */
static uint32_t punycode_adapt(uint32_t delta, uint32_t n_points, bool first)
{
    uint32_t k = 0;

    delta = first ? delta / 700 : delta / 2;
    for (delta += delta / n_points; delta > 455; k += 36)
        delta /= 35;
    return k + 36 * delta / (delta + 38);
}

static void punycode_varint(struct rk_buf *out, uint32_t q, uint32_t bias)
{
    for (uint32_t k = 36;; k += 36) {
        uint32_t t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;

        if (q < t)
            break;
        rk_buf_addc(out, punycode_digit(t + (q - t) % (36 - t)));
        q = (q - t) / (36 - t);
    }
    rk_buf_addc(out, punycode_digit(q));
}

/* RFC 3492 section 6.3; label is well-formed UTF-8 of at most 255 bytes, so nothing overflows. */
static void punycode_encode(struct rk_buf *out, struct rk_str label)
{
    uint32_t points[256];
    uint32_t n = 0, basic = 0, done, code = 128, delta = 0, bias = 72;

    for (size_t i = 0; i < label.n;)
        points[n++] = utf8_next(label, &i);
    for (uint32_t i = 0; i < n; i++)
        if (points[i] < 128) {
            rk_buf_addc(out, (char)points[i]);
            basic++;
        }
    if (basic > 0)
        rk_buf_addc(out, '-');
    for (done = basic; done < n; delta++, code++) {
        uint32_t next = UINT32_MAX;

        for (uint32_t i = 0; i < n; i++)
            if (points[i] >= code && points[i] < next)
                next = points[i];
        delta += (next - code) * (done + 1);
        code = next;
        for (uint32_t i = 0; i < n; i++) {
            if (points[i] < code)
                delta++;
            if (points[i] != code)
                continue;
            punycode_varint(out, delta, bias);
            bias = punycode_adapt(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
    }
}

static bool is_ascii(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

static bool is_label_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

#define HOST_READ_MAX 255 /* bytes of a host name that are looked at */

enum rk_code peer_dns_label(struct rk_arena *mem, struct rk_str hostname,
                            const struct rk_ip *suffix_ip, struct rk_str *out, struct rk_err *err)
{
    struct rk_str first = rk_str_sub(hostname, 0, rk_str_find_c(hostname, '.'));
    char text[2048]; /* punycode of 255 bytes is far shorter */
    struct rk_buf puny;
    size_t n = 0;

    if (first.n == 0)
        return rk_fail(err, RK_INVALID, "failed to get free DNS label");
    if (!rk_str_utf8_ok(first))
        return rk_fail(err, RK_INVALID, "host name has no DNS label");
    if (first.n > HOST_READ_MAX) { /* more than a label holds, so what is cut off would not show */
        first.n = HOST_READ_MAX;
        while (((unsigned char)first.p[first.n] & 0xc0) == 0x80)
            first.n--;
    }
    rk_buf_init(&puny, sizeof text);
    if (!is_ascii(first)) {
        rk_buf_addz(&puny, "xn--");
        punycode_encode(&puny, first);
        first = rk_buf_str(&puny);
    }
    for (size_t i = 0; i < first.n; i++) {
        char c = first.p[i];

        if (is_label_char(c))
            text[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        else if (i == 0 || is_label_char(first.p[i - 1]))
            text[n++] = '-';
    }
    rk_buf_done(&puny);
    if (n > PEER_LABEL_MAX)
        n = PEER_LABEL_MAX;
    if (suffix_ip)
        *out = rk_arena_printf(mem, "%.*s-%u-%u", (int)rk_min_size(n, PEER_LABEL_WITH_IP), text,
                               suffix_ip->b[2], suffix_ip->b[3]);
    else
        *out = rk_arena_dup(mem, rk_str_of(text, n));
    return RK_OK;
}

/* ---- addresses */

uint64_t addr4_count(const struct rk_prefix *net)
{
    if (net->ip.family != 4 || net->bits > 30)
        return 0;
    return (UINT64_C(1) << (32 - net->bits)) - 2;
}

struct rk_ip addr4_at(const struct rk_prefix *net, uint64_t i)
{
    struct rk_prefix base = rk_prefix_masked(net);
    uint64_t v = ((uint64_t)base.ip.b[0] << 24 | (uint64_t)base.ip.b[1] << 16 |
                  (uint64_t)base.ip.b[2] << 8 | base.ip.b[3]) +
                 i + 1;

    return rk_ip4((unsigned)(v >> 24 & 0xff), (unsigned)(v >> 16 & 0xff), (unsigned)(v >> 8 & 0xff),
                  (unsigned)(v & 0xff));
}

bool peer_wants_ipv6(const struct rk_prefix *net6, const struct str_list *ipv6_groups,
                     const struct str_list *peer_groups, bool embedded)
{
    if (net6->ip.family != 6 || ipv6_groups->n == 0)
        return false;
    for (size_t i = 0; i < peer_groups->n; i++)
        if (str_list_has(ipv6_groups, peer_groups->v[i]))
            return true;
    return embedded;
}
