/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services of the reverse proxy: private machines on public names. What proxies report of them
 * (status, certificate) is not part of them: management/ops/service_status.h.
 */
#ifndef MGMT_DOMAIN_SERVICE_H
#define MGMT_DOMAIN_SERVICE_H

#include "management/domain/types.h"

struct service_header { /* name and value that requests to a target get */
    struct rk_str name, value;
};

struct service_target {
    struct rk_str path;        /* empty: not given */
    struct rk_str target_type; /* "peer", "host", "domain", "subnet", "cluster" */
    struct rk_str target_id;
    struct rk_str protocol; /* "http", "https", "tcp", "udp", "tls" */
    uint16_t port;          /* 0: by protocol */
    bool enabled;
    struct rk_str host; /* as given; counts for subnets, clusters and direct_upstream */
    bool skip_tls_verify;
    int64_t request_timeout_ms; /* 0: the proxy's */
    int64_t idle_timeout_ms;    /* of a session; 0: the proxy's */
    struct rk_str path_rewrite; /* "" or "preserve" */
    struct service_header *headers;
    size_t n_headers;
    bool proxy_protocol;
    bool direct_upstream; /* the proxy dials from its own network */
};

struct service_header_auth {
    bool enabled;
    struct rk_str header;
    struct rk_str hash; /* argon2id of the value */
};

#define SERVICE_PERMANENT "permanent"
#define SERVICE_EPHEMERAL "ephemeral" /* exposed by a machine; ends when it is not renewed */

struct service {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str name;
    struct rk_str domain; /* of all accounts, only one service has it */
    struct rk_str proxy_cluster;
    struct rk_str mode; /* "http", "tcp", "udp", "tls" */
    uint16_t listen_port;
    bool port_auto_assigned;
    bool enabled;
    bool terminated;
    bool pass_host_header;
    bool rewrite_redirects;
    bool is_private;
    struct str_list access_groups;
    struct service_target *targets;
    size_t n_targets;

    /* How visitors prove themselves. given: it was named, on or off. */
    bool password_given, password_on, pin_given, pin_on, bearer_given, bearer_on;
    struct rk_str password_hash, pin_hash; /* argon2id; empty: none */
    struct str_list bearer_groups;         /* who may enter; v NULL: not given */
    struct service_header_auth *header_auths;
    size_t n_header_auths;

    struct str_list allowed_cidrs, blocked_cidrs, allowed_countries, blocked_countries;
    struct rk_str crowdsec_mode; /* "", "off", "enforce", "observe" */

    struct rk_str session_public;  /* Ed25519, base64 of 32 bytes */
    struct rk_str session_private; /* base64 of 64: seed, public key; sealed in the database */
    int64_t created_at_us;
    struct rk_str source;      /* SERVICE_PERMANENT, SERVICE_EPHEMERAL */
    struct rk_str source_peer; /* who exposed it */
};

/** "tcp", "udp", "tls": whole streams, not requests. */
static inline bool service_is_l4(const struct service *s)
{
    return !rk_str_eqz(s->mode, "http");
}

/** Visitors must prove themselves. */
static inline bool service_has_auth(const struct service *s)
{
    for (size_t i = 0; i < s->n_header_auths; i++)
        if (s->header_auths[i].enabled)
            return true;
    return s->password_on || s->pin_on || s->bearer_on;
}

struct proxy_domain { /* a name of the account's own, with all below it */
    struct rk_str id;
    struct rk_str domain;
    struct rk_str cluster;
    bool validated;
};

#endif
