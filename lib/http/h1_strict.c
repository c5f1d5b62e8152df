/* SPDX-License-Identifier: BSD-3-Clause */
/* Ambiguous requests; see h1_strict.h. */
#include "config.h"

#include "lib/http/h1_strict.h"

#include <string.h>

/* RFC 9110 section 5.6.2 */
static bool is_token(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return s.n > 0;
}

/* RFC 9110 section 5.5: no control characters but the tab. */
static bool is_field_value(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return true;
}

static bool is_host(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("/?#@\\,<>\"", s.p[i]))
            return false;
    return true;
}

static bool is_target(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

const char *h1_strict_check(const struct http_req *req, const char *version, unsigned *status)
{
    bool old = strcmp(version, "HTTP/1.1") != 0;
    size_t hosts = 0, lengths = 0, codings = 0;

    *status = 400;
    if (!is_target(req->path) || !is_target(req->query))
        return "control character in the request target";
    for (size_t i = 0; i < req->n_headers; i++) {
        const struct http_header *h = &req->headers[i];

        if (!is_token(h->name))
            return "malformed header name";
        if (!is_field_value(h->value))
            return "control character in a header";
        if (rk_str_ieq(h->name, RK_STR("Host"))) {
            hosts++;
            if (!is_host(rk_str_trim(h->value)))
                return "malformed Host header";
        } else if (rk_str_ieq(h->name, RK_STR("Content-Length"))) {
            lengths++;
        } else if (rk_str_ieq(h->name, RK_STR("Transfer-Encoding"))) {
            codings++;
            if (!rk_str_ieq(rk_str_trim(h->value), RK_STR("chunked"))) {
                *status = 501; /* RFC 9112 section 6.1 */
                return "unsupported Transfer-Encoding";
            }
        }
    }
    if (hosts > 1 || (!hosts && !old))
        return hosts ? "more than one Host header" : "missing required Host header";
    if (codings > 1 || (codings && (lengths || old)))
        return "ambiguous length of the request body";
    return NULL;
}

enum { LINE_END = 2, NEAR = 64 * 1024 };

bool h1_strict_hides(const struct http_header *v, size_t n, const char *target_end,
                     const char *version)
{
    if (version > target_end && version < target_end + NEAR && version != target_end + 1)
        return true;
    for (size_t i = 0; i < n; i++) {
        const char *end = v[i].value.p + v[i].value.n;
        const char *next = i + 1 < n ? v[i + 1].name.p : end;

        if (v[i].value.p < v[i].name.p || v[i].value.p > v[i].name.p + NEAR)
            continue; /* a folded line was put together elsewhere */
        if (next > end && next < end + NEAR && next > end + LINE_END)
            return true;
        if (next == end && end[1] != '\0' && end[1] != '\r' && end[1] != '\n')
            return true; /* the last one */
    }
    return false;
}
