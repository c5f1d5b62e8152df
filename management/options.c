/* SPDX-License-Identifier: BSD-3-Clause */
/* Table of rookery-management's options; see options.h. */
#include "config.h"

#include "management/options.h"

#include <unistd.h>

#include "lib/crypto/keyfile.h"
#include "management/engine/keys.h"
#include "management/file.h"
#include "management/store/db_origin.h"
#include "management/store/own_files.h"
#include "management/store/pg_dsn.h"
#include "management/upstream_env.h"

#define AT(member) offsetof(struct mgmt_options, member)
#define P          "ROOKERY_MANAGEMENT_"

#define DEFAULT_CONFIG   "/etc/netbird/management.json"
#define DEFAULT_DATA_DIR "/var/lib/rookery"
#define BOOL_TRUE        "true|1|t|yes|on"
#define BOOL_FALSE       "false|0|f|no|off"

#define SETUP_TOKEN_BYTES 24

static const struct rk_opt TABLE[] = {
    {.flag = "config",
     .env = P "CONFIG",
     .type = RK_OPT_TEXT,
     .at = AT(config),
     .arg = "PATH",
     .help = "management.json of the official management; options that are set here win over it. "
             "Empty: " DEFAULT_CONFIG " where it is; none: no file"},
    {.flag = "listen-address",
     .letter = 'l',
     .env = P "LISTEN_ADDRESS",
     .type = RK_OPT_TEXT,
     .at = AT(listen_address),
     .arg = "ADDR:PORT",
     .help = "TCP address of gRPC and REST; instead of --port"},
    {.flag = "port",
     .env = P "PORT",
     .type = RK_OPT_I64,
     .max = 65535,
     .at = AT(port),
     .help = "TCP port on all addresses; 0 for 443 with TLS and 80 without"},
    {.flag = "legacy-port",
     .env = P "LEGACY_PORT",
     .type = RK_OPT_I64,
     .max = 65535,
     .at = AT(legacy_port),
     .help = "second port for agents that hold the historical address, 33073; 0 for none"},
    {.flag = "disable-legacy-port",
     .type = RK_OPT_BOOL,
     .at = AT(no_legacy_port),
     .help = "the same as --legacy-port 0"},
    {.flag = "cert-file",
     .env = P "CERT_FILE",
     .type = RK_OPT_TEXT,
     .at = AT(common.tls_cert),
     .arg = "PATH",
     .help = "certificate chain (PEM); without it clear text is served"},
    {.flag = "cert-key",
     .env = P "CERT_KEY",
     .type = RK_OPT_TEXT,
     .at = AT(common.tls_key),
     .arg = "PATH",
     .help = "private key of the certificate (PEM)"},
    {.flag = "datadir",
     .env = P "DATADIR",
     .type = RK_OPT_TEXT,
     .at = AT(data_dir),
     .arg = "PATH",
     .help = "folder of the database and of generated secrets; " DEFAULT_DATA_DIR " when empty"},
    {.flag = "store",
     .env = P "STORE",
     .type = RK_OPT_SECRET,
     .at = AT(store_url),
     .arg = "URL",
     .help = "sqlite:PATH or a PostgreSQL DSN; store.db in the data folder when nothing is said"},
    {.flag = "store-engine",
     .env = P "STORE_ENGINE NETBIRD_STORE_ENGINE",
     .type = RK_OPT_TEXT,
     .at = AT(store_engine),
     .arg = "sqlite|postgres",
     .help = "without --store: which database; else StoreConfig.Engine of --config"},
    {.flag = "postgres-dsn",
     .env = P "POSTGRES_DSN NB_STORE_ENGINE_POSTGRES_DSN NETBIRD_STORE_ENGINE_POSTGRES_DSN",
     .type = RK_OPT_SECRET,
     .at = AT(postgres_dsn),
     .arg = "DSN",
     .help = "where PostgreSQL is, with the engine postgres or no engine named"},
    {.flag = "sqlite-file",
     .env = P "SQLITE_FILE NB_STORE_ENGINE_SQLITE_FILE",
     .type = RK_OPT_TEXT,
     .at = AT(sqlite_file),
     .def = "store.db",
     .required = true,
     .arg = "PATH",
     .help = "the database with the engine sqlite, from the data folder on"},
    {.flag = "store-key",
     .env = P "STORE_KEY",
     .type = RK_OPT_SECRET,
     .at = AT(store_key),
     .arg = "BASE64",
     .help = "32 bytes that encrypt secrets in the store; kept in the data folder when empty"},
    {.flag = "exposed-address",
     .letter = 'e',
     .env = P "EXPOSED_ADDRESS",
     .type = RK_OPT_TEXT,
     .max = 512,
     .at = AT(exposed_address),
     .arg = "URL",
     .help = "how browsers and agents reach this server, https://host:port; with it people can log "
             "in to local accounts"},
    {.flag = "dns-domain",
     .env = P "DNS_DOMAIN",
     .type = RK_OPT_TEXT,
     .def = "netbird.selfhosted",
     .max = 192,
     .at = AT(dns_domain),
     .help = "DNS suffix of peers"},
    {.flag = "single-account-mode-domain",
     .env = P "ACCOUNT_DOMAIN",
     .type = RK_OPT_TEXT,
     .def = "netbird.selfhosted",
     .at = AT(account_domain),
     .help = "domain of the account that all users join"},
    {.flag = "disable-default-policy",
     .env = P "DISABLE_DEFAULT_POLICY",
     .type = RK_OPT_BOOL,
     .at = AT(no_default_policy),
     .help = "new accounts start without a policy that lets all peers reach all"},
    {.flag = "component-maps",
     .env = P "COMPONENT_MAPS",
     .type = RK_OPT_BOOL,
     .at = AT(component_maps),
     .help = "send the component form of maps to agents that know it"},
    {.flag = "signal",
     .env = P "SIGNAL",
     .type = RK_OPT_TEXT,
     .at = AT(signal),
     .arg = "URL",
     .help = "signal server as agents reach it: https://host:port or http://host:port"},
    {.flag = "stun",
     .env = P "STUN",
     .type = RK_OPT_LIST,
     .at = AT(stuns),
     .arg = "stun:HOST:PORT,...",
     .help = "STUN servers"},
    {.flag = "turn",
     .env = P "TURN",
     .type = RK_OPT_LIST,
     .at = AT(turns),
     .arg = "turn:HOST:PORT,...",
     .help = "TURN servers"},
    {.flag = "turn-user",
     .env = P "TURN_USER",
     .type = RK_OPT_TEXT,
     .at = AT(turn_user),
     .help = "user of the TURN servers"},
    {.flag = "turn-password",
     .env = P "TURN_PASSWORD",
     .type = RK_OPT_SECRET,
     .at = AT(turn_password),
     .help = "password of the TURN servers"},
    {.flag = "turn-secret",
     .env = P "TURN_SECRET",
     .type = RK_OPT_SECRET,
     .at = AT(turn_secret),
     .help = "shared secret of the TURN servers, for credentials that expire"},
    {.flag = "turn-ttl",
     .env = P "TURN_TTL",
     .type = RK_OPT_DURATION,
     .min = 60000,
     .max = (int64_t)30 * 24 * 3600 * 1000,
     .at = AT(turn_ttl_ms),
     .help = "life of TURN credentials; 12h when nothing is said"},
    {.flag = "relay",
     .env = P "RELAY",
     .type = RK_OPT_LIST,
     .at = AT(relays),
     .arg = "rels://HOST:PORT,...",
     .help = "relays"},
    {.flag = "relay-secret",
     .env = P "RELAY_SECRET NB_AUTH_SECRET",
     .type = RK_OPT_SECRET,
     .at = AT(relay_secret),
     .help = "secret shared with the relays"},
    {.flag = "relay-ttl",
     .env = P "RELAY_TTL",
     .type = RK_OPT_DURATION,
     .min = 2000,
     .max = (int64_t)30 * 24 * 3600 * 1000,
     .at = AT(relay_ttl_ms),
     .help = "life of relay tokens; 12h when nothing is said"},
    {.flag = "setup-token",
     .env = P "SETUP_TOKEN",
     .type = RK_OPT_SECRET,
     .at = AT(setup_token),
     .help = "the first owner must know it; kept in the data folder when empty"},
    {.flag = "setup-open",
     .env = P "SETUP_OPEN",
     .type = RK_OPT_BOOL,
     .at = AT(setup_open),
     .help = "the first visitor becomes the owner, without a token"},
    {.flag = "setup-pat",
     .env = P "SETUP_PAT NB_SETUP_PAT_ENABLED",
     .type = RK_OPT_BOOL,
     .at = AT(setup_pat),
     .help = "POST /api/setup may create an access token"},
    {.flag = "geo-database",
     .env = P "GEO_DATABASE",
     .type = RK_OPT_TEXT,
     .at = AT(geo_path),
     .arg = "PATH",
     .help = "MaxMind city database"},
    {.flag = "geo-off",
     .env = P "GEO_OFF NB_DISABLE_GEOLOCATION",
     .type = RK_OPT_BOOL,
     .at = AT(geo_off),
     .help = "--geo-database is not opened"},
#ifdef HAVE_CONSOLE
    {.flag = "console",
     .env = P "CONSOLE",
     .type = RK_OPT_BOOL,
     .def = "true",
     .at = AT(console),
     .help = "serve the web console at /; --no-console: leave that to a dashboard"},
#endif
    {.flag = "api-rate-limit",
     .env = P "API_RATE_LIMIT NB_API_RATE_LIMITING_ENABLED",
     .type = RK_OPT_BOOL,
     .at = AT(api_rate_limit),
     .help = "limit the calls of each access token"},
    {.flag = "api-rate-per-minute",
     .env = P "API_RATE_PER_MINUTE NB_API_RATE_LIMITING_RPM",
     .type = RK_OPT_I64,
     .def = "6",
     .min = 1,
     .max = 1000000,
     .at = AT(api_rate_per_minute),
     .help = "calls a minute, with --api-rate-limit"},
    {.flag = "api-rate-burst",
     .env = P "API_RATE_BURST NB_API_RATE_LIMITING_BURST",
     .type = RK_OPT_I64,
     .def = "500",
     .min = 1,
     .max = 1000000,
     .at = AT(api_rate_burst),
     .help = "calls at once, with --api-rate-limit"},
    {.flag = "store-threads",
     .env = P "STORE_THREADS",
     .type = RK_OPT_I64,
     .def = "16",
     .min = 1,
     .max = 64,
     .at = AT(store_threads),
     .help = "parallel operations, each with a database connection"},
    {.flag = "build-threads",
     .env = P "BUILD_THREADS",
     .type = RK_OPT_I64,
     .def = "0",
     .max = 64,
     .at = AT(build_threads),
     .help = "threads that make maps; 0 for one per processor"},
    MGMT_EVENT_OPTS(struct mgmt_options, events, P),
    SVC_OPTS(struct mgmt_options, P, " NB_LOG_LEVEL", " NB_LOG_FILE", "", "", "", ":9000"),
    /* of the official management, and nothing here */
    {.flag = "letsencrypt-domain", .type = RK_OPT_TEXT, .refuse = SVC_NO_ACME},
    {.flag = "disable-single-account-mode",
     .type = RK_OPT_BOOL,
     .quiet = BOOL_FALSE,
     .refuse = "all users of a server share one account; run a server for each account"},
    {.flag = "disable-anonymous-metrics",
     .type = RK_OPT_BOOL,
     .quiet = BOOL_TRUE,
     .idle = "nothing is ever reported to anybody"},
    {.flag = "disable-geolite-update",
     .type = RK_OPT_BOOL,
     .quiet = BOOL_TRUE,
     .idle = "no database is downloaded; --geo-database names one that you keep"},
    {.flag = "idp-sign-key-refresh-enabled",
     .type = RK_OPT_BOOL,
     .quiet = BOOL_TRUE,
     .idle = "the keys of a provider are always read again when it uses a new one"},
    {.flag = "user-delete-from-idp",
     .type = RK_OPT_BOOL,
     .quiet = BOOL_FALSE,
     .idle = "users of another provider are deleted there; those of this server go at once"},
    MGMT_UPSTREAM_ENV,
};

const struct svc_program MGMT_PROGRAM = {
    .name = "rookery-management",
    .what = "Accounts, peers and policies, and what every agent must know of them.",
    .alias = "management",
    .table = TABLE,
    .n = RK_ARRAY_LEN(TABLE),
};

static const char *z(struct rk_arena *mem, struct rk_str s)
{
    return rk_arena_dupz(mem, s);
}

static const char **zs(struct rk_arena *mem, const struct rk_strs *l)
{
    const char **v = rk_new_n(mem, const char *, l->n);

    for (size_t i = 0; i < l->n; i++)
        v[i] = z(mem, l->items[i]);
    return v;
}

/* What neither command line nor environment says comes from the file. */
static void fill_text(struct rk_str *option, struct rk_str from_file)
{
    if (!option->n)
        *option = from_file;
}

static void fill_list(struct rk_strs *option, const struct rk_strs *from_file)
{
    if (!option->n)
        *option = *from_file;
}

static void fill(struct mgmt_options *o, const struct mgmt_file *f)
{
    fill_text(&o->signal, f->signal);
    fill_text(&o->data_dir, f->data_dir);
    fill_text(&o->data_dir, RK_STR(DEFAULT_DATA_DIR));
    fill_text(&o->store_engine, f->store_engine);
    fill_text(&o->relay_secret, f->relay_secret);
    fill_text(&o->turn_secret, f->turn_secret);
    fill_text(&o->store_key, f->store_key);
    fill_text(&o->common.tls_cert, f->cert_file);
    fill_text(&o->common.tls_key, f->cert_key);
    fill_list(&o->stuns, &f->stuns);
    fill_list(&o->relays, &f->relays);
    fill_list(&o->common.trusted_proxies, &f->trusted_proxies);
    o->no_default_policy |= f->no_default_policy;
    o->component_maps |= f->component_maps;
    if (!o->turn_ttl_ms)
        o->turn_ttl_ms = f->turn_ttl_ms;
    if (!o->relay_ttl_ms)
        o->relay_ttl_ms = f->relay_ttl_ms;
}

static struct servers_opts servers_of(struct rk_arena *mem, const struct mgmt_options *o,
                                      const struct mgmt_file *f)
{
    struct servers_turn *turns = rk_new_n(mem, struct servers_turn, o->turns.n);

    for (size_t i = 0; i < o->turns.n; i++)
        turns[i] = (struct servers_turn){z(mem, o->turns.items[i]), z(mem, o->turn_user),
                                         z(mem, o->turn_password)};
    return (struct servers_opts){.stuns = zs(mem, &o->stuns),
                                 .n_stuns = o->stuns.n,
                                 .turns = o->turns.n ? turns : f->turns,
                                 .n_turns = o->turns.n ? o->turns.n : f->n_turns,
                                 .turn_secret = o->turn_secret,
                                 .turn_ttl_s = o->turn_ttl_ms / 1000,
                                 .signal_uri = z(mem, o->signal),
                                 .relays = zs(mem, &o->relays),
                                 .n_relays = o->relays.n,
                                 .relay_secret = o->relay_secret,
                                 .relay_ttl_s = o->relay_ttl_ms / 1000};
}

static enum rk_code secrets(struct rk_arena *mem, struct mgmt_options *o, const char *url,
                            struct rk_err *err)
{
    enum rk_code rc = keyfile_dir(o->data_dir, err);

    if (rc == RK_OK && !o->store_key.n)
        rc = keys_store_key(mem, o->data_dir, url, &o->store_key, err);
    if (rc == RK_OK && !o->setup_open && !o->setup_token.n)
        rc = keyfile_get(mem, o->data_dir, "setup-token", SETUP_TOKEN_BYTES, &o->setup_token, NULL,
                         err);
    return rc;
}

static void note(struct rk_arena *mem, struct mgmt_options *o, struct rk_str sentence)
{
    struct rk_opts notes = {.mem = mem, .notes = o->notes};

    rk_opts_note(&notes, sentence);
    o->notes = notes.notes;
}

/* --store says all; else the engine is stated by option, variable or file, and the place is another
 * thing, as with the official program. A DSN without an engine states PostgreSQL. */
static enum rk_code store_url(struct rk_arena *mem, struct mgmt_options *o, const char **url,
                              struct rk_err *err)
{
    struct rk_str engine = o->store_engine, file = o->sqlite_file, idle;
    const char *what;

    if (o->store_url.n) {
        *url = z(mem, o->store_url);
        return db_url_check(*url, err) ? rk_wrap(err, "--store") : RK_OK;
    }
    if (!engine.n && o->postgres_dsn.n)
        engine = RK_STR("postgres");
    if (file.p[0] != '/')
        file = RK_CAT(mem, o->data_dir, RK_STR("/"), file);
    what = own_file_named(mem, &(struct own_files){.data_dir = o->data_dir}, file);
    if (what)
        return rk_fail(err, RK_INVALID, "--sqlite-file: %.*s is %s: choose another name",
                       RK_STR_ARG(file), what);
    if (db_url_make(mem, engine, o->postgres_dsn, file, url, err))
        return rk_wrap(err, "--store-engine (or StoreConfig.Engine) and --postgres-dsn");
    if (o->postgres_dsn.n && !db_url_is_pg(*url))
        note(mem, o, RK_STR("the DSN of PostgreSQL has no effect: the engine is sqlite"));
    idle = pg_dsn_idle(mem, o->postgres_dsn);
    if (idle.n)
        note(mem, o, RK_CAT(mem, RK_STR("--postgres-dsn: without effect here: "), idle));
    return RK_OK;
}

static enum rk_code read_file(struct rk_arena *mem, struct mgmt_options *o, struct mgmt_file *f,
                              struct rk_err *err)
{
    bool usual = !o->config.n && access(DEFAULT_CONFIG, R_OK) == 0;
    enum rk_code rc = RK_OK;

    if (usual)
        o->config = RK_STR(DEFAULT_CONFIG);
    if (rk_str_eqz(o->config, "none"))
        o->config = (struct rk_str){0};
    if (o->config.n)
        rc = mgmt_file_load(mem, z(mem, o->config), f, err);
    if (rc)
        return rc;
    o->notes = (struct rk_strs){0};
    if (usual)
        note(mem, o, RK_STR("the configuration is " DEFAULT_CONFIG "; --config none for none"));
    for (size_t i = 0; i < f->notes.n; i++)
        note(mem, o,
             rk_arena_printf(mem, "%.*s: %.*s", RK_STR_ARG(o->config),
                             RK_STR_ARG(f->notes.items[i])));
    return RK_OK;
}

/* "10.0.0.0/8" or one address. */
static enum rk_code proxies(struct rk_arena *mem, const struct rk_strs *l,
                            struct mgmt_app_opts *out, struct rk_err *err)
{
    struct rk_prefix *v = rk_new_n(mem, struct rk_prefix, l->n);

    for (size_t i = 0; i < l->n; i++)
        if (rk_prefix_parse_or_ip(l->items[i], &v[i], NULL))
            return rk_fail(err, RK_INVALID, "--trusted-proxies: \"%.*s\" is no prefix",
                           RK_STR_ARG(l->items[i]));
    out->trusted = v;
    out->n_trusted = l->n;
    return RK_OK;
}

static enum rk_code listeners(const struct mgmt_options *o, struct edge_listen listen[2],
                              size_t *n_listen, struct rk_err *err)
{
    bool tls = o->common.tls_cert.n > 0;
    int64_t legacy = o->no_legacy_port ? 0 : o->legacy_port;
    enum rk_code rc = RK_OK;

    if (o->port || !o->listen_address.n)
        listen[0] = (struct edge_listen){.addr.port = (uint16_t)(o->port ? o->port
                                                                 : tls   ? 443
                                                                         : 80),
                                         .tls = tls};
    else
        rc = svc_listener("listen-address", o->listen_address, &o->common, &listen[0], err);
    *n_listen = 1;
    if (legacy && legacy != listen[0].addr.port) {
        listen[1] = listen[0];
        listen[1].addr.port = (uint16_t)legacy;
        *n_listen = 2;
    }
    return rc;
}

static struct idp_list idp_list(struct rk_arena *mem, const struct rk_strs *l)
{
    return (struct idp_list){zs(mem, l), l->n};
}

/* The embedded provider runs when it is known under which address; another one when the file names
 * it. */
static void identity(struct rk_arena *mem, const struct mgmt_options *o, const struct mgmt_file *f,
                     struct mgmt_app_opts *out)
{
    struct rk_str base = o->exposed_address;
    bool external = f->issuer.issuer && !f->embedded;

    while (base.n && base.p[base.n - 1] == '/')
        base.n--;
    if (base.n && !external)
        out->idp.issuer = rk_arena_printf(mem, "%.*s/oauth2", RK_STR_ARG(base)).p;
    else if (f->embedded && f->embedded_issuer.n)
        out->idp.issuer = z(mem, f->embedded_issuer);
    out->idp.dashboard_redirects = idp_list(mem, &f->dashboard_redirects);
    out->idp.cli_redirects = idp_list(mem, &f->cli_redirects);
    out->idp.logout_redirects = idp_list(mem, &f->logout_redirects);
    out->embedded_idp = !external;
    out->local_auth_disabled = f->local_auth_disabled;
    if (!external)
        return;
    out->issuers = &f->issuer;
    out->n_issuers = 1;
    out->user_claim = f->user_claim.n ? z(mem, f->user_claim) : NULL;
    out->device = f->device;
    out->pkce = f->pkce;
}

enum rk_code mgmt_options_make(struct rk_arena *mem, struct mgmt_options *o,
                               struct edge_listen listen[2], size_t *n_listen,
                               struct mgmt_app_opts *out, struct rk_err *err)
{
    struct mgmt_file *f = rk_new(mem, struct mgmt_file);
    const char *url = NULL;
    enum rk_code rc = read_file(mem, o, f, err);

    if (rc)
        return rc;
    fill(o, f);
    if (!o->signal.n)
        return rk_fail(err, RK_INVALID, "--signal (or Signal in --config) is needed");
    rc = listeners(o, listen, n_listen, err);
    if (rc == RK_OK)
        rc = store_url(mem, o, &url, err);
    if (rc == RK_OK) /* before anything is written into it */
        rc = db_origin_check_folder(o->data_dir, url, err);
    if (rc == RK_OK)
        rc = secrets(mem, o, url, err);
    if (rc)
        return rc;
    *out = (struct mgmt_app_opts){
        .store_url = url,
        .vault_key = o->store_key,
        .dns_domain = z(mem, o->dns_domain),
        .no_default_policy = o->no_default_policy,
        .component_maps = o->component_maps,
        .servers = servers_of(mem, o, f),
        .setup_token = o->setup_open ? NULL : z(mem, o->setup_token),
        .console = o->console,
        .setup_pat = o->setup_pat,
        .account_domain = z(mem, o->account_domain),
        .geo_path = o->geo_path.n && !o->geo_off ? z(mem, o->geo_path) : NULL,
        .pat_limits = {.limit_per_minute = o->api_rate_limit ? o->api_rate_per_minute : 0,
                       .limit_burst = o->api_rate_burst},
        .store_threads = (size_t)o->store_threads,
        .build_threads = (size_t)o->build_threads};
    identity(mem, o, f, out);
    rc = mgmt_events_make(mem, &o->events, o->exposed_address, out, err);
    return rc ? rc : proxies(mem, &o->common.trusted_proxies, out, err);
}
