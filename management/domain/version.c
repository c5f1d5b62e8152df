/* SPDX-License-Identifier: BSD-3-Clause */
/* See version.h. */
#include "config.h"

#include "management/domain/version.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_tag_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '~';
}

/* Dot-separated, non-empty identifiers from *pos on; stops at the first other character. */
static bool take_tags(struct rk_str s, size_t *pos)
{
    size_t i = *pos;

    for (;;) {
        size_t start = i;

        while (i < s.n && is_tag_char(s.p[i]))
            i++;
        if (i == start)
            return false;
        if (i >= s.n || s.p[i] != '.')
            break;
        i++;
    }
    *pos = i;
    return true;
}

bool version_parse(struct rk_str s, struct version *out)
{
    struct version v = {0};
    size_t i = 0;

    if (i < s.n && s.p[i] == 'v')
        i++;
    for (;;) {
        size_t start = i;

        if (v.n == VERSION_SEGMENTS)
            return false;
        for (; i < s.n && is_digit(s.p[i]); i++)
            if (i - start >= 18)
                return false;
            else
                v.seg[v.n] = v.seg[v.n] * 10 + (uint64_t)(s.p[i] - '0');
        if (i == start)
            return false;
        v.n++;
        if (i + 1 >= s.n || s.p[i] != '.' || !is_digit(s.p[i + 1]))
            break;
        i++;
    }
    if (i < s.n && s.p[i] != '+') {
        size_t start = s.p[i] == '-' ? i + 1 : i;

        i = start;
        if (!take_tags(s, &i))
            return false;
        v.pre = rk_str_sub(s, start, i - start);
    }
    if (i < s.n) {
        if (s.p[i] != '+')
            return false;
        i++;
        if (!take_tags(s, &i) || i != s.n)
            return false;
    }
    *out = v;
    return true;
}

static bool all_digits(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_digit(s.p[i]))
            return false;
    return s.n > 0;
}

static int cmp_identifier(struct rk_str a, struct rk_str b)
{
    bool na = all_digits(a), nb = all_digits(b);

    if (na != nb)
        return na ? -1 : 1; /* numbers come before words */
    if (na) {
        while (a.n > 1 && a.p[0] == '0')
            a = rk_str_sub(a, 1, a.n);
        while (b.n > 1 && b.p[0] == '0')
            b = rk_str_sub(b, 1, b.n);
        if (a.n != b.n)
            return a.n < b.n ? -1 : 1;
    }
    return rk_str_cmp(a, b);
}

static int cmp_pre(struct rk_str a, struct rk_str b)
{
    if (a.n == 0 || b.n == 0)
        return (a.n == 0) - (b.n == 0); /* a release is newer */
    while (a.n > 0 && b.n > 0) {
        struct rk_str ha, hb;
        int c;

        (void)rk_str_cut(a, '.', &ha, &a);
        (void)rk_str_cut(b, '.', &hb, &b);
        c = cmp_identifier(ha, hb);
        if (c)
            return c;
    }
    return (a.n > 0) - (b.n > 0);
}

static int cmp_segments(const struct version *a, const struct version *b)
{
    for (size_t i = 0; i < VERSION_SEGMENTS; i++)
        if (a->seg[i] != b->seg[i])
            return a->seg[i] < b->seg[i] ? -1 : 1;
    return 0;
}

int version_cmp(const struct version *a, const struct version *b)
{
    int c = cmp_segments(a, b);

    return c ? c : cmp_pre(a->pre, b->pre);
}

bool version_satisfies(struct rk_str x, struct rk_str min)
{
    struct version vx, vm;

    if (!version_parse(x, &vx) || !version_parse(min, &vm))
        return false;
    if (vx.pre.n > 0 && (vm.pre.n == 0 || cmp_segments(&vx, &vm) != 0))
        return false;
    return version_cmp(&vx, &vm) >= 0;
}

static struct rk_str cut_at_dash(struct rk_str s)
{
    return rk_str_sub(s, 0, rk_str_find_c(s, '-'));
}

bool version_at_least(struct rk_str x, struct rk_str min)
{
    return version_satisfies(cut_at_dash(x), cut_at_dash(min));
}

bool version_is_dev(struct rk_str s)
{
    return rk_str_starts(s, RK_STR("development")) || rk_str_starts(s, RK_STR("ci-")) ||
           rk_str_starts(s, RK_STR("dev-"));
}

bool version_has_feature(struct rk_str agent, const char *min)
{
    return version_is_dev(agent) || version_at_least(agent, rk_str_z(min));
}

bool version_semver_at_least(struct rk_str agent, const char *min)
{
    struct version v, m;

    if (version_is_dev(agent))
        return true;
    if (agent.n == 0 || !is_digit(agent.p[0]) || !version_parse(agent, &v) || v.n > 3)
        return false;
    return version_parse(rk_str_z(min), &m) && version_cmp(&v, &m) >= 0;
}
