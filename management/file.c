/* SPDX-License-Identifier: BSD-3-Clause */
/* See file.h. */
#include "config.h"

#include "management/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/num.h"
#include "management/file_keys.h"

#define DEPTH_MAX 32
#define ITEMS_MAX 256 /* of one list */

/* Sticky reader of values: the first wrong one is remembered, all later reads give nothing. */
struct reader {
    struct rk_arena *mem;
    const char *bad; /* key of the first wrong value */
};

/* ---- values */

static const json_t *get(const json_t *o, const char *key)
{
    const char *k;
    json_t *v, *found = NULL;

    if (!json_is_object(o))
        return NULL;
    found = json_object_get(o, key);
    if (!found)
        json_object_foreach ((json_t *)(uintptr_t)o, k, v)
            if (!strcasecmp(k, key))
                found = v;
    return json_is_null(found) ? NULL : found;
}

static void wrong(struct reader *r, const char *key)
{
    if (!r->bad)
        r->bad = key;
}

static struct rk_str text(struct reader *r, const json_t *o, const char *key)
{
    const json_t *v = get(o, key);

    if (v && !json_is_string(v))
        wrong(r, key);
    if (!json_is_string(v))
        return (struct rk_str){0};
    return rk_arena_dup(r->mem, rk_str_of(json_string_value(v), json_string_length(v)));
}

static const char *textz(struct reader *r, const json_t *o, const char *key)
{
    struct rk_str s = text(r, o, key);

    return s.n ? rk_arena_dupz(r->mem, s) : NULL;
}

static bool boolean(struct reader *r, const json_t *o, const char *key)
{
    const json_t *v = get(o, key);

    if (v && !json_is_boolean(v))
        wrong(r, key);
    return json_is_true(v);
}

static int64_t integer(struct reader *r, const json_t *o, const char *key)
{
    const json_t *v = get(o, key);

    if (v && !json_is_integer(v))
        wrong(r, key);
    return json_is_integer(v) ? json_integer_value(v) : 0;
}

/* "12h", or whole nanoseconds. */
static int64_t duration_ms(struct reader *r, const json_t *o, const char *key)
{
    const json_t *v = get(o, key);
    int64_t ms = 0;

    if (json_is_integer(v))
        return json_integer_value(v) / 1000000;
    if (v &&
        (!json_is_string(v) || rk_parse_duration_ms(rk_str_z(json_string_value(v)), &ms, NULL)))
        wrong(r, key);
    return ms;
}

static size_t list_of(struct reader *r, const json_t *o, const char *key, const json_t **list)
{
    *list = get(o, key);
    if (*list && (!json_is_array(*list) || json_array_size(*list) > ITEMS_MAX)) {
        wrong(r, key);
        *list = NULL;
    }
    return json_array_size(*list);
}

static struct rk_strs texts(struct reader *r, const json_t *o, const char *key)
{
    const json_t *list;
    size_t n = list_of(r, o, key, &list);
    struct rk_strs out = {.items = rk_new_n(r->mem, struct rk_str, n)};

    for (; out.n < n; out.n++) {
        const json_t *v = json_array_get(list, out.n);

        if (!json_is_string(v)) {
            wrong(r, key);
            break;
        }
        out.items[out.n] = rk_arena_dup(r->mem, rk_str_z(json_string_value(v)));
    }
    return out;
}

static const char *const *textzs(struct reader *r, const json_t *o, const char *key, size_t *n)
{
    struct rk_strs l = texts(r, o, key);
    const char **out = rk_new_n(r->mem, const char *, l.n + 1);

    for (size_t i = 0; i < l.n; i++)
        out[i] = rk_arena_dupz(r->mem, l.items[i]);
    *n = l.n;
    return out;
}

/* ---- sections */

static void read_servers(struct reader *r, const json_t *root, struct mgmt_file *f)
{
    const json_t *turn = get(root, "TURNConfig"), *relay = get(root, "Relay");
    const json_t *sig = get(root, "Signal"), *list;
    size_t n = list_of(r, root, "Stuns", &list);
    struct rk_str uri;

    f->stuns.items = rk_new_n(r->mem, struct rk_str, n);
    for (size_t i = 0; i < n; i++)
        f->stuns.items[f->stuns.n++] = text(r, json_array_get(list, i), "URI");
    f->n_turns = list_of(r, turn, "Turns", &list);
    f->turns = rk_new_n(r->mem, struct servers_turn, f->n_turns);
    for (size_t i = 0; i < f->n_turns; i++) {
        const json_t *t = json_array_get(list, i);

        f->turns[i] = (struct servers_turn){textz(r, t, "URI"), textz(r, t, "Username"),
                                            textz(r, t, "Password")};
        if (!f->turns[i].uri)
            wrong(r, "Turns.URI");
    }
    f->turn_ttl_ms = duration_ms(r, turn, "CredentialsTTL");
    if (boolean(r, turn, "TimeBasedCredentials"))
        f->turn_secret = text(r, turn, "Secret");
    f->relays = texts(r, relay, "Addresses");
    f->relay_secret = text(r, relay, "Secret");
    f->relay_ttl_ms = duration_ms(r, relay, "CredentialsTTL");
    uri = text(r, sig, "URI");
    if (uri.n)
        f->signal = rk_arena_printf(
            r->mem, "%s://%.*s",
            rk_str_ieq(text(r, sig, "Proto"), RK_STR("https")) ? "https" : "http", RK_STR_ARG(uri));
}

static struct rpc_flow read_flow(struct reader *r, const json_t *section)
{
    const json_t *p = get(section, "ProviderConfig");
    struct rpc_flow f = {
        .client_id = textz(r, p, "ClientID"),
        .client_secret = textz(r, p, "ClientSecret"),
        .audience = textz(r, p, "Audience"),
        .device_auth_endpoint = textz(r, p, "DeviceAuthEndpoint"),
        .authorization_endpoint = textz(r, p, "AuthorizationEndpoint"),
        .token_endpoint = textz(r, p, "TokenEndpoint"),
        .scope = textz(r, p, "Scope"),
        .use_id_token = boolean(r, p, "UseIDToken"),
        .disable_prompt_login = boolean(r, p, "DisablePromptLogin"),
        .login_flag = (unsigned)integer(r, p, "LoginFlag"),
    };

    f.redirect_urls = textzs(r, p, "RedirectURLs", &f.n_redirect_urls);
    return f;
}

/* "https://issuer/.well-known/openid-configuration" → the issuer, by OpenID Connect Discovery 4. */
static const char *issuer_of(struct reader *r, struct rk_str endpoint)
{
    struct rk_str end = RK_STR("/.well-known/openid-configuration");

    if (!endpoint.n)
        return NULL;
    if (!rk_str_ends(endpoint, end))
        wrong(r, "OIDCConfigEndpoint");
    return rk_arena_dupz(r->mem,
                         rk_str_sub(endpoint, 0, endpoint.n - rk_min_size(end.n, endpoint.n)));
}

static void read_identity(struct reader *r, const json_t *root, struct mgmt_file *f)
{
    const json_t *http = get(root, "HttpConfig"), *idp = get(root, "EmbeddedIdP");
    const json_t *device = get(root, "DeviceAuthorizationFlow");
    static const char *const audiences[] = {"AuthAudience", "CLIAuthAudience", "ExtraAuthAudience"};
    const char **aud = rk_new_n(r->mem, const char *, RK_ARRAY_LEN(audiences));

    f->cert_file = text(r, http, "CertFile");
    f->cert_key = text(r, http, "CertKey");
    f->issuer.issuer = textz(r, http, "AuthIssuer");
    if (!f->issuer.issuer)
        f->issuer.issuer = issuer_of(r, text(r, http, "OIDCConfigEndpoint"));
    f->issuer.keys_url = textz(r, http, "AuthKeysLocation");
    f->issuer.audiences = aud;
    for (size_t i = 0; i < RK_ARRAY_LEN(audiences); i++) {
        const char *a = textz(r, http, audiences[i]);

        if (a)
            aud[f->issuer.n_audiences++] = a;
    }
    f->user_claim = text(r, http, "AuthUserIDClaim");
    if (!rk_str_ieq(text(r, device, "Provider"), RK_STR("none")))
        f->device = read_flow(r, device);
    f->pkce = read_flow(r, get(root, "PKCEAuthorizationFlow"));
    f->embedded = boolean(r, idp, "Enabled");
    f->embedded_issuer = text(r, idp, "Issuer");
    f->local_auth_disabled = boolean(r, idp, "LocalAuthDisabled");
    f->dashboard_redirects = texts(r, idp, "DashboardRedirectURIs");
    f->cli_redirects = texts(r, idp, "CLIRedirectURIs");
    f->logout_redirects = texts(r, idp, "DashboardPostLogoutRedirectURIs");
}

/* ---- the text */

/* {{ .NAME }} → the value of NAME; other braces are left alone. False past MGMT_FILE_MAX. */
static bool expand(struct rk_str in, struct rk_buf *out)
{
    while (in.n && !out->full) {
        size_t at = rk_str_find(in, RK_STR("{{")), end;
        struct rk_str name;

        rk_buf_add(out, rk_str_sub(in, 0, at));
        in = rk_str_sub(in, at, in.n);
        end = rk_str_find(in, RK_STR("}}"));
        if (end == in.n)
            break;
        name = rk_str_trim(rk_str_sub(in, 2, end - 2));
        if (name.n > 1 && name.n < 128 && name.p[0] == '.') {
            RK_CLEANUP(rk_freep) char *key = rk_str_dupz(rk_str_sub(name, 1, name.n));

            rk_buf_add(out, rk_str_z(getenv(key)));
        } else {
            rk_buf_add(out, rk_str_sub(in, 0, end + 2));
        }
        in = rk_str_sub(in, end + 2, in.n);
    }
    rk_buf_add(out, in);
    return !out->full;
}

enum rk_code mgmt_file_parse(struct rk_arena *mem, struct rk_str in, struct mgmt_file *out,
                             struct rk_err *err)
{
    struct reader r = {.mem = mem};
    struct mgmt_file f = {0};
    json_error_t at;
    json_t *root;
    struct rk_buf b;
    enum rk_code rc;
    int64_t version;

    rk_buf_init(&b, MGMT_FILE_MAX);
    if (!expand(in, &b)) {
        rk_buf_done(&b);
        return rk_fail(err, RK_LIMIT, "longer than %zu bytes", MGMT_FILE_MAX);
    }
    root = json_loadb(b.p ? b.p : "", b.n, JSON_REJECT_DUPLICATES, &at);
    rk_secret_wipe(b.p, b.n);
    rk_buf_done(&b);
    if (!json_is_object(root)) {
        json_decref(root);
        return root ? rk_fail(err, RK_INVALID, "not a JSON object")
                    : rk_fail(err, RK_INVALID, "line %d: %s", at.line, at.text);
    }
    read_servers(&r, root, &f);
    read_identity(&r, root, &f);
    f.store_key = text(&r, root, "DataStoreEncryptionKey");
    f.store_engine = text(&r, get(root, "StoreConfig"), "Engine");
    f.data_dir = text(&r, root, "Datadir");
    f.no_default_policy = boolean(&r, root, "DisableDefaultPolicy");
    version = integer(&r, root, "HighestSupportedSyncMessageVersion");
    if (version < 0 || version > 1)
        wrong(&r, "HighestSupportedSyncMessageVersion");
    f.component_maps = version == 1;
    f.trusted_proxies = texts(&r, get(root, "ReverseProxy"), "TrustedHTTPProxies");
    rc = mgmt_file_keys_check(mem, root, &f.notes, err);
    json_decref(root);
    if (rc)
        return rc;
    if (r.bad)
        return rk_fail(err, RK_INVALID, "%s: wrong value", r.bad);
    *out = f;
    return RK_OK;
}

enum rk_code mgmt_file_load(struct rk_arena *mem, const char *path, struct mgmt_file *out,
                            struct rk_err *err)
{
    struct rk_buf b;
    enum rk_code rc;

    rk_buf_init(&b, MGMT_FILE_MAX);
    rc = rk_file_read(path, 0, &b, err);
    if (rc == RK_OK && mgmt_file_parse(mem, rk_buf_str(&b), out, err))
        rc = rk_wrap(err, "%s", path);
    rk_secret_wipe(b.p, b.n);
    rk_buf_done(&b);
    return rc;
}
