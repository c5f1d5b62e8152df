/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every key, flag and variable of the official servers (spec/deploy.md 2), and what becomes of it
 * here: it works, or it is accepted and a line says that it has no effect, or it is refused with
 * the reason. Nothing is passed over in silence, and nothing stops a start without a word on why.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "management/file.h"
#include "management/file_keys.h"
#include "management/options.h"
#include "relay/options.h"
#include "server/conf_keys.h"
#include "signal/options.h"

enum verdict { WORKS, REPORTED, REFUSED, VERDICTS };

struct row {
    const char *name, *value;
    enum verdict want;
    const char *with; /* what the key needs beside it */
};

static char path[] = "/tmp/rookery-test-upstream-XXXXXX";
static size_t count[VERDICTS];
static struct rk_arena *mem;
static struct rk_err err;
static struct rk_buf notes;

static void setup(void)
{
    mem = rk_arena_new(0);
    err = (struct rk_err){0};
    rk_buf_init(&notes, 1 << 16);
}

static void teardown(void)
{
    rk_buf_done(&notes);
    rk_arena_free(mem);
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static bool says(const struct rk_buf *b, const char *what)
{
    return rk_str_find(rk_buf_str(b), rk_str_z(what)) < b->n;
}

/* What was seen as a verdict: an error that names the key, a note that names it, or neither. */
static void judge(const struct row *r, enum rk_code rc, bool noted, bool took_effect)
{
    static const char *const words[] = {"works", "reported", "refused"};
    enum verdict got = rc ? REFUSED : noted ? REPORTED : WORKS;

    ck_assert_msg(got == r->want, "%s: %s, not %s (%s; %.*s)", r->name, words[got], words[r->want],
                  err.msg, (int)notes.n, notes.n ? notes.p : "");
    if (got == REFUSED) /* the last part of the name: a file says more, a flag has dashes */
        ck_assert_msg(strstr(err.msg, r->name), "%s: %s", r->name, err.msg);
    if (got == WORKS)
        ck_assert_msg(took_effect, "%s has no effect and nobody says so", r->name);
    count[got]++;
}

/* "a.b[].c" and V as {a: {b: [{c: V}]}}, in JSON and in YAML's flow form. */
static struct rk_str nest(const char *dotted, const char *value, const char *quote)
{
    struct rk_str left = rk_str_z(dotted), name, out = {0}, end = {0};
    bool more = true;

    while (more) {
        bool list;

        more = rk_str_cut(left, '.', &name, &left);
        list = rk_str_ends(name, RK_STR("[]"));
        name.n -= list ? 2 : 0;
        out = rk_arena_printf(mem, "%.*s{%s%.*s%s: %s", RK_STR_ARG(out), quote, RK_STR_ARG(name),
                              quote, list ? "[" : "");
        end = rk_arena_printf(mem, "%s}%.*s", list ? "]" : "", RK_STR_ARG(end));
    }
    return rk_arena_printf(mem, "%.*s%s%.*s", RK_STR_ARG(out), value, RK_STR_ARG(end));
}

/* ---- config.yaml */

#define KEY32 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static const struct row YAML[] = {
    {"listenAddress", "':443'", WORKS, NULL},
    {"exposedAddress", "'https://vpn.example.com:443'", WORKS, NULL},
    {"metricsPort", "9090", WORKS, NULL},
    {"healthcheckAddress", "':9000'", WORKS, NULL},
    {"logLevel", "panic", WORKS, NULL},
    {"logFile", "/var/log/netbird.log", WORKS, NULL},
    {"tls.certFile", "/c", WORKS, "  tls: {keyFile: /k, certFile: /c}\n"},
    {"tls.keyFile", "/k", WORKS, "  tls: {certFile: /c, keyFile: /k}\n"},
    {"tls.letsencrypt.enabled", "true", WORKS,
     "  tls: {letsencrypt: {enabled: true, domains: [a.example.com]}}\n"},
    {"tls.letsencrypt.dataDir", "/d", REPORTED, NULL},
    {"tls.letsencrypt.domains[]", "a.example.com", REPORTED, NULL},
    {"tls.letsencrypt.email", "a@example.com", REPORTED, NULL},
    {"tls.letsencrypt.awsRoute53", "true", REFUSED, NULL},
    {"stunPorts[]", "3479", WORKS, NULL},
    {"authSecret", "s", WORKS, NULL},
    {"dataDir", "/var/lib/netbird/", WORKS, NULL},
    {"stuns[].uri", "'stun:stun.example.com:3478'", WORKS, NULL},
    {"stuns[].proto", "dtls", REPORTED, NULL},
    {"stuns[].username", "u", REPORTED, NULL},
    {"stuns[].password", "p", REPORTED, NULL},
    {"relays.addresses[]", "'rels://relay.example.com:443'", WORKS, NULL},
    {"relays.credentialsTTL", "24h", WORKS, NULL},
    {"relays.secret", "s", WORKS, NULL},
    {"signalUri", "'https://signal.example.com'", WORKS, NULL},
    {"disableAnonymousMetrics", "false", REPORTED, NULL},
    {"disableGeoliteUpdate", "false", REPORTED, NULL},
    {"auth.issuer", "'https://vpn.example.com/oauth2'", WORKS, NULL},
    {"auth.localAuthDisabled", "true", WORKS, NULL},
    {"auth.signKeyRefreshEnabled", "false", REPORTED, NULL},
    {"auth.mfaSessionMaxLifetime", "24h", REPORTED, NULL},
    {"auth.mfaSessionIdleTimeout", "1h", REPORTED, NULL},
    {"auth.mfaSessionRememberMe", "true", REPORTED, NULL},
    {"auth.sessionCookieEncryptionKey", "0123456789abcdef", REPORTED, NULL},
    {"auth.storage.type", "postgres", REPORTED, NULL},
    {"auth.storage.file", "idp.db", REPORTED, NULL},
    {"auth.dashboardRedirectURIs[]", "'https://a/nb-auth'", WORKS, NULL},
    {"auth.cliRedirectURIs[]", "'http://localhost:53000/'", WORKS, NULL},
    {"auth.dashboardPostLogoutRedirectURIs[]", "'https://a/'", WORKS, NULL},
    {"auth.owner.email", "a@example.com", REPORTED, NULL},
    {"auth.owner.password", "$2a$10$x", REPORTED, NULL},
    {"auth.grantTypes[]", "authorization_code", REPORTED, NULL},
    {"store.engine", "postgres", WORKS, "  store: {dsn: 'host=db', engine: postgres}\n"},
    {"store.engine", "mysql", REFUSED, NULL},
    {"store.dsn", "'host=db'", WORKS, "  store: {engine: postgres, dsn: 'host=db'}\n"},
    {"store.file", "custom.db", WORKS, NULL},
    {"store.encryptionKey", KEY32, WORKS, NULL},
    {"activityStore.engine", "postgres", REPORTED, NULL},
    {"activityStore.dsn", "'host=db'", REPORTED, NULL},
    {"activityStore.file", "events.db", REPORTED, NULL},
    {"activityStore.encryptionKey", "k", REPORTED, NULL},
    {"authStore.engine", "postgres", REPORTED, NULL},
    {"authStore.dsn", "'host=db'", REPORTED, NULL},
    {"authStore.file", "idp.db", REPORTED, NULL},
    {"authStore.encryptionKey", "k", REPORTED, NULL},
    {"reverseProxy.trustedHTTPProxies[]", "172.30.0.10/32", WORKS, NULL},
    {"reverseProxy.trustedHTTPProxiesCount", "1", REPORTED, NULL},
    {"reverseProxy.trustedPeers[]", "100.64.0.0/10", REPORTED, NULL},
    {"reverseProxy.accessLogRetentionDays", "7", REPORTED, NULL},
    {"reverseProxy.accessLogCleanupIntervalHours", "24", REPORTED, NULL},
    {"supportedSyncMessageVersions", "1", WORKS, NULL},
    {"perAccountSupportedSyncMessageVersions.acc", "1", REPORTED, NULL},
    {"agentNetwork.pricingDefaultsFile", "p.yaml", REPORTED, NULL},
};

START_TEST(config_yaml)
{
    const struct row *r = &YAML[_i];
    struct server_config c;
    struct rk_buf show;
    enum rk_code rc;
    const char *line;

    write_file(
        r->with
            ? rk_arena_printf(mem, "server:\n%s", r->with).p
            : rk_arena_printf(mem, "server: %.*s\n", RK_STR_ARG(nest(r->name, r->value, ""))).p);
    rc = server_config_load(mem, path, &c, &notes, &err);
    rk_buf_init(&show, 1 << 16);
    if (rc == RK_OK)
        ck_assert_int_eq(server_config_show(mem, path, &show, &err), RK_OK);
    line = show.n ? strstr(show.p, rk_arena_printf(mem, "server.%s: ", r->name).p) : NULL;
    line = line ? strstr(line, "  # ") : NULL;
    judge(r, rc, says(&notes, r->name), line && strncmp(line, "  # file", 8) == 0);
    rk_buf_done(&show);
}
END_TEST

/* The table above knows every row of the table in the program that is upstream's. */
START_TEST(config_yaml_is_complete)
{
    for (size_t i = 0; i < SERVER_N_KEYS; i++) {
        const char *name = SERVER_KEYS[i].flag;
        bool known = name[0] == '$' || rk_str_starts(rk_str_z(name), RK_STR("server.x."));

        for (size_t k = 0; k < RK_ARRAY_LEN(YAML); k++)
            known |= strcmp(name + strlen("server."), YAML[k].name) == 0;
        ck_assert_msg(known, "%s", name);
    }
}
END_TEST

/* What the official example file sets, value by value, and what people make of such files. */
START_TEST(official_forms_start)
{
    static const char *const forms[] = {
        ("  tls:\n    certFile: ''\n    keyFile: ''\n    letsencrypt:\n      enabled: false\n"
         "      dataDir: ''\n      domains: []\n      email: ''\n      awsRoute53: false\n"),
        "  listenAddress: ''\n",
        "  logLevel: ''\n",
        "  logFile: ''\n",
        "  dataDir: ''\n",
        "  metricsPort: ''\n",
        "  healthcheckAddress: ''\n",
        "  stunPorts: null\n",
        "  store: {engine: '', dsn: '', encryptionKey: '', file: ''}\n",
        "  store: {engine: SQLite}\n",
        "  auth: {issuer: ''}\n",
        "  auth:\n",
        "  relays: {}\n",
        "  relays: {addresses: [], credentialsTTL: '', secret: ''}\n",
        "  stuns: []\n",
        "  logLevel: WARNING\n",
        "  logLevel: Trace\n",
        "  logLevel: FATAL\n",
        "  exposedAddress: HTTPS://VPN.example.com\n",
        "  exposedAddress: vpn.example.com:443\n",
        "  exposedAddress: http://192.0.2.1:80/\n",
        "  signalUri: Https://signal.example.com/\n",
        "  healthcheckAddress: localhost:9000\n",
        "  metricsPort: 0\n",
        "  disableAnonymousMetrics: true\n  disableGeoliteUpdate: TRUE\n",
        "  reverseProxy: {trustedHTTPProxies: [], trustedHTTPProxiesCount: 0, trustedPeers: []}\n",
        "  reverseProxy: {trustedHTTPProxies: ['2001:db8::/64', 10.1.2.3]}\n",
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(forms); i++) {
        struct server_config c;

        write_file(rk_arena_printf(mem, "server:\n%s", forms[i]).p);
        ck_assert_msg(server_config_load(mem, path, &c, &notes, &err) == RK_OK, "%s%s", forms[i],
                      err.msg);
        ck_assert_msg(notes.n == 0, "%s%.*s", forms[i], (int)notes.n, notes.p);
    }
}
END_TEST

START_TEST(addresses_are_brought_to_one_form)
{
    struct server_config c;

    write_file("server: {exposedAddress: 'HTTPS://VPN.example.com', signalUri: 'HTTP://s/',\n"
               "  auth: {issuer: 'HTTPS://vpn.example.com:443/'}, store: {engine: PostGres, dsn: "
               "'host=x'}}\n");
    ck_assert_msg(server_config_load(mem, path, &c, NULL, &err) == RK_OK, "%s", err.msg);
    ck_assert(rk_str_eqz(c.exposed_address, "https://VPN.example.com:443"));
    ck_assert(rk_str_eqz(c.signal_uri, "http://s:80"));
    ck_assert(rk_str_eqz(c.auth_issuer, "https://vpn.example.com/oauth2"));
    ck_assert(rk_str_ieq(c.store_engine, RK_STR("postgres")));
}
END_TEST

/* ---- variables of management and of the combined server */

static const struct row ENV[] = {
    {"NB_STORE_ENGINE_POSTGRES_DSN", "host=db", WORKS, "NETBIRD_STORE_ENGINE"},
    {"NETBIRD_STORE_ENGINE_POSTGRES_DSN", "host=db", WORKS, "NETBIRD_STORE_ENGINE"},
    {"NETBIRD_STORE_ENGINE", "sqlite", WORKS, NULL},
    {"NB_STORE_ENGINE_MYSQL_DSN", "x", REPORTED, NULL},
    {"NETBIRD_STORE_ENGINE_MYSQL_DSN", "x", REPORTED, NULL},
    {"NB_STORE_ENGINE_SQLITE_FILE", "a.db", WORKS, NULL},
    {"NB_SQL_MAX_OPEN_CONNS", "4", REPORTED, NULL},
    {"NB_STORE_TRANSACTION_TIMEOUT", "5m", REPORTED, NULL},
    {"NB_ACTIVITY_EVENT_STORE_ENGINE", "postgres", REPORTED, NULL},
    {"NB_ACTIVITY_EVENT_POSTGRES_DSN", "x", REPORTED, NULL},
    {"NB_ACTIVITY_EVENT_SQLITE_FILE", "e.db", REPORTED, NULL},
    {"NB_EVENT_ACTIVITY_LOG_ENABLED", "false", REPORTED, NULL},
    {"NB_CACHE_REDIS_ADDRESS", "redis://r", REPORTED, NULL},
    {"NB_IDP_CACHE_REDIS_ADDRESS", "redis://r", REPORTED, NULL},
    {"NB_IDP_CACHE_WARMUP_DELAY", "1s", REPORTED, NULL},
    {"NB_IDP_TIMEOUT", "10s", REPORTED, NULL},
    {"NB_IDP_SESSION_COOKIE_ENCRYPTION_KEY", "k", REPORTED, NULL},
    {"NB_SETUP_PAT_ENABLED", "true", WORKS, NULL},
    {"NB_API_RATE_LIMITING_ENABLED", "true", WORKS, NULL},
    {"NB_API_RATE_LIMITING_BURST", "10", WORKS, NULL},
    {"NB_API_RATE_LIMITING_RPM", "10", WORKS, NULL},
    {"NB_DISABLE_GEOLOCATION", "true", WORKS, NULL},
    {"NB_GET_ACCOUNT_BUFFER_INTERVAL", "100ms", REPORTED, NULL},
    {"NB_PEER_UPDATE_INTERVAL_MS", "100", REPORTED, NULL},
    {"NB_PEER_UPDATE_STARTUP_PERIOD_S", "1", REPORTED, NULL},
    {"NB_LOG_BLOCKED_PEERS", "true", REPORTED, NULL},
    {"NB_BLOCK_SAME_PEERS", "true", REPORTED, NULL},
    {"NB_MAX_CONCURRENT_SYNCS", "100", REPORTED, NULL},
    {"NB_PROXY_SNAPSHOT_BATCH_SIZE", "100", REPORTED, NULL},
    {"NB_PROXY_PORT_MIN", "10000", REPORTED, NULL},
    {"NB_PROXY_PORT_MAX", "20000", REPORTED, NULL},
    {"NETBIRD_METRICS_INTERVAL_IN_SECONDS", "60", REPORTED, NULL},
    {"NB_PPROF_ADDR", ":6060", REPORTED, NULL},
    {"NB_LOG_FORMAT", "json", WORKS, NULL},
    {"NB_LOG_DISABLE_ROTATION", "false", REPORTED, NULL},
    {"NB_LOG_MAX_SIZE_MB", "15", REPORTED, NULL},
    {"GRPC_GO_LOG_SEVERITY_LEVEL", "info", REPORTED, NULL},
    {"GRPC_GO_LOG_VERBOSITY_LEVEL", "2", REPORTED, NULL},
    {"NB_SIGNAL_SEND_TIMEOUT", "5s", WORKS, NULL},
    {"NB_RELAY_HC_ATTEMPT_THRESHOLD", "2", WORKS, NULL},
};

START_TEST(variables_of_the_combined_server)
{
    const struct row *r = &ENV[_i];
    struct server_config c;
    struct rk_buf show;
    enum rk_code rc;
    struct rk_str left, line;
    bool effect = false, more = true;

    ck_assert_int_eq(setenv(r->name, r->value, 1), 0);
    if (r->with)
        ck_assert_int_eq(setenv(r->with, "postgres", 1), 0);
    rc = server_config_load(mem, NULL, &c, &notes, &err);
    rk_buf_init(&show, 1 << 16);
    if (rc == RK_OK)
        ck_assert_int_eq(server_config_show(mem, NULL, &show, &err), RK_OK);
    for (left = rk_buf_str(&show); more && !effect;) {
        more = rk_str_cut(left, '\n', &line, &left);
        effect = rk_str_find(line, RK_STR("  # environment")) < line.n &&
                 rk_str_find(line, rk_str_z(r->name)) < line.n;
    }
    judge(r, rc, says(&notes, r->name), effect);
    rk_buf_done(&show);
}
END_TEST

/* ---- management.json */

#define FLOW(section)                                                                              \
    {section ".ProviderConfig.ClientID", "\"c\"", WORKS, NULL},                                    \
        {section ".ProviderConfig.ClientSecret", "\"s\"", WORKS, NULL},                            \
        {section ".ProviderConfig.Domain", "\"d\"", REPORTED, NULL},                               \
        {section ".ProviderConfig.Audience", "\"a\"", WORKS, NULL},                                \
        {section ".ProviderConfig.TokenEndpoint", "\"https://t\"", WORKS, NULL},                   \
        {section ".ProviderConfig.DeviceAuthEndpoint", "\"https://d\"", WORKS, NULL},              \
        {section ".ProviderConfig.AuthorizationEndpoint", "\"https://a\"", WORKS, NULL},           \
        {section ".ProviderConfig.Scope", "\"openid\"", WORKS, NULL},                              \
        {section ".ProviderConfig.UseIDToken", "true", WORKS, NULL},                               \
        {section ".ProviderConfig.RedirectURLs[]", "\"http://localhost:53000\"", WORKS, NULL},     \
        {section ".ProviderConfig.DisablePromptLogin", "true", WORKS, NULL},                       \
    {                                                                                              \
        section ".ProviderConfig.LoginFlag", "1", WORKS, NULL                                      \
    }

static const struct row JSON[] = {
    {"Stuns[].URI", "\"stun:s:3478\"", WORKS, NULL},
    {"Stuns[].Proto", "\"dtls\"", REPORTED, NULL},
    {"Stuns[].Username", "\"u\"", REPORTED, NULL},
    {"Stuns[].Password", "\"p\"", REPORTED, NULL},
    {"TURNConfig.TimeBasedCredentials", "true", WORKS,
     "{\"TURNConfig\": {\"TimeBasedCredentials\": true, \"Secret\": \"s\"}}"},
    {"TURNConfig.CredentialsTTL", "\"12h\"", WORKS, NULL},
    {"TURNConfig.Secret", "\"s\"", WORKS,
     "{\"TURNConfig\": {\"TimeBasedCredentials\": true, \"Secret\": \"s\"}}"},
    {"TURNConfig.Turns[].URI", "\"turn:t:3478\"", WORKS, NULL},
    {"TURNConfig.Turns[].Username", "\"u\"", WORKS,
     "{\"TURNConfig\": {\"Turns\": [{\"URI\": \"turn:t:1\", \"Username\": \"u\"}]}}"},
    {"TURNConfig.Turns[].Password", "\"p\"", WORKS,
     "{\"TURNConfig\": {\"Turns\": [{\"URI\": \"turn:t:1\", \"Password\": \"p\"}]}}"},
    {"TURNConfig.Turns[].Proto", "\"tcp\"", REPORTED,
     "{\"TURNConfig\": {\"Turns\": [{\"URI\": \"turn:t:1\", \"Proto\": \"tcp\"}]}}"},
    {"Relay.Addresses[]", "\"rels://r:443\"", WORKS, NULL},
    {"Relay.CredentialsTTL", "86400000000000", WORKS, NULL},
    {"Relay.Secret", "\"s\"", WORKS, NULL},
    {"Signal.Proto", "\"https\"", WORKS, "{\"Signal\": {\"Proto\": \"https\", \"URI\": \"s:1\"}}"},
    {"Signal.URI", "\"s:10000\"", WORKS, NULL},
    {"Signal.Username", "\"u\"", REPORTED, NULL},
    {"Signal.Password", "\"p\"", REPORTED, NULL},
    {"Datadir", "\"/var/lib/netbird\"", WORKS, NULL},
    {"DataStoreEncryptionKey", "\"" KEY32 "\"", WORKS, NULL},
    {"StoreConfig.Engine", "\"sqlite\"", WORKS, NULL},
    {"HttpConfig.LetsEncryptDomain", "\"vpn.example.com\"", REFUSED, NULL},
    {"HttpConfig.CertFile", "\"/c\"", WORKS, NULL},
    {"HttpConfig.CertKey", "\"/k\"", WORKS, NULL},
    {"HttpConfig.AuthClientID", "\"c\"", REPORTED, NULL},
    {"HttpConfig.AuthAudience", "\"a\"", WORKS, NULL},
    {"HttpConfig.CLIAuthAudience", "\"a\"", WORKS, NULL},
    {"HttpConfig.ExtraAuthAudience", "\"a\"", WORKS, NULL},
    {"HttpConfig.AuthIssuer", "\"https://i\"", WORKS, NULL},
    {"HttpConfig.AuthUserIDClaim", "\"oid\"", WORKS, NULL},
    {"HttpConfig.AuthKeysLocation", "\"https://i/keys\"", WORKS, NULL},
    {"HttpConfig.OIDCConfigEndpoint", "\"https://i/.well-known/openid-configuration\"", WORKS,
     NULL},
    {"HttpConfig.IdpSignKeyRefreshEnabled", "false", REPORTED, NULL},
    {"HttpConfig.AuthCallbackURL", "\"https://a/cb\"", REPORTED, NULL},
    {"HttpConfig.Address", "\"127.0.0.1:1\"", REPORTED, NULL},
    {"IdpManagerConfig.ManagerType", "\"keycloak\"", REPORTED, NULL},
    FLOW("DeviceAuthorizationFlow"),
    FLOW("PKCEAuthorizationFlow"),
    {"DeviceAuthorizationFlow.Provider", "\"hosted\"", WORKS,
     "{\"DeviceAuthorizationFlow\": {\"Provider\": \"hosted\", \"ProviderConfig\": {\"ClientID\": "
     "\"c\"}}}"},
    {"ReverseProxy.TrustedHTTPProxies[]", "\"10.0.0.0/8\"", WORKS, NULL},
    {"ReverseProxy.TrustedHTTPProxiesCount", "1", REPORTED, NULL},
    {"ReverseProxy.TrustedPeers[]", "\"10.0.0.0/8\"", REPORTED, NULL},
    {"ReverseProxy.AccessLogRetentionDays", "7", REPORTED, NULL},
    {"ReverseProxy.AccessLogCleanupIntervalHours", "24", REPORTED, NULL},
    {"DisableDefaultPolicy", "true", WORKS, NULL},
    {"EmbeddedIdP.Enabled", "true", WORKS, NULL},
    {"EmbeddedIdP.Issuer", "\"https://i/oauth2\"", WORKS, NULL},
    {"EmbeddedIdP.LocalAddress", "\"localhost:1\"", REPORTED, NULL},
    {"EmbeddedIdP.Storage.Type", "\"postgres\"", REPORTED, NULL},
    {"EmbeddedIdP.Storage.Config.File", "\"idp.db\"", REPORTED, NULL},
    {"EmbeddedIdP.Storage.Config.DSN", "\"x\"", REPORTED, NULL},
    {"EmbeddedIdP.DashboardRedirectURIs[]", "\"https://a/nb-auth\"", WORKS, NULL},
    {"EmbeddedIdP.CLIRedirectURIs[]", "\"http://localhost:53000/\"", WORKS, NULL},
    {"EmbeddedIdP.DashboardPostLogoutRedirectURIs[]", "\"https://a/\"", WORKS, NULL},
    {"EmbeddedIdP.Owner.Email", "\"a@b\"", REPORTED, NULL},
    {"EmbeddedIdP.Owner.Hash", "\"h\"", REPORTED, NULL},
    {"EmbeddedIdP.Owner.Username", "\"n\"", REPORTED, NULL},
    {"EmbeddedIdP.SignKeyRefreshEnabled", "false", REPORTED, NULL},
    {"EmbeddedIdP.LocalAuthDisabled", "true", WORKS, NULL},
    {"EmbeddedIdP.MfaSessionMaxLifetime", "\"24h\"", REPORTED, NULL},
    {"EmbeddedIdP.MfaSessionIdleTimeout", "\"1h\"", REPORTED, NULL},
    {"EmbeddedIdP.MfaSessionRememberMe", "true", REPORTED, NULL},
    {"EmbeddedIdP.SessionCookieEncryptionKey", "\"k\"", REPORTED, NULL},
    {"EmbeddedIdP.StaticConnectors[].type", "\"oidc\"", REFUSED, NULL},
    {"EmbeddedIdP.GrantTypes[]", "\"refresh_token\"", REPORTED, NULL},
    {"AgentNetwork.PricingDefaultsFile", "\"p\"", REPORTED, NULL},
    {"HighestSupportedSyncMessageVersion", "1", WORKS, NULL},
    {"PerAccountHighestSupportedSyncMessageVersion.acc", "1", REPORTED, NULL},
};

START_TEST(management_json)
{
    const struct row *r = &JSON[_i];
    static struct mgmt_file none, f;
    struct rk_str text = r->with ? rk_str_z(r->with) : nest(r->name, r->value, "\"");
    enum rk_code rc;

    ck_assert_int_eq(mgmt_file_parse(mem, RK_STR("{}"), &none, NULL), RK_OK);
    rc = mgmt_file_parse(mem, text, &f, &err);
    for (size_t i = 0; rc == RK_OK && i < f.notes.n; i++)
        rk_buf_add(&notes, f.notes.items[i]);
    judge(r, rc, says(&notes, r->name), memcmp(&none, &f, sizeof f) != 0);
}
END_TEST

START_TEST(management_json_is_complete)
{
    for (size_t i = 0; i < MGMT_N_FILE_KEYS; i++) {
        struct rk_str name = rk_str_z(MGMT_FILE_KEYS[i].path);
        bool known = false;

        for (size_t k = 0; k < RK_ARRAY_LEN(JSON); k++)
            known |= rk_str_starts(rk_str_z(JSON[k].name), name);
        ck_assert_msg(known, "%s", name.p);
    }
}
END_TEST

START_TEST(unknown_keys_are_named)
{
    struct mgmt_file f;

    ck_assert_int_eq(mgmt_file_parse(mem, RK_STR("{\"Relai\": {\"Secret\": \"x\"}}"), &f, &err),
                     RK_OK);
    ck_assert_uint_eq(f.notes.n, 1);
    ck_assert(rk_str_starts(f.notes.items[0], RK_STR("Relai.Secret is no key")));
}
END_TEST

/* ---- flags, and the variables behind them */

struct flags {
    const struct svc_program *program;
    const char *alias; /* what the official image puts in front */
    const char *needed[4];
    const struct row *rows;
    size_t n;
};

static const struct row MGMT_FLAGS[] = {
    {"--config", "none", WORKS, NULL},
    {"--port", "443", WORKS, NULL},
    {"--disable-legacy-port", NULL, WORKS, NULL},
    {"--metrics-port", "9090", WORKS, NULL},
    {"--datadir", "/tmp", WORKS, NULL},
    {"--letsencrypt-domain", "a.example.com", REFUSED, NULL},
    {"--cert-file", "/c", WORKS, NULL},
    {"--cert-key", "/k", WORKS, NULL},
    {"--single-account-mode-domain", "example.com", WORKS, NULL},
    {"--disable-single-account-mode", NULL, REFUSED, NULL},
    {"--dns-domain", "netbird.selfhosted", WORKS, NULL},
    {"--disable-anonymous-metrics=false", NULL, REPORTED, NULL},
    {"--idp-sign-key-refresh-enabled=false", NULL, REPORTED, NULL},
    {"--user-delete-from-idp", NULL, REPORTED, NULL},
    {"--disable-geolite-update=false", NULL, REPORTED, NULL},
    {"--log-level", "INFO", WORKS, NULL},
    {"--log-file", "console", WORKS, NULL},
};
static const struct row SIGNAL_FLAGS[] = {
    {"--port", "80", WORKS, "NB_PORT"},
    {"--metrics-port", "9090", WORKS, NULL},
    {"--letsencrypt-data-dir", "/d", REPORTED, "NB_LETSENCRYPT_DATA_DIR"},
    {"--ssl-dir", "/d", REPORTED, "NB_SSL_DIR"},
    {"--letsencrypt-domain", "a.example.com", REFUSED, "NB_LETSENCRYPT_DOMAIN"},
    {"--letsencrypt-email", "a@example.com", REPORTED, "NB_LETSENCRYPT_EMAIL"},
    {"--cert-file", "/c", WORKS, "NB_CERT_FILE"},
    {"--cert-key", "/k", WORKS, "NB_CERT_KEY"},
    {"--log-level", "Warn", WORKS, NULL},
    {"--log-file", "console", WORKS, NULL},
};
static const struct row RELAY_FLAGS[] = {
    {"--listen-address", ":443", WORKS, "NB_LISTEN_ADDRESS"},
    {"--exposed-address", "rels://r:443/relay", WORKS, "NB_EXPOSED_ADDRESS"},
    {"--auth-secret", "s", WORKS, "NB_AUTH_SECRET"},
    {"--metrics-port", "9090", WORKS, "NB_METRICS_PORT"},
    {"--health-listen-address", ":9000", WORKS, "NB_HEALTH_LISTEN_ADDRESS"},
    {"--letsencrypt-data-dir", "/d", REPORTED, "NB_LETSENCRYPT_DATA_DIR"},
    {"--letsencrypt-domains", "a.example.com", REFUSED, "NB_LETSENCRYPT_DOMAINS"},
    {"--letsencrypt-email", "a@example.com", REPORTED, "NB_LETSENCRYPT_EMAIL"},
    {"--letsencrypt-aws-route53=true", NULL, REFUSED, "NB_LETSENCRYPT_AWS_ROUTE53"},
    {"--tls-cert-file", "/c", WORKS, "NB_TLS_CERT_FILE"},
    {"--tls-key-file", "/k", WORKS, "NB_TLS_KEY_FILE"},
    {"--trusted-proxies", "10.0.0.0/8,192.0.2.1", WORKS, "NB_TRUSTED_PROXIES"},
    {"--enable-stun=true", NULL, WORKS, "NB_ENABLE_STUN"},
    {"--stun-ports", "3478,3479", WORKS, "NB_STUN_PORTS"},
    {"--stun-log-level", "debug", REPORTED, "NB_STUN_LOG_LEVEL"},
    {"--log-level", "panic", WORKS, "NB_LOG_LEVEL"},
    {"--log-file", "console", WORKS, "NB_LOG_FILE"},
};
static const struct flags PROGRAMS[] = {
    {&MGMT_PROGRAM, "management", {NULL}, MGMT_FLAGS, RK_ARRAY_LEN(MGMT_FLAGS)},
    {&SIG_PROGRAM, "run", {NULL}, SIGNAL_FLAGS, RK_ARRAY_LEN(SIGNAL_FLAGS)},
    {&RELAY_PROGRAM,
     NULL,
     {"--exposed-address", "r:1", "--auth-secret", "s"},
     RELAY_FLAGS,
     RK_ARRAY_LEN(RELAY_FLAGS)},
};

static void load(const struct flags *f, const struct row *r, bool by_variable)
{
    _Alignas(max_align_t) static char values[8192];
    char *argv[8];
    int argc = 0, rest;
    bool help, effect;
    struct rk_opts o = {0};
    struct rk_str flag, value;
    struct row named = *r;
    enum rk_code rc;

    (void)rk_str_cut(rk_str_z(r->name), '=', &flag, &value);
    value = r->value ? rk_str_z(r->value) : value;
    named.name = by_variable ? r->with : rk_arena_dupz(mem, flag);
    for (int i = 0; i < 4 && f->needed[i]; i++)
        if (strcmp(f->needed[i & ~1], named.name) != 0)
            argv[argc++] = rk_arena_dupz(mem, rk_str_z(f->needed[i]));
    if (by_variable) {
        ck_assert_int_eq(setenv(r->with, rk_arena_dupz(mem, value), 1), 0);
    } else {
        argv[argc++] = rk_arena_dupz(mem, rk_str_z(r->name));
        if (r->value)
            argv[argc++] = rk_arena_dupz(mem, value);
    }
    memset(values, 0, sizeof values);
    rc = rk_opts_load(&o, f->program->table, f->program->n, values, mem, argc, argv, &rest, &help,
                      &err);
    for (size_t i = 0; rc == RK_OK && i < o.notes.n; i++)
        rk_buf_add(&notes, o.notes.items[i]);
    effect = rc == RK_OK && rk_opt_source_of(&o, rk_arena_dupz(mem, flag) + 2) >= RK_OPT_ENV;
    judge(&named, rc, says(&notes, named.name), effect);
    if (by_variable)
        ck_assert_int_eq(unsetenv(r->with), 0);
}

START_TEST(flags_and_their_variables)
{
    for (size_t p = 0; p < RK_ARRAY_LEN(PROGRAMS); p++) {
        const struct flags *f = &PROGRAMS[p];

        ck_assert(!f->alias || strcmp(f->alias, f->program->alias) == 0);
        for (size_t i = 0; i < f->n; i++)
            for (int by_variable = 0; by_variable <= (f->rows[i].with != NULL); by_variable++) {
                teardown();
                setup();
                /* a value that the relay needs cannot stand on the command line as well */
                if (by_variable && f->needed[0] &&
                    (strcmp(f->rows[i].name, f->needed[0]) == 0 ||
                     strcmp(f->rows[i].name, f->needed[2]) == 0))
                    continue;
                load(f, &f->rows[i], by_variable);
            }
    }
}
END_TEST

/* Kubernetes sets NAME_PORT=tcp://… for every service that stands in the namespace. */
START_TEST(service_links_do_not_stop_a_start)
{
    static const char *const vars[] = {"ROOKERY_SIGNAL_PORT", "ROOKERY_MANAGEMENT_PORT",
                                       "ROOKERY_METRICS_PORT", "NB_PORT"};
    _Alignas(max_align_t) static char values[8192];
    struct server_config c;
    struct rk_opts o = {0};
    int rest;
    bool help;

    for (size_t i = 0; i < RK_ARRAY_LEN(vars); i++)
        ck_assert_int_eq(setenv(vars[i], "tcp://10.43.0.7:80", 1), 0);
    ck_assert_msg(server_config_load(mem, NULL, &c, &notes, &err) == RK_OK, "%s", err.msg);
    ck_assert(says(&notes, "ROOKERY_METRICS_PORT is passed over"));
    ck_assert_int_eq(c.metrics_port, 0);
    for (size_t p = 0; p < 2; p++)
        ck_assert_msg(rk_opts_load(&o, PROGRAMS[p].program->table, PROGRAMS[p].program->n, values,
                                   mem, 0, NULL, &rest, &help, &err) == RK_OK,
                      "%s", err.msg);
    for (size_t i = 0; i < RK_ARRAY_LEN(vars); i++)
        ck_assert_int_eq(unsetenv(vars[i]), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("upstream");
    TCase *t = tcase_create("upstream");
    SRunner *r;
    int failed, fd = mkstemp(path);

    if (fd < 0)
        return EXIT_FAILURE;
    (void)close(fd);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, config_yaml, 0, RK_ARRAY_LEN(YAML));
    tcase_add_test(t, config_yaml_is_complete);
    tcase_add_test(t, official_forms_start);
    tcase_add_test(t, addresses_are_brought_to_one_form);
    tcase_add_loop_test(t, management_json, 0, RK_ARRAY_LEN(JSON));
    tcase_add_test(t, management_json_is_complete);
    tcase_add_test(t, unknown_keys_are_named);
    tcase_add_test(t, flags_and_their_variables);
    tcase_add_test(t, service_links_do_not_stop_a_start);
    tcase_add_loop_test(t, variables_of_the_combined_server, 0, RK_ARRAY_LEN(ENV));
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK); /* the tests count */
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    printf("keys, flags and variables of the official servers: %zu work, %zu are reported, %zu are "
           "refused\n",
           count[WORKS], count[REPORTED], count[REFUSED]);
    (void)unlink(path);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
