/* SPDX-License-Identifier: BSD-3-Clause */
/* Strict text encodings; see enc.h. */
#include "config.h"

#include "lib/base/enc.h"

static const char HEX[] = "0123456789abcdef";
static const char B64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char B64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void rk_hex_encode_to(char *out, struct rk_str in)
{
    for (size_t i = 0; i < in.n; i++) {
        *out++ = HEX[(uint8_t)in.p[i] >> 4];
        *out++ = HEX[(uint8_t)in.p[i] & 15];
    }
    *out = '\0';
}

struct rk_str rk_hex_encode(struct rk_arena *a, struct rk_str in)
{
    char *out = rk_arena_alloc(a, RK_HEX_LEN(in.n) + 1);

    rk_hex_encode_to(out, in);
    return rk_str_of(out, RK_HEX_LEN(in.n));
}

/* Returns the number of characters written; pads with '=' on request. */
static size_t base64_to(char *out, struct rk_str in, const char *alphabet, bool pad)
{
    char *o = out;
    size_t i = 0;

    for (; in.n - i >= 3; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)in.p[i] << 16 | (uint32_t)(uint8_t)in.p[i + 1] << 8 |
                     (uint8_t)in.p[i + 2];

        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = alphabet[v >> 6 & 63];
        *o++ = alphabet[v & 63];
    }
    if (i < in.n) {
        bool two = in.n - i == 2;
        uint32_t v = (uint32_t)(uint8_t)in.p[i] << 16;

        if (two)
            v |= (uint32_t)(uint8_t)in.p[i + 1] << 8;
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        if (two)
            *o++ = alphabet[v >> 6 & 63];
        else if (pad)
            *o++ = '=';
        if (pad)
            *o++ = '=';
    }
    *o = '\0';
    return (size_t)(o - out);
}

void rk_base64_encode_to(char *out, struct rk_str in)
{
    (void)base64_to(out, in, B64, true);
}

struct rk_str rk_base64_encode(struct rk_arena *a, struct rk_str in)
{
    char *out = rk_arena_alloc(a, RK_BASE64_LEN(in.n) + 1);

    return rk_str_of(out, base64_to(out, in, B64, true));
}

struct rk_str rk_base64url_encode(struct rk_arena *a, struct rk_str in)
{
    char *out = rk_arena_alloc(a, RK_BASE64_LEN(in.n) + 1);

    return rk_str_of(out, base64_to(out, in, B64URL, false));
}

static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

struct rk_str rk_percent_encode(struct rk_arena *a, struct rk_str in)
{
    static const char UPPER[] = "0123456789ABCDEF";
    char *out = rk_arena_alloc_n(a, in.n + 1, 3), *o = out;

    for (size_t i = 0; i < in.n; i++) {
        if (unreserved(in.p[i])) {
            *o++ = in.p[i];
        } else {
            *o++ = '%';
            *o++ = UPPER[(uint8_t)in.p[i] >> 4];
            *o++ = UPPER[(uint8_t)in.p[i] & 15];
        }
    }
    return rk_str_of(out, (size_t)(o - out));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum rk_code rk_hex_decode(struct rk_str in, uint8_t *out, size_t out_size, size_t *out_n,
                           struct rk_err *err)
{
    if (in.n % 2)
        return rk_fail(err, RK_BAD_REQUEST, "hex text of odd length %zu", in.n);
    if (in.n / 2 > out_size)
        return rk_fail(err, RK_LIMIT, "hex text of %zu characters is too long", in.n);
    for (size_t i = 0; i < in.n; i += 2) {
        int hi = hex_value(in.p[i]), lo = hex_value(in.p[i + 1]);

        if (hi < 0 || lo < 0)
            return rk_fail(err, RK_BAD_REQUEST, "bad hex character at %zu", i);
        out[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    *out_n = in.n / 2;
    return RK_OK;
}

static int b64_value(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    if (c == (url ? '_' : '/'))
        return 63;
    return -1;
}

/* in without padding; refuses a lone character and non-zero bits behind the last byte. */
static enum rk_code b64_decode(struct rk_str in, bool url, uint8_t *out, size_t out_size,
                               size_t *out_n, struct rk_err *err)
{
    size_t n = in.n / 4 * 3 + (in.n % 4 ? in.n % 4 - 1 : 0), o = 0;
    uint32_t v = 0;
    unsigned bits = 0;

    if (in.n % 4 == 1)
        return rk_fail(err, RK_BAD_REQUEST, "base64 text of impossible length %zu", in.n);
    if (n > out_size)
        return rk_fail(err, RK_LIMIT, "base64 text of %zu characters is too long", in.n);
    for (size_t i = 0; i < in.n; i++) {
        int d = b64_value(in.p[i], url);

        if (d < 0)
            return rk_fail(err, RK_BAD_REQUEST, "bad base64 character at %zu", i);
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[o++] = (uint8_t)(v >> bits);
        }
    }
    if (v & ((1u << bits) - 1))
        return rk_fail(err, RK_BAD_REQUEST, "base64 text is not canonical");
    *out_n = o;
    return RK_OK;
}

enum rk_code rk_base64_decode(struct rk_str in, uint8_t *out, size_t out_size, size_t *out_n,
                              struct rk_err *err)
{
    if (in.n % 4)
        return rk_fail(err, RK_BAD_REQUEST, "base64 text of impossible length %zu", in.n);
    for (int i = 0; i < 2 && in.n && in.p[in.n - 1] == '='; i++)
        in.n--;
    return b64_decode(in, false, out, out_size, out_n, err);
}

enum rk_code rk_base64url_decode(struct rk_str in, uint8_t *out, size_t out_size, size_t *out_n,
                                 struct rk_err *err)
{
    if (in.n && in.n % 4 == 0)
        for (int i = 0; i < 2 && in.n && in.p[in.n - 1] == '='; i++)
            in.n--;
    return b64_decode(in, true, out, out_size, out_n, err);
}

enum rk_code rk_percent_decode(struct rk_arena *a, struct rk_str in, bool plus_is_space,
                               struct rk_str *out, struct rk_err *err)
{
    char *o = rk_arena_alloc(a, in.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '%') {
            int hi = i + 2 < in.n ? hex_value(in.p[i + 1]) : -1;
            int lo = i + 2 < in.n ? hex_value(in.p[i + 2]) : -1;

            if (hi < 0 || lo < 0)
                return rk_fail(err, RK_BAD_REQUEST, "broken %% escape at %zu", i);
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        o[n++] = c;
    }
    *out = rk_str_of(o, n);
    return RK_OK;
}
