/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/file: the official management's configuration file. */
#include "config.h"

#include "tests/unit/vec.h"

#include "management/file.h"

/* As the official set-up script makes it, shortened. */
static const char SAMPLE[] =
    "{\n"
    "  \"Stuns\": [{\"Proto\": \"udp\", \"URI\": \"stun:stun.example.com:3478\", \"Username\": "
    "\"\", "
    "\"Password\": null}],\n"
    "  \"TURNConfig\": {\"Turns\": [{\"Proto\": \"udp\", \"URI\": \"turn:turn.example.com:3478\","
    "    \"Username\": \"self\", \"Password\": \"pw\"}], \"CredentialsTTL\": \"12h\","
    "    \"Secret\": \"secret\", \"TimeBasedCredentials\": false},\n"
    "  \"Relay\": {\"Addresses\": [\"rels://relay.example.com:443\"], \"CredentialsTTL\": "
    "86400000000000,"
    "    \"Secret\": \"{{ .RK_TEST_SECRET }}\"},\n"
    "  \"Signal\": {\"Proto\": \"https\", \"URI\": \"signal.example.com:443\"},\n"
    "  \"ReverseProxy\": {\"TrustedHTTPProxies\": [\"10.0.0.0/8\"], \"TrustedHTTPProxiesCount\": "
    "0},\n"
    "  \"Datadir\": \"/var/lib/netbird\",\n"
    "  \"DataStoreEncryptionKey\": \"a2V5\",\n"
    "  \"StoreConfig\": {\"Engine\": \"sqlite\"},\n"
    "  \"HttpConfig\": {\"Address\": \"0.0.0.0:443\", \"AuthIssuer\": \"https://idp.example.com\","
    "    \"AuthAudience\": \"aud\", \"AuthKeysLocation\": \"https://idp.example.com/keys\","
    "    \"AuthUserIDClaim\": \"\", \"IdpSignKeyRefreshEnabled\": true},\n"
    "  \"DeviceAuthorizationFlow\": {\"Provider\": \"none\", \"ProviderConfig\": {\"ClientID\": "
    "\"x\"}},\n"
    "  \"PKCEAuthorizationFlow\": {\"ProviderConfig\": {\"ClientID\": \"cli\", \"Audience\": "
    "\"aud\","
    "    \"TokenEndpoint\": \"https://idp.example.com/token\", \"Scope\": \"openid\","
    "    \"AuthorizationEndpoint\": \"https://idp.example.com/auth\","
    "    \"RedirectURLs\": [\"http://localhost:53000\"], \"LoginFlag\": 1}}\n"
    "}\n";

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(0);
    (void)setenv("RK_TEST_SECRET", "from-env", 1);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

START_TEST(the_official_form_is_read)
{
    struct mgmt_file f;
    struct rk_err err = {0};

    ck_assert_msg(mgmt_file_parse(mem, rk_str_z(SAMPLE), &f, &err) == RK_OK, "%s", err.msg);
    ck_assert_uint_eq(f.stuns.n, 1);
    ck_assert(rk_str_eqz(f.stuns.items[0], "stun:stun.example.com:3478"));
    ck_assert_uint_eq(f.n_turns, 1);
    ck_assert_str_eq(f.turns[0].password, "pw");
    ck_assert_uint_eq(f.turn_secret.n, 0); /* static credentials are asked for */
    ck_assert_int_eq(f.turn_ttl_ms, 12 * 3600 * 1000);
    ck_assert_int_eq(f.relay_ttl_ms, 24 * 3600 * 1000);
    ck_assert(rk_str_eqz(f.relay_secret, "from-env"));
    ck_assert(rk_str_eqz(f.signal, "https://signal.example.com:443"));
    ck_assert(rk_str_eqz(f.store_key, "a2V5"));
    ck_assert_str_eq(f.issuer.issuer, "https://idp.example.com");
    ck_assert_uint_eq(f.issuer.n_audiences, 1);
    ck_assert_ptr_null(f.device.client_id);
    ck_assert_str_eq(f.pkce.client_id, "cli");
    ck_assert_uint_eq(f.pkce.n_redirect_urls, 1);
    ck_assert_uint_eq(f.pkce.login_flag, 1);
    ck_assert(!f.embedded && !f.component_maps);
    ck_assert_uint_eq(f.trusted_proxies.n, 1);
}
END_TEST

START_TEST(keys_have_no_case_and_may_be_missing)
{
    struct mgmt_file f;

    ck_assert_int_eq(mgmt_file_parse(mem, RK_STR("{}"), &f, NULL), RK_OK);
    ck_assert_uint_eq(f.signal.n, 0);
    ck_assert_int_eq(
        mgmt_file_parse(mem,
                        RK_STR("{\"signal\":{\"uri\":\"s:1\",\"PROTO\":\"http\"},\"embeddedidp\":"
                               "{\"enabled\":true,\"issuer\":\"https://x/oauth2\"},"
                               "\"highestSupportedSyncMessageVersion\":1,\"unknown\":[1]}"),
                        &f, NULL),
        RK_OK);
    ck_assert(rk_str_eqz(f.signal, "http://s:1"));
    ck_assert(f.embedded && f.component_maps);
    ck_assert(rk_str_eqz(f.embedded_issuer, "https://x/oauth2"));
}
END_TEST

START_TEST(wrong_values_name_their_key)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{\"Relay\":{\"Addresses\":\"x\"}}", "Addresses"},
        {"{\"Relay\":{\"Addresses\":[1]}}", "Addresses"},
        {"{\"Relay\":{\"CredentialsTTL\":\"soon\"}}", "CredentialsTTL"},
        {"{\"DisableDefaultPolicy\":\"yes\"}", "DisableDefaultPolicy"},
        {"{\"HighestSupportedSyncMessageVersion\":2}", "HighestSupportedSyncMessageVersion"},
        {"{\"TURNConfig\":{\"Turns\":[{}]}}", "Turns.URI"},
        {"[]", "object"},
        {"{", "line 1"}};
    struct mgmt_file f;
    struct rk_err err;

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        ck_assert_int_eq(mgmt_file_parse(mem, rk_str_z(cases[i].text), &f, &err), RK_INVALID);
        ck_assert_msg(strstr(err.msg, cases[i].says) != NULL, "%s: %s", cases[i].text, err.msg);
    }
    ck_assert_int_eq(mgmt_file_load(mem, "/nonexistent/file", &f, &err), RK_NOT_FOUND);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    struct mgmt_file f;

    for (size_t n = 0; n < sizeof SAMPLE - 3; n++)
        ck_assert_int_ne(mgmt_file_parse(mem, rk_str_of(SAMPLE, n), &f, NULL), RK_OK);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_official_form_is_read);
    tcase_add_test(t, keys_have_no_case_and_may_be_missing);
    tcase_add_test(t, wrong_values_name_their_key);
    tcase_add_test(t, every_truncation_is_refused);
    return vec_run(t, "file");
}
