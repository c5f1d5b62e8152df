/* SPDX-License-Identifier: BSD-3-Clause */
/* Table of rookery-management's options; see options.h. */
#include "config.h"

#include "management/options.h"

#include "lib/crypto/keyfile.h"
#include "management/engine/keys.h"
#include "management/file.h"

#define AT(member) offsetof(struct mgmt_options, member)
#define P          "ROOKERY_MANAGEMENT_"

#define SETUP_TOKEN_BYTES 24

static const struct rk_opt TABLE[] = {
    {.flag = "config",
     .env = P "CONFIG",
     .type = RK_OPT_TEXT,
     .at = AT(config),
     .arg = "PATH",
     .help = "management.json of the official management; options that are set here win over it"},
    {.flag = "listen-address",
     .letter = 'l',
     .env = P "LISTEN_ADDRESS",
     .type = RK_OPT_TEXT,
     .def = ":80",
     .at = AT(listen_address),
     .arg = "ADDR:PORT",
     .help = "TCP address of gRPC and REST",
     .required = true},
    {.flag = "port",
     .env = P "PORT",
     .type = RK_OPT_I64,
     .max = 65535,
     .at = AT(port),
     .help = "the same as --listen-address :PORT"},
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
     .def = "/var/lib/rookery",
     .at = AT(data_dir),
     .arg = "PATH",
     .help = "folder of the database and of generated secrets",
     .required = true},
    {.flag = "store",
     .env = P "STORE NETBIRD_STORE_ENGINE_POSTGRES_DSN",
     .type = RK_OPT_SECRET,
     .at = AT(store_url),
     .arg = "URL",
     .help = "sqlite:PATH or postgres://...; store.db in the data folder when empty"},
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
    SVC_OPTS(struct mgmt_options, P, " NB_LOG_LEVEL", " NB_LOG_FILE", "", "", "", ":9000"),
    {.flag = "letsencrypt-domain", .type = RK_OPT_TEXT, .at = AT(acme_domain)},
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

static enum rk_code secrets(struct rk_arena *mem, struct mgmt_options *o, struct rk_err *err)
{
    enum rk_code rc = keyfile_dir(o->data_dir, err);

    if (!o->store_url.n)
        o->store_url = rk_arena_printf(mem, "sqlite:%.*s/store.db", RK_STR_ARG(o->data_dir));
    if (rc == RK_OK && !o->store_key.n)
        rc = keys_store_key(mem, o->data_dir, rk_arena_dupz(mem, o->store_url), &o->store_key, err);
    if (rc == RK_OK && !o->setup_open && !o->setup_token.n)
        rc = keyfile_get(mem, o->data_dir, "setup-token", SETUP_TOKEN_BYTES, &o->setup_token, NULL,
                         err);
    return rc;
}

static enum rk_code read_file(struct rk_arena *mem, const struct mgmt_options *o,
                              struct mgmt_file *f, struct rk_err *err)
{
    enum rk_code rc = o->config.n ? mgmt_file_load(mem, z(mem, o->config), f, err) : RK_OK;

    if (rc)
        return rc;
    if (f->store_engine.n && !rk_str_ieq(f->store_engine, RK_STR("sqlite")) && !o->store_url.n)
        return rk_fail(err, RK_INVALID, "%.*s: StoreConfig.Engine is %.*s: give --store",
                       RK_STR_ARG(o->config), RK_STR_ARG(f->store_engine));
    return RK_OK;
}

/* "10.0.0.0/8" or one address. */
static enum rk_code proxies(struct rk_arena *mem, const struct rk_strs *l,
                            struct mgmt_app_opts *out, struct rk_err *err)
{
    struct rk_prefix *v = rk_new_n(mem, struct rk_prefix, l->n);

    for (size_t i = 0; i < l->n; i++) {
        struct rk_ip ip;

        if (rk_ip_parse(l->items[i], &ip, NULL) == RK_OK)
            v[i] = (struct rk_prefix){ip, (uint8_t)(rk_ip_size(&ip) * 8)};
        else if (rk_prefix_parse(l->items[i], &v[i], NULL))
            return rk_fail(err, RK_INVALID, "--trusted-proxies: \"%.*s\" is no prefix",
                           RK_STR_ARG(l->items[i]));
    }
    out->trusted = v;
    out->n_trusted = l->n;
    return RK_OK;
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
                               struct edge_listen *listen, struct mgmt_app_opts *out,
                               struct rk_err *err)
{
    struct mgmt_file *f = rk_new(mem, struct mgmt_file);
    enum rk_code rc = svc_refuse_acme(o->acme_domain, err);

    if (rc == RK_OK)
        rc = read_file(mem, o, f, err);
    if (rc)
        return rc;
    fill(o, f);
    if (!o->signal.n)
        return rk_fail(err, RK_INVALID, "--signal (or Signal in --config) is needed");
    if (o->port)
        o->listen_address = rk_arena_printf(mem, ":%d", (int)o->port);
    rc = svc_listener("listen-address", o->listen_address, &o->common, listen, err);
    if (rc == RK_OK)
        rc = secrets(mem, o, err);
    if (rc)
        return rc;
    *out = (struct mgmt_app_opts){.store_url = z(mem, o->store_url),
                                  .vault_key = o->store_key,
                                  .dns_domain = z(mem, o->dns_domain),
                                  .no_default_policy = o->no_default_policy,
                                  .component_maps = o->component_maps,
                                  .servers = servers_of(mem, o, f),
                                  .setup_token = o->setup_open ? NULL : z(mem, o->setup_token),
                                  .setup_pat = o->setup_pat,
                                  .account_domain = z(mem, o->account_domain),
                                  .geo_path = o->geo_path.n ? z(mem, o->geo_path) : NULL,
                                  .store_threads = (size_t)o->store_threads,
                                  .build_threads = (size_t)o->build_threads};
    identity(mem, o, f, out);
    return proxies(mem, &o->common.trusted_proxies, out, err);
}
