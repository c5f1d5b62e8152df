/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Types that all entities share. Entities are plain, open structs: views and arrays that live in an
 * arena (while an operation builds or reads them) or inside a snapshot (read only, shared).
 * Times are int64_t microseconds since 1970 UTC, 0 = unset. Ids are text. Enums start at the value
 * that an unset field means. No SQL, no I/O here.
 */
#ifndef MGMT_DOMAIN_TYPES_H
#define MGMT_DOMAIN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/net/addr.h"

/** A list of texts (mostly ids), in stored order. */
struct str_list {
    struct rk_str *v;
    size_t n;
};

/** Position in the list, or n when absent. */
size_t str_list_find(const struct str_list *l, struct rk_str s);

static inline bool str_list_has(const struct str_list *l, struct rk_str s)
{
    return str_list_find(l, s) < l->n;
}

/** Same texts in the same order. */
bool str_list_eq(const struct str_list *a, const struct str_list *b);

/** Every kind of row that belongs to one account. The struct behind each is named beside it. */
enum entity_kind {
    ENT_ACCOUNT,      /* struct account */
    ENT_SETTINGS,     /* struct settings; id = account id */
    ENT_DNS_SETTINGS, /* struct dns_settings; id = account id */
    ENT_USER,         /* struct user */
    ENT_PAT,          /* struct pat */
    ENT_SETUP_KEY,    /* struct setup_key */
    ENT_PEER,         /* struct peer */
    ENT_GROUP,        /* struct group (without its peers) */
    ENT_GROUP_PEER,   /* struct group_peer: one membership; id = group id */
    ENT_POLICY,       /* struct policy with its rules */
    ENT_POSTURE,      /* struct posture */
    ENT_ROUTE,        /* struct route */
    ENT_NETWORK,      /* struct network */
    ENT_RESOURCE,     /* struct resource */
    ENT_ROUTER,       /* struct router */
    ENT_NS_GROUP,     /* struct ns_group */
    ENT_ZONE,         /* struct zone (without its records) */
    ENT_RECORD,       /* struct record */
    ENT_INVITE,       /* struct invite */
    ENT_JOB,          /* struct job */
    ENT_SERVICE,      /* struct service (reverse proxy) */
    ENT_PROXY_DOMAIN, /* struct proxy_domain (custom domain of a reverse proxy) */
    ENT_COUNT
};

/** "peer", "group_peer", …; "unknown" outside the range. */
const char *entity_kind_text(enum entity_kind k);

/** false when the text names no kind. */
bool entity_kind_parse(struct rk_str s, enum entity_kind *out);

/** One row of a text <-> enum table; shared by the enum functions of this directory. */
struct enum_text {
    int value;
    const char *text;
};

const char *enum_text_of(const struct enum_text *t, size_t n, int value, const char *otherwise);
bool enum_text_parse(const struct enum_text *t, size_t n, struct rk_str s, int *out);

#endif
