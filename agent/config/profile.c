/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing the profile; see profile.h. */
#include "config.h"

#include "agent/config/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/os/files.h"
#include "lib/base/enc.h"
#include "lib/base/file.h"
#include "lib/base/num.h"
#include "lib/base/wr.h"

#define PROFILE_MAX_BYTES ((size_t)1 << 20)

/* How a value looks in the file. */
enum form { AS_TYPE, AS_URL, AS_NANOSECONDS };

static const struct field {
    const char *json, *flag;
    enum form form;
} FIELDS[] = {
    {"ManagementURL", "management-url", AS_URL},
    {"AdminURL", "admin-url", AS_URL},
    {"WgIface", "interface-name", AS_TYPE},
    {"WgPort", "wireguard-port", AS_TYPE},
    {"MTU", "mtu", AS_TYPE},
    {"PreSharedKey", "preshared-key", AS_TYPE},
    {"Hostname", "hostname", AS_TYPE}, /* ours: official agents forget it */
    {"NetworkMonitor", "network-monitor", AS_TYPE},
    {"IFaceBlackList", "extra-iface-blacklist", AS_TYPE},
    {"DNSLabels", "extra-dns-labels", AS_TYPE},
    {"NATExternalIPs", "external-ip-map", AS_TYPE},
    {"DNSRouteInterval", "dns-router-interval", AS_NANOSECONDS},
    {"CustomDNSAddress", "dns-resolver-address", AS_TYPE},
    {"DisableAutoConnect", "disable-auto-connect", AS_TYPE},
    {"DisableClientRoutes", "disable-client-routes", AS_TYPE},
    {"DisableServerRoutes", "disable-server-routes", AS_TYPE},
    {"DisableDNS", "disable-dns", AS_TYPE},
    {"DisableFirewall", "disable-firewall", AS_TYPE},
    {"DisableIPv6", "disable-ipv6", AS_TYPE},
    {"BlockLANAccess", "block-lan-access", AS_TYPE},
    {"BlockInbound", "block-inbound", AS_TYPE},
};

/* Interfaces of other overlays and of containers: their addresses reach nobody or lead in circles.
 */
static const char BLACKLIST[] = "wt0,wt,utun,tun0,zt,ZeroTier,wg,ts,Tailscale,tailscale,docker,"
                                "veth,br-,lo";

/* PKCS #8 of an Ed25519 key (RFC 8410): this in front of the 32 bytes of the seed. */
static const uint8_t PKCS8_HEAD[16] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                       0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
#define PEM_BEGIN "-----BEGIN PRIVATE KEY-----\n"
#define PEM_END   "-----END PRIVATE KEY-----\n"

static const struct rk_opt *row_of(const struct profile *p, const char *flag)
{
    for (size_t i = 0; i < p->opts.n; i++)
        if (strcmp(p->opts.table[i].flag, flag) == 0)
            return &p->opts.table[i];
    return NULL;
}

/* ---- from the file */

/* A JSON value as the text that a command line would have; false: absent. */
static bool value_text(struct profile *p, const struct field *f, const json_t *v,
                       struct rk_str *out)
{
    const json_t *item;
    struct rk_buf b;
    size_t i;

    if (f->form == AS_URL && json_is_object(v)) {
        const char *scheme = json_string_value(json_object_get(v, "Scheme"));
        const char *host = json_string_value(json_object_get(v, "Host"));

        *out = scheme && *scheme && host ? rk_arena_printf(p->mem, "%s://%s", scheme, host)
                                         : RK_STR("");
        return true;
    }
    if (json_is_string(v))
        *out = rk_str_z(json_string_value(v));
    else if (json_is_boolean(v))
        *out = json_is_true(v) ? RK_STR("true") : RK_STR("false");
    else if (json_is_integer(v) && f->form == AS_NANOSECONDS)
        *out = rk_arena_printf(p->mem, "%" JSON_INTEGER_FORMAT "ns", json_integer_value(v));
    else if (json_is_integer(v))
        *out = rk_arena_printf(p->mem, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_array(v)) {
        rk_buf_init(&b, PROFILE_MAX_BYTES);
        json_array_foreach (v, i, item) {
            if (i)
                rk_buf_addc(&b, ',');
            rk_buf_addz(&b, json_string_value(item) ? json_string_value(item) : "");
        }
        *out = rk_arena_dup(p->mem, rk_buf_str(&b));
        rk_buf_done(&b);
    } else {
        return false; /* null and what we do not expect */
    }
    return true;
}

static enum rk_code read_fields(struct profile *p, struct rk_err *err)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(FIELDS); i++) {
        const json_t *v = json_object_get(p->json, FIELDS[i].json);
        struct rk_str text;

        if (!v || !value_text(p, &FIELDS[i], v, &text))
            continue;
        if (strcmp(FIELDS[i].flag, "mtu") == 0 && rk_str_eqz(text, "0"))
            continue; /* an official file may say 0 for "not set" */
        if (rk_opt_set(&p->opts, rk_str_z(FIELDS[i].flag), text, RK_OPT_FILE, err))
            return rk_wrap(err, "%s: %s", p->path, FIELDS[i].json);
    }
    return RK_OK;
}

/* The seed out of a PEM file of an Ed25519 key; false: not one. */
static bool pem_seed(const char *pem, struct rk_key *seed)
{
    struct rk_str body, head;
    uint8_t der[sizeof PKCS8_HEAD + RK_KEY_SIZE];
    size_t n = 0, begin;
    bool ok;

    if (!pem)
        return false;
    begin = rk_str_find(rk_str_z(pem), RK_STR(PEM_BEGIN));
    body = rk_str_sub(rk_str_z(pem), begin + sizeof PEM_BEGIN - 1, SIZE_MAX);
    (void)rk_str_cut(body, '\n', &head, &body);
    ok = rk_base64_decode(head, der, sizeof der, &n, NULL) == RK_OK && n == sizeof der &&
         memcmp(der, PKCS8_HEAD, sizeof PKCS8_HEAD) == 0;
    if (ok)
        memcpy(seed->b, der + sizeof PKCS8_HEAD, RK_KEY_SIZE);
    rk_secret_wipe(der, sizeof der);
    return ok;
}

static enum rk_code read_keys(struct profile *p, bool *changed, struct rk_err *err)
{
    const char *text = json_string_value(json_object_get(p->json, "PrivateKey"));

    if (!text || !*text) {
        rk_key_generate(&p->private_key);
        *changed = p->fresh = true; /* a file that has only a name is new, too */
    } else if (rk_key_parse_wire(rk_str_z(text), &p->private_key, err)) {
        return rk_wrap(err, "%s: PrivateKey", p->path);
    }
    if (!pem_seed(json_string_value(json_object_get(p->json, "SSHKey")), &p->ssh_seed)) {
        rk_secret_random(p->ssh_seed.b, RK_KEY_SIZE);
        *changed = true;
    }
    return RK_OK;
}

static enum rk_code read_file(struct profile *p, struct rk_err *err)
{
    struct rk_buf text;
    json_error_t je;
    enum rk_code rc;

    rk_buf_init(&text, PROFILE_MAX_BYTES);
    rc = rk_file_read(p->path, 0, &text, err);
    if (rc == RK_NOT_FOUND) {
        json_decref(p->json);
        p->json = json_object();
        p->fresh = true;
        rc = RK_OK;
    } else if (rc == RK_OK) {
        json_decref(p->json);
        p->json = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &je);
        if (!p->json || !json_is_object(p->json))
            rc = rk_fail(err, RK_INVALID,
                         "%s is not a profile: line %d: %s (mend it, or move it away: then this "
                         "machine gets a new identity)",
                         p->path, je.line, je.text);
    }
    rk_secret_wipe(text.p, text.n);
    rk_buf_done(&text);
    return rc;
}

/* Settings from the file over the defaults. */
static enum rk_code load_settings(struct profile *p, struct rk_err *err)
{
    const struct rk_opt *rows;
    enum rk_code rc;
    size_t n;

    p->settings = (struct settings){0};
    rows = options_settings(&n);
    rc = rk_opts_init(&p->opts, rows, n, &p->settings, p->mem, err);
    if (rc == RK_OK)
        rc = rk_opt_set(&p->opts, RK_STR("extra-iface-blacklist"), rk_str_z(BLACKLIST),
                        RK_OPT_DEFAULT, err);
    if (rc == RK_OK)
        rc = read_file(p, err);
    if (rc == RK_OK)
        rc = read_fields(p, err);
    return rc;
}

enum rk_code profile_reload(struct profile *p, struct rk_err *err)
{
    return load_settings(p, err);
}

enum rk_code profile_load(const char *path, struct profile **out, struct rk_err *err)
{
    struct profile *p = rk_calloc(1, sizeof *p);
    bool changed = false;
    enum rk_code rc;

    p->mem = rk_arena_new_wiping(0);
    p->path = rk_str_dupz(rk_str_z(path));
    rc = load_settings(p, err);
    if (rc == RK_OK)
        rc = read_keys(p, &changed, err);
    if (rc == RK_OK && (changed || p->fresh))
        rc = profile_save(p, err);
    if (rc) {
        profile_free(p);
        return rc;
    }
    *out = p;
    return RK_OK;
}

void profile_free(struct profile *p)
{
    if (!p)
        return;
    json_decref(p->json);
    rk_key_wipe(&p->private_key);
    rk_key_wipe(&p->ssh_seed);
    rk_arena_free(p->mem);
    free(p->path);
    free(p);
}

/* ---- changes */

static bool only_asterisks(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '*')
            return false;
    return s.n > 0;
}

enum rk_code profile_set(struct profile *p, struct rk_str flag, struct rk_str value,
                         struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *tmp = rk_arena_new(0);
    struct rk_key key;
    uint16_t port;
    char *host;
    bool tls;

    if (rk_str_eqz(flag, "preshared-key")) {
        if (only_asterisks(value))
            return RK_OK;
        if (value.n && rk_key_parse(value, &key, err))
            return rk_wrap(err, "preshared-key");
    }
    if ((rk_str_eqz(flag, "management-url") || rk_str_eqz(flag, "admin-url")) && value.n &&
        profile_url(tmp, value, &tls, &host, &port, err))
        return rk_wrap(err, "%.*s", RK_STR_ARG(flag));
    if (rk_str_eqz(flag, "extra-iface-blacklist")) /* "extra": the usual ones stay */
        value = rk_arena_printf(tmp, "%s,%.*s", BLACKLIST, RK_STR_ARG(value));
    return rk_opt_set(&p->opts, flag, value, RK_OPT_FILE, err);
}

static json_t *url_json(struct rk_str url)
{
    struct rk_str scheme = {0}, host = {0};
    size_t at = rk_str_find(url, RK_STR("://"));

    if (at < url.n) {
        scheme = rk_str_sub(url, 0, at);
        (void)rk_str_cut(rk_str_sub(url, at + 3, url.n), '/', &host, &url);
    }
    /* the fields of Go's url.URL, which official agents read back */
    return json_pack("{s:s%,s:s,s:n,s:s%,s:s,s:s,s:b,s:b,s:s,s:s,s:s}", "Scheme",
                     scheme.p ? scheme.p : "", scheme.n, "Opaque", "", "User", "Host",
                     host.p ? host.p : "", host.n, "Path", "", "RawPath", "", "OmitHost", 0,
                     "ForceQuery", 0, "RawQuery", "", "Fragment", "", "RawFragment", "");
}

static json_t *text_json(struct rk_str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

static json_t *list_json(const struct rk_strs *l)
{
    json_t *a = json_array();

    for (size_t i = 0; i < l->n; i++)
        (void)json_array_append_new(a, text_json(l->items[i]));
    return a;
}

static json_t *field_json(const struct profile *p, const struct field *f)
{
    const struct rk_opt *row = row_of(p, f->flag);
    const void *at;

    if (!row)
        return json_null(); /* the tables disagree: a test finds it */
    at = (const char *)&p->settings + row->at;

    switch (row->type) {
    case RK_OPT_BOOL:
        return json_boolean(*(const bool *)at);
    case RK_OPT_I64:
        return json_integer(*(const int64_t *)at);
    case RK_OPT_DURATION:
        return json_integer(*(const int64_t *)at * 1000000);
    case RK_OPT_LIST:
        return list_json(at);
    case RK_OPT_TEXT:
    case RK_OPT_SECRET:
    case RK_OPT_CHOICE:
        break;
    }
    if (f->form == AS_URL)
        return url_json(*(const struct rk_str *)at);
    return text_json(*(const struct rk_str *)at);
}

static void keys_json(struct profile *p)
{
    char text[RK_KEY_TEXT + 1], body[RK_BASE64_LEN(sizeof PKCS8_HEAD + RK_KEY_SIZE) + 1];
    char pem[sizeof PEM_BEGIN + sizeof body + sizeof PEM_END];
    uint8_t der[sizeof PKCS8_HEAD + RK_KEY_SIZE];

    rk_key_format(&p->private_key, text);
    (void)json_object_set_new(p->json, "PrivateKey", json_string(text));
    memcpy(der, PKCS8_HEAD, sizeof PKCS8_HEAD);
    memcpy(der + sizeof PKCS8_HEAD, p->ssh_seed.b, RK_KEY_SIZE);
    rk_base64_encode_to(body, rk_str_of(der, sizeof der));
    (void)snprintf(pem, sizeof pem, PEM_BEGIN "%s\n" PEM_END, body);
    (void)json_object_set_new(p->json, "SSHKey", json_string(pem));
    rk_secret_wipe(text, sizeof text);
    rk_secret_wipe(der, sizeof der);
    rk_secret_wipe(body, sizeof body);
    rk_secret_wipe(pem, sizeof pem);
}

enum rk_code profile_save(struct profile *p, struct rk_err *err)
{
    enum rk_code rc;
    char *text;

    keys_json(p);
    for (size_t i = 0; i < RK_ARRAY_LEN(FIELDS); i++)
        (void)json_object_set_new(p->json, FIELDS[i].json, field_json(p, &FIELDS[i]));
    text = json_dumps(p->json, JSON_INDENT(2));
    if (!text)
        return rk_fail(err, RK_INTERNAL, "cannot write the profile as JSON");
    rc = files_write(p->path, rk_str_z(text), 0600, err);
    rk_secret_wipe(text, strlen(text));
    free(text);
    return rc;
}

void profile_set_name(struct profile *p, const char *name)
{
    (void)json_object_set_new(p->json, "Name", json_string(name));
}

json_t *profile_shown(const struct profile *p)
{
    static const char *const secrets[] = {"PrivateKey", "PreSharedKey", "SSHKey"};
    json_t *o = json_deep_copy(p->json);

    for (size_t i = 0; i < RK_ARRAY_LEN(FIELDS); i++)
        (void)json_object_set_new(o, FIELDS[i].json, field_json(p, &FIELDS[i]));
    for (size_t i = 0; i < RK_ARRAY_LEN(secrets); i++) {
        const char *v = json_string_value(json_object_get(o, secrets[i]));

        (void)json_object_set_new(o, secrets[i], json_string(v && *v ? "(set)" : ""));
    }
    return o;
}

/* ---- derived */

enum rk_code profile_url(struct rk_arena *mem, struct rk_str url, bool *tls, char **host,
                         uint16_t *port, struct rk_err *err)
{
    struct rk_str rest, hostport, port_text = {0}, name;
    int64_t number = 0;
    bool https = rk_str_istarts(url, RK_STR("https://"));

    if (!https && !rk_str_istarts(url, RK_STR("http://")))
        return rk_fail(err, RK_INVALID, "\"%.*s\" begins neither with https:// nor with http://",
                       RK_STR_ARG(url));
    rest = rk_str_sub(url, https ? 8 : 7, url.n);
    (void)rk_str_cut(rest, '/', &hostport, &rest);
    if (rk_str_starts(hostport, RK_STR("["))) { /* [v6]:port */
        bool closed = rk_str_cut(rk_str_sub(hostport, 1, hostport.n), ']', &name, &rest);

        if (closed && rk_str_starts(rest, RK_STR(":")))
            port_text = rk_str_sub(rest, 1, rest.n);
        else if (!closed || rest.n)
            return rk_fail(err, RK_INVALID, "\"%.*s\" is not a URL", RK_STR_ARG(url));
    } else {
        (void)rk_str_cut(hostport, ':', &name, &port_text);
    }
    number = https ? 443 : 80;
    if (!name.n || (port_text.n && rk_parse_i64(port_text, 1, 65535, &number, NULL)))
        return rk_fail(err, RK_INVALID, "\"%.*s\" has no host or no valid port", RK_STR_ARG(url));
    *tls = https;
    *host = rk_arena_dupz(mem, name);
    *port = (uint16_t)number;
    return RK_OK;
}

bool profile_psk(const struct profile *p, struct rk_key *out)
{
    return p->settings.preshared_key.n &&
           rk_key_parse_wire(p->settings.preshared_key, out, NULL) == RK_OK && !rk_key_is_zero(out);
}

struct rk_str profile_ssh_line(const struct profile *p, struct rk_arena *mem)
{
    static const char type[] = "ssh-ed25519";
    uint8_t pub[crypto_sign_PUBLICKEYBYTES], priv[crypto_sign_SECRETKEYBYTES];
    uint8_t blob[4 + sizeof type - 1 + 4 + sizeof pub];
    struct rk_wr w = rk_wr_of(blob, sizeof blob);

    (void)crypto_sign_seed_keypair(pub, priv, p->ssh_seed.b);
    rk_secret_wipe(priv, sizeof priv);
    rk_wr_u32(&w, sizeof type - 1);
    rk_wr_mem(&w, type, sizeof type - 1);
    rk_wr_u32(&w, sizeof pub);
    rk_wr_mem(&w, pub, sizeof pub);
    return rk_arena_printf(mem, "%s %s", type, rk_base64_encode(mem, rk_wr_done(&w)).p);
}
