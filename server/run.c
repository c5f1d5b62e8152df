/* SPDX-License-Identifier: BSD-3-Clause */
/* Wires the three services to one edge; see run.h. */
#include "config.h"

#include "server/run.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "lib/serve/svc.h"
#include "management/app.h"
#include "management/engine/cluster.h"
#include "relay/app.h"
#include "server/acme.h"
#include "server/acme_http.h"
#include "server/backup_log.h"
#include "server/bus.h"
#include "server/command/socket.h"
#include "server/options.h"
#include "server/privileges.h"
#include "server/routes.h"
#include "server/verify.h"
#include "server/wiring.h"
#include "signal/app.h"

enum {
    STOP_GRACE_MS = 3000,   /* for calls in progress */
    RELAY_LINGER_MS = 2000, /* for the relay's Close messages */
    MAX_CONNECTIONS = 100000,
    MAX_PER_ADDRESS = 20000, /* a whole office behind one address */
};

#define DAY_US (INT64_C(86400) * 1000000)

struct server {
    struct svc_user user;
    struct rk_arena *mem;
    struct server_config c;
    struct wiring w;
    struct svc *svc;
    struct mgmt_app *mgmt;
    const char *backup_mark;
    struct acme_http *http; /* sends everybody to https; NULL: nobody, or acme does */
    struct acme *acme;      /* NULL: certificates come from elsewhere */
    struct commands commands;
    struct command_socket *admin;
    struct sig_app *sig;   /* NULL with an external signal server */
    struct bus *bus;       /* to the signal services of other processes; NULL: there can be none */
    struct relay_app *rly; /* NULL with external relays and STUN servers */
};

struct run_opts {
    struct rk_str config;
};

static const struct rk_opt OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct run_opts, config),
     .arg = "FILE",
     .help = "configuration file; without one the environment and defaults decide"},
};

static const struct server_command CMD = {
    .name = "run",
    .args = "",
    .what = "Run management, signal, relay and STUN in this process. SIGTERM stops, SIGHUP reads\n"
            "the certificate again. \"rookery config show\" lists every key and variable.",
    .table = OPTS,
    .n = RK_ARRAY_LEN(OPTS),
};

/* When `rookery admin backup` last wrote one: it leaves a file whose time says so. */
static void backup_metric(void *arg, struct rk_buf *out)
{
    const struct server *s = arg;
    struct stat st;

    if (stat(s->backup_mark, &st) == 0)
        rk_buf_printf(out,
                      "# HELP rookery_last_backup_timestamp_seconds When the last backup was "
                      "written, Unix time.\n"
                      "# TYPE rookery_last_backup_timestamp_seconds gauge\n"
                      "rookery_last_backup_timestamp_seconds %lld\n",
                      (long long)st.st_mtime);
}

static void certificate_came(void *arg)
{
    const struct server *s = arg;
    struct rk_err err = {0};

    if (edge_reload_tls(s->svc->edge, &err))
        rk_log(s->svc->log, RK_ERROR, "reload certificate", KV_ERR(&err));
}

/* The others are told our relay, and whether its tokens are made with the secret that they have. */
static void announce(struct server *s)
{
    char check[HASH_SHA256_TEXT + 1];

    hash_sha256_base64(RK_CAT(s->mem, RK_STR("relay secret of a node: "), s->w.relay_secret),
                       check);
    cluster_announce(mgmt_app_engine(s->mgmt),
                     s->w.own_relay ? s->w.relay_urls.items[0] : RK_STR(""), rk_str_z(check));
}

/* For the admin socket: what the health page says of it. */
static json_t *certificate_state(void *arg)
{
    const struct server *s = arg;
    struct rk_buf b;
    json_t *o;

    rk_buf_init(&b, 4096);
    acme_json(s->acme, &b);
    o = json_loadb(b.p, b.n, 0, NULL);
    rk_buf_done(&b);
    return o ? o : json_object();
}

static enum rk_code start(struct svc_user *u, struct rk_err *err)
{
    struct server *s = rk_container_of(u, struct server, user);
    enum rk_code rc = s->rly ? relay_app_start(s->rly, err) : RK_OK;

    s->commands = (struct commands){.m = mgmt_app_engine(s->mgmt),
                                    .rest = mgmt_app_rest(s->mgmt),
                                    .log = s->svc->log,
                                    .started_unix_ms = rk_unix_ms(),
                                    .version = PACKAGE_VERSION};
    s->backup_mark = rk_arena_printf(s->mem, "%.*s/last-backup", RK_STR_ARG(s->c.data_dir)).p;
    rk_metrics_collect(s->svc->metrics, backup_metric, s);
    announce(s);
    if (rc == RK_OK && s->c.acme_enabled)
        rc = acme_new(&(struct acme_opts){.c = &s->c,
                                          .log = s->svc->log,
                                          .metrics = s->svc->metrics,
                                          .reload = certificate_came,
                                          .arg = s},
                      &s->acme, err);
    else if (rc == RK_OK && s->c.http_address.n)
        rc = acme_http_new(&s->w.http, s->c.exposed_address, &s->http, err);
    if (s->acme) {
        s->commands.certificate = certificate_state;
        s->commands.certificate_arg = s;
    }
    if (rc == RK_OK)
        rc = command_socket_open(wiring_admin_socket(s->mem, &s->c), &s->commands, &s->admin, err);
    if (rc == RK_OK && s->bus)
        rc = bus_start(s->bus, s->sig, err);
    if (rc == RK_OK)
        mgmt_app_start(s->mgmt);
    return rc;
}

static void stop(struct svc_user *u, void (*done)(void *arg), void *arg)
{
    struct server *s = rk_container_of(u, struct server, user);

    if (s->rly)
        relay_app_stop(s->rly, RELAY_LINGER_MS, done, arg);
    else
        done(arg);
}

static void finish(struct svc_user *u, void (*done)(void *arg), void *arg)
{
    struct server *s = rk_container_of(u, struct server, user);

    command_socket_close(s->admin);
    s->admin = NULL;
    acme_http_free(s->http);
    s->http = NULL;
    acme_free(s->acme);
    s->acme = NULL;
    bus_stop(s->bus); /* while the loops still take what it delivers */
    mgmt_app_stop(s->mgmt, done, arg);
}

static bool ready(struct svc_user *u, const char **why)
{
    static _Thread_local char text[240];

    *why = text;
    return mgmt_app_ready(rk_container_of(u, struct server, user)->mgmt, text);
}

static bool useful(struct svc_user *u)
{
    return mgmt_app_useful(rk_container_of(u, struct server, user)->mgmt);
}

static void describe(struct svc_user *u, bool is_ready, const char *why, struct rk_buf *out)
{
    const struct server *s = rk_container_of(u, struct server, user);
    char others[64];

    (void)snprintf(others, sizeof others, "%s%s%s", s->sig ? "\"signal\"," : "",
                   s->w.own_relay ? "\"relay\"," : "", s->w.n_stun ? "\"stun\"," : "");
    mgmt_app_describe(s->mgmt, is_ready, why, others, edge_cert_not_after_ms(s->svc->edge), out);
    if (s->acme && out->n > 2) { /* one more member before the end of the object */
        out->n -= 2;
        rk_buf_addz(out, ",\"acme\":");
        acme_json(s->acme, out);
        rk_buf_addz(out, "}\n");
    }
}

/* More than strangers on the health port are told. */
static void describe_for_rest(void *arg, bool is_ready, const char *why, struct rk_buf *out)
{
    struct server *s = arg;

    describe(&s->user, is_ready, why, out);
    if (out->n <= 2)
        return;
    out->n -= 2; /* "}\n" */
    rk_buf_addz(out, ",\"backups\":");
    backup_log_put(s->backup_mark, out);
    if (s->w.own_relay)
        rk_buf_printf(out, ",\"relay\":{\"address\":\"%.*s\",\"machines\":%zu}",
                      RK_STR_ARG(s->w.relay_urls.items[0]), relay_app_sessions(s->rly));
    rk_buf_addz(out, "}\n");
}

static enum rk_code reload(struct svc_user *u, struct rk_err *err)
{
    return mgmt_app_reload(rk_container_of(u, struct server, user)->mgmt, err);
}

static const struct svc_user_ops USER_OPS = {.start = start,
                                             .stop = stop,
                                             .finish = finish,
                                             .ready = ready,
                                             .useful = useful,
                                             .describe = describe,
                                             .reload = reload};

static enum rk_code open_frame(struct server *s, struct rk_err *err)
{
    struct edge_listen listen = {
        .addr = s->w.listen, .tls = s->c.tls_cert.n != 0, .proxy_protocol = true};
    struct svc_common common = {
        .log_level = s->c.log_level,
        .log_file = s->c.log_file,
        .log_format = s->c.log_format,
        .tls_cert = s->c.tls_cert,
        .tls_key = s->c.tls_key,
        .health_listen = s->c.health_address,
        .trusted_proxies = {s->c.trusted_proxies.items, s->c.trusted_proxies.n},
        .metrics_port = s->c.metrics_port,
        .loops = s->c.loops,
        .max_connections = MAX_CONNECTIONS,
        .max_per_address = MAX_PER_ADDRESS,
    };

    return svc_open("rookery", &common, &listen, 1, &s->svc, err);
}

static enum rk_code make_signal(struct server *s, struct rk_err *err)
{
    struct sig_app_opts o = {.loops = s->svc->loops,
                             .n_loops = s->svc->n_loops,
                             .edge = s->svc->edge,
                             .combined = true,
                             .send_timeout_ms = s->c.signal_send_ms,
                             .greeting = s->c.signal_greeting,
                             .log = s->svc->log,
                             .metrics = s->svc->metrics};
    struct mgmt *m = mgmt_app_engine(s->mgmt);

    if (!s->w.own_signal)
        return RK_OK;
    if (mgmt_is_shared(m)) {
        s->bus = bus_new(m, s->svc->log, s->svc->metrics);
        o.bus = bus_of_signal(s->bus);
    }
    return sig_app_new(&o, &s->sig, err);
}

static enum rk_code make_relay(struct server *s, struct rk_err *err)
{
    struct relay_app_opts o = {.loops = s->svc->loops,
                               .n_loops = s->svc->n_loops,
                               .edge = s->w.own_relay ? s->svc->edge : NULL,
                               .exposed_address = s->w.relay_urls.items[0],
                               .own_tls = s->c.tls_cert.n != 0,
                               .auth_secret = s->w.relay_secret,
                               .quic = s->c.quic,
                               .quic_addr = s->w.quic,
                               .quic_max_per_addr = MAX_PER_ADDRESS,
                               .health_misses = (unsigned)s->c.relay_health_misses,
                               .stun = s->w.stun,
                               .n_stun = s->w.n_stun,
                               .log = s->svc->log,
                               .metrics = s->svc->metrics};

    if (rk_parse_bit_rate(s->c.relay_bandwidth, &o.max_bits_per_s, err) ||
        rk_parse_bit_rate(s->c.relay_peer_bandwidth, &o.max_peer_bits_per_s, err))
        return RK_INVALID;
    return s->w.own_relay || s->w.n_stun ? relay_app_new(&o, &s->rly, err) : RK_OK;
}

static const char **texts_of(struct rk_arena *mem, const struct rk_strs *list)
{
    const char **out = rk_new_n(mem, const char *, list->n + 1);

    for (size_t i = 0; i < list->n; i++)
        out[i] = rk_arena_dupz(mem, list->items[i]);
    return out;
}

static struct idp_list list_of(struct rk_arena *mem, const struct rk_strs *list)
{
    return (struct idp_list){texts_of(mem, list), list->n};
}

static enum rk_code make_management(struct server *s, struct rk_err *err)
{
    struct mgmt_app_issuer other = {.issuer = rk_arena_dupz(s->mem, s->c.oidc_issuer),
                                    .keys_url = rk_arena_dupz(s->mem, s->c.oidc_keys_url),
                                    .audiences = texts_of(s->mem, &s->c.oidc_audiences),
                                    .n_audiences = s->c.oidc_audiences.n};
    struct mgmt_app_opts o = {
        .loops = s->svc->loops,
        .n_loops = s->svc->n_loops,
        .edge = s->svc->edge,
        .store_url = s->w.store_url,
        .vault_key = s->w.store_key,
        .dns_domain = rk_arena_dupz(s->mem, s->c.dns_domain),
        .no_default_policy = !s->c.default_policy,
        .component_maps = s->c.component_maps,
        .journal_keep_us = s->c.journal_retention_days * DAY_US,
        .event_keep_us = s->c.event_retention_days * DAY_US,
        .journal_keep_rows = s->c.journal_max_rows,
        .event_keep_rows = s->c.event_max_rows,
        .servers = {.stuns = texts_of(s->mem, &s->w.stun_urls),
                    .n_stuns = s->w.stun_urls.n,
                    .turns = s->w.turns,
                    .n_turns = s->w.n_turns,
                    .turn_secret = s->c.turn_secret,
                    .turn_ttl_s = s->c.turn_ttl_ms / 1000,
                    .signal_uri = rk_arena_dupz(s->mem, s->w.signal_url),
                    .relays = texts_of(s->mem, &s->w.relay_urls),
                    .n_relays = s->w.relay_urls.n,
                    .relay_secret = s->w.relay_secret,
                    .relay_ttl_s = s->c.relay_ttl_ms / 1000,
                    .flow_url = s->c.flow ? rk_arena_dupz(s->mem, s->c.exposed_address) : NULL,
                    .flow_interval_ms = s->c.flow_interval_ms},
        .traffic_keep_days = s->c.flow_retention_days,
        .traffic_keep_rows = s->c.flow_max_rows,
        .traffic_addresses_only = s->c.flow_addresses_only,
        .exports = wiring_exports(s->mem, &s->c),
        .setup_token = s->c.setup_open ? NULL : rk_arena_dupz(s->mem, s->w.setup_token),
        .idp = {.issuer = rk_arena_dupz(s->mem, s->c.auth_issuer),
                .dashboard_redirects = list_of(s->mem, &s->c.dashboard_redirects),
                .cli_redirects = list_of(s->mem, &s->c.cli_redirects),
                .logout_redirects = list_of(s->mem, &s->c.logout_redirects),
                .tries_per_minute = (unsigned)s->c.login_tries,
                .server_name = rk_arena_dupz(s->mem, s->c.server_name),
                .help_text = rk_arena_dupz(s->mem, s->c.help_text)},
        .issuers = &other,
        .n_issuers = s->c.oidc_issuer.n ? 1 : 0,
        .user_claim = rk_arena_dupz(s->mem, s->c.oidc_user_claim),
        .embedded_idp = true,
        .local_auth_disabled = s->c.local_auth_disabled,
        .describe = describe_for_rest,
        .describe_arg = s,
        .console = s->c.console,
        .setup_pat = s->c.setup_pat,
        .geo_path = s->c.geo_database.n ? rk_arena_dupz(s->mem, s->c.geo_database) : NULL,
        .geo_names_path = s->c.geo_names.n ? rk_arena_dupz(s->mem, s->c.geo_names) : NULL,
        .pat_limits = {.limit_per_minute = s->c.api_rate_limit ? s->c.api_rate_per_minute : 0,
                       .limit_burst = s->c.api_rate_burst},
        .trusted = s->w.trusted,
        .n_trusted = s->w.n_trusted,
        .log = s->svc->log,
        .metrics = s->svc->metrics,
    };

    return mgmt_app_new(&o, &s->mgmt, err);
}

static enum rk_code serve(struct server *s, struct rk_err *err)
{
    enum rk_code rc = open_frame(s, err);

    if (rc == RK_OK)
        rc = make_management(s, err);
    if (rc == RK_OK)
        rc = make_signal(s, err);
    if (rc == RK_OK)
        rc = make_relay(s, err);
    if (rc == RK_OK)
        rc = edge_add_ws_proxy(s->svc->edge, "/ws-proxy/management", err);
    if (rc == RK_OK && s->c.flow)
        rc = edge_add_ws_proxy(s->svc->edge, "/ws-proxy/flow", err);
    if (rc == RK_OK && s->w.own_signal)
        rc = edge_add_ws_proxy(s->svc->edge, "/ws-proxy/signal", err);
    if (rc == RK_OK)
        rc = server_routes_check(s->svc->edge, err);
    if (rc == RK_OK)
        rc = svc_run(s->svc, &s->user, STOP_GRACE_MS, err);
    relay_app_free(s->rly);
    sig_app_free(s->sig);
    bus_free(s->bus);
    mgmt_app_free(s->mgmt);
    svc_close(s->svc);
    return rc;
}

static enum rk_code load(struct server *s, const struct run_opts *o, struct rk_err *err)
{
    struct rk_buf warnings;
    struct rk_strs problems;
    enum rk_code rc;

    rk_buf_init(&warnings, 1 << 16);
    rc = server_config_load(s->mem, o->config.n ? rk_arena_dupz(s->mem, o->config) : NULL, &s->c,
                            &warnings, err);
    if (rc == RK_OK && warnings.n)
        (void)fwrite(warnings.p, 1, warnings.n, stderr);
    rk_buf_done(&warnings);
    if (rc)
        return rc;
    rc = privileges_drop(s->c.run_as, s->c.data_dir, err);
    if (rc)
        return rc;
    problems = server_verify(s->mem, &s->c);
    for (size_t i = 0; i + 1 < problems.n; i++)
        (void)fprintf(stderr, "rookery run: %.*s\n", RK_STR_ARG(problems.items[i]));
    if (problems.n)
        return rk_fail(err, RK_INVALID, "%.*s", RK_STR_ARG(problems.items[problems.n - 1]));
    if (s->c.acme_enabled)
        rc = acme_prepare(s->mem, &s->c, err);
    return rc ? rc : wiring_make(s->mem, &s->c, &s->w, err);
}

/* What only an operator can mend is EX_CONFIG of sysexits.h, so that a service manager does not try
 * for ever; the rest (a database that is away, a port in use) may be different in a while. */
static int exit_status(enum rk_code rc)
{
    switch (rc) {
    case RK_BAD_REQUEST:
    case RK_INVALID:
    case RK_FORBIDDEN:
    case RK_NOT_FOUND:
    case RK_PRECONDITION:
        return EX_CONFIG;
    default:
        return EXIT_FAILURE;
    }
}

int server_run_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct server s = {.user.ops = &USER_OPS, .mem = mem};
    struct run_opts o = {0};
    struct rk_err err = {0};
    enum rk_code rc;
    int status;

    if (!server_options_load(mem, &CMD, &o, argc, argv, NULL, &status))
        return status;
    rc = load(&s, &o, &err);
    if (rc == RK_OK)
        rc = serve(&s, &err);
    if (rc)
        (void)fprintf(stderr, "rookery run: %s\n", err.msg);
    return rc ? exit_status(rc) : EXIT_SUCCESS;
}
