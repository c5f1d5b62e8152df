/* SPDX-License-Identifier: BSD-3-Clause */
/* Domain names; see domains.h. */
#include "config.h"

#include "management/ops/domains.h"

#include <ctype.h>
#include <idn2.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 255
#define LABEL_MAX      63

static bool label_ok(struct rk_str l)
{
    if (!l.n || l.n > LABEL_MAX || l.p[0] == '-' || !isalnum((unsigned char)l.p[l.n - 1]))
        return l.n == 1 && l.p[0] == '_';
    for (size_t i = 0; i < l.n; i++)
        if (!isalnum((unsigned char)l.p[i]) && l.p[i] != '-' && l.p[i] != '_')
            return false;
    return true;
}

bool dns_name_ok(struct rk_str s, bool wildcard_allowed)
{
    struct rk_str label, rest = s;
    bool more = true;

    if (rk_str_starts(s, RK_STR("*."))) {
        if (!wildcard_allowed)
            return false;
        rest = rk_str_sub(s, 2, s.n);
    }
    if (!rest.n || s.n > NAME_MAX_BYTES)
        return false;
    while (more) {
        more = rk_str_cut(rest, '.', &label, &rest);
        if (!label_ok(label))
            return false;
    }
    return label.p[0] != '_'; /* service labels stand in front, not alone */
}

enum rk_code dns_name_to_ascii(struct rk_arena *mem, struct rk_str s, bool wildcard_allowed,
                               struct rk_str *out, struct rk_err *err)
{
    bool wildcard = rk_str_starts(s, RK_STR("*."));
    struct rk_str bare = wildcard ? rk_str_sub(s, 2, s.n) : s, name;
    uint8_t *ascii = NULL;
    int rc = IDN2_OK;

    if (bare.n > 4 * NAME_MAX_BYTES) /* no name of that many characters exists */
        return rk_fail(err, RK_INVALID, "invalid domain: too long");
    rc = idn2_lookup_u8((const uint8_t *)rk_arena_dupz(mem, bare), &ascii,
                        IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK)
        return rk_fail(err, RK_INVALID, "invalid domain %.*s: %s", RK_STR_ARG(s),
                       idn2_strerror(rc));
    name = rk_arena_printf(mem, "%s%s", wildcard ? "*." : "", (const char *)ascii);
    idn2_free(ascii);
    for (size_t i = 0; i < name.n; i++)
        ((char *)(uintptr_t)name.p)[i] = (char)tolower((unsigned char)name.p[i]);
    if (!dns_name_ok(name, wildcard_allowed))
        return rk_fail(err, RK_INVALID, "invalid domain %.*s", RK_STR_ARG(s));
    *out = name;
    return RK_OK;
}

struct rk_str dns_name_to_unicode(struct rk_arena *mem, struct rk_str s)
{
    char *text = NULL;
    struct rk_str out = s;

    if (rk_str_find(s, RK_STR("xn--")) == s.n ||
        idn2_to_unicode_8z8z(rk_arena_dupz(mem, s), &text, 0) != IDN2_OK)
        return s;
    out = rk_arena_dup(mem, rk_str_z(text));
    idn2_free(text);
    return out;
}

enum rk_code dns_names_to_ascii(struct rk_arena *mem, const struct str_list *in,
                                struct str_list *out, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (!in->n)
        return rk_fail(err, RK_INVALID, "domains list is empty");
    if (in->n > DOMAINS_MAX)
        return rk_fail(err, RK_INVALID, "domains list exceeds maximum allowed domains: %d",
                       DOMAINS_MAX);
    *out = (struct str_list){rk_new_n(mem, struct rk_str, in->n), 0};
    for (size_t i = 0; i < in->n && !rc; i++)
        rc = dns_name_to_ascii(mem, in->v[i], true, &out->v[out->n++], err);
    return rc;
}
