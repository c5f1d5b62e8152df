/* SPDX-License-Identifier: BSD-3-Clause */
/* Derives addresses, URLs and secrets; see wiring.h. */
#include "config.h"

#include "server/wiring.h"

#include "lib/base/num.h"
#include "lib/crypto/keyfile.h"
#include "lib/serve/svc.h"
#include "management/app.h"
#include "management/engine/keys.h"
#include "management/store/db_origin.h"

enum { RELAY_SECRET_BYTES = 32, SETUP_TOKEN_BYTES = 24 };

static enum rk_code parse_listen(const char *key, struct rk_str s, struct rk_addr *out,
                                 struct rk_err *err)
{
    if (rk_addr_parse_listen(s, out, err))
        return err ? rk_wrap(err, "%s", key) : RK_INVALID;
    return RK_OK;
}

static enum rk_code parse_trusted(struct rk_arena *mem, const struct rk_strs *in, struct wiring *w,
                                  struct rk_err *err)
{
    w->trusted = rk_new_n(mem, struct rk_prefix, in->n + 1);
    for (; w->n_trusted < in->n; w->n_trusted++)
        if (rk_prefix_parse_or_ip(in->items[w->n_trusted], &w->trusted[w->n_trusted], err))
            return rk_wrap(err, "server.reverseProxy.trustedHTTPProxies");
    return RK_OK;
}

/* "https://host:port" -> "host:port", "host" (brackets kept around IPv6). */
static void split_exposed(struct rk_str url, struct rk_str *host_port, struct rk_str *host)
{
    size_t at = rk_str_find(url, RK_STR("://")), end;

    *host_port = rk_str_sub(url, at + 3, url.n);
    end = host_port->n;
    while (end > 0 && host_port->p[end - 1] != ':')
        end--;
    *host = rk_str_sub(*host_port, 0, end ? end - 1 : 0);
}

static struct rk_strs one(struct rk_arena *mem, struct rk_str s)
{
    struct rk_strs list = {.items = rk_new(mem, struct rk_str), .n = 1};

    list.items[0] = s;
    return list;
}

/* What peers are told: external services where configured, else ourselves. */
static void derive_urls(struct rk_arena *mem, const struct server_config *c, struct wiring *w)
{
    bool https = rk_str_starts(c->exposed_address, RK_STR("https://"));
    struct rk_str host_port, host;

    split_exposed(c->exposed_address, &host_port, &host);
    w->own_relay = c->relays.n == 0;
    w->own_signal = c->signal_uri.n == 0;
    w->relay_urls = w->own_relay && c->relay_address.n ? one(mem, c->relay_address)
                    : w->own_relay
                        ? one(mem, rk_arena_printf(mem, "%s://%.*s", https ? "rels" : "rel",
                                                   RK_STR_ARG(host_port)))
                        : c->relays;
    w->signal_url = w->own_signal ? c->exposed_address : c->signal_uri;
    w->turns = rk_new_n(mem, struct servers_turn, c->turns.n + 1);
    for (; w->n_turns < c->turns.n; w->n_turns++)
        w->turns[w->n_turns] = (struct servers_turn){rk_arena_dupz(mem, c->turns.items[w->n_turns]),
                                                     rk_arena_dupz(mem, c->turn_user),
                                                     rk_arena_dupz(mem, c->turn_password)};
    w->stun_urls = c->stuns;
    if (c->stuns.n)
        return;
    w->stun = rk_new_n(mem, struct rk_addr, c->stun_ports.n + 1);
    w->stun_urls.items = rk_new_n(mem, struct rk_str, c->stun_ports.n + 1);
    for (; w->n_stun < c->stun_ports.n; w->n_stun++) {
        struct rk_str port = c->stun_ports.items[w->n_stun];
        int64_t n = 0;

        if (rk_parse_i64(port, 1, UINT16_MAX, &n, NULL)) /* the table has checked it */
            break;
        w->stun[w->n_stun] = (struct rk_addr){.ip = w->listen.ip, .port = (uint16_t)n};
        w->stun_urls.items[w->stun_urls.n++] =
            rk_arena_printf(mem, "stun:%.*s:%.*s", RK_STR_ARG(host), RK_STR_ARG(port));
    }
}

static enum rk_code derive_secrets(struct rk_arena *mem, const struct server_config *c,
                                   struct wiring *w, struct rk_err *err)
{
    enum rk_code rc = keyfile_dir(c->data_dir, err);

    w->relay_secret = w->own_relay || !c->relay_secret.n ? c->auth_secret : c->relay_secret;
    if (rc == RK_OK && !w->own_relay && !w->relay_secret.n)
        return rk_fail(err, RK_INVALID,
                       "server.relays.secret (or authSecret): needed with relays.addresses");
    w->store_key = c->store_key;
    if (rc == RK_OK && !w->store_key.n) /* first: where it is missing nothing else is made */
        rc = keys_store_key(mem, c->data_dir, w->store_url, &w->store_key, err);
    if (rc == RK_OK && !w->relay_secret.n)
        rc = keyfile_get(mem, c->data_dir, "relay.secret", RELAY_SECRET_BYTES, &w->relay_secret,
                         NULL, err);
    w->setup_token = c->setup_token;
    if (rc == RK_OK && !w->setup_token.n)
        rc = keyfile_get(mem, c->data_dir, "setup-token", SETUP_TOKEN_BYTES, &w->setup_token, NULL,
                         err);
    return rc;
}

enum rk_code wiring_vault(struct rk_arena *mem, const struct server_config *c, struct vault **out,
                          struct rk_err *err)
{
    struct rk_str key = c->store_key;
    enum rk_code rc = key.n ? RK_OK : keyfile_read(mem, c->data_dir, "store.key", &key, err);

    if (rc == RK_OK)
        rc = keys_vault_of_text(key, out, err);
    return rc ? rk_wrap(err, "the key of the store") : RK_OK;
}

struct export_opts wiring_exports(struct rk_arena *mem, const struct server_config *c)
{
    struct export_opts x = {
        .syslog = rk_arena_dupz(mem, c->export_syslog),
        .file = rk_arena_dupz(mem, c->export_file),
        .webhook = rk_arena_dupz(mem, c->export_webhook),
        .webhook_secret = c->export_webhook_secret,
        .names = {"server.x.exportSyslog", "server.x.exportFile", "server.x.exportWebhook"}};

    for (size_t i = 0; i < c->export_events.n; i++) {
        x.audit |= rk_str_eqz(c->export_events.items[i], "audit");
        x.with_traffic |= rk_str_eqz(c->export_events.items[i], "traffic");
    }
    return x;
}

const char *wiring_admin_socket(struct rk_arena *mem, const struct server_config *c)
{
    return rk_arena_printf(mem, "%.*s/admin.sock", RK_STR_ARG(c->data_dir)).p;
}

enum rk_code wiring_store_url(struct rk_arena *mem, const struct server_config *c, const char **out,
                              struct rk_err *err)
{
    struct rk_str path = c->store_file.n && c->store_file.p[0] == '/'
                             ? c->store_file
                             : RK_CAT(mem, c->data_dir, RK_STR("/"), c->store_file);

    if (db_url_make(mem, c->store_engine, c->store_dsn, path, out, err))
        return rk_wrap(err, "server.store");
    return RK_OK;
}

static enum rk_code derive_ops(struct rk_arena *mem, const struct server_config *c,
                               struct wiring *w, struct rk_err *err)
{
    w->ops = rk_new_n(mem, struct rk_addr, 2);
    if (c->metrics_port)
        w->ops[w->n_ops++] = svc_metrics_addr(&w->listen, c->metrics_port);
    if (!c->health_address.n)
        return RK_OK;
    return parse_listen("server.healthcheckAddress", c->health_address, &w->ops[w->n_ops++], err);
}

enum rk_code wiring_derive(struct rk_arena *mem, const struct server_config *c, struct wiring *out,
                           struct rk_err *err)
{
    struct wiring w = {0};
    enum rk_code rc = parse_listen("server.listenAddress", c->listen_address, &w.listen, err);

    w.quic = w.listen;
    if (rc == RK_OK && c->quic_address.n)
        rc = parse_listen("server.x.quicAddress", c->quic_address, &w.quic, err);
    if (rc == RK_OK && c->http_address.n)
        rc = parse_listen("server.x.httpAddress", c->http_address, &w.http, err);
    if (rc == RK_OK)
        rc = derive_ops(mem, c, &w, err);
    if (rc == RK_OK)
        rc = parse_trusted(mem, &c->trusted_proxies, &w, err);
    if (rc)
        return rc;
    if (c->relay_address.n && c->relays.n)
        return rk_fail(err, RK_INVALID,
                       "server.x.relayAddress is the address of our own relay, and there is none "
                       "with server.relays.addresses: remove one of them");
    derive_urls(mem, c, &w);
    rc = wiring_store_url(mem, c, &w.store_url, err);
    if (rc == RK_OK) /* before anything is written into it */
        rc = db_origin_check_folder(c->data_dir, w.store_url, err);
    if (rc == RK_OK)
        *out = w;
    return rc;
}

enum rk_code wiring_make(struct rk_arena *mem, const struct server_config *c, struct wiring *out,
                         struct rk_err *err)
{
    struct wiring w;
    enum rk_code rc = wiring_derive(mem, c, &w, err);

    if (rc == RK_OK)
        rc = derive_secrets(mem, c, &w, err);
    if (rc == RK_OK)
        *out = w;
    return rc;
}
