/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading, checking and showing the configuration; see conf.h. */
#include "config.h"

#include "server/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/net/addr.h"
#include "management/store/db.h"
#include "management/store/own_files.h"
#include "management/store/pg_dsn.h"
#include "server/conf_keys.h"
#include "server/yaml.h"

#define OFFICIAL_DIR "/etc/netbird/"

struct load {
    struct rk_arena *mem;
    struct server_config c;
    struct rk_opts o; /* over c */
    struct rk_err *err;
};

static enum rk_code read_file(struct rk_arena *mem, const char *path, struct rk_str *out,
                              struct rk_err *err)
{
    struct rk_buf b;
    enum rk_code rc;

    rk_buf_init(&b, YAML_MAX_BYTES + 1); /* the parser says that it is too long */
    rc = rk_file_read(path, 0, &b, err);
    if (rc == RK_OK)
        *out = rk_arena_dup(mem, rk_buf_str(&b));
    rk_secret_wipe(b.p, b.n);
    rk_buf_done(&b);
    return rc;
}

/* ---- the file */

static enum rk_code unknown_key(const struct load *l, const struct yaml_entry *e)
{
    size_t best = SIZE_MAX, at = 0;

    for (size_t i = 0; i < SERVER_N_KEYS; i++) {
        size_t d = rk_str_distance(rk_str_z(SERVER_KEYS[i].flag), e->path);

        if (d < best) {
            best = d;
            at = i;
        }
    }
    if (best <= e->path.n / 3)
        return rk_fail(l->err, RK_BAD_REQUEST, "unknown key %.*s; did you mean %s?",
                       RK_STR_ARG(e->path), SERVER_KEYS[at].flag);
    return rk_fail(l->err, RK_BAD_REQUEST, "unknown key %.*s", RK_STR_ARG(e->path));
}

static const struct rk_opt *find_key(struct rk_str path)
{
    for (size_t i = 0; i < SERVER_N_KEYS; i++)
        if (rk_str_eqz(path, SERVER_KEYS[i].flag))
            return &SERVER_KEYS[i];
    return NULL;
}

static bool is_above_a_key(struct rk_str path)
{
    for (size_t i = 0; i < SERVER_N_KEYS; i++)
        if (rk_str_starts(rk_str_z(SERVER_KEYS[i].flag), path))
            return true;
    return false;
}

static bool is_null(const struct yaml_entry *e)
{
    return !e->quoted && (rk_str_eqz(e->value, "~") || rk_str_ieq(e->value, RK_STR("null")));
}

/* A path that stands in no row of the table. "stunPorts: []" arrives as an empty collection without
 * the brackets; a map key with nothing under it ("auth: {}") is harmless. */
static enum rk_code apply_other(struct load *l, const struct yaml_entry *e)
{
    bool empty = e->collection || !e->value.n || is_null(e);
    const struct rk_opt *k;

    if (rk_str_starts(e->path, RK_STR("server.perAccountSupportedSyncMessageVersions."))) {
        rk_opts_note(&l->o, rk_arena_printf(l->mem,
                                            "%.*s has no effect: supportedSyncMessageVersions "
                                            "holds for all accounts",
                                            RK_STR_ARG(e->path)));
        return RK_OK;
    }
    if (!empty)
        return unknown_key(l, e);
    k = find_key(rk_arena_printf(l->mem, "%.*s[]", RK_STR_ARG(e->path)));
    if (k && k->type == RK_OPT_LIST && e->collection)
        return rk_opt_add(&l->o, rk_str_z(k->flag), (struct rk_str){0}, true, RK_OPT_FILE, l->err);
    return k || is_above_a_key(e->path) || rk_str_eqz(e->path, "server") ? RK_OK
                                                                         : unknown_key(l, e);
}

static enum rk_code apply_entry(struct load *l, const char *file, const struct yaml_entry *e)
{
    const struct rk_opt *k = find_key(e->path);
    size_t notes = l->o.notes.n;
    enum rk_code rc = RK_OK;

    if (!k)
        rc = apply_other(l, e);
    else if (!is_null(e))
        rc = k->type == RK_OPT_LIST
                 ? rk_opt_add(&l->o, e->path, e->value, e->index == 0, RK_OPT_FILE, l->err)
                 : rk_opt_set(&l->o, e->path, e->value, RK_OPT_FILE, l->err);
    if (rc)
        return rk_wrap(l->err, "%s:%zu", file, e->line);
    for (; notes < l->o.notes.n; notes++)
        l->o.notes.items[notes] = rk_arena_printf(l->mem, "%s:%zu: %.*s", file, e->line,
                                                  RK_STR_ARG(l->o.notes.items[notes]));
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

/* ---- what cannot be seen in one value */

/* "localhost:80" is understood where an address is meant; other names are not looked up. */
static enum rk_code check_listen(struct load *l, const char *key, struct rk_str *s)
{
    struct rk_str name = RK_STR("localhost:");
    struct rk_addr a;

    if (rk_str_istarts(*s, name))
        *s = rk_arena_printf(l->mem, "127.0.0.1:%.*s", RK_STR_ARG(rk_str_sub(*s, name.n, s->n)));
    if (rk_addr_parse_listen(*s, &a, NULL) == RK_OK)
        return RK_OK;
    return rk_fail(l->err, RK_INVALID,
                   "%s: \"%.*s\" is not an address such as :443 or 192.0.2.1:443", key,
                   RK_STR_ARG(*s));
}

/* scheme://host[:port] → the scheme in lower case and the port written; false when it is no such
 * text. Without a scheme it is https. */
static bool normal_url(struct rk_arena *mem, struct rk_str s, struct rk_str *out)
{
    struct rk_str https = RK_STR("https://"), http = RK_STR("http://"), rest = s, host;
    bool clear = rk_str_istarts(s, http);
    uint16_t port;

    if (clear)
        rest = rk_str_sub(s, http.n, s.n);
    else if (rk_str_istarts(s, https))
        rest = rk_str_sub(s, https.n, s.n);
    else if (rk_str_find(s, RK_STR("://")) < s.n)
        return false;
    while (rk_str_ends(rest, RK_STR("/")))
        rest.n--;
    if (rk_authority_parse(rest, &host, &port, NULL))
        return false;
    *out = rk_arena_printf(mem, "%s%.*s%s", clear ? "http://" : "https://", RK_STR_ARG(rest),
                           port    ? ""
                           : clear ? ":80"
                                   : ":443");
    return true;
}

static enum rk_code normalise_exposed(struct load *l)
{
    struct rk_str s = l->c.exposed_address;

    if (!s.n) /* not set: reachable at least on this machine */
        s = rk_arena_printf(
            l->mem, "%s://localhost:%.*s", l->c.tls_cert.n ? "https" : "http",
            RK_STR_ARG(rk_str_sub(l->c.listen_address, 1 + rk_str_find_c(l->c.listen_address, ':'),
                                  l->c.listen_address.n)));
    if (!normal_url(l->mem, s, &l->c.exposed_address))
        return rk_fail(l->err, RK_INVALID,
                       "server.exposedAddress: \"%.*s\" is not of the form https://host:port",
                       RK_STR_ARG(s));
    s = l->c.signal_uri;
    if (s.n && !normal_url(l->mem, s, &l->c.signal_uri))
        return rk_fail(l->err, RK_INVALID,
                       "server.signalUri: \"%.*s\" is not of the form https://host:port",
                       RK_STR_ARG(s));
    return RK_OK;
}

/* The issuer always ends in /oauth2, as with the official server; a default port is not written. */
static enum rk_code normalise_issuer(struct load *l)
{
    struct rk_str s = l->c.auth_issuer.n ? l->c.auth_issuer : l->c.exposed_address;
    struct rk_str https = RK_STR("https://"), http = RK_STR("http://");
    bool clear = rk_str_istarts(s, http);

    if (!clear && !rk_str_istarts(s, https))
        return rk_fail(l->err, RK_INVALID,
                       "server.auth.issuer: \"%.*s\" does not begin with https://", RK_STR_ARG(s));
    s = rk_str_sub(s, clear ? http.n : https.n, s.n);
    while (rk_str_ends(s, RK_STR("/")))
        s.n--;
    if (rk_str_ends(s, clear ? RK_STR(":80") : RK_STR(":443")))
        s.n -= clear ? 3 : 4;
    if (!s.n)
        return rk_fail(l->err, RK_INVALID, "server.auth.issuer: no host stands in it");
    l->c.auth_issuer =
        rk_arena_printf(l->mem, "%s%.*s%s", clear ? "http://" : "https://", RK_STR_ARG(s),
                        rk_str_ends(s, RK_STR("/oauth2")) ? "" : "/oauth2");
    return RK_OK;
}

/* The engine is the one that is stated; what was given for the other one is not silently lost. */
static enum rk_code check_store(struct load *l)
{
    struct server_config *c = &l->c;
    bool stated =
        rk_opt_source_of(&l->o, "server.store.engine") != RK_OPT_DEFAULT && c->store_engine.n;
    const char *url;

    if (!c->store_engine.n)
        c->store_engine = RK_STR("sqlite");
    if (db_url_make(l->mem, c->store_engine, c->store_dsn, RK_STR("/x"), &url, l->err))
        return rk_wrap(l->err, rk_str_istarts(c->store_engine, RK_STR("postgres")) && c->store_dsn.n
                                   ? "server.store.dsn"
                                   : "server.store.engine");
    if (db_url_is_pg(url)) {
        struct rk_str idle = pg_dsn_idle(l->mem, c->store_dsn);

        if (idle.n)
            rk_opts_note(&l->o,
                         RK_CAT(l->mem, RK_STR("server.store.dsn: without effect here: "), idle));
        if (rk_opt_source_of(&l->o, "server.store.file") != RK_OPT_DEFAULT)
            rk_opts_note(&l->o, RK_STR("server.store.file has no effect: the engine is postgres"));
        return RK_OK;
    }
    if (!c->store_dsn.n)
        return RK_OK;
    if (!stated)
        return rk_fail(l->err, RK_INVALID,
                       "server.store.dsn is set, but server.store.engine is not: say postgres, or "
                       "remove the DSN");
    rk_opts_note(&l->o, RK_STR("server.store.dsn has no effect: the engine is sqlite"));
    return RK_OK;
}

static enum rk_code check_ports(struct load *l)
{
    const struct rk_strs *ports = &l->c.stun_ports;

    for (size_t i = 0; i < ports->n; i++)
        for (size_t k = 0; k < i; k++)
            if (rk_str_eq(ports->items[i], ports->items[k]))
                return rk_fail(l->err, RK_INVALID, "server.stunPorts: %.*s stands twice",
                               RK_STR_ARG(ports->items[i]));
    if (!ports->n && !l->c.stuns.n)
        rk_opts_note(&l->o, RK_STR("server.stunPorts is empty: no STUN server runs or is named"));
    return RK_OK;
}

static void note_idle_acme(struct load *l, const char *key, bool given)
{
    if (given)
        rk_opts_note(&l->o, rk_arena_printf(l->mem,
                                            "server.tls.letsencrypt.%s has no effect: "
                                            "tls.letsencrypt.enabled is not true",
                                            key));
}

/* What neither the authority nor its client can do is said here, not every few hours in the log. */
static enum rk_code check_acme_names(struct load *l)
{
    const struct server_config *c = &l->c;
    bool profiles = rk_str_find(c->acme_directory, RK_STR(LETS_ENCRYPT_HOST)) < c->acme_directory.n;

    for (size_t i = 0; i < c->acme_domains.n; i++) {
        struct rk_str name = c->acme_domains.items[i];
        struct rk_ip ip;

        if (rk_str_find_c(name, '*') < name.n || rk_str_find_c(name, '/') < name.n ||
            name.p[0] == '-')
            return rk_fail(l->err, RK_INVALID,
                           "server.tls.letsencrypt.domains: \"%.*s\" is no name that can be had "
                           "without DNS-01",
                           RK_STR_ARG(name));
        if (profiles && rk_ip_parse(name, &ip, NULL) == RK_OK)
            return rk_fail(l->err, RK_INVALID,
                           "server.tls.letsencrypt.domains: %.*s: Let's Encrypt gives certificates "
                           "for addresses only under a profile that Debian's uacme cannot ask "
                           "for; use a name, certFile, or another x.acmeDirectory",
                           RK_STR_ARG(name));
    }
    return RK_OK;
}

/* Paths of the certificate that ACME keeps; the files are made at the start. */
static enum rk_code check_acme(struct load *l)
{
    struct server_config *c = &l->c;

    if (!c->acme_enabled) {
        note_idle_acme(l, "dataDir", c->acme_dir.n > 0);
        note_idle_acme(l, "domains[]", c->acme_domains.n > 0);
        note_idle_acme(l, "email", c->acme_email.n > 0);
        return RK_OK;
    }
    if (c->tls_cert.n || c->tls_key.n)
        return rk_fail(l->err, RK_INVALID,
                       "server.tls: letsencrypt and certFile exclude each other");
    if (!c->acme_domains.n)
        return rk_fail(l->err, RK_INVALID,
                       "server.tls.letsencrypt.domains: at least one is needed");
    if (check_acme_names(l))
        return RK_INVALID;
    if (rk_str_eqz(c->acme_challenge, "http-01") && !c->http_address.n)
        c->http_address = RK_STR(":80");
    if (!c->acme_dir.n)
        c->acme_dir = rk_arena_printf(l->mem, "%.*s/acme", RK_STR_ARG(c->data_dir));
    c->tls_cert = rk_arena_printf(l->mem, "%.*s/current/cert.pem", RK_STR_ARG(c->acme_dir));
    c->tls_key = rk_arena_printf(l->mem, "%.*s/current/key.pem", RK_STR_ARG(c->acme_dir));
    return RK_OK;
}

static enum rk_code check_rest(struct load *l)
{
    struct server_config *c = &l->c;

    if (!c->tls_cert.n != !c->tls_key.n)
        return rk_fail(l->err, RK_INVALID,
                       "server.tls: certFile and keyFile must both be set or both be empty");
    if (c->dns_domain.n > 192)
        return rk_fail(l->err, RK_INVALID, "server.x.dnsDomain: 1 to 192 characters");
    if (c->oidc_issuer.n && !c->oidc_audiences.n)
        return rk_fail(l->err, RK_INVALID,
                       "server.x.oidcAudiences: needed with oidcIssuer, or its tokens for any "
                       "other application would do here");
    if (rk_str_ieq(c->log_file, RK_STR("syslog"))) {
        rk_opts_note(&l->o, RK_STR("server.logFile syslog has no effect: lines go to stderr, which "
                                   "systemd puts into the journal"));
        c->log_file = RK_STR("console");
    }
    c->component_maps |= c->sync_version == 1;
    if (c->geo_off)
        c->geo_database = (struct rk_str){0};
    return RK_OK;
}

/* No option may name a file that is another one's. */
static enum rk_code check_own_files(struct load *l)
{
    struct server_config *c = &l->c;
    struct own_files o = {.data_dir = c->data_dir};
    bool sqlite = rk_str_ieq(c->store_engine, RK_STR("sqlite"));
    struct rk_str db = c->store_file.p[0] == '/'
                           ? c->store_file
                           : RK_CAT(l->mem, c->data_dir, RK_STR("/"), c->store_file);
    const char *what = sqlite ? own_file_named(l->mem, &o, db) : NULL;

    if (what)
        return rk_fail(l->err, RK_INVALID, "server.store.file: %.*s is %s: choose another name",
                       RK_STR_ARG(db), what);
    if (sqlite)
        o.sqlite = db;
    if (c->export_file.n && (what = own_file_named(l->mem, &o, c->export_file)) != NULL)
        return rk_fail(l->err, RK_INVALID,
                       "server.x.exportFile: %.*s is %s, which events would destroy: choose "
                       "another file",
                       RK_STR_ARG(c->export_file), what);
    if (!rk_str_eqz(c->log_file, "console"))
        what = own_file_named(l->mem, &o, c->log_file);
    if (what)
        return rk_fail(l->err, RK_INVALID,
                       "server.logFile: %.*s is %s, which log lines would destroy: choose another "
                       "file",
                       RK_STR_ARG(c->log_file), what);
    return RK_OK;
}

static enum rk_code check_all(struct load *l)
{
    enum rk_code rc = check_listen(l, "server.listenAddress", &l->c.listen_address);

    if (rc == RK_OK && l->c.health_address.n)
        rc = check_listen(l, "server.healthcheckAddress", &l->c.health_address);
    if (rc == RK_OK)
        rc = check_store(l);
    if (rc == RK_OK)
        rc = check_ports(l);
    if (rc == RK_OK)
        rc = check_own_files(l);
    if (rc == RK_OK)
        rc = check_acme(l);
    if (rc == RK_OK)
        rc = check_rest(l);
    if (rc == RK_OK)
        rc = normalise_exposed(l);
    return rc ? rc : normalise_issuer(l);
}

/* Where the official image has its configuration people expect what it does: its dashboard lets the
 * first visitor become the owner, and cannot send a token. What the file says comes after this. */
static enum rk_code open_as_official(struct load *l, const char *path)
{
    if (strncmp(path, OFFICIAL_DIR, sizeof OFFICIAL_DIR - 1) != 0)
        return RK_OK;
    return rk_opt_set(&l->o, RK_STR("server.x.setupOpen"), RK_STR("true"), RK_OPT_FILE, l->err);
}

static enum rk_code load_all(struct load *l, const char *path)
{
    enum rk_code rc = rk_opts_init(&l->o, SERVER_KEYS, SERVER_N_KEYS, &l->c, l->mem, l->err);

    if (rc == RK_OK && path)
        rc = open_as_official(l, path);
    if (rc == RK_OK && path)
        rc = load_file(l, path);
    if (rc == RK_OK)
        rc = rk_opts_env(&l->o, l->err);
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
    struct rk_err local = {0};
    struct load l = {.mem = mem, .err = err ? err : &local};
    enum rk_code rc = load_all(&l, path);

    if (rc)
        return rc;
    for (size_t i = 0; warnings && i < l.o.notes.n; i++) {
        rk_buf_add(warnings, l.o.notes.items[i]);
        rk_buf_addc(warnings, '\n');
    }
    *out = l.c;
    return RK_OK;
}

enum rk_code server_config_show(struct rk_arena *mem, const char *path, struct rk_buf *out,
                                struct rk_err *err)
{
    struct rk_err local = {0};
    struct load l = {.mem = mem, .err = err ? err : &local};
    enum rk_code rc = load_all(&l, path);

    if (rc == RK_OK)
        rk_opts_show(&l.o, out);
    return rc;
}
