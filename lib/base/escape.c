/* SPDX-License-Identifier: BSD-3-Clause */
/* See escape.h. */
#include "config.h"

#include "lib/base/escape.h"

/* Bytes that can be copied as they are: printable ASCII but for " \\ < > &. */
static const bool SAFE[256] = {
    [' '] = true, ['!'] = true,         ['#' ... '%'] = true, ['\'' ... ';'] = true,
    ['='] = true, ['?' ... '['] = true, [']' ... '~'] = true,
};

static void unicode_escape(struct rk_buf *b, unsigned c)
{
    static const char HEX[] = "0123456789abcdef";
    char *p = rk_buf_room(b, 6);

    if (!p)
        return;
    p[0] = '\\';
    p[1] = 'u';
    for (unsigned i = 0; i < 4; i++)
        p[2 + i] = HEX[c >> (12 - 4 * i) & 0xf];
    rk_buf_added(b, 6);
}

static void escape_ascii(struct rk_buf *b, unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        rk_buf_addc(b, '\\');
        rk_buf_addc(b, (char)c);
        break;
    case '\n':
        rk_buf_addz(b, "\\n");
        break;
    case '\r':
        rk_buf_addz(b, "\\r");
        break;
    case '\t':
        rk_buf_addz(b, "\\t");
        break;
    case 0x7f:
        rk_buf_addc(b, (char)c);
        break;
    default:
        unicode_escape(b, c);
    }
}

/* One character that is not safe; returns the bytes it took. */
static size_t write_special(struct rk_buf *b, const unsigned char *p, size_t left)
{
    size_t n = rk_utf8_len(p, left);

    if (n == 1) {
        escape_ascii(b, p[0]);
    } else if (!n) {
        unicode_escape(b, 0xfffd);
        n = 1;
    } else if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
        unicode_escape(b, 0x2000u | (p[2] & 0x3fu));
    } else {
        rk_buf_add(b, rk_str_of(p, n));
    }
    return n;
}

void rk_json_escape(struct rk_buf *b, struct rk_str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t from = 0, i = 0;

    while (i < s.n) {
        if (SAFE[p[i]]) {
            i++;
            continue;
        }
        rk_buf_add(b, rk_str_sub(s, from, i - from));
        i += write_special(b, p + i, s.n - i);
        from = i;
    }
    rk_buf_add(b, rk_str_sub(s, from, s.n - from));
}

size_t rk_json_plain(struct rk_str s)
{
    size_t i = 0;

    while (i < s.n && SAFE[(unsigned char)s.p[i]])
        i++;
    return i;
}
