/* SPDX-License-Identifier: BSD-3-Clause */
/* See verify.h. */
#include "config.h"

#include "server/verify.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto/keyfile.h"
#include "lib/crypto/tls.h"
#include "lib/crypto/vault.h"
#include "lib/net/relayproto.h"
#include "management/app.h"
#include "management/engine/keys.h"
#include "management/engine/places.h"
#include "server/wiring.h"

struct verify {
    struct rk_arena *mem;
    const struct server_config *c;
    struct rk_opts problems; /* its notes only */
    struct wiring w;
};

static void problem(struct verify *v, const char *key, const struct rk_err *err)
{
    rk_opts_note(&v->problems, rk_arena_printf(v->mem, "%s%s%s", key, *key ? ": " : "", err->msg));
}

/* ---- keys */

/* A secret of the configuration, or the file of the data folder that holds it, where there is one.
 */
static bool secret(struct verify *v, const char *key, struct rk_str given, const char *file,
                   struct rk_str *out)
{
    struct rk_err err = {0};
    enum rk_code rc;

    *out = given;
    if (given.n)
        return true;
    rc = keyfile_read(v->mem, v->c->data_dir, file, out, &err);
    if (rc && rc != RK_NOT_FOUND) /* an absent one is made */
        problem(v, key, &err);
    return rc == RK_OK;
}

static void check_keys(struct verify *v)
{
    struct vault *vault = NULL;
    struct rk_str text;
    struct rk_err err = {0};

    if (secret(v, "server.store.encryptionKey", v->c->store_key, "store.key", &text) &&
        keys_vault_of_text(text, &vault, &err))
        problem(v, "server.store.encryptionKey", &err);
    vault_free(vault);
    (void)secret(v, "server.authSecret", v->c->auth_secret, "relay.secret", &text);
    (void)secret(v, "server.x.setupToken", v->c->setup_token, "setup-token", &text);
}

static void check_tls(struct verify *v)
{
    struct tls_server_opts o = {0};
    struct tls_ctx *ctx = NULL;
    struct rk_err err = {0};

    if (!v->c->tls_cert.n || v->c->acme_enabled) /* ACME's are made at the start */
        return;
    o.cert_file = rk_arena_dupz(v->mem, v->c->tls_cert);
    o.key_file = rk_arena_dupz(v->mem, v->c->tls_key);
    if (tls_server_new(&o, &ctx, &err))
        problem(v, "server.tls", &err);
    tls_ctx_free(ctx);
}

/* ---- addresses */

static const char **texts_of(struct rk_arena *mem, const struct rk_strs *list)
{
    const char **out = rk_new_n(mem, const char *, list->n + 1);

    for (size_t i = 0; i < list->n; i++)
        out[i] = rk_arena_dupz(mem, list->items[i]);
    return out;
}

/* Where the address of the relay comes from. */
static const char *relay_key(const struct verify *v)
{
    return !v->w.own_relay         ? "server.relays.addresses"
           : v->c->relay_address.n ? "server.x.relayAddress"
                                   : "server.exposedAddress";
}

/* What agents are told, each list by itself so that one wrong address does not hide another. */
static void check_servers(struct verify *v)
{
    const struct rk_strs *lists[2] = {&v->w.stun_urls, &v->w.relay_urls};
    const char *const keys[4] = {"server.stuns", relay_key(v), "server.signalUri",
                                 "server.x.turns"};

    for (int i = 0; i < 4; i++) {
        struct servers_opts o = {.signal_uri = "http://localhost:1", .relay_secret = RK_STR("x")};
        struct rk_err err = {0};

        if (i == 0) {
            o.stuns = texts_of(v->mem, lists[0]);
            o.n_stuns = lists[0]->n;
        } else if (i == 1) {
            o.relays = texts_of(v->mem, lists[1]);
            o.n_relays = lists[1]->n;
        } else if (i == 2) {
            o.signal_uri = rk_arena_dupz(v->mem, v->w.signal_url);
        } else {
            o.turns = v->w.turns;
            o.n_turns = v->w.n_turns;
        }
        if (mgmt_app_servers_check(&o, &err))
            problem(v, keys[i], &err);
    }
}

static void check_exports(struct verify *v)
{
    struct export_opts o = wiring_exports(v->mem, v->c);
    struct rk_err err = {0};

    if (exports_check(&o, &err))
        problem(v, "", &err);
}

static void check_relay(struct verify *v)
{
    struct rk_str url;
    struct rk_err err = {0};

    if (v->w.own_relay &&
        rly_instance_url(v->w.relay_urls.items[0], v->c->tls_cert.n || v->c->acme_enabled, v->mem,
                         &url, &err))
        problem(v, relay_key(v), &err);
    if (!v->w.own_relay && !v->c->relay_secret.n && !v->c->auth_secret.n) {
        (void)rk_fail(&err, RK_INVALID, "needed with relays.addresses (or authSecret)");
        problem(v, "server.relays.secret", &err);
    }
}

/* A redirect address without a scheme can never be the one that a program sends. */
static void check_redirects(struct verify *v, const char *key, const struct rk_strs *list)
{
    for (size_t i = 0; i < list->n; i++) {
        struct rk_err err = {0};

        enum rk_code rc = RK_OK;

        if (rk_str_find(list->items[i], RK_STR("://")) == list->items[i].n)
            rc = rk_fail(&err, RK_INVALID, "\"%.*s\" has no scheme such as https://",
                         RK_STR_ARG(list->items[i]));
        else if (rk_str_istarts(list->items[i],
                                RK_STR("http"))) /* apps have schemes of their own */
            rc = rk_url_check(list->items[i], &err);
        if (rc)
            problem(v, key, &err);
    }
}

/* ---- folders and files */

static struct rk_str parent_of(struct rk_arena *mem, struct rk_str path)
{
    size_t n = path.n;

    while (n > 1 && path.p[n - 1] == '/')
        n--;
    while (n > 0 && path.p[n - 1] != '/')
        n--;
    while (n > 1 && path.p[n - 1] == '/')
        n--;
    return n ? rk_arena_dup(mem, rk_str_sub(path, 0, n)) : RK_STR(".");
}

/* A folder in which something is to be made. */
static void check_folder(struct verify *v, const char *key, struct rk_str folder)
{
    const char *z = rk_arena_dupz(v->mem, folder);
    struct rk_err err = {0};
    struct stat st;

    if (stat(z, &st) && errno == ENOENT)
        (void)rk_fail(&err, RK_INVALID, "there is no folder %s: make it, or name another", z);
    else if (stat(z, &st))
        (void)rk_fail_errno(&err, RK_INVALID, errno, "folder %s", z);
    else if (!S_ISDIR(st.st_mode))
        (void)rk_fail(&err, RK_INVALID, "%s is no folder", z);
    else if (access(z, W_OK | X_OK))
        (void)rk_fail_errno(&err, RK_FORBIDDEN, errno, "folder %s", z);
    if (err.code)
        problem(v, key, &err);
}

/* What is read: a file. */
static void check_file(struct verify *v, const char *key, struct rk_str path)
{
    const char *z = rk_arena_dupz(v->mem, path);
    struct rk_err err = {0};
    struct stat st;

    if (!path.n)
        return;
    if (stat(z, &st) || access(z, R_OK))
        (void)rk_fail_errno(&err, RK_INVALID, errno, "%s", z);
    else if (S_ISDIR(st.st_mode))
        (void)rk_fail(&err, RK_INVALID, "%s is a folder", z);
    if (err.code)
        problem(v, key, &err);
}

/* What is written: a file that is there, or a folder for it. */
static void check_written(struct verify *v, const char *key, struct rk_str path)
{
    struct rk_err err = {0};
    struct stat st;

    check_folder(v, key, parent_of(v->mem, path));
    if (stat(rk_arena_dupz(v->mem, path), &st) || !S_ISDIR(st.st_mode))
        return;
    (void)rk_fail(&err, RK_INVALID, "%.*s is a folder", RK_STR_ARG(path));
    problem(v, key, &err);
}

/* One level of it is made at the start. */
static void check_made_folder(struct verify *v, const char *key, struct rk_str path)
{
    struct stat st;
    bool there = stat(rk_arena_dupz(v->mem, path), &st) == 0;

    check_folder(v, key, there ? path : parent_of(v->mem, path));
}

static void check_geo(struct verify *v)
{
    struct places *p = NULL;
    struct rk_err err = {0};
    size_t problems = v->problems.notes.n;

    check_file(v, "server.x.geoDatabase", v->c->geo_database);
    if (v->c->geo_database.n && v->problems.notes.n == problems &&
        places_open(rk_arena_dupz(v->mem, v->c->geo_database), &p, &err))
        problem(v, "server.x.geoDatabase", &err);
    places_free(p);
    check_file(v, "server.x.geoNames", v->c->geo_names);
}

static void check_http(struct verify *v)
{
    struct rk_err err = {0};

    if (!v->c->http_address.n || rk_str_starts(v->c->exposed_address, RK_STR("https://")))
        return;
    (void)rk_fail(&err, RK_INVALID, "it sends everybody to https, and exposedAddress is none");
    problem(v, "server.x.httpAddress", &err);
}

static void check_places(struct verify *v)
{
    const struct server_config *c = v->c;

    check_made_folder(v, "server.dataDir", c->data_dir);
    if (c->acme_enabled && !rk_str_starts(c->acme_dir, RK_CAT(v->mem, c->data_dir, RK_STR("/"))))
        check_made_folder(v, "server.tls.letsencrypt.dataDir", c->acme_dir);
    if (rk_str_eqz(c->store_engine, "sqlite") &&
        rk_str_find_c(c->store_file, '/') < c->store_file.n)
        check_written(v, "server.store.file",
                      c->store_file.p[0] == '/'
                          ? c->store_file
                          : RK_CAT(v->mem, c->data_dir, RK_STR("/"), c->store_file));
    if (!rk_str_eqz(c->log_file, "console"))
        check_written(v, "server.logFile", c->log_file);
    check_geo(v);
}

struct rk_strs server_verify(struct rk_arena *mem, const struct server_config *c)
{
    struct verify v = {.mem = mem, .c = c, .problems.mem = mem};
    struct rk_err err = {0};

    check_keys(&v);
    check_tls(&v);
    check_places(&v);
    check_exports(&v);
    check_http(&v);
    check_redirects(&v, "server.auth.dashboardRedirectURIs", &c->dashboard_redirects);
    check_redirects(&v, "server.auth.cliRedirectURIs", &c->cli_redirects);
    check_redirects(&v, "server.auth.dashboardPostLogoutRedirectURIs", &c->logout_redirects);
    if (wiring_derive(mem, c, &v.w, &err)) {
        problem(&v, "", &err);
    } else {
        check_servers(&v);
        check_relay(&v);
    }
    return v.problems.notes;
}

/* ---- ports */

int server_port_try(const struct rk_addr *a, int type)
{
    struct sockaddr_storage sa;
    struct rk_addr any = *a;
    socklen_t n;
    int on = 1, fd, why = 0;

    if (!any.port)
        return 0;
    if (!any.ip.family)
        any.ip = rk_ip4(0, 0, 0, 0);
    n = rk_addr_to_sa(&any, &sa);
    fd = socket(sa.ss_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&sa, n) || (type == SOCK_STREAM && listen(fd, 1)))
        why = errno;
    (void)close(fd);
    return why;
}

static void try_port(struct verify *v, const struct rk_addr *a, int type)
{
    int why = server_port_try(a, type);

    if (why)
        rk_opts_note(&v->problems,
                     rk_arena_printf(v->mem, "%s port %u cannot be had now: %s%s",
                                     type == SOCK_STREAM ? "TCP" : "UDP", (unsigned)a->port,
                                     strerror(why),
                                     why == EADDRINUSE ? " (fine when that is this server)" : ""));
}

struct rk_strs server_verify_ports(struct rk_arena *mem, const struct server_config *c)
{
    struct verify v = {.mem = mem, .c = c, .problems.mem = mem};

    if (wiring_derive(mem, c, &v.w, NULL))
        return v.problems.notes;
    try_port(&v, &v.w.listen, SOCK_STREAM);
    for (size_t i = 0; i < v.w.n_ops; i++)
        try_port(&v, &v.w.ops[i], SOCK_STREAM);
    for (size_t i = 0; i < v.w.n_stun; i++)
        try_port(&v, &v.w.stun[i], SOCK_DGRAM);
    return v.problems.notes;
}
