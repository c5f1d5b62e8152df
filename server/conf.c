/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of configuration keys, and loading, checking and showing them; see conf.h. */
#include "config.h"

#include "server/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/net/addr.h"
#include "server/yaml.h"

enum kind { STR, SECRET, BOOL, INT, DURATION, STRS, INTS, PREFIXES, IGNORED };

struct key {
    const char *path; /* as in the file */
    enum kind kind;
    size_t offset;     /* in struct server_config */
    const char *dflt;  /* default as text; lists by comma; NULL: empty */
    const char *alias; /* upstream's environment variable, or NULL */
    int64_t min, max;  /* INT, INTS */
};

#define AT(member) offsetof(struct server_config, member)

/* Upstream's keys first (spec/deploy.md 2.1), then ours. Each may also be set by an environment
 * variable: ROOKERY_ and the path without "server." in upper case, e.g. ROOKERY_LISTEN_ADDRESS. */
static const struct key keys[] = {
    {"server.listenAddress", STR, AT(listen_address), ":8080", NULL, 0, 0},
    {"server.exposedAddress", STR, AT(exposed_address), NULL, NULL, 0, 0},
    {"server.metricsPort", INT, AT(metrics_port), "0", NULL, 0, 65535},
    {"server.healthcheckAddress", STR, AT(health_address), "", NULL, 0, 0},
    {"server.logLevel", STR, AT(log_level), "info", "NB_LOG_LEVEL", 0, 0},
    {"server.logFile", STR, AT(log_file), "console", NULL, 0, 0},
    {"server.tls.certFile", STR, AT(tls_cert), "", NULL, 0, 0},
    {"server.tls.keyFile", STR, AT(tls_key), "", NULL, 0, 0},
    {"server.stunPorts[]", INTS, AT(stun_ports), "3478", NULL, 1, 65535},
    {"server.authSecret", SECRET, AT(auth_secret), "", "NB_AUTH_SECRET", 0, 0},
    {"server.dataDir", STR, AT(data_dir), "/var/lib/rookery", NULL, 0, 0},
    {"server.stuns[].uri", STRS, AT(stuns), NULL, NULL, 0, 0},
    {"server.relays.addresses[]", STRS, AT(relays), NULL, NULL, 0, 0},
    {"server.relays.credentialsTTL", DURATION, AT(relay_ttl_ms), "12h", NULL, 0, 0},
    {"server.relays.secret", SECRET, AT(relay_secret), "", NULL, 0, 0},
    {"server.signalUri", STR, AT(signal_uri), "", NULL, 0, 0},
    {"server.auth.issuer", STR, AT(auth_issuer), "", NULL, 0, 0},
    {"server.auth.localAuthDisabled", BOOL, AT(local_auth_disabled), "false", NULL, 0, 0},
    {"server.auth.dashboardRedirectURIs[]", STRS, AT(dashboard_redirects), NULL, NULL, 0, 0},
    {"server.auth.cliRedirectURIs[]", STRS, AT(cli_redirects),
     "http://localhost:53000/,http://localhost:54000/", NULL, 0, 0},
    {"server.auth.dashboardPostLogoutRedirectURIs[]", STRS, AT(logout_redirects), NULL, NULL, 0, 0},
    {"server.store.engine", STR, AT(store_engine), "sqlite", "NETBIRD_STORE_ENGINE", 0, 0},
    {"server.store.dsn", SECRET, AT(store_dsn), "", "NB_STORE_ENGINE_POSTGRES_DSN", 0, 0},
    {"server.store.file", STR, AT(store_file), "rookery.db", "NB_STORE_ENGINE_SQLITE_FILE", 0, 0},
    {"server.store.encryptionKey", SECRET, AT(store_key), "", NULL, 0, 0},
    {"server.reverseProxy.trustedHTTPProxies[]", PREFIXES, AT(trusted_proxies), NULL, NULL, 0, 0},
    {"server.x.dnsDomain", STR, AT(dns_domain), "netbird.selfhosted", NULL, 0, 0},
    {"server.x.setupToken", SECRET, AT(setup_token), "", NULL, 0, 0},
    {"server.x.setupOpen", BOOL, AT(setup_open), "false", "NB_SETUP_OPEN", 0, 0},
    {"server.x.setupPAT", BOOL, AT(setup_pat), "true", "NB_SETUP_PAT_ENABLED", 0, 0},
    {"server.x.apiRateLimit", BOOL, AT(api_rate_limit), "false", "NB_API_RATE_LIMITING_ENABLED", 0,
     0},
    {"server.x.apiRatePerMinute", INT, AT(api_rate_per_minute), "6", "NB_API_RATE_LIMITING_RPM", 1,
     1000000},
    {"server.x.apiRateBurst", INT, AT(api_rate_burst), "500", "NB_API_RATE_LIMITING_BURST", 1,
     1000000},
    {"server.x.geoDatabase", STR, AT(geo_database), "", NULL, 0, 0},
    {"server.x.geoNames", STR, AT(geo_names), "", NULL, 0, 0},
    {"server.x.defaultPolicy", BOOL, AT(default_policy), "true", NULL, 0, 0},
    {"server.x.componentMaps", BOOL, AT(component_maps), "false", NULL, 0, 0},
    {"server.x.eventRetentionDays", INT, AT(event_retention_days), "180", NULL, 0, 36500},
    {"server.x.loginTries", INT, AT(login_tries), "10", NULL, 1, 10000},
    {"server.x.journalRetentionDays", INT, AT(journal_retention_days), "0", NULL, 0, 36500},
    {"server.x.oidcIssuer", STR, AT(oidc_issuer), "", NULL, 0, 0},
    {"server.x.oidcAudiences[]", STRS, AT(oidc_audiences), NULL, NULL, 0, 0},
    {"server.x.oidcKeysURL", STR, AT(oidc_keys_url), "", NULL, 0, 0},
    {"server.x.oidcUserClaim", STR, AT(oidc_user_claim), "sub", NULL, 0, 0},
    {"server.x.loops", INT, AT(loops), "0", NULL, 0, 64},
    {"server.x.logFormat", STR, AT(log_format), "text", "NB_LOG_FORMAT", 0, 0},
    /* Accepted so that an official file works, without effect here. */
    {"server.disableAnonymousMetrics", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.disableGeoliteUpdate", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.signKeyRefreshEnabled", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.mfaSessionMaxLifetime", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.mfaSessionIdleTimeout", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.mfaSessionRememberMe", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.sessionCookieEncryptionKey", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.owner.email", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.owner.password", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.reverseProxy.trustedHTTPProxiesCount", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.reverseProxy.trustedPeers[]", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.storage.type", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.storage.file", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.auth.grantTypes[]", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.stuns[].proto", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.stuns[].username", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.stuns[].password", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.activityStore.engine", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.activityStore.dsn", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.activityStore.file", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.authStore.engine", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.authStore.dsn", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.authStore.file", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.reverseProxy.accessLogRetentionDays", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.reverseProxy.accessLogCleanupIntervalHours", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.supportedSyncMessageVersions", IGNORED, 0, NULL, NULL, 0, 0},
    {"server.agentNetwork.pricingDefaultsFile", IGNORED, 0, NULL, NULL, 0, 0},
};

struct load {
    struct rk_arena *mem;
    struct server_config c;
    const char *from[RK_ARRAY_LEN(keys)]; /* where each value is from, for show */
    struct rk_buf *warnings;
    struct rk_err *err;
};

static void *member(struct server_config *c, const struct key *k)
{
    return (char *)c + k->offset;
}

static bool is_list(const struct key *k)
{
    return k->kind == STRS || k->kind == INTS || k->kind == PREFIXES;
}

static enum rk_code parse_bool(struct rk_str s, bool *out, struct rk_err *err)
{
    if (rk_str_ieq(s, RK_STR("true")) || rk_str_eqz(s, "1"))
        *out = true;
    else if (rk_str_ieq(s, RK_STR("false")) || rk_str_eqz(s, "0"))
        *out = false;
    else
        return rk_fail(err, RK_INVALID, "\"%.*s\" is neither true nor false", RK_STR_ARG(s));
    return RK_OK;
}

/* A prefix or a lone address. */
static enum rk_code check_prefix(struct rk_str s, struct rk_err *err)
{
    struct rk_prefix p;
    struct rk_ip ip;

    if (rk_prefix_parse(s, &p, NULL) && rk_ip_parse(s, &ip, NULL))
        return rk_fail(err, RK_INVALID, "\"%.*s\" is neither an address nor a prefix",
                       RK_STR_ARG(s));
    return RK_OK;
}

static void add_str(struct rk_arena *mem, struct cfg_strs *list, struct rk_str s)
{
    struct rk_str *items = rk_new_n(mem, struct rk_str, list->n + 1);

    if (list->n)
        memcpy(items, list->items, list->n * sizeof *items);
    items[list->n++] = s;
    list->items = items;
    list->set = true;
}

static void add_int(struct rk_arena *mem, struct cfg_ints *list, int64_t v)
{
    int64_t *items = rk_new_n(mem, int64_t, list->n + 1);

    if (list->n)
        memcpy(items, list->items, list->n * sizeof *items);
    items[list->n++] = v;
    list->items = items;
    list->set = true;
}

/* Set a scalar, or append one element to a list. */
static enum rk_code set_value(struct load *l, const struct key *k, struct rk_str v)
{
    void *m = member(&l->c, k);
    enum rk_code rc = RK_OK;
    int64_t n;

    v = rk_arena_dup(l->mem, v);
    switch (k->kind) {
    case STR:
    case SECRET:
        *(struct rk_str *)m = v;
        break;
    case BOOL:
        rc = parse_bool(v, m, l->err);
        break;
    case INT:
        rc = rk_parse_i64(v, k->min, k->max, m, l->err);
        break;
    case DURATION:
        rc = rk_parse_duration_ms(v, m, l->err);
        break;
    case INTS:
        rc = rk_parse_i64(v, k->min, k->max, &n, l->err);
        if (rc == RK_OK)
            add_int(l->mem, m, n);
        break;
    case PREFIXES:
        rc = check_prefix(v, l->err);
        if (rc == RK_OK)
            add_str(l->mem, m, v);
        break;
    case STRS:
        add_str(l->mem, m, v);
        break;
    case IGNORED:
        break;
    }
    return rc;
}

/* Start a list over: the next source replaces the one before. */
static void clear_list(struct load *l, const struct key *k)
{
    if (k->kind == INTS)
        *(struct cfg_ints *)member(&l->c, k) = (struct cfg_ints){.set = true};
    else
        *(struct cfg_strs *)member(&l->c, k) = (struct cfg_strs){.set = true};
}

/* A list as one text with commas. */
static enum rk_code set_text(struct load *l, const struct key *k, struct rk_str text)
{
    enum rk_code rc = RK_OK;
    struct rk_str item;

    if (!is_list(k))
        return set_value(l, k, text);
    clear_list(l, k);
    while (rc == RK_OK && text.n) {
        (void)rk_str_cut(text, ',', &item, &text);
        item = rk_str_trim(item);
        if (item.n)
            rc = set_value(l, k, item);
    }
    return rc;
}

/* "server.auth.cliRedirectURIs[]" -> "ROOKERY_AUTH_CLI_REDIRECT_URIS". */
static void env_name(const struct key *k, char *out, size_t size)
{
    const char *p = k->path + strlen("server.");
    size_t n = strlen("ROOKERY_");
    bool was_lower = false;

    memcpy(out, "ROOKERY_", n);
    if (strncmp(p, "x.", 2) == 0)
        p += 2;
    for (; *p && n + 3 < size; p++) {
        bool upper = *p >= 'A' && *p <= 'Z', lower = *p >= 'a' && *p <= 'z';

        if (*p == '[' || *p == ']')
            continue;
        if (*p == '.') {
            out[n++] = '_';
        } else {
            if (upper && (was_lower || (p[1] >= 'a' && p[1] <= 'z' && out[n - 1] != '_' &&
                                        !(p[1] == 's' && !(p[2] >= 'a' && p[2] <= 'z')))))
                out[n++] = '_';
            out[n++] = (char)(lower ? *p - 32 : *p);
        }
        was_lower = lower;
    }
    out[n] = '\0';
}

static enum rk_code read_file(struct rk_arena *mem, const char *path, struct rk_str *out,
                              struct rk_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text;
    size_t n = 0;
    ssize_t got = 1;

    if (fd < 0)
        return rk_fail_errno(err, errno == ENOENT ? RK_NOT_FOUND : RK_FORBIDDEN, errno, "%s", path);
    text = rk_arena_alloc(mem, YAML_MAX_BYTES + 1);
    while (got > 0 && n <= YAML_MAX_BYTES) {
        got = read(fd, text + n, YAML_MAX_BYTES + 1 - n);
        if (got > 0)
            n += (size_t)got;
    }
    (void)close(fd);
    if (got < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "read %s", path);
    *out = rk_str_of(text, n);
    return RK_OK;
}

/* One variable, for secrets also NAME_FILE. */
static enum rk_code apply_env(struct load *l, size_t i, const char *name)
{
    const char *v = getenv(name);
    char file_name[128];
    struct rk_str text;
    enum rk_code rc = RK_OK;

    if (!v && keys[i].kind == SECRET) {
        (void)snprintf(file_name, sizeof file_name, "%s_FILE", name);
        v = getenv(file_name);
        if (!v)
            return RK_OK;
        rc = read_file(l->mem, v, &text, l->err);
        text = rk_str_trim(text);
        name = file_name;
    } else if (v) {
        text = rk_str_z(v);
    } else {
        return RK_OK;
    }
    if (rc == RK_OK)
        rc = set_text(l, &keys[i], text);
    if (rc)
        return rk_wrap(l->err, "%s", name);
    l->from[i] = "environment";
    return RK_OK;
}

static enum rk_code load_defaults(struct load *l)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(keys); i++) {
        l->from[i] = "default";
        if (keys[i].kind != IGNORED && keys[i].dflt) {
            enum rk_code rc = set_text(l, &keys[i], rk_str_z(keys[i].dflt));

            if (rc)
                return rc;
            if (keys[i].kind == INTS)
                ((struct cfg_ints *)member(&l->c, &keys[i]))->set = false;
            else if (is_list(&keys[i]))
                ((struct cfg_strs *)member(&l->c, &keys[i]))->set = false;
        }
    }
    return RK_OK;
}

static size_t distance(const char *a, struct rk_str b)
{
    size_t row[96], n = strlen(a);

    if (n >= RK_ARRAY_LEN(row) || b.n >= RK_ARRAY_LEN(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diag = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t sub = diag + ((a[i - 1] | 32) != (b.p[j - 1] | 32));

            diag = row[j];
            row[j] = rk_min_size(rk_min_size(row[j] + 1, row[j - 1] + 1), sub);
        }
    }
    return row[b.n];
}

static enum rk_code unknown_key(const struct load *l, const char *file, const struct yaml_entry *e)
{
    size_t best = SIZE_MAX, at = 0;

    for (size_t i = 0; i < RK_ARRAY_LEN(keys); i++) {
        size_t d = distance(keys[i].path, e->path);

        if (d < best) {
            best = d;
            at = i;
        }
    }
    if (best <= e->path.n / 3)
        return rk_fail(l->err, RK_BAD_REQUEST, "%s:%zu: unknown key %.*s; did you mean %s?", file,
                       e->line, RK_STR_ARG(e->path), keys[at].path);
    return rk_fail(l->err, RK_BAD_REQUEST, "%s:%zu: unknown key %.*s", file, e->line,
                   RK_STR_ARG(e->path));
}

static const struct key *find_key(struct rk_str path)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(keys); i++)
        if (rk_str_eqz(path, keys[i].path))
            return &keys[i];
    return NULL;
}

/* "stunPorts: []" arrives as an empty collection without the brackets; a map key with nothing under
 * it ("auth: {}") is harmless. */
static const struct key *find_empty(struct load *l, struct rk_str path, bool *harmless)
{
    const struct key *k = find_key(rk_arena_printf(l->mem, "%.*s[]", RK_STR_ARG(path)));

    for (size_t i = 0; i < RK_ARRAY_LEN(keys); i++)
        if (rk_str_starts(rk_str_z(keys[i].path), path))
            *harmless = true;
    return k;
}

/* A path that stands in no row of the table. */
static enum rk_code apply_other(struct load *l, const char *file, const struct yaml_entry *e)
{
    bool harmless = false;
    const struct key *k = NULL;

    if (e->collection || e->value.n == 0)
        k = find_empty(l, e->path, &harmless);
    if (k && is_list(k))
        clear_list(l, k);
    if (k || harmless ||
        rk_str_starts(e->path, RK_STR("server.perAccountSupportedSyncMessageVersions.")))
        return RK_OK;
    if (rk_str_starts(e->path, RK_STR("server.tls.letsencrypt.")))
        return rk_fail(l->err, RK_INVALID,
                       "%s:%zu: %.*s: certificates by ACME are not supported; use tls.certFile and "
                       "tls.keyFile, or a proxy in front",
                       file, e->line, RK_STR_ARG(e->path));
    return unknown_key(l, file, e);
}

static enum rk_code apply_entry(struct load *l, const char *file, const struct yaml_entry *e)
{
    const struct key *k = find_key(e->path);

    if (!k)
        return apply_other(l, file, e);
    if (k->kind == IGNORED) {
        if (l->warnings)
            rk_buf_printf(l->warnings, "%s:%zu: %s has no effect here\n", file, e->line, k->path);
        return RK_OK;
    }
    if (!e->quoted && (rk_str_eqz(e->value, "~") || rk_str_eqz(e->value, "null")))
        return RK_OK;
    if (is_list(k) && e->index == 0)
        clear_list(l, k);
    if (set_value(l, k, e->value))
        return rk_wrap(l->err, "%s:%zu: %s", file, e->line, k->path);
    l->from[k - keys] = "file";
    return RK_OK;
}

static enum rk_code load_file(struct load *l, const char *path)
{
    struct yaml_list list = {0};
    struct rk_str text;
    enum rk_code rc = read_file(l->mem, path, &text, l->err);

    if (rc == RK_OK) {
        rc = yaml_parse(l->mem, text, &list, l->err);
        if (rc)
            return rk_wrap(l->err, "%s", path);
    }
    for (size_t i = 0; rc == RK_OK && i < list.n; i++)
        rc = apply_entry(l, path, &list.items[i]);
    return rc;
}

static enum rk_code load_env(struct load *l)
{
    char name[96];
    enum rk_code rc = RK_OK;

    for (size_t i = 0; rc == RK_OK && i < RK_ARRAY_LEN(keys); i++) {
        if (keys[i].kind == IGNORED)
            continue;
        if (keys[i].alias)
            rc = apply_env(l, i, keys[i].alias);
        env_name(&keys[i], name, sizeof name);
        if (rc == RK_OK)
            rc = apply_env(l, i, name);
    }
    return rc;
}

/* "host:port", ":port" or "[v6]:port". */
static enum rk_code check_listen(const char *key, struct rk_str s, struct rk_err *err)
{
    struct rk_addr a;
    struct rk_str host, port;
    int64_t n;

    if (rk_addr_parse(s, &a, NULL) == RK_OK)
        return RK_OK;
    if (rk_str_cut(s, ':', &host, &port) && host.n == 0 &&
        rk_parse_i64(port, 0, 65535, &n, NULL) == RK_OK)
        return RK_OK;
    return rk_fail(err, RK_INVALID, "%s: \"%.*s\" is not an address such as :443 or 192.0.2.1:443",
                   key, RK_STR_ARG(s));
}

/* Bring exposedAddress to scheme://host:port; without a scheme it is https, without a port 443/80.
 */
/* The issuer always ends in /oauth2, as with the official server; a default port is not written. */
static void normalise_issuer(struct load *l)
{
    struct rk_str s = l->c.auth_issuer.n ? l->c.auth_issuer : l->c.exposed_address;

    while (rk_str_ends(s, RK_STR("/")))
        s.n--;
    if (rk_str_starts(s, RK_STR("https://")) && rk_str_ends(s, RK_STR(":443")))
        s.n -= 4;
    else if (rk_str_starts(s, RK_STR("http://")) && rk_str_ends(s, RK_STR(":80")))
        s.n -= 3;
    l->c.auth_issuer = rk_str_ends(s, RK_STR("/oauth2"))
                           ? s
                           : rk_arena_printf(l->mem, "%.*s/oauth2", RK_STR_ARG(s));
}

static enum rk_code normalise_exposed(struct load *l)
{
    struct rk_str s = l->c.exposed_address, scheme = RK_STR("https"), rest = s;
    size_t at = rk_str_find(s, RK_STR("://"));
    bool port;

    if (!s.n) /* not set: reachable at least on this machine */
        s = rest = rk_arena_printf(
            l->mem, "localhost:%.*s",
            RK_STR_ARG(rk_str_sub(l->c.listen_address, 1 + rk_str_find_c(l->c.listen_address, ':'),
                                  l->c.listen_address.n))),
        scheme = l->c.tls_cert.n ? RK_STR("https") : RK_STR("http");
    else if (at < s.n) {
        scheme = rk_str_sub(s, 0, at);
        rest = rk_str_sub(s, at + 3, s.n);
    }
    if (rk_str_ends(rest, RK_STR("/")))
        rest.n--;
    if (!(rk_str_eqz(scheme, "http") || rk_str_eqz(scheme, "https")) || !rest.n ||
        rk_str_find_c(rest, '/') < rest.n)
        return rk_fail(l->err, RK_INVALID,
                       "server.exposedAddress: \"%.*s\" is not of the form https://host:port",
                       RK_STR_ARG(s));
    port = rest.p[0] == '[' ? rk_str_find(rest, RK_STR("]:")) < rest.n
                            : rk_str_find_c(rest, ':') < rest.n;
    l->c.exposed_address =
        rk_arena_printf(l->mem, "%.*s://%.*s%s", RK_STR_ARG(scheme), RK_STR_ARG(rest),
                        port                          ? ""
                        : rk_str_eqz(scheme, "https") ? ":443"
                                                      : ":80");
    return RK_OK;
}

static enum rk_code check_all(struct load *l)
{
    struct server_config *c = &l->c;
    enum rk_log_level level;
    enum rk_code rc = check_listen("server.listenAddress", c->listen_address, l->err);

    if (rc == RK_OK && c->health_address.n)
        rc = check_listen("server.healthcheckAddress", c->health_address, l->err);
    if (rc == RK_OK && rk_log_level_parse(c->log_level, &level, l->err))
        rc = rk_wrap(l->err, "server.logLevel");
    if (rc)
        return rc;
    if (!c->tls_cert.n != !c->tls_key.n)
        return rk_fail(l->err, RK_INVALID,
                       "server.tls: certFile and keyFile must both be set or both be empty");
    if (!rk_str_eqz(c->store_engine, "sqlite") && !rk_str_eqz(c->store_engine, "postgres"))
        return rk_fail(l->err, RK_INVALID,
                       "server.store.engine: \"%.*s\" is neither sqlite nor "
                       "postgres",
                       RK_STR_ARG(c->store_engine));
    if (rk_str_eqz(c->store_engine, "postgres") && !c->store_dsn.n)
        return rk_fail(l->err, RK_INVALID, "server.store.dsn: needed with engine postgres");
    if (!c->data_dir.n)
        return rk_fail(l->err, RK_INVALID, "server.dataDir: must not be empty");
    if (!rk_str_eqz(c->log_format, "text") && !rk_str_eqz(c->log_format, "json"))
        return rk_fail(l->err, RK_INVALID, "server.x.logFormat: neither text nor json");
    if (c->dns_domain.n > 192 || c->dns_domain.n == 0)
        return rk_fail(l->err, RK_INVALID, "server.x.dnsDomain: 1 to 192 characters");
    if (c->oidc_issuer.n && !c->oidc_audiences.n)
        return rk_fail(l->err, RK_INVALID,
                       "server.x.oidcAudiences: needed with oidcIssuer, or its tokens for any "
                       "other application would do here");
    rc = normalise_exposed(l);
    if (rc == RK_OK)
        normalise_issuer(l);
    return rc;
}

static enum rk_code load_all(struct load *l, const char *path)
{
    enum rk_code rc = load_defaults(l);

    if (rc == RK_OK && path)
        rc = load_file(l, path);
    if (rc == RK_OK)
        rc = load_env(l);
    if (rc == RK_OK) {
        rc = check_all(l);
        if (rc && path)
            (void)rk_wrap(l->err, "%s", path);
    }
    return rc;
}

enum rk_code server_config_load(struct rk_arena *mem, const char *path, struct server_config *out,
                                struct rk_buf *warnings, struct rk_err *err)
{
    struct load l = {.mem = mem, .warnings = warnings, .err = err};
    enum rk_code rc = load_all(&l, path);

    if (rc == RK_OK)
        *out = l.c;
    return rc;
}

static void show_value(struct server_config *c, const struct key *k, struct rk_buf *out)
{
    void *m = member(c, k);
    const struct cfg_strs *strs = m;
    const struct cfg_ints *ints = m;

    switch (k->kind) {
    case STR:
        rk_buf_printf(out, "\"%.*s\"", RK_STR_ARG(*(struct rk_str *)m));
        break;
    case SECRET:
        rk_buf_addz(out, ((struct rk_str *)m)->n ? "(set)" : "\"\"");
        break;
    case BOOL:
        rk_buf_addz(out, *(bool *)m ? "true" : "false");
        break;
    case INT:
        rk_buf_printf(out, "%lld", (long long)*(int64_t *)m);
        break;
    case DURATION:
        rk_buf_printf(out, "%llds", (long long)(*(int64_t *)m / 1000));
        break;
    case INTS:
        for (size_t i = 0; i < ints->n; i++)
            rk_buf_printf(out, "%s%lld", i ? ", " : "", (long long)ints->items[i]);
        break;
    case STRS:
    case PREFIXES:
        for (size_t i = 0; i < strs->n; i++)
            rk_buf_printf(out, "%s\"%.*s\"", i ? ", " : "", RK_STR_ARG(strs->items[i]));
        break;
    case IGNORED:
        break;
    }
}

enum rk_code server_config_show(struct rk_arena *mem, const char *path, struct rk_buf *out,
                                struct rk_err *err)
{
    struct load l = {.mem = mem, .err = err};
    enum rk_code rc = load_all(&l, path);
    char env[96];

    for (size_t i = 0; rc == RK_OK && i < RK_ARRAY_LEN(keys); i++) {
        const struct key *k = &keys[i];

        if (k->kind == IGNORED)
            continue;
        env_name(k, env, sizeof env);
        rk_buf_printf(out, "%s: %s", k->path, is_list(k) ? "[" : "");
        show_value(&l.c, k, out);
        rk_buf_printf(out, "%s  # %s, %s\n", is_list(k) ? "]" : "", l.from[i], env);
    }
    return rc;
}
