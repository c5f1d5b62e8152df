/* SPDX-License-Identifier: BSD-3-Clause */
/* ICE candidates in text and numbers; see candidate.h. Used by session.c and the signal path. */
#include "config.h"

#include "agent/ice/candidate.h"

#include <stdio.h>

#include "lib/base/num.h"
#include "lib/crypto/secret.h"

#define LOCAL_PREFERENCE 65535u /* what official agents use for every candidate */
#define COMPONENT        1u

static const struct {
    const char *name;
    uint32_t preference; /* RFC 8445 section 5.1.2.2 */
} TYPES[] = {
    [ICE_HOST] = {"host", 126},
    [ICE_SRFLX] = {"srflx", 100},
    [ICE_PRFLX] = {"prflx", 110},
    [ICE_RELAY] = {"relay", 0},
};

const char *ice_cand_type_name(enum ice_cand_type t)
{
    return TYPES[t].name;
}

/* CRC-32 (IEEE) without a table: three short texts per candidate. */
static uint32_t crc32_add(uint32_t crc, struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        crc ^= (uint8_t)s.p[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & -(crc & 1u));
    }
    return crc;
}

void ice_cand_complete(struct ice_cand *c)
{
    char text[RK_ADDR_TEXT];
    uint32_t crc = 0xffffffffu;

    c->priority = (TYPES[c->type].preference << 24) + (LOCAL_PREFERENCE << 8) + (256 - COMPONENT);
    crc = crc32_add(crc, rk_str_z(TYPES[c->type].name));
    crc = crc32_add(crc, rk_ip_format(&c->addr.ip, text));
    crc = crc32_add(crc, rk_str_z(c->addr.ip.family == 6 ? "udp6" : "udp4"));
    (void)snprintf(c->foundation, sizeof c->foundation, "%u", crc ^ 0xffffffffu);
}

void ice_cand_make_id(char out[ICE_CAND_ID_MAX + 1])
{
    static const char ALPHABET[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

    for (size_t i = 0; i < ICE_CAND_ID_LEN; i++)
        out[i] = ALPHABET[rk_secret_random_below(sizeof ALPHABET - 1)];
    out[ICE_CAND_ID_LEN] = '\0';
}

void ice_cand_format(const struct ice_cand *c, struct rk_str ufrag, struct rk_buf *out)
{
    char text[RK_ADDR_TEXT];

    (void)rk_ip_format(&c->addr.ip, text);
    rk_buf_printf(out, "%s %u udp %u %s %u typ %s", c->foundation, COMPONENT, c->priority, text,
                  c->addr.port, TYPES[c->type].name);
    if (c->related.ip.family && c->related.port) {
        (void)rk_ip_format(&c->related.ip, text);
        rk_buf_printf(out, " raddr %s rport %u", text, c->related.port);
    }
    if (ufrag.n) {
        rk_buf_addz(out, " ufrag ");
        rk_buf_add(out, ufrag);
    }
    if (c->id[0])
        rk_buf_printf(out, " cid %s", c->id);
}

/* The next word of *rest; empty at the end. Blanks are single spaces on the wire, more are fine. */
static struct rk_str word(struct rk_str *rest)
{
    struct rk_str w;

    do {
        if (!rk_str_cut(*rest, ' ', &w, rest))
            *rest = (struct rk_str){0};
    } while (!w.n && rest->n);
    return w;
}

static bool is_ice_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

static bool all_ice_chars(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_ice_char(s.p[i]))
            return false;
    return true;
}

static bool parse_number(struct rk_str s, int64_t max, int64_t *out)
{
    return rk_parse_i64(s, 0, max, out, NULL) == RK_OK;
}

static bool parse_ip(struct rk_str s, struct rk_ip *out)
{
    struct rk_str without_zone;
    struct rk_ip ip;

    (void)rk_str_cut(s, '%', &without_zone, &s);
    if (rk_ip_parse(without_zone, &ip, NULL))
        return false;
    *out = rk_ip_unmap(&ip);
    return true;
}

static bool parse_type(struct rk_str s, enum ice_cand_type *out)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(TYPES); i++)
        if (rk_str_eqz(s, TYPES[i].name)) {
            *out = (enum ice_cand_type)i;
            return true;
        }
    return false;
}

/* What stands behind the type: pairs of a key and a value, in any order. */
static bool parse_extensions(struct rk_str rest, struct ice_cand *c)
{
    struct rk_str key;
    int64_t port;

    while ((key = word(&rest)).n) {
        struct rk_str value = word(&rest);

        if (rk_str_eqz(key, "raddr")) {
            if (!parse_ip(value, &c->related.ip))
                return false;
        } else if (rk_str_eqz(key, "rport")) {
            if (!parse_number(value, UINT16_MAX, &port))
                return false;
            c->related.port = (uint16_t)port;
        } else if (rk_str_eqz(key, "tcptype")) {
            return false;
        } else if (rk_str_eqz(key, "cid")) {
            if (!value.n || value.n > ICE_CAND_ID_MAX || !all_ice_chars(value))
                return false;
            (void)snprintf(c->id, sizeof c->id, "%.*s", RK_STR_ARG(value));
        }
    }
    return true;
}

static bool parse_line(struct rk_str line, struct ice_cand *c)
{
    static const char PREFIX[] = "candidate:";
    struct rk_str foundation, typ;
    int64_t number;

    if (rk_str_starts(line, rk_str_z(PREFIX)))
        line = rk_str_sub(line, sizeof PREFIX - 1, line.n);
    foundation = word(&line);
    if (!foundation.n || foundation.n >= sizeof c->foundation || !all_ice_chars(foundation))
        return false;
    (void)snprintf(c->foundation, sizeof c->foundation, "%.*s", RK_STR_ARG(foundation));
    if (!parse_number(word(&line), COMPONENT, &number) || number != COMPONENT)
        return false;
    if (!rk_str_ieq(word(&line), RK_STR("udp")))
        return false;
    if (!parse_number(word(&line), UINT32_MAX, &number))
        return false;
    c->priority = (uint32_t)number;
    if (!parse_ip(word(&line), &c->addr.ip))
        return false;
    if (!parse_number(word(&line), UINT16_MAX, &number) || !number)
        return false;
    c->addr.port = (uint16_t)number;
    typ = word(&line);
    return rk_str_eqz(typ, "typ") && parse_type(word(&line), &c->type) && parse_extensions(line, c);
}

enum rk_code ice_cand_parse(struct rk_str line, struct ice_cand *out, struct rk_err *err)
{
    struct ice_cand c = {0};

    if (line.n > ICE_CAND_LINE_MAX)
        return rk_fail(err, RK_BAD_REQUEST, "candidate of %zu bytes", line.n);
    if (!parse_line(line, &c))
        return rk_fail(err, RK_BAD_REQUEST, "candidate line of %zu bytes is not understood",
                       line.n);
    if (!c.related.ip.family || !c.related.port)
        c.related = (struct rk_addr){0};
    *out = c;
    return RK_OK;
}
