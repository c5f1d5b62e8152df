/* SPDX-License-Identifier: BSD-3-Clause */
/* Internal to management/rest: all handlers, the caller of a request, and shared encoders. */
#ifndef MGMT_REST_HANDLERS_H
#define MGMT_REST_HANDLERS_H

#include <pthread.h>

#include "lib/base/ratelimit.h"
#include "lib/json/json.h"
#include "management/rest/rest.h"

struct feed; /* management/rest/feed.h */
struct geo;  /* management/rest/geo.h */

struct rest { /* req->app */
    struct rest_opts o;
    struct geo *geo;   /* NULL: no names of places */
    struct feed *feed; /* who listens to changes */
    struct pat_auth *pats;
    _Atomic bool setup_done; /* an owner exists: never becomes false again */
    pthread_mutex_t lock;    /* public_limit */
    struct rk_ratelimit *public_limit;
};

struct caller { /* req->user; arena of the request */
    struct op op;
    const struct pat *pat; /* NULL: came with a JWT */
};

static inline struct rest *rest_of(const struct http_req *req)
{
    return (struct rest *)req->app;
}

/** The caller's operation context. Lent. */
static inline struct op *op_of(const struct http_req *req)
{
    return &((struct caller *)(uintptr_t)req->user)->op;
}

/** Parameter of the path. */
static inline struct rk_str param(const struct http_req *req, size_t i)
{
    return i < req->n_params ? req->params[i] : RK_STR("");
}

/** Fill *out from the request's JSON body by a table of fields. */
#define BODY(req, FIELDS, out, err)                                                                \
    json_body_read((req)->mem, (req)->body, (FIELDS), RK_ARRAY_LEN(FIELDS), (out), (err))

/* Tables of fields may fill a struct str_list directly (JSON_STRS). */
_Static_assert(sizeof(struct str_list) == sizeof(struct json_strs) &&
                   offsetof(struct str_list, v) == offsetof(struct json_strs, items) &&
                   offsetof(struct str_list, n) == offsetof(struct json_strs, n),
               "two lists of texts");

static inline struct str_list list_of(const struct json_strs *l)
{
    return (struct str_list){l->items, l->n};
}

/** End of a JSON answer. Returns RK_OK. */
enum rk_code answer_done(struct http_resp *resp);

/** "{}", as every delete answers. Returns RK_OK. */
enum rk_code answer_empty(struct http_resp *resp);

/* Shared encoders. */
void put_strs(struct rk_buf *b, const struct str_list *l);         /* [] when empty */
void put_strs_or_null(struct rk_buf *b, const struct str_list *l); /* null when v is NULL */
#define put_kstrs(b, k, l) (json_put_key(b, k), put_strs(b, l))

/** Object GroupMinimum; issued only when asked for. */
void put_group_min(struct rk_buf *b, const struct snapshot *s, const struct group *g,
                   bool with_issued);
void put_ref(struct rk_buf *b, const struct resource_ref *r);
void put_ip(struct rk_buf *b, const struct rk_ip *ip);
void put_prefix(struct rk_buf *b, const struct rk_prefix *p);

/* One list endpoint over all rows of a kind: [ each ]. */
typedef void put_row(struct http_req *req, struct rk_buf *b, const void *row);
enum rk_code answer_rows(struct http_req *req, struct http_resp *resp, enum entity_kind kind,
                         put_row *put);

/** Peers that a caller may see in lists: no embedded proxies; all with peers.read, else their own
 *  unless the account hides them. */
bool peer_visible(const struct op *op, const struct peer *p);

/** Take one request from the allowance of the client's address for public endpoints. */
bool rest_public_limit(struct http_req *req);

/** Posture checks may ask for places. */
bool rest_has_geo(const struct rest *r);

/* Handlers, in the order of routes.c. */
http_handler rest_setup_keys_list, rest_setup_keys_create, rest_setup_keys_get,
    rest_setup_keys_update, rest_setup_keys_delete;
http_handler rest_peers_list, rest_peers_get, rest_peers_update, rest_peers_delete,
    rest_peers_accessible, rest_peers_temporary;
http_handler rest_jobs_list, rest_jobs_create, rest_jobs_get;
http_handler rest_groups_list, rest_groups_create, rest_groups_get, rest_groups_update,
    rest_groups_delete;
http_handler rest_routes_list, rest_routes_create, rest_routes_get, rest_routes_update,
    rest_routes_delete;
http_handler rest_networks_list, rest_networks_create, rest_networks_get, rest_networks_update,
    rest_networks_delete;
http_handler rest_resources_all, rest_resources_list, rest_resources_create, rest_resources_get,
    rest_resources_update, rest_resources_delete;
http_handler rest_routers_all, rest_routers_list, rest_routers_create, rest_routers_get,
    rest_routers_update, rest_routers_delete;
http_handler rest_ns_groups_list, rest_ns_groups_create, rest_ns_groups_get, rest_ns_groups_update,
    rest_ns_groups_delete;
http_handler rest_dns_settings_get, rest_dns_settings_update;
http_handler rest_zones_list, rest_zones_create, rest_zones_get, rest_zones_update,
    rest_zones_delete;
http_handler rest_records_list, rest_records_create, rest_records_get, rest_records_update,
    rest_records_delete;
http_handler rest_postures_list, rest_postures_create, rest_postures_get, rest_postures_update,
    rest_postures_delete;
http_handler rest_locations_countries, rest_locations_cities;
http_handler rest_events_audit, rest_events_traffic;
http_handler rest_plan, rest_apply, rest_export;
http_handler rest_changes, rest_health, rest_peer_posture, rest_reach, rest_matrix,
    rest_history_list, rest_history_undo, rest_diff;
http_handler rest_connectors_list, rest_connectors_create, rest_connectors_get,
    rest_connectors_update, rest_connectors_delete;
http_handler rest_invites_list, rest_invites_create, rest_invites_regenerate, rest_invites_delete,
    rest_invites_look, rest_invites_accept;
http_handler rest_absent, rest_proxy_callback, rest_proxy_log;
http_handler rest_services_list, rest_services_create, rest_services_get, rest_services_update,
    rest_services_delete;
http_handler rest_clusters_list, rest_clusters_delete;
http_handler rest_domains_list, rest_domains_create, rest_domains_delete, rest_domains_validate;
http_handler rest_proxy_tokens_list, rest_proxy_tokens_create, rest_proxy_tokens_delete;
http_handler rest_accounts_list, rest_accounts_update, rest_accounts_delete;
http_handler rest_instance_get, rest_instance_version, rest_setup, rest_openapi;
http_handler rest_users_list, rest_users_create, rest_users_current, rest_users_update,
    rest_users_delete, rest_users_invite, rest_users_approve, rest_users_reject,
    rest_users_password;
http_handler rest_tokens_list, rest_tokens_create, rest_tokens_get, rest_tokens_delete;
http_handler rest_policies_list, rest_policies_create, rest_policies_get, rest_policies_update,
    rest_policies_delete;

#endif
