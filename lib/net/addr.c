/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses and prefixes; see addr.h. */
#include "config.h"

#include "lib/net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/num.h"

enum rk_code rk_ip_from_bytes(struct rk_str raw, struct rk_ip *out, struct rk_err *err)
{
    if (raw.n != 4 && raw.n != 16)
        return rk_fail(err, RK_BAD_REQUEST, "an address of %zu bytes", raw.n);
    *out = (struct rk_ip){.family = raw.n == 4 ? 4 : 6};
    memcpy(out->b, raw.p, raw.n);
    return RK_OK;
}

enum rk_code rk_ip_parse(struct rk_str s, struct rk_ip *out, struct rk_err *err)
{
    char z[INET6_ADDRSTRLEN];
    struct rk_ip ip = {0};
    bool six = rk_str_find_c(s, ':') < s.n;

    if (s.n == 0 || s.n >= sizeof z || memchr(s.p, '\0', s.n))
        return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not an IP address", RK_STR_ARG(s));
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    if (inet_pton(six ? AF_INET6 : AF_INET, z, ip.b) != 1)
        return rk_fail(err, RK_BAD_REQUEST, "\"%s\" is not an IP address", z);
    ip.family = six ? 6 : 4;
    *out = ip;
    return RK_OK;
}

struct rk_str rk_ip_format(const struct rk_ip *ip, char buf[RK_ADDR_TEXT])
{
    if (!ip->family || !inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->b, buf, RK_ADDR_TEXT))
        buf[0] = '\0';
    return rk_str_z(buf);
}

int rk_ip_cmp(const struct rk_ip *a, const struct rk_ip *b)
{
    return a->family != b->family ? a->family - b->family : memcmp(a->b, b->b, sizeof a->b);
}

bool rk_ip_eq(const struct rk_ip *a, const struct rk_ip *b)
{
    return rk_ip_cmp(a, b) == 0;
}

struct rk_ip rk_ip_unmap(const struct rk_ip *ip)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (ip->family == 6 && memcmp(ip->b, mapped, sizeof mapped) == 0)
        return rk_ip4(ip->b[12], ip->b[13], ip->b[14], ip->b[15]);
    return *ip;
}

bool rk_ip_is_loopback(const struct rk_ip *ip)
{
    static const uint8_t one[16] = {[15] = 1};

    return ip->family == 4 ? ip->b[0] == 127 : ip->family == 6 && memcmp(ip->b, one, 16) == 0;
}

bool rk_ip_is_unspecified(const struct rk_ip *ip)
{
    static const uint8_t zero[16];

    return memcmp(ip->b, zero, sizeof zero) == 0;
}

bool rk_ip_is_link_local(const struct rk_ip *ip)
{
    if (ip->family == 4)
        return ip->b[0] == 169 && ip->b[1] == 254;
    return ip->family == 6 && ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

bool rk_ip_is_multicast(const struct rk_ip *ip)
{
    return ip->family == 4 ? (ip->b[0] & 0xf0) == 0xe0 : ip->family == 6 && ip->b[0] == 0xff;
}

bool rk_ip_is_private(const struct rk_ip *ip)
{
    if (ip->family == 6)
        return (ip->b[0] & 0xfe) == 0xfc;
    return ip->family == 4 && (ip->b[0] == 10 || (ip->b[0] == 172 && (ip->b[1] & 0xf0) == 16) ||
                               (ip->b[0] == 192 && ip->b[1] == 168));
}

enum rk_code rk_addr_parse(struct rk_str s, struct rk_addr *out, struct rk_err *err)
{
    struct rk_str host, port;
    struct rk_addr a;
    int64_t n;
    bool ok;

    if (s.n && s.p[0] == '[') {
        size_t end = rk_str_find_c(s, ']');

        host = rk_str_sub(s, 1, end - 1);
        port = rk_str_sub(s, end + 2, s.n);
        ok = end + 1 < s.n && s.p[end + 1] == ':' && rk_str_find_c(host, ':') < host.n;
    } else {
        ok = rk_str_cut(s, ':', &host, &port);
    }
    if (!ok || rk_ip_parse(host, &a.ip, NULL) || rk_parse_i64(port, 0, 65535, &n, NULL))
        return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not an address such as 192.0.2.1:80",
                       RK_STR_ARG(s));
    a.port = (uint16_t)n;
    *out = a;
    return RK_OK;
}

enum rk_code rk_addr_parse_listen(struct rk_str s, struct rk_addr *out, struct rk_err *err)
{
    int64_t port;

    if (!s.n || s.p[0] != ':')
        return rk_addr_parse(s, out, err);
    if (rk_parse_i64(rk_str_sub(s, 1, s.n), 0, UINT16_MAX, &port, NULL))
        return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not a port", RK_STR_ARG(s));
    *out = (struct rk_addr){.port = (uint16_t)port};
    return RK_OK;
}

static bool split_authority(struct rk_str s, struct rk_str *host, struct rk_str *port,
                            bool *has_port)
{
    size_t end;

    if (!s.n || s.p[0] != '[') {
        *has_port = rk_str_cut(s, ':', host, port);
        return true;
    }
    end = rk_str_find_c(s, ']');
    if (end == s.n)
        return false;
    *host = rk_str_sub(s, 1, end - 1);
    s = rk_str_sub(s, end + 1, s.n);
    *has_port = s.n > 0;
    *port = rk_str_sub(s, 1, s.n);
    return !s.n || s.p[0] == ':';
}

enum rk_code rk_authority_parse(struct rk_str s, struct rk_str *host, uint16_t *port,
                                struct rk_err *err)
{
    struct rk_str h, p = {0};
    int64_t v = 0;
    bool has_port;

    if (!split_authority(s, &h, &p, &has_port) || !h.n ||
        (has_port && rk_parse_i64(p, 1, UINT16_MAX, &v, NULL)))
        return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not a host and a port", RK_STR_ARG(s));
    for (size_t i = 0; i < h.n; i++) {
        unsigned char c = (unsigned char)h.p[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}@?#/,", c))
            return rk_fail(err, RK_BAD_REQUEST, "character %u in the host", c);
    }
    *host = h;
    *port = (uint16_t)v;
    return RK_OK;
}

enum rk_code rk_url_check(struct rk_str s, struct rk_err *err)
{
    struct rk_str http = RK_STR("http://"), https = RK_STR("https://"), host, rest;
    struct rk_err why = {0};
    uint16_t port;

    if (!rk_str_istarts(s, http) && !rk_str_istarts(s, https))
        return rk_fail(err, RK_INVALID, "\"%.*s\" is neither an https nor an http URL",
                       RK_STR_ARG(s));
    rest = rk_str_sub(s, rk_str_istarts(s, http) ? http.n : https.n, s.n);
    rest = rk_str_sub(rest, 0, rk_str_find_c(rest, '/'));
    rest = rk_str_sub(rest, 0, rk_str_find_c(rest, '?'));
    if (rk_authority_parse(rest, &host, &port, &why))
        return rk_fail(err, RK_INVALID, "\"%.*s\" is no URL: %s", RK_STR_ARG(s), why.msg);
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ')
            return rk_fail(err, RK_INVALID, "\"%.*s\" is no URL: there is a blank in it",
                           RK_STR_ARG(s));
    return RK_OK;
}

struct rk_str rk_addr_format(const struct rk_addr *a, char buf[RK_ADDR_TEXT])
{
    char ip[RK_ADDR_TEXT];
    int n;

    (void)rk_ip_format(&a->ip, ip);
    n = snprintf(buf, RK_ADDR_TEXT, a->ip.family == 6 ? "[%.45s]:%u" : "%.45s:%u", ip,
                 (unsigned)a->port);
    return rk_str_of(buf, (size_t)n);
}

int rk_addr_cmp(const struct rk_addr *a, const struct rk_addr *b)
{
    int d = rk_ip_cmp(&a->ip, &b->ip);

    return d ? d : (int)a->port - (int)b->port;
}

bool rk_addr_eq(const struct rk_addr *a, const struct rk_addr *b)
{
    return rk_addr_cmp(a, b) == 0;
}

enum rk_code rk_addr_from_sa(const struct sockaddr *sa, struct rk_addr *out, struct rk_err *err)
{
    struct rk_addr a = {0};

    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof in);
        a.ip.family = 4;
        memcpy(a.ip.b, &in.sin_addr, 4);
        a.port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof in6);
        a.ip.family = 6;
        memcpy(a.ip.b, &in6.sin6_addr, 16);
        a.ip = rk_ip_unmap(&a.ip);
        a.port = ntohs(in6.sin6_port);
    } else {
        return rk_fail(err, RK_INVALID, "address family %d is not IP", sa->sa_family);
    }
    *out = a;
    return RK_OK;
}

socklen_t rk_addr_to_sa(const struct rk_addr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->ip.family == 6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};

        memcpy(&in6.sin6_addr, a->ip.b, 16);
        memcpy(out, &in6, sizeof in6);
        return (socklen_t)sizeof in6;
    }
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};

    memcpy(&in.sin_addr, a->ip.b, 4);
    memcpy(out, &in, sizeof in);
    return (socklen_t)sizeof in;
}

enum rk_code rk_prefix_parse(struct rk_str s, struct rk_prefix *out, struct rk_err *err)
{
    struct rk_str ip, bits;
    struct rk_prefix p;
    int64_t n;

    if (!rk_str_cut(s, '/', &ip, &bits) || rk_ip_parse(ip, &p.ip, NULL) ||
        rk_parse_i64(bits, 0, p.ip.family == 4 ? 32 : 128, &n, NULL) ||
        (bits.n > 1 && bits.p[0] == '0'))
        return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not a prefix such as 192.0.2.0/24",
                       RK_STR_ARG(s));
    p.bits = (uint8_t)n;
    *out = p;
    return RK_OK;
}

enum rk_code rk_prefix_parse_or_ip(struct rk_str s, struct rk_prefix *out, struct rk_err *err)
{
    struct rk_prefix p = {0};

    if (rk_str_find_c(s, '/') < s.n)
        return rk_prefix_parse(s, out, err);
    if (rk_ip_parse(s, &p.ip, err))
        return RK_BAD_REQUEST;
    p.bits = p.ip.family == 4 ? 32 : 128;
    *out = p;
    return RK_OK;
}

struct rk_str rk_prefix_format(const struct rk_prefix *p, char buf[RK_ADDR_TEXT])
{
    char ip[RK_ADDR_TEXT];
    int n;

    (void)rk_ip_format(&p->ip, ip);
    n = snprintf(buf, RK_ADDR_TEXT, "%.45s/%u", ip, (unsigned)p->bits);
    return rk_str_of(buf, (size_t)n);
}

struct rk_prefix rk_prefix_masked(const struct rk_prefix *p)
{
    struct rk_prefix m = *p;
    unsigned keep = p->bits;

    for (size_t i = 0; i<sizeof m.ip.b; i++, keep = keep> 8 ? keep - 8 : 0)
        if (keep < 8)
            m.ip.b[i] &= (uint8_t)(0xff00u >> keep);
    return m;
}

bool rk_prefix_contains(const struct rk_prefix *p, const struct rk_ip *ip)
{
    struct rk_prefix a = rk_prefix_masked(p),
                     b = rk_prefix_masked(&(struct rk_prefix){*ip, p->bits});

    return ip->family == p->ip.family && rk_ip_eq(&a.ip, &b.ip);
}

bool rk_prefix_overlaps(const struct rk_prefix *a, const struct rk_prefix *b)
{
    return a->bits <= b->bits ? rk_prefix_contains(a, &b->ip) : rk_prefix_contains(b, &a->ip);
}

int rk_prefix_cmp(const struct rk_prefix *a, const struct rk_prefix *b)
{
    int d = rk_ip_cmp(&a->ip, &b->ip);

    return d ? d : (int)a->bits - (int)b->bits;
}

bool rk_ip_among(const struct rk_ip *ip, const struct rk_ip *list, size_t n)
{
    bool found = n && rk_ip_is_loopback(ip);

    for (size_t i = 0; i < n && !found; i++)
        found = rk_ip_eq(ip, &list[i]);
    return found;
}
