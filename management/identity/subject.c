/* SPDX-License-Identifier: BSD-3-Clause */
/* Subjects of tokens; see subject.h. */
#include "config.h"

#include "management/identity/subject.h"

#include "lib/base/enc.h"
#include "lib/base/num.h"

#define SUBJECT_MAX (2 * (IDP_SUBJECT_PART + 3)) /* tag and two bytes of length each */

/* One field of the protobuf: tag, length as a varint, bytes. */
static size_t put_part(char *to, char tag, struct rk_str part)
{
    size_t n = 0, len = rk_min_size(part.n, IDP_SUBJECT_PART);

    to[n++] = tag;
    if (len >= 0x80)
        to[n++] = (char)(0x80 | (len & 0x7f));
    to[n++] = (char)(len >= 0x80 ? len >> 7 : len);
    if (len)
        memcpy(to + n, part.p, len);
    return n + len;
}

struct rk_str idp_subject_encode(struct rk_arena *mem, struct rk_str user_id,
                                 struct rk_str connector)
{
    char raw[SUBJECT_MAX];
    size_t n = put_part(raw, 0x0a, user_id);
    struct rk_str text;

    n += put_part(raw + n, 0x12, connector);
    text = rk_base64_encode(mem, rk_str_of(raw, n));
    while (text.n && text.p[text.n - 1] == '=')
        text.n--;
    return text;
}

static bool take_part(struct rk_str *s, char tag, struct rk_str *out)
{
    size_t n, at = 2;

    if (s->n < 2 || s->p[0] != tag)
        return false;
    n = (unsigned char)s->p[1];
    if (n >= 0x80) { /* two bytes at most, and no shorter form of the same */
        if (s->n < 3 || (unsigned char)s->p[2] >= 0x80 || !s->p[2])
            return false;
        n = (n & 0x7f) | (size_t)(unsigned char)s->p[2] << 7;
        at = 3;
    }
    if (n > IDP_SUBJECT_PART || n > s->n - at)
        return false;
    *out = rk_str_sub(*s, at, n);
    *s = rk_str_sub(*s, at + n, s->n);
    return true;
}

bool idp_subject_decode(struct rk_arena *mem, struct rk_str subject, struct rk_str *user_id,
                        struct rk_str *connector)
{
    uint8_t *raw = rk_arena_alloc(mem, SUBJECT_MAX);
    struct rk_str text = subject, s;
    size_t n;

    while (text.n && text.p[text.n - 1] == '=')
        text.n--;
    if (text.n > RK_BASE64_LEN(SUBJECT_MAX))
        return false;
    text = rk_arena_printf(mem, "%.*s%.*s", RK_STR_ARG(text), (int)((4 - text.n % 4) % 4), "===");
    if (rk_base64_decode(text, raw, SUBJECT_MAX, &n, NULL))
        return false;
    s = rk_str_of(raw, n);
    return take_part(&s, 0x0a, user_id) && take_part(&s, 0x12, connector) && !s.n && user_id->n &&
           connector->n;
}
