/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of DNS in wire form and as text; see dnsmsg.h. */
#include "config.h"

#include "lib/net/dnsname.h"

#include <stdio.h>
#include <string.h>

#define POINTER 0xc0u

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool label_add(struct dns_name *name, const uint8_t *p, size_t n)
{
    if (n > DNS_LABEL_MAX || (size_t)name->n + n + 2 > DNS_NAME_MAX) /* the root follows */
        return false;
    name->b[name->n++] = (uint8_t)n;
    for (size_t i = 0; i < n; i++)
        name->b[name->n++] = lower(p[i]);
    return true;
}

size_t dns_name_read(struct rk_str raw, size_t at, struct dns_name *out)
{
    const uint8_t *p = (const uint8_t *)raw.p;
    /* a pointer leads to a name that was written before: it ends before the pointer, too */
    size_t end = 0, bound = raw.n;

    out->n = 0;
    for (;;) {
        uint8_t n;

        if (at >= bound)
            return 0;
        n = p[at];
        if ((n & POINTER) == POINTER) {
            size_t to;

            if (bound - at < 2)
                return 0;
            to = (size_t)(n & ~POINTER) << 8 | p[at + 1];
            if (!end)
                end = at + 2;
            if (to >= at || to < DNS_HEADER_SIZE)
                return 0;
            bound = at;
            at = to;
            continue;
        }
        if (!n)
            break;
        if (n & POINTER || n >= bound - at || !label_add(out, p + at + 1, n))
            return 0;
        at += (size_t)n + 1;
    }
    out->b[out->n++] = 0;
    return end ? end : at + 1;
}

enum rk_code dns_name_parse(struct rk_str text, struct dns_name *out, struct rk_err *err)
{
    struct dns_name name = {0};
    struct rk_str rest = text, label;

    if (rest.n && rest.p[rest.n - 1] == '.')
        rest.n--;
    while (rest.n) {
        bool more = rk_str_cut(rest, '.', &label, &rest);
        bool ok = label.n > 0 && (!more || rest.n);

        for (size_t i = 0; ok && i < label.n; i++)
            ok = (uint8_t)label.p[i] > ' ' && label.p[i] != 0x7f;
        if (!ok || !label_add(&name, (const uint8_t *)label.p, label.n))
            return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not a domain name",
                           RK_STR_ARG(rk_str_sub(text, 0, 100)));
    }
    name.b[name.n++] = 0;
    memset(name.b + name.n, 0, sizeof name.b - name.n);
    *out = name;
    return RK_OK;
}

static bool plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '*';
}

struct rk_str dns_name_format(const struct dns_name *name, char buf[DNS_NAME_TEXT])
{
    size_t at = 0;

    for (size_t i = 0; i + 1 < name->n; i += (size_t)name->b[i] + 1) {
        if (at)
            buf[at++] = '.';
        for (size_t j = 1; j <= name->b[i]; j++) {
            uint8_t c = name->b[i + j];

            if (plain(c))
                buf[at++] = (char)c;
            else
                at += (size_t)snprintf(buf + at, DNS_NAME_TEXT - at, "\\%03u", c);
        }
    }
    if (!at)
        buf[at++] = '.';
    buf[at] = '\0';
    return rk_str_of(buf, at);
}

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b)
{
    return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

int dns_name_cmp(const struct dns_name *a, const struct dns_name *b)
{
    return rk_str_cmp(rk_str_of(a->b, a->n), rk_str_of(b->b, b->n));
}

bool dns_name_below(const struct dns_name *name, const struct dns_name *apex)
{
    size_t at = 0;

    while ((size_t)name->n - at > apex->n)
        at += (size_t)name->b[at] + 1;
    return (size_t)name->n - at == apex->n && memcmp(name->b + at, apex->b, apex->n) == 0;
}

unsigned dns_name_labels(const struct dns_name *name)
{
    unsigned n = 0;

    for (size_t i = 0; i + 1 < name->n; i += (size_t)name->b[i] + 1)
        n++;
    return n;
}

bool dns_name_parent(const struct dns_name *name, struct dns_name *out)
{
    struct dns_name up = {0};
    size_t skip = (size_t)name->b[0] + 1;

    if (name->n <= 1)
        return false;
    up.n = (uint8_t)(name->n - skip);
    memcpy(up.b, name->b + skip, up.n);
    *out = up;
    return true;
}

bool dns_name_wildcard(const struct dns_name *name, struct dns_name *out)
{
    struct dns_name up, star = {.n = 2, .b = {1, '*'}};

    if (!dns_name_parent(name, &up) || (size_t)up.n + 2 > DNS_NAME_MAX)
        return false;
    memcpy(star.b + 2, up.b, up.n);
    star.n = (uint8_t)(up.n + 2);
    *out = star;
    return true;
}

void dns_name_reverse(const struct rk_ip *ip, struct dns_name *out)
{
    static const char hex[] = "0123456789abcdef";
    char text[80];
    size_t n = 0;

    if (ip->family == 4) {
        n = (size_t)snprintf(text, sizeof text, "%u.%u.%u.%u.in-addr.arpa", ip->b[3], ip->b[2],
                             ip->b[1], ip->b[0]);
    } else {
        for (size_t i = 16; i-- > 0;) {
            text[n++] = hex[ip->b[i] & 15];
            text[n++] = '.';
            text[n++] = hex[ip->b[i] >> 4];
            text[n++] = '.';
        }
        memcpy(text + n, "ip6.arpa", 8);
        n += 8;
    }
    RK_IGNORE(dns_name_parse(rk_str_of(text, n), out, NULL));
}
