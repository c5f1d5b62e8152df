/* SPDX-License-Identifier: BSD-3-Clause */
/* See file_keys.h. */
#include "config.h"

#include "management/file_keys.h"

#include "lib/serve/svc.h"
#include "management/upstream_env.h"

#define READ(path)                                                                                 \
    {                                                                                              \
        path, NULL, NULL, NULL                                                                     \
    }
#define FLOW(section)                                                                              \
    READ(section "ProviderConfig.ClientID"), READ(section "ProviderConfig.ClientSecret"),          \
        READ(section "ProviderConfig.Audience"), READ(section "ProviderConfig.TokenEndpoint"),     \
        READ(section "ProviderConfig.DeviceAuthEndpoint"),                                         \
        READ(section "ProviderConfig.AuthorizationEndpoint"),                                      \
        READ(section "ProviderConfig.Scope"), READ(section "ProviderConfig.UseIDToken"),           \
        READ(section "ProviderConfig.RedirectURLs[]"),                                             \
        READ(section "ProviderConfig.DisablePromptLogin"),                                         \
        READ(section "ProviderConfig.LoginFlag"),                                                  \
    {                                                                                              \
        section "ProviderConfig.Domain", "agents take the endpoints", NULL, NULL                   \
    }

#define TRUE_      "true"
#define BY_ITS_URI "the scheme and transport= of the URI decide"
#define NO_LOGIN   "this kind of server asks for no credentials"
#define KEYS_FRESH "the keys of a provider are always read again when it uses a new one"
#define OWNER      "the first owner is made by rookery setup, or in the browser with the setup token"
#define FIXED      "sign-in sessions have fixed lives here"

const struct mgmt_file_key MGMT_FILE_KEYS[] = {
    READ("Stuns[].URI"),
    {"Stuns[].Proto", BY_ITS_URI, NULL, "udp"},
    {"Stuns[].Username", NO_LOGIN, NULL, NULL},
    {"Stuns[].Password", NO_LOGIN, NULL, NULL},
    READ("TURNConfig.TimeBasedCredentials"),
    READ("TURNConfig.CredentialsTTL"),
    READ("TURNConfig.Secret"),
    READ("TURNConfig.Turns[].URI"),
    READ("TURNConfig.Turns[].Username"),
    READ("TURNConfig.Turns[].Password"),
    {"TURNConfig.Turns[].Proto", BY_ITS_URI, NULL, "udp"},
    READ("Relay.Addresses[]"),
    READ("Relay.CredentialsTTL"),
    READ("Relay.Secret"),
    READ("Signal.Proto"),
    READ("Signal.URI"),
    {"Signal.Username", NO_LOGIN, NULL, NULL},
    {"Signal.Password", NO_LOGIN, NULL, NULL},
    READ("Datadir"),
    READ("DataStoreEncryptionKey"),
    READ("StoreConfig.Engine"),
    {"HttpConfig.LetsEncryptDomain", NULL, SVC_NO_ACME, NULL},
    READ("HttpConfig.CertFile"),
    READ("HttpConfig.CertKey"),
    READ("HttpConfig.AuthAudience"),
    READ("HttpConfig.CLIAuthAudience"),
    READ("HttpConfig.ExtraAuthAudience"),
    READ("HttpConfig.AuthIssuer"),
    READ("HttpConfig.AuthUserIDClaim"),
    READ("HttpConfig.AuthKeysLocation"),
    READ("HttpConfig.OIDCConfigEndpoint"),
    {"HttpConfig.AuthClientID", MGMT_NO_SSO, NULL, NULL},
    {"HttpConfig.AuthCallbackURL", MGMT_NO_SSO, NULL, NULL},
    {"HttpConfig.IdpSignKeyRefreshEnabled", KEYS_FRESH, NULL, TRUE_},
    {"HttpConfig.Address", "--listen-address and --port decide, as with the official program", NULL,
     "0.0.0.0:443|0.0.0.0:33073|0.0.0.0:80"},
    {"IdpManagerConfig.ManagerType",
     "no directory of users is read; people appear when they sign in, and blocking them here ends "
     "their access",
     NULL, "none"},
    {"IdpManagerConfig.", NULL, NULL, NULL}, /* said by ManagerType */
    READ("DeviceAuthorizationFlow.Provider"),
    FLOW("DeviceAuthorizationFlow."),
    FLOW("PKCEAuthorizationFlow."),
    READ("ReverseProxy.TrustedHTTPProxies[]"),
    {"ReverseProxy.TrustedHTTPProxiesCount",
     "name the proxies in TrustedHTTPProxies; a count alone can be forged", NULL, "0"},
    {"ReverseProxy.TrustedPeers[]", "TrustedHTTPProxies holds for agents, too", NULL,
     "0.0.0.0/0|::/0"},
    {"ReverseProxy.AccessLogRetentionDays", MGMT_VISITS, NULL, "0"},
    {"ReverseProxy.AccessLogCleanupIntervalHours", MGMT_VISITS, NULL, "0"},
    READ("DisableDefaultPolicy"),
    READ("EmbeddedIdP.Enabled"),
    READ("EmbeddedIdP.Issuer"),
    READ("EmbeddedIdP.LocalAuthDisabled"),
    READ("EmbeddedIdP.DashboardRedirectURIs[]"),
    READ("EmbeddedIdP.CLIRedirectURIs[]"),
    READ("EmbeddedIdP.DashboardPostLogoutRedirectURIs[]"),
    {"EmbeddedIdP.LocalAddress", "tokens are checked inside this process", NULL, NULL},
    {"EmbeddedIdP.Storage.Type", MGMT_ONE_STORE, NULL, "sqlite3"},
    {"EmbeddedIdP.Storage.Config.File", MGMT_ONE_STORE, NULL, NULL},
    {"EmbeddedIdP.Storage.Config.DSN", MGMT_ONE_STORE, NULL, NULL},
    {"EmbeddedIdP.Owner.Email", OWNER, NULL, NULL},
    {"EmbeddedIdP.Owner.Hash", OWNER, NULL, NULL},
    {"EmbeddedIdP.Owner.Username", OWNER, NULL, NULL},
    {"EmbeddedIdP.SignKeyRefreshEnabled", KEYS_FRESH, NULL, TRUE_},
    {"EmbeddedIdP.MfaSessionMaxLifetime", FIXED, NULL, NULL},
    {"EmbeddedIdP.MfaSessionIdleTimeout", FIXED, NULL, NULL},
    {"EmbeddedIdP.MfaSessionRememberMe", FIXED, NULL, "false"},
    {"EmbeddedIdP.SessionCookieEncryptionKey",
     "a session cookie holds a random number and nothing to encrypt", NULL, NULL},
    {"EmbeddedIdP.StaticConnectors[].", NULL,
     "external providers are kept in the store: make them with POST /api/identity-providers or in "
     "the dashboard",
     NULL},
    {"EmbeddedIdP.GrantTypes[]", "all grants that clients use are open", NULL, NULL},
    {"AgentNetwork.PricingDefaultsFile", "there is no agent network here", NULL, NULL},
    READ("HighestSupportedSyncMessageVersion"),
    {"PerAccountHighestSupportedSyncMessageVersion.",
     "HighestSupportedSyncMessageVersion holds for all accounts", NULL, NULL},
};
const size_t MGMT_N_FILE_KEYS = RK_ARRAY_LEN(MGMT_FILE_KEYS);

struct walk {
    struct rk_arena *mem;
    struct rk_opts o; /* its notes only */
    struct rk_err *err;
};

static const struct mgmt_file_key *find_key(struct rk_str path)
{
    for (size_t i = 0; i < MGMT_N_FILE_KEYS; i++) {
        struct rk_str key = rk_str_z(MGMT_FILE_KEYS[i].path);

        if (rk_str_ieq(path, key) || (rk_str_ends(key, RK_STR(".")) && rk_str_istarts(path, key)))
            return &MGMT_FILE_KEYS[i];
    }
    return NULL;
}

static struct rk_str value_text(struct rk_arena *mem, const json_t *v)
{
    if (json_is_string(v))
        return rk_str_of(json_string_value(v), json_string_length(v));
    if (json_is_boolean(v))
        return json_is_true(v) ? RK_STR("true") : RK_STR("false");
    if (json_is_integer(v))
        return rk_arena_printf(mem, "%lld", (long long)json_integer_value(v));
    return json_is_null(v) ? (struct rk_str){0} : RK_STR("?");
}

static enum rk_code leaf(struct walk *w, struct rk_str path, const json_t *v)
{
    const struct mgmt_file_key *k = find_key(path);
    struct rk_str text = value_text(w->mem, v);

    if (!k && text.n)
        rk_opts_note(&w->o, rk_arena_printf(w->mem, "%.*s is no key of this file: passed over",
                                            RK_STR_ARG(path)));
    if (!k || rk_opt_is_quiet(k->quiet, text))
        return RK_OK;
    if (k->refuse)
        return rk_fail(w->err, RK_INVALID, "%.*s: %s", RK_STR_ARG(path), k->refuse);
    if (k->idle)
        rk_opts_note(&w->o,
                     rk_arena_printf(w->mem, "%.*s has no effect: %s", RK_STR_ARG(path), k->idle));
    return RK_OK;
}

/* jansson has bounded the depth when it read the text */
static enum rk_code walk(struct walk *w, struct rk_str path, json_t *v)
{
    enum rk_code rc = RK_OK;
    const char *name;
    json_t *item;
    size_t i;

    if (json_is_object(v)) {
        json_object_foreach (v, name, item)
            if (rc == RK_OK)
                rc = walk(
                    w,
                    rk_arena_printf(w->mem, "%.*s%s%s", RK_STR_ARG(path), path.n ? "." : "", name),
                    item);
    } else if (json_is_array(v)) {
        json_array_foreach (v, i, item)
            if (rc == RK_OK)
                rc = walk(w, rk_arena_printf(w->mem, "%.*s[]", RK_STR_ARG(path)), item);
    } else {
        rc = leaf(w, path, v);
    }
    return rc;
}

enum rk_code mgmt_file_keys_check(struct rk_arena *mem, const json_t *root, struct rk_strs *notes,
                                  struct rk_err *err)
{
    struct walk w = {.mem = mem, .o.mem = mem, .err = err};
    enum rk_code rc = walk(&w, (struct rk_str){0}, (json_t *)(uintptr_t)root);

    if (rc == RK_OK)
        *notes = w.o.notes;
    return rc;
}
