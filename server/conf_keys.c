/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of configuration keys; see conf_keys.h. */
#include "config.h"

#include "server/conf_keys.h"

#include <stddef.h>

#include "lib/base/num.h"
#include "lib/net/addr.h"
#include "management/options_events.h"
#include "management/upstream_env.h"
#include "server/privileges.h"

#define AT(member) offsetof(struct server_config, member)

#define TEXT(path, vars, member, dflt)                                                             \
    {                                                                                              \
        .flag = "server." path, .env = "ROOKERY_" vars, .type = RK_OPT_TEXT, .at = AT(member),     \
        .def = dflt, .required = sizeof dflt > 1                                                   \
    }
#define SECRET(path, vars, member)                                                                 \
    {                                                                                              \
        .flag = "server." path, .env = "ROOKERY_" vars, .type = RK_OPT_SECRET, .at = AT(member)    \
    }
#define BOOL(path, vars, member, dflt)                                                             \
    {                                                                                              \
        .flag = "server." path, .env = "ROOKERY_" vars, .type = RK_OPT_BOOL, .at = AT(member),     \
        .def = dflt                                                                                \
    }
#define INT(path, vars, member, dflt, least, most)                                                 \
    {                                                                                              \
        .flag = "server." path, .env = "ROOKERY_" vars, .type = RK_OPT_I64, .at = AT(member),      \
        .def = dflt, .min = least, .max = most                                                     \
    }
#define TIME(path, vars, member, dflt, least, most)                                                \
    {                                                                                              \
        .flag = "server." path, .env = "ROOKERY_" vars, .type = RK_OPT_DURATION, .at = AT(member), \
        .def = dflt, .min = least, .max = most                                                     \
    }
#define CHOICE(path, vars, member, dflt, words)                                                    \
    {                                                                                              \
        .flag = "server." path, .env = "ROOKERY_" vars, .type = RK_OPT_CHOICE, .at = AT(member),   \
        .def = dflt, .choices = words                                                              \
    }
#define LIST(path, vars, member, dflt, item)                                                       \
    {                                                                                              \
        .flag = "server." path, .env = "ROOKERY_" vars, .type = RK_OPT_LIST, .at = AT(member),     \
        .def = dflt, .check = item                                                                 \
    }
#define RATE(path, vars, member)                                                                   \
    {                                                                                              \
        .flag = "server." path, .env = "ROOKERY_" vars, .type = RK_OPT_TEXT, .at = AT(member),     \
        .check = rate_check                                                                        \
    }
#define URL(path, vars, member, dflt)                                                              \
    {                                                                                              \
        .flag = "server." path, .env = "ROOKERY_" vars, .type = RK_OPT_TEXT, .at = AT(member),     \
        .def = dflt, .required = sizeof dflt > 1, .check = url_check                               \
    }
#define IDLE(path, values, why)                                                                    \
    {                                                                                              \
        .flag = "server." path, .type = RK_OPT_TEXT, .quiet = values, .idle = why                  \
    }
#define REFUSED(path, values, why)                                                                 \
    {                                                                                              \
        .flag = "server." path, .type = RK_OPT_TEXT, .quiet = values, .refuse = why                \
    }

#define LEVELS       "trace|debug|info|warn|warning|error|fatal|panic"
#define HOUR_MS      ((int64_t)3600 * 1000)
#define NO_SESSIONS  "sign-in sessions have fixed lives here"
#define OWNER        "the first owner is made by rookery setup, or in the browser with the setup token"
#define BY_ITS_URI   "the scheme and transport= of the URI decide"
#define NO_SUCH_STUN "STUN servers ask for no credentials"

static enum rk_code port_check(struct rk_str v, struct rk_err *err)
{
    int64_t port;

    return rk_parse_i64(v, 1, UINT16_MAX, &port, err);
}

static enum rk_code rate_check(struct rk_str v, struct rk_err *err)
{
    int64_t bits;

    return rk_parse_bit_rate(v, &bits, err);
}

static enum rk_code url_check(struct rk_str v, struct rk_err *err)
{
    return v.n ? rk_url_check(v, err) : RK_OK;
}

/* A prefix or a lone address. */
static enum rk_code prefix_check(struct rk_str v, struct rk_err *err)
{
    struct rk_prefix p;

    if (rk_prefix_parse_or_ip(v, &p, NULL))
        return rk_fail(err, RK_INVALID, "\"%.*s\" is neither an address nor a prefix",
                       RK_STR_ARG(v));
    return RK_OK;
}

/* Upstream's keys first (spec/deploy.md 2.1), then ours. */
const struct rk_opt SERVER_KEYS[] = {
    TEXT("listenAddress", "LISTEN_ADDRESS", listen_address, ":8080"),
    TEXT("exposedAddress", "EXPOSED_ADDRESS", exposed_address, ""),
    INT("metricsPort", "METRICS_PORT", metrics_port, "0", 0, 65535),
    TEXT("healthcheckAddress", "HEALTHCHECK_ADDRESS", health_address, ""),
    CHOICE("logLevel", "LOG_LEVEL NB_LOG_LEVEL", log_level, "info", LEVELS),
    TEXT("logFile", "LOG_FILE NB_LOG_FILE", log_file, "console"),
    BOOL("tls.letsencrypt.enabled", "TLS_LETSENCRYPT_ENABLED", acme_enabled, "false"),
    LIST("tls.letsencrypt.domains[]", "TLS_LETSENCRYPT_DOMAINS", acme_domains, NULL, NULL),
    TEXT("tls.letsencrypt.email", "TLS_LETSENCRYPT_EMAIL", acme_email, ""),
    TEXT("tls.letsencrypt.dataDir", "TLS_LETSENCRYPT_DATA_DIR", acme_dir, ""),
    URL("x.acmeDirectory", "ACME_DIRECTORY", acme_directory,
        "https://acme-v02.api.letsencrypt.org/directory"),
    CHOICE("x.acmeChallenge", "ACME_CHALLENGE", acme_challenge, "tls-alpn-01",
           "tls-alpn-01|http-01"),
    TIME("x.acmeRetry", "ACME_RETRY", acme_retry_ms, "1m", 1000, 24 * HOUR_MS),
    TEXT("x.httpAddress", "HTTP_ADDRESS", http_address, ""),
    TEXT("tls.certFile", "TLS_CERT_FILE", tls_cert, ""),
    TEXT("tls.keyFile", "TLS_KEY_FILE", tls_key, ""),
    LIST("stunPorts[]", "STUN_PORTS", stun_ports, "3478", port_check),
    SECRET("authSecret", "AUTH_SECRET NB_AUTH_SECRET", auth_secret),
    TEXT("dataDir", "DATA_DIR", data_dir, "/var/lib/rookery"),
    LIST("stuns[].uri", "STUNS_URI", stuns, NULL, NULL),
    LIST("x.turns[]", "TURNS", turns, NULL, NULL),
    TEXT("x.turnUser", "TURN_USER", turn_user, ""),
    SECRET("x.turnPassword", "TURN_PASSWORD", turn_password),
    SECRET("x.turnSecret", "TURN_SECRET", turn_secret),
    TIME("x.turnCredentialsTTL", "TURN_CREDENTIALS_TTL", turn_ttl_ms, "12h", 60000,
         30 * 24 * HOUR_MS),
    LIST("relays.addresses[]", "RELAYS_ADDRESSES", relays, NULL, NULL),
    TIME("relays.credentialsTTL", "RELAYS_CREDENTIALS_TTL", relay_ttl_ms, "12h", 1000,
         24 * 365 * HOUR_MS),
    SECRET("relays.secret", "RELAYS_SECRET", relay_secret),
    TEXT("signalUri", "SIGNAL_URI", signal_uri, ""),
    URL("auth.issuer", "AUTH_ISSUER", auth_issuer, ""),
    BOOL("auth.localAuthDisabled", "AUTH_LOCAL_AUTH_DISABLED", local_auth_disabled, "false"),
    LIST("auth.dashboardRedirectURIs[]", "AUTH_DASHBOARD_REDIRECT_URIS", dashboard_redirects, NULL,
         NULL),
    LIST("auth.cliRedirectURIs[]", "AUTH_CLI_REDIRECT_URIS", cli_redirects,
         "http://localhost:53000/,http://localhost:54000/", NULL),
    LIST("auth.dashboardPostLogoutRedirectURIs[]", "AUTH_DASHBOARD_POST_LOGOUT_REDIRECT_URIS",
         logout_redirects, NULL, NULL),
    {.flag = "server.store.engine", /* empty is not the same as "sqlite" when there is a DSN */
     .env = "ROOKERY_STORE_ENGINE NETBIRD_STORE_ENGINE",
     .type = RK_OPT_TEXT,
     .at = AT(store_engine),
     .def = "sqlite"},
    SECRET("store.dsn", "STORE_DSN NB_STORE_ENGINE_POSTGRES_DSN NETBIRD_STORE_ENGINE_POSTGRES_DSN",
           store_dsn),
    TEXT("store.file", "STORE_FILE NB_STORE_ENGINE_SQLITE_FILE", store_file, "rookery.db"),
    SECRET("store.encryptionKey", "STORE_ENCRYPTION_KEY", store_key),
    LIST("reverseProxy.trustedHTTPProxies[]", "REVERSE_PROXY_TRUSTED_HTTP_PROXIES", trusted_proxies,
         NULL, prefix_check),
    INT("supportedSyncMessageVersions", "SUPPORTED_SYNC_MESSAGE_VERSIONS", sync_version, "0", 0, 1),
    TEXT("x.dnsDomain", "DNS_DOMAIN", dns_domain, "netbird.selfhosted"),
    SECRET("x.setupToken", "SETUP_TOKEN", setup_token),
    {.flag = "server.x.runAs",
     .env = "ROOKERY_RUN_AS",
     .type = RK_OPT_TEXT,
     .at = AT(run_as),
     .check = privileges_check},
    BOOL("x.setupOpen", "SETUP_OPEN NB_SETUP_OPEN", setup_open, "false"),
    BOOL("x.setupPAT", "SETUP_PAT NB_SETUP_PAT_ENABLED", setup_pat, "true"),
    BOOL("x.apiRateLimit", "API_RATE_LIMIT NB_API_RATE_LIMITING_ENABLED", api_rate_limit, "false"),
    INT("x.apiRatePerMinute", "API_RATE_PER_MINUTE NB_API_RATE_LIMITING_RPM", api_rate_per_minute,
        "6", 1, 1000000),
    INT("x.apiRateBurst", "API_RATE_BURST NB_API_RATE_LIMITING_BURST", api_rate_burst, "500", 1,
        1000000),
    TEXT("x.geoDatabase", "GEO_DATABASE", geo_database, ""),
    TEXT("x.geoNames", "GEO_NAMES", geo_names, ""),
    BOOL("x.geoOff", "GEO_OFF NB_DISABLE_GEOLOCATION", geo_off, "false"),
    BOOL("x.defaultPolicy", "DEFAULT_POLICY", default_policy, "true"),
    BOOL("x.componentMaps", "COMPONENT_MAPS", component_maps, "false"),
#ifdef HAVE_CONSOLE
    BOOL("x.console", "CONSOLE", console, "true"),
#else
    IDLE("x.console", "false|0|no|off", "this program was built without the console"),
#endif
    INT("x.eventRetentionDays", "EVENT_RETENTION_DAYS", event_retention_days, "180", 0, 36500),
    INT("x.loginTries", "LOGIN_TRIES", login_tries, "10", 1, 10000),
    TEXT("x.serverName", "SERVER_NAME", server_name, "Rookery"),
    TEXT("x.helpText", "HELP_TEXT", help_text, ""),
    INT("x.journalRetentionDays", "JOURNAL_RETENTION_DAYS", journal_retention_days, "0", 0, 36500),
    INT("x.journalMaxRows", "JOURNAL_MAX_ROWS", journal_max_rows, "250000", 0, INT64_C(1) << 40),
    INT("x.eventMaxRows", "EVENT_MAX_ROWS", event_max_rows, "500000", 0, INT64_C(1) << 40),
    BOOL("x.flow", "FLOW", flow, "false"),
    TIME("x.flowInterval", "FLOW_INTERVAL", flow_interval_ms, "30s", 1000, HOUR_MS),
    INT("x.flowRetentionDays", "FLOW_RETENTION_DAYS", flow_retention_days, "30", 0, 36500),
    INT("x.flowMaxRows", "FLOW_MAX_ROWS", flow_max_rows, "20000000", 0, INT64_C(1) << 40),
    BOOL("x.flowAddressesOnly", "FLOW_ADDRESSES_ONLY", flow_addresses_only, "false"),
    TEXT("x.exportSyslog", "EXPORT_SYSLOG", export_syslog, ""),
    TEXT("x.exportFile", "EXPORT_FILE", export_file, ""),
    TEXT("x.exportWebhook", "EXPORT_WEBHOOK", export_webhook, ""),
    SECRET("x.exportWebhookSecret", "EXPORT_WEBHOOK_SECRET", export_webhook_secret),
    LIST("x.exportEvents[]", "EXPORT_EVENTS", export_events, "audit,traffic",
         mgmt_event_kind_check),
    URL("x.oidcIssuer", "OIDC_ISSUER", oidc_issuer, ""),
    LIST("x.oidcAudiences[]", "OIDC_AUDIENCES", oidc_audiences, NULL, NULL),
    URL("x.oidcKeysURL", "OIDC_KEYS_URL", oidc_keys_url, ""),
    TEXT("x.oidcUserClaim", "OIDC_USER_CLAIM", oidc_user_claim, "sub"),
    INT("x.loops", "LOOPS", loops, "0", 0, 64),
    CHOICE("x.logFormat", "LOG_FORMAT NB_LOG_FORMAT", log_format, "text", "text|json"),
    TIME("x.signalSendTimeout", "SIGNAL_SEND_TIMEOUT NB_SIGNAL_SEND_TIMEOUT", signal_send_ms, "10s",
         100, 600000),
    BOOL("x.signalGreeting", "SIGNAL_GREETING", signal_greeting, "false"),
    TEXT("x.relayAddress", "RELAY_ADDRESS", relay_address, ""),
    BOOL("x.quic", "QUIC", quic, "true"),
    TEXT("x.quicAddress", "QUIC_ADDRESS", quic_address, ""),
    INT("x.relayHealthMisses", "RELAY_HEALTH_MISSES NB_RELAY_HC_ATTEMPT_THRESHOLD",
        relay_health_misses, "1", 1, 100),
    RATE("x.relayMaxBandwidth", "RELAY_MAX_BANDWIDTH", relay_bandwidth),
    RATE("x.relayMaxPeerBandwidth", "RELAY_MAX_PEER_BANDWIDTH", relay_peer_bandwidth),
    /* Upstream's, without effect here. */
    REFUSED(
        "tls.letsencrypt.awsRoute53", "false|0|no|off",
        "DNS-01 is not offered: the port that is open anyway, or port 80, answers the authority"),
    IDLE("disableAnonymousMetrics", "true|1|yes|on", "nothing is ever reported to anybody"),
    IDLE("disableGeoliteUpdate", "true|1|yes|on",
         "no database is downloaded; x.geoDatabase names one that you keep"),
    IDLE("auth.signKeyRefreshEnabled", "true|1|yes|on",
         "the keys of a provider are always read again when it uses a new one"),
    IDLE("auth.mfaSessionMaxLifetime", NULL, NO_SESSIONS),
    IDLE("auth.mfaSessionIdleTimeout", NULL, NO_SESSIONS),
    IDLE("auth.mfaSessionRememberMe", "false|0|no|off", NO_SESSIONS),
    IDLE("auth.sessionCookieEncryptionKey", NULL,
         "a session cookie holds a random number and nothing to encrypt"),
    IDLE("auth.owner.email", NULL, OWNER),
    IDLE("auth.owner.password", NULL, OWNER),
    IDLE("auth.storage.type", "sqlite3", MGMT_ONE_STORE),
    IDLE("auth.storage.file", NULL, MGMT_ONE_STORE),
    IDLE("auth.grantTypes[]", NULL, "all grants that clients use are open"),
    IDLE("stuns[].proto", "udp", BY_ITS_URI),
    IDLE("stuns[].username", NULL, NO_SUCH_STUN),
    IDLE("stuns[].password", NULL, NO_SUCH_STUN),
    IDLE("activityStore.engine", "sqlite", MGMT_ONE_STORE),
    IDLE("activityStore.dsn", NULL, MGMT_ONE_STORE),
    IDLE("activityStore.file", NULL, MGMT_ONE_STORE),
    IDLE("activityStore.encryptionKey", NULL, MGMT_ONE_STORE),
    IDLE("authStore.engine", "sqlite|sqlite3", MGMT_ONE_STORE),
    IDLE("authStore.dsn", NULL, MGMT_ONE_STORE),
    IDLE("authStore.file", NULL, MGMT_ONE_STORE),
    IDLE("authStore.encryptionKey", NULL, MGMT_ONE_STORE),
    IDLE("reverseProxy.trustedHTTPProxiesCount", "0",
         "name the proxies in reverseProxy.trustedHTTPProxies; a count alone can be forged"),
    IDLE("reverseProxy.trustedPeers[]", NULL,
         "reverseProxy.trustedHTTPProxies holds for agents, too"),
    IDLE("reverseProxy.accessLogRetentionDays", "0", MGMT_VISITS),
    IDLE("reverseProxy.accessLogCleanupIntervalHours", "0", MGMT_VISITS),
    IDLE("agentNetwork.pricingDefaultsFile", NULL, "there is no agent network here"),
    MGMT_UPSTREAM_ENV,
};
const size_t SERVER_N_KEYS = RK_ARRAY_LEN(SERVER_KEYS);
