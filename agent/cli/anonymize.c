/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking for what tells who somebody is; see anonymize.h. */
#include "config.h"

#include "agent/cli/anonymize.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/enc.h"
#include "lib/net/addr.h"

#define TEXT_MAX  ((size_t)256 << 20)
#define TOKEN_MAX 300
#define KEY_TEXT  44
#define MAC_TEXT  17

struct anonymizer {
    bool strict;
    struct rk_arena *mem;
    json_t *known;   /* what was replaced -> its replacement */
    json_t *domains; /* "example.com" -> "anon-1.domain"; host names -> "host-1" */
    json_t *ours;    /* replacements: they stay as they are */
    uint32_t n_v4, n_v6, n_private_v4, n_private_v6, n_macs, n_domains, n_labels;
};

struct anonymizer *anonymizer_new(bool strict)
{
    struct anonymizer *a = rk_calloc(1, sizeof *a);

    a->strict = strict;
    a->mem = rk_arena_new(0);
    a->known = json_object();
    a->domains = json_object();
    a->ours = json_object();
    return a;
}

void anonymizer_free(struct anonymizer *a)
{
    if (!a)
        return;
    json_decref(a->known);
    json_decref(a->domains);
    json_decref(a->ours);
    rk_arena_free(a->mem);
    free(a);
}

/* The replacement of a token that is known, or NULL. */
static const char *known(const struct anonymizer *a, struct rk_str token)
{
    char key[TOKEN_MAX + 1];

    if (token.n > TOKEN_MAX)
        return NULL;
    memcpy(key, token.p, token.n);
    key[token.n] = '\0';
    return json_string_value(json_object_get(a->known, key));
}

static const char *remember(struct anonymizer *a, struct rk_str token, struct rk_str by)
{
    char *key = rk_arena_dupz(a->mem, token);
    char *value = rk_arena_dupz(a->mem, by);

    (void)json_object_set_new(a->known, key, json_stringn(by.p, by.n));
    (void)json_object_set_new(a->ours, value, json_true());
    return value;
}

/* ---- addresses */

static bool is_cgnat(const struct rk_ip *ip)
{
    return ip->family == 4 && ip->b[0] == 100 && (ip->b[1] & 0xc0) == 64;
}

/* Those that say nothing about anybody; and masks, and the halves of the Internet that stand in for
 * a default route. */
static bool says_nothing(const struct rk_ip *ip)
{
    static const uint8_t zero[15];

    return rk_ip_is_loopback(ip) || rk_ip_is_unspecified(ip) || rk_ip_is_multicast(ip) ||
           (ip->family == 4 && ip->b[0] == 255) ||
           (ip->b[0] == 0x80 && memcmp(ip->b + 1, zero, ip->family == 4 ? 3 : 15) == 0);
}

/* base plus n, in the last four bytes. */
static struct rk_str nth(struct rk_ip base, uint32_t n, char buf[RK_ADDR_TEXT])
{
    uint8_t *last = base.b + (base.family == 4 ? 0 : 12);
    uint32_t v =
        (uint32_t)last[0] << 24 | (uint32_t)last[1] << 16 | (uint32_t)last[2] << 8 | last[3];

    v += n;
    for (int i = 0; i < 4; i++)
        last[i] = (uint8_t)(v >> (24 - 8 * i));
    return rk_ip_format(&base, buf);
}

static const char *new_ip(struct anonymizer *a, struct rk_str token, const struct rk_ip *ip)
{
    static const struct rk_ip v4 = {4, {198, 51, 100}}, private4 = {4, {198, 18}},
                              v6 = {6, {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff}},
                              private6 = {6, {0x20, 0x01, 0x0d, 0xb8, 0, 1}};
    bool inside = rk_ip_is_private(ip) || rk_ip_is_link_local(ip) || is_cgnat(ip);
    bool kept = inside && (ip->family == 4 || rk_ip_is_link_local(ip));
    char buf[RK_ADDR_TEXT];

    if (says_nothing(ip) || (kept && !a->strict))
        return NULL;
    if (inside && a->strict)
        return remember(a, token,
                        ip->family == 4 ? nth(private4, a->n_private_v4++, buf)
                                        : nth(private6, ++a->n_private_v6, buf));
    return remember(a, token, ip->family == 4 ? nth(v4, a->n_v4++, buf) : nth(v6, ++a->n_v6, buf));
}

static bool is_ours(const struct anonymizer *a, struct rk_str token)
{
    char key[TOKEN_MAX + 1];

    if (token.n > TOKEN_MAX)
        return false;
    memcpy(key, token.p, token.n);
    key[token.n] = '\0';
    return json_object_get(a->ours, key) != NULL;
}

/* An address at the front of s: how long it is; 0: none. */
static size_t ip_at(struct rk_str s, struct rk_ip *ip)
{
    size_t n = 0;

    while (n < s.n && n < RK_ADDR_TEXT &&
           (isxdigit((unsigned char)s.p[n]) || s.p[n] == '.' || s.p[n] == ':'))
        n++;
    if (n < s.n && (isalnum((unsigned char)s.p[n]) || s.p[n] == '_' || s.p[n] == '-'))
        return 0;
    /* a port, the end of a sentence, a colon of the text around it */
    for (; n >= 2; n--)
        if (rk_ip_parse(rk_str_sub(s, 0, n), ip, NULL) == RK_OK)
            return n;
        else if (isxdigit((unsigned char)s.p[n - 1]) && !memchr(s.p, '.', n))
            break;
    return 0;
}

/* ---- MAC addresses and keys */

static bool is_mac(struct rk_str s)
{
    if (s.n < MAC_TEXT ||
        (s.n > MAC_TEXT && (isxdigit((unsigned char)s.p[MAC_TEXT]) || s.p[MAC_TEXT] == ':')))
        return false;
    for (size_t i = 0; i < MAC_TEXT; i++)
        if (i % 3 == 2 ? s.p[i] != s.p[2] || (s.p[2] != ':' && s.p[2] != '-')
                       : !isxdigit((unsigned char)s.p[i]))
            return false;
    return true;
}

static const char *new_mac(struct anonymizer *a, struct rk_str token)
{
    char buf[MAC_TEXT + 1], sep = token.p[2];
    /* broadcast, multicast and the empty one tell nothing */
    bool group = strchr("13579bdfBDF", token.p[1]) != NULL;

    if (group || strncmp(token.p, "00:00:00:00:00:00", MAC_TEXT) == 0)
        return NULL;
    a->n_macs++;
    (void)snprintf(buf, sizeof buf, "02%c00%c00%c%02x%c%02x%c%02x", sep, sep, sep,
                   a->n_macs >> 16 & 0xff, sep, a->n_macs >> 8 & 0xff, sep, a->n_macs & 0xff);
    return remember(a, token, rk_str_of(buf, MAC_TEXT));
}

static bool is_key(struct rk_str s)
{
    if (s.n < KEY_TEXT || s.p[KEY_TEXT - 1] != '=')
        return false;
    for (size_t i = 0; i + 1 < KEY_TEXT; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '+' && s.p[i] != '/')
            return false;
    return true;
}

static const char *new_key(struct anonymizer *a, struct rk_str token)
{
    uint8_t random[32];

    randombytes_buf(random, sizeof random);
    return remember(a, token, rk_base64_encode(a->mem, rk_str_of(random, sizeof random)));
}

/* ---- names */

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* The last two labels, without a final dot. */
static struct rk_str base_of(struct rk_str name)
{
    size_t dots = 0;

    for (size_t i = name.n; i-- > 0;)
        if (name.p[i] == '.' && ++dots == 2)
            return rk_str_sub(name, i + 1, name.n);
    return name;
}

static struct rk_str lower(struct anonymizer *a, struct rk_str s)
{
    char *p = rk_arena_dupz(a->mem, s);

    for (char *c = p; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return rk_str_of(p, s.n);
}

void anonymizer_learn_name(struct anonymizer *a, struct rk_str name)
{
    struct rk_str base;
    struct rk_ip ip;

    while (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (!name.n || name.n > TOKEN_MAX || rk_ip_parse(name, &ip, NULL) == RK_OK)
        return;
    for (size_t i = 0; i < name.n; i++)
        if (!in_name(name.p[i]) && name.p[i] != '*')
            return;
    base = lower(a, base_of(name));
    if (rk_str_eqz(base, "localhost") || json_object_get(a->domains, base.p))
        return;
    if (rk_str_find_c(base, '.') < base.n)
        (void)json_object_set_new(
            a->domains, base.p,
            json_string(rk_arena_printf(a->mem, "anon-%u.domain", ++a->n_domains).p));
    else if (a->strict)
        (void)json_object_set_new(a->domains, base.p,
                                  json_string(rk_arena_printf(a->mem, "host-%u", ++a->n_labels).p));
}

/* "https://host:port/…" and "stun:host:port" have a name in the middle. */
static void learn_text(struct anonymizer *a, struct rk_str text)
{
    size_t scheme = rk_str_find(text, RK_STR("://")), end = 0;

    if (scheme < text.n)
        text = rk_str_sub(text, scheme + 3, text.n);
    else if (rk_str_starts(text, RK_STR("stun:")) || rk_str_starts(text, RK_STR("turn:")))
        text = rk_str_sub(text, 5, text.n);
    while (end < text.n && in_name(text.p[end]))
        end++;
    anonymizer_learn_name(a, rk_str_sub(text, 0, end));
}

static bool holds_names(const char *key)
{
    static const char *const keys[] = {"fqdn", "url",          "uri",      "adminUrl",  "domains",
                                       "Host", "relayAddress", "Hostname", "DNSLabels", "email"};

    for (size_t i = 0; i < RK_ARRAY_LEN(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static void learn(struct anonymizer *a, const json_t *v, bool names)
{
    const char *key;
    json_t *child;
    size_t i;

    if (json_is_string(v) && names)
        learn_text(a, rk_str_of(json_string_value(v), json_string_length(v)));
    json_array_foreach (v, i, child)
        learn(a, child, names);
    if (json_is_object(v))
        json_object_foreach ((json_t *)(uintptr_t)v, key, child)
            learn(a, child, holds_names(key));
}

void anonymizer_learn(struct anonymizer *a, const json_t *v)
{
    learn(a, v, false);
}

/* Labels in front of a domain are names of machines. */
static struct rk_str labels(struct anonymizer *a, struct rk_str front)
{
    struct rk_str out = RK_STR(""), label;
    const char *by;

    while (front.n) {
        (void)rk_str_cut(front, '.', &label, &front);
        by = known(a, label);
        if (!by)
            by = remember(a, label, rk_arena_printf(a->mem, "host-%u", ++a->n_labels));
        out = rk_arena_printf(a->mem, "%.*s%s.", RK_STR_ARG(out), by);
    }
    return out;
}

static const char *new_name(struct anonymizer *a, struct rk_str token)
{
    struct rk_str low = lower(a, token), base = base_of(low), front;
    char key[TOKEN_MAX + 1];
    const char *by;

    memcpy(key, base.p, base.n);
    key[base.n] = '\0';
    by = json_string_value(json_object_get(a->domains, key));
    if (!by)
        return NULL;
    front = rk_str_sub(low, 0, low.n - base.n);
    if (a->strict && front.n)
        front = labels(a, rk_str_sub(front, 0, front.n - 1));
    return remember(a, token, rk_arena_printf(a->mem, "%.*s%s", RK_STR_ARG(front), by));
}

/* ---- texts */

/* A key in base64 may start with signs that no name and no address starts with. */
static bool may_start(char c)
{
    return isalnum((unsigned char)c) || strchr(":_+/", c) != NULL;
}

/* What stands at the front of s, how long it is, and by what it is replaced (NULL: by nothing). */
static size_t token_at(struct anonymizer *a, struct rk_str s, const char **by)
{
    struct rk_str token;
    struct rk_ip ip;
    size_t n;

    *by = NULL;
    if (is_key(s)) {
        token = rk_str_sub(s, 0, KEY_TEXT);
        if (a->strict && !is_ours(a, token)) {
            *by = known(a, token);
            *by = *by ? *by : new_key(a, token);
        }
        return KEY_TEXT;
    }
    if (is_mac(s)) {
        token = rk_str_sub(s, 0, MAC_TEXT);
        if (!is_ours(a, token)) {
            *by = known(a, token);
            *by = *by ? *by : new_mac(a, token);
        }
        return MAC_TEXT;
    }
    n = ip_at(s, &ip);
    if (n) {
        token = rk_str_sub(s, 0, n);
        if (!is_ours(a, token)) {
            *by = known(a, token);
            *by = *by ? *by : new_ip(a, token, &ip);
        }
        return n;
    }
    for (n = 0; n < s.n && in_name(s.p[n]); n++)
        ;
    while (n && s.p[n - 1] == '.')
        n--;
    token = rk_str_sub(s, 0, n);
    if (n && n <= TOKEN_MAX && !is_ours(a, token)) {
        *by = known(a, token);
        *by = *by ? *by : new_name(a, token);
    }
    return n ? n : 1;
}

struct rk_str anonymizer_text(struct anonymizer *a, struct rk_str text)
{
    struct rk_str out;
    struct rk_buf b;

    rk_buf_init(&b, TEXT_MAX);
    for (size_t i = 0; i < text.n;) {
        struct rk_str rest = rk_str_sub(text, i, text.n);
        const char *by = NULL;
        size_t n = 1;

        if (rest.p[0] && may_start(rest.p[0]))
            n = token_at(a, rest, &by);
        rk_buf_add(&b, by ? rk_str_z(by) : rk_str_sub(rest, 0, n));
        i += n;
    }
    out = rk_arena_dup(a->mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return out;
}
