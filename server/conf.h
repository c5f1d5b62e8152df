/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration of `rookery`: upstream's config.yaml tree (spec/deploy.md 2.1) and ours under
 * server.x. Precedence: environment over file over default. Unknown keys are errors that name the
 * nearest known key. Loaded once per process; immutable afterwards.
 */
#ifndef RK_SERVER_CONF_H
#define RK_SERVER_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/cfg.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/* What the directory URLs of the authority of that name contain. */
#define LETS_ENCRYPT_HOST "letsencrypt.org"

struct server_config {             /* open, all text arena; defaults filled in */
    struct rk_str listen_address;  /* "host:port", host may be empty: all addresses */
    struct rk_str exposed_address; /* normalised "https://host:port" */
    struct rk_str health_address;  /* "host:port" or "" for none */
    struct rk_str log_level;       /* debug info warn error */
    struct rk_str log_file;        /* "console" or a path */
    struct rk_str log_format;      /* text json */
    struct rk_str data_dir;
    struct rk_str auth_secret;       /* relay token secret; created in data_dir when empty */
    struct rk_str tls_cert, tls_key; /* file paths; both or none; with ACME ours */
    bool acme_enabled;               /* certificates by themselves: server/acme.h */
    struct rk_strs acme_domains;     /* names and addresses; at least one with acme_enabled */
    struct rk_str acme_email, acme_dir, acme_directory, acme_challenge;
    int64_t acme_retry_ms;
    struct rk_str http_address; /* of the redirect and of HTTP-01; empty: none */
    struct rk_str signal_uri;   /* external signal with scheme and port, or "" for our own */
    struct rk_str relay_secret; /* of external relays */
    struct rk_str store_engine; /* "sqlite" or "postgres" */
    struct rk_str store_dsn;
    struct rk_str store_file;  /* relative to data_dir */
    struct rk_str store_key;   /* base64 of 32 bytes; created in data_dir when empty */
    struct rk_str auth_issuer; /* default: exposed_address + "/oauth2" */
    struct rk_str dns_domain;
    struct rk_str setup_token; /* one-time token for the first owner; created when empty */
    int64_t metrics_port;      /* 0: none */
    int64_t relay_ttl_ms;
    int64_t journal_retention_days;           /* 0: for ever */
    int64_t event_retention_days;             /* 0: for ever */
    int64_t journal_max_rows, event_max_rows; /* of an account; 0: however many */
    bool flow;                                /* traffic events are taken and kept */
    struct rk_str export_syslog, export_file, export_webhook, export_webhook_secret;
    struct rk_strs export_events;                /* audit, traffic */
    bool flow_addresses_only;                    /* ... without users and ports */
    int64_t flow_interval_ms;                    /* agents sum up for so long */
    int64_t flow_retention_days, flow_max_rows;  /* 0: for ever; however many */
    struct rk_str geo_database, geo_names;       /* MaxMind city database and its CSV of names */
    int64_t api_rate_per_minute, api_rate_burst; /* of one API token */
    bool api_rate_limit;
    int64_t login_tries; /* that fail, a minute, per address and user name together */
    struct rk_str server_name, help_text; /* on the sign-in pages */
    int64_t loops;                        /* event loop threads; 0: one per core */
    struct rk_str run_as;                 /* "UID:GID" that root becomes before it serves */
    bool setup_open;                      /* first visitor may become the owner without the token */
    bool console;                         /* the web console at / */
    bool setup_pat;                       /* /api/setup may return a token */
    bool default_policy;                  /* new accounts get the allow-all policy */
    bool local_auth_disabled;
    bool component_maps;         /* offer the component form of maps to clients that know it */
    bool geo_off;                /* geo_database is not opened */
    int64_t sync_version;        /* upstream's name for component_maps */
    bool signal_greeting;        /* a first message follows each registration at signal */
    int64_t signal_send_ms;      /* a peer that takes no message for this long is dropped */
    bool quic;                   /* the relay takes QUIC, too, when TLS ends here */
    struct rk_str quic_address;  /* UDP; empty: like the listen address */
    int64_t relay_health_misses; /* windows without an answer until a peer is dropped */
    struct rk_str relay_bandwidth, relay_peer_bandwidth; /* rk_parse_bit_rate; empty: no limit */
    struct rk_strs stun_ports;                           /* numbers, each once; empty: no STUN */
    struct rk_strs stuns;                                /* external STUN URIs */
    struct rk_strs turns;                                /* TURN URIs, all with these credentials */
    struct rk_str turn_user, turn_password, turn_secret; /* secret: for those of limited life */
    int64_t turn_ttl_ms;
    struct rk_str relay_address; /* of our own relay, as peers are told; empty: exposed_address */
    struct rk_strs relays;       /* external relay URLs */
    struct rk_strs trusted_proxies;                            /* prefixes or addresses */
    struct rk_str oidc_issuer, oidc_keys_url, oidc_user_claim; /* whose tokens count, too */
    struct rk_strs oidc_audiences;
    struct rk_strs dashboard_redirects, cli_redirects, logout_redirects;
};

/** Load from a file (path NULL: defaults and environment alone) into mem. warnings (may be NULL)
 *  receives a line per key or variable that is accepted and has no effect here.
 *  Errors: RK_NOT_FOUND no such file, RK_BAD_REQUEST syntax or unknown key, RK_INVALID a value; all
 *  say "path:line: key: …". *out is untouched on error. */
enum rk_code server_config_load(struct rk_arena *mem, const char *path, struct server_config *out,
                                struct rk_buf *warnings, struct rk_err *err) RK_MUST;

/** The effective values as YAML with secrets masked, a comment behind each says where it is from.
 */
enum rk_code server_config_show(struct rk_arena *mem, const char *path, struct rk_buf *out,
                                struct rk_err *err) RK_MUST;

#endif
