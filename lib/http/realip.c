/* SPDX-License-Identifier: BSD-3-Clause */
/* Real client addresses behind proxies; see realip.h. */
#include "config.h"

#include "lib/http/realip.h"

#include <string.h>

#include "lib/base/num.h"
#include "lib/base/rd.h"

enum { V1_MAX = 107, V2_HEAD = 16, V2_SIG = 12, MAX_HOPS = 32 };

static const char v2_signature[V2_SIG] = "\r\n\r\n\0\r\nQUIT\n";

bool http_proxies_trust(const struct http_proxies *p, const struct rk_ip *ip)
{
    for (size_t i = 0; i < p->n; i++)
        if (rk_prefix_contains(&p->v[i], ip))
            return true;
    return false;
}

/* An address as proxies write it: bare, "1.2.3.4:5", "[::1]" or "[::1]:5". */
static bool parse_hop(struct rk_str s, struct rk_ip *out)
{
    struct rk_addr with_port;

    s = rk_str_trim(s);
    if (rk_ip_parse(s, out, NULL) == RK_OK)
        return true;
    if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        return rk_ip_parse(rk_str_sub(s, 1, s.n - 2), out, NULL) == RK_OK;
    if (rk_addr_parse(s, &with_port, NULL))
        return false;
    *out = with_port.ip;
    return true;
}

struct rk_addr http_real_addr(const struct http_proxies *p, const struct rk_addr *peer,
                              struct rk_str forwarded_for, struct rk_str real_ip)
{
    struct rk_ip hop = {0};
    bool found = false;

    if (!http_proxies_trust(p, &peer->ip))
        return *peer;
    for (int hops = 0; forwarded_for.n && hops < MAX_HOPS; hops++) {
        size_t comma = forwarded_for.n;

        while (comma && forwarded_for.p[comma - 1] != ',')
            comma--;
        if (!parse_hop(rk_str_sub(forwarded_for, comma, forwarded_for.n), &hop))
            return *peer; /* a trusted proxy wrote something unreadable: do not guess */
        found = true;
        if (!http_proxies_trust(p, &hop))
            break;
        forwarded_for.n = comma ? comma - 1 : 0;
    }
    if (!found)
        found = rk_str_trim(real_ip).n && parse_hop(real_ip, &hop);
    if (!found)
        return *peer;
    return (struct rk_addr){.ip = rk_ip_unmap(&hop)};
}

/* "PROXY TCP4 1.2.3.4 5.6.7.8 111 222\r\n" */
static enum http_proxy_hdr parse_v1(struct rk_str in, size_t *used, struct rk_addr *src)
{
    struct rk_str line = rk_str_sub(in, 0, V1_MAX), word, rest;
    size_t end = rk_str_find(line, RK_STR("\r\n"));
    struct rk_addr a = {0};
    int64_t port;

    if (end == line.n)
        return in.n >= V1_MAX ? HTTP_PROXY_BAD : HTTP_PROXY_MORE;
    *used = end + 2;
    (void)rk_str_cut(rk_str_sub(line, 0, end), ' ', &word, &rest); /* PROXY */
    (void)rk_str_cut(rest, ' ', &word, &rest);
    if (rk_str_eqz(word, "UNKNOWN"))
        return HTTP_PROXY_OK;
    if (!rk_str_eqz(word, "TCP4") && !rk_str_eqz(word, "TCP6"))
        return HTTP_PROXY_BAD;
    (void)rk_str_cut(rest, ' ', &word, &rest);
    if (rk_ip_parse(word, &a.ip, NULL))
        return HTTP_PROXY_BAD;
    (void)rk_str_cut(rest, ' ', &word, &rest); /* our own address */
    (void)rk_str_cut(rest, ' ', &word, &rest);
    if (rk_parse_i64(word, 0, 65535, &port, NULL))
        return HTTP_PROXY_BAD;
    a.ip = rk_ip_unmap(&a.ip);
    a.port = (uint16_t)port;
    *src = a;
    return HTTP_PROXY_OK;
}

/* signature(12) version|command(1) family(1) length(2) addresses TLVs */
static enum http_proxy_hdr parse_v2(struct rk_str in, size_t *used, struct rk_addr *src)
{
    struct rk_rd rd = rk_rd_of(in);
    unsigned command, family, ip_size;
    struct rk_addr a = {0};
    struct rk_str ip;
    size_t len;

    rk_rd_skip(&rd, V2_SIG);
    command = rk_rd_u8(&rd);
    family = rk_rd_u8(&rd);
    len = rk_rd_u16(&rd);
    if (rd.bad)
        return HTTP_PROXY_MORE;
    if (command >> 4 != 2 || (command & 15) > 1 || len > HTTP_PROXY_MAX - V2_HEAD)
        return HTTP_PROXY_BAD;
    if (in.n < V2_HEAD + len)
        return HTTP_PROXY_MORE;
    *used = V2_HEAD + len;
    ip_size = family == 0x11 ? 4 : family == 0x21 ? 16 : 0;
    if ((command & 15) == 0 || !ip_size) /* LOCAL, or no TCP address: the socket's stays */
        return HTTP_PROXY_OK;
    rd = rk_rd_of(rk_str_sub(in, V2_HEAD, len));
    ip = rk_rd_str(&rd, ip_size);
    rk_rd_skip(&rd, ip_size);
    a.port = rk_rd_u16(&rd);
    if (rd.bad || rk_ip_from_bytes(ip, &a.ip, NULL))
        return HTTP_PROXY_BAD;
    a.ip = rk_ip_unmap(&a.ip);
    *src = a;
    return HTTP_PROXY_OK;
}

enum http_proxy_hdr http_proxy_parse(struct rk_str in, size_t *used, struct rk_addr *src)
{
    static const struct rk_str v1 = {"PROXY ", 6};
    struct rk_str v2 = rk_str_of(v2_signature, V2_SIG);

    if (rk_str_starts(in, v1))
        return parse_v1(in, used, src);
    if (rk_str_starts(in, v2))
        return parse_v2(in, used, src);
    if (rk_str_starts(v1, in) || rk_str_starts(v2, in))
        return HTTP_PROXY_MORE;
    return HTTP_PROXY_NONE;
}

struct rk_str http_addr_key(const struct rk_addr *a, char *buf)
{
    if (!a->ip.family || rk_ip_is_loopback(&a->ip) || rk_ip_is_private(&a->ip))
        return (struct rk_str){0};
    buf[0] = (char)a->ip.family;
    memcpy(buf + 1, a->ip.b, 8);
    return rk_str_of(buf, a->ip.family == 6 ? 9 : 5);
}
