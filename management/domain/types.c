/* SPDX-License-Identifier: BSD-3-Clause */
/* See types.h. */
#include "config.h"

#include "management/domain/types.h"

#include "lib/base/err.h"

static const char *const KIND_TEXT[ENT_COUNT] = {
    [ENT_ACCOUNT] = "account",
    [ENT_SETTINGS] = "settings",
    [ENT_DNS_SETTINGS] = "dns_settings",
    [ENT_USER] = "user",
    [ENT_PAT] = "pat",
    [ENT_SETUP_KEY] = "setup_key",
    [ENT_PEER] = "peer",
    [ENT_GROUP] = "group",
    [ENT_GROUP_PEER] = "group_peer",
    [ENT_POLICY] = "policy",
    [ENT_POSTURE] = "posture",
    [ENT_ROUTE] = "route",
    [ENT_NETWORK] = "network",
    [ENT_RESOURCE] = "resource",
    [ENT_ROUTER] = "router",
    [ENT_NS_GROUP] = "ns_group",
    [ENT_ZONE] = "zone",
    [ENT_RECORD] = "record",
    [ENT_INVITE] = "invite",
    [ENT_JOB] = "job",
    [ENT_SERVICE] = "service",
    [ENT_PROXY_DOMAIN] = "proxy_domain",
};

size_t str_list_find(const struct str_list *l, struct rk_str s)
{
    size_t i = 0;

    while (i < l->n && !rk_str_eq(l->v[i], s))
        i++;
    return i;
}

bool str_list_eq(const struct str_list *a, const struct str_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!rk_str_eq(a->v[i], b->v[i]))
            return false;
    return true;
}

const char *entity_kind_text(enum entity_kind k)
{
    return (unsigned)k < ENT_COUNT ? KIND_TEXT[k] : "unknown";
}

bool entity_kind_parse(struct rk_str s, enum entity_kind *out)
{
    for (int k = 0; k < ENT_COUNT; k++)
        if (rk_str_eqz(s, KIND_TEXT[k])) {
            *out = (enum entity_kind)k;
            return true;
        }
    return false;
}

const char *enum_text_of(const struct enum_text *t, size_t n, int value, const char *otherwise)
{
    for (size_t i = 0; i < n; i++)
        if (t[i].value == value)
            return t[i].text;
    return otherwise;
}

bool enum_text_parse(const struct enum_text *t, size_t n, struct rk_str s, int *out)
{
    for (size_t i = 0; i < n; i++)
        if (rk_str_eqz(s, t[i].text)) {
            *out = t[i].value;
            return true;
        }
    return false;
}
