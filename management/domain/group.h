/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups of peers and resources. */
#ifndef MGMT_DOMAIN_GROUP_H
#define MGMT_DOMAIN_GROUP_H

#include "management/domain/types.h"
#include "management/domain/user.h"

enum resource_type { /* what an {id, type} pair points at */
                     RESOURCE_NONE,
                     RESOURCE_PEER,
                     RESOURCE_HOST,
                     RESOURCE_SUBNET,
                     RESOURCE_DOMAIN
};

const char *resource_type_text(enum resource_type t); /* "" for RESOURCE_NONE */
bool resource_type_parse(struct rk_str s, enum resource_type *out);

struct resource_ref {
    struct rk_str id; /* empty: no reference */
    enum resource_type type;
};

#define GROUP_ALL_NAME "All"

/* Membership of peers is the separate table group_peer, because All changes with every enrolment
 * and holds every peer. */
struct group {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str public_id;
    struct rk_str name;
    enum issued_by issued;
    struct resource_ref *resources;
    size_t n_resources;
    int64_t integration_id; /* 0: none */
    struct rk_str integration_type;
};

struct group_peer {
    struct rk_str group_id;
    struct rk_str peer_id;
};

static inline bool group_is_all(const struct group *g)
{
    return rk_str_eqz(g->name, GROUP_ALL_NAME);
}

#endif
