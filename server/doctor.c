/* SPDX-License-Identifier: BSD-3-Clause */
/* Findings on this machine, each with what to do; see doctor.h. */
#include "config.h"

#include "server/doctor.h"

#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/crypto/acme_cert.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/keyfile.h"
#include "lib/crypto/tls.h"
#include "lib/crypto/vault.h"
#include "lib/net/relayproto.h"
#include "lib/net/stun.h"
#include "management/store/db.h"
#include "management/store/probe.h"
#include "server/command/socket.h"
#include "server/doctor_ways.h"
#include "server/options.h"
#include "server/rest_call.h"
#include "server/wiring.h"

enum { DAY_S = 86400, STUN_WAIT_MS = 1000 };

enum verdict { GOOD, WARN, BAD };
static const char *const VERDICTS[] = {"ok", "warn", "BAD"};

struct doctor {
    struct rk_arena *mem;
    struct server_config c;
    json_t *findings;
    enum verdict worst;
};

struct doctor_opts {
    struct rk_str config;
    bool json;
};

static const struct rk_opt OPTS[] = {
    {.flag = "config",
     .letter = 'c',
     .env = "ROOKERY_CONFIG",
     .type = RK_OPT_TEXT,
     .at = offsetof(struct doctor_opts, config),
     .arg = "FILE",
     .help = "configuration file of the server"},
    {.flag = "json",
     .type = RK_OPT_BOOL,
     .at = offsetof(struct doctor_opts, json),
     .help = "print JSON instead of text"},
};

static const struct server_command CMD = {
    .name = "doctor",
    .args = "",
    .what = "Look at configuration, store, certificate, ports, names, clock and backups of this\n"
            "machine's server. Status 0: all well, 3: warnings, 1: something is broken.",
    .table = OPTS,
    .n = RK_ARRAY_LEN(OPTS),
};

/* "what" is found, "todo" is what helps; NULL when all is well. */
__attribute__((format(printf, 5, 6))) static void
find(struct doctor *d, enum verdict v, const char *area, const char *todo, const char *fmt, ...)
{
    char what[400];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (v > d->worst)
        d->worst = v;
    (void)json_array_append_new(d->findings,
                                json_pack("{s:s, s:s, s:s, s:s}", "verdict", VERDICTS[v], "area",
                                          area, "finding", what, "todo", todo ? todo : ""));
}

/* ---- data */

/* Whoever tried the server as root first leaves files that its user cannot read. */
static void look_at_owners(struct doctor *d, const char *dir, uid_t owner)
{
    static const char *const names[] = {"store.key", "relay.secret", "setup-token", "rookery.db"};
    struct stat st;

    for (size_t i = 0; i < RK_ARRAY_LEN(names); i++)
        if (stat(rk_arena_printf(d->mem, "%s/%s", dir, names[i]).p, &st) == 0 && st.st_uid != owner)
            find(d, BAD, "data", "chown -R --reference=FOLDER FOLDER, with that folder",
                 "%s/%s belongs to another user than the folder", dir, names[i]);
}

static void look_at_folder(struct doctor *d)
{
    const char *dir = rk_arena_dupz(d->mem, d->c.data_dir);
    struct statvfs fs;
    struct stat st;

    if (stat(dir, &st)) {
        find(d, BAD, "data", "start the server once, or name the folder in server.dataDir",
             "%s: %s", dir, strerror(errno));
        return;
    }
    look_at_owners(d, dir, st.st_uid);
    if (st.st_mode & 077)
        find(d, WARN, "data", "chmod 0700 it", "%s may be entered by others (mode %03o)", dir,
             (unsigned)(st.st_mode & 0777));
    if (statvfs(dir, &fs) == 0) {
        int64_t mb = (int64_t)(fs.f_bavail * fs.f_frsize) >> 20;

        find(d,
             mb < 50    ? BAD
             : mb < 500 ? WARN
                        : GOOD,
             "disk", mb < 500 ? "make room: the store stops when it cannot write" : NULL,
             "%lld MB free at %s", (long long)mb, dir);
    }
}

static const char SQL_EVENTS[] = "SELECT count(*) FROM event";
static const char SQL_KEY[] = "SELECT value FROM kv WHERE name = 'box_key'";

/* Says which key it is, and nothing about it: to compare with what a backup has. */
static const char *fingerprint_of(struct doctor *d)
{
    static const char digits[] = "0123456789abcdef";
    struct rk_str key = d->c.store_key;
    uint8_t sum[HASH_SHA256_SIZE];
    char *text = rk_arena_alloc(d->mem, 2 * sizeof sum + 1);

    if (!key.n && keyfile_read(d->mem, d->c.data_dir, "store.key", &key, NULL))
        return "unknown";
    hash_sha256(RK_CAT(d->mem, RK_STR("rookery store key "), key), sum);
    for (size_t i = 0; i < sizeof sum; i++) {
        text[2 * i] = digits[sum[i] >> 4];
        text[2 * i + 1] = digits[sum[i] & 15];
    }
    text[2 * sizeof sum] = '\0';
    return text;
}

static void look_at_key(struct doctor *d, struct db *db)
{
    RK_CLEANUP(vault_freep) struct vault *v = NULL;
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct rk_str plain;
    struct rk_err err = {0};

    if (wiring_vault(d->mem, &d->c, &v, &err)) {
        find(d, BAD, "store key",
             "put store.key back from a backup; on one more node: rookery admin node-join", "%s",
             err.msg);
        return;
    }
    if (db_query(db, &rows, &err, SQL_KEY, DB_NOARGS) || !db_next(rows))
        return;
    if (vault_open(v, d->mem, RK_STR("kv/box_key"), db_col_text(rows, 0, d->mem), &plain, &err))
        find(d, BAD, "store key", "use the key that this store was made with", "%s", err.msg);
    else
        find(d, GOOD, "store key", NULL, "fits the store (fingerprint %.16s)", fingerprint_of(d));
}

static void look_at_store(struct doctor *d)
{
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct db_opts o = {.existing = true};
    struct rk_err err = {0};
    int64_t n = 0;

    if (wiring_store_url(d->mem, &d->c, &o.url, &err)) {
        find(d, BAD, "store", "see server.store in the configuration", "%s", err.msg);
        return;
    }
    if (!db_url_is_pg(o.url) && access(probe_sqlite_path(o.url), F_OK)) {
        find(d, WARN, "store", "start the server once", "%s is not there yet",
             probe_sqlite_path(o.url));
        return;
    }
    if (db_open(&db, &o, &err) || db_get_i64(db, &n, &err, SQL_EVENTS, DB_NOARGS)) {
        find(d, BAD, "store", "rookery admin db check; restore a backup if it is damaged", "%s",
             err.msg);
        return;
    }
    find(d, GOOD, "store", NULL, "%s answers, %lld events",
         db_url_is_pg(o.url) ? "PostgreSQL" : probe_sqlite_path(o.url), (long long)n);
    look_at_key(d, db);
}

static void look_at_backup(struct doctor *d)
{
    const char *mark = rk_arena_printf(d->mem, "%.*s/last-backup", RK_STR_ARG(d->c.data_dir)).p;
    struct stat st;
    int64_t age_h;

    if (stat(mark, &st)) {
        find(d, WARN, "backup", "rookery admin backup FILE, or enable rookery-backup.timer",
             "no backup was ever made with rookery admin backup");
        return;
    }
    age_h = (rk_unix_us() / 1000000 - (int64_t)st.st_mtime) / 3600;
    find(d, age_h > 48 ? WARN : GOOD, "backup",
         age_h > 48 ? "systemctl status rookery-backup.timer rookery-backup.service" : NULL,
         "the last backup is %lld hours old", (long long)age_h);
}

/* ---- the running server */

/* What it says of its limits and of the certificate that it keeps. */
static void look_at_status(struct doctor *d, const json_t *r)
{
    int64_t now = json_integer_value(json_object_get(r, "open_files"));
    int64_t most = json_integer_value(json_object_get(r, "max_files"));
    const char *state = json_string_value(json_object_get(r, "certificate_state"));
    const char *why = json_string_value(json_object_get(r, "certificate_error"));
    const char *next = json_string_value(json_object_get(r, "certificate_next_try"));

    if (most)
        find(d, most < 4096 || now > most * 4 / 5 ? WARN : GOOD, "limits",
             most < 4096 || now > most * 4 / 5 ? "raise LimitNOFILE of the unit (ulimit -n)" : NULL,
             "%lld of %lld files are open", (long long)now, (long long)most);
    if (state && strcmp(state, "valid") == 0)
        find(d, GOOD, "acme", NULL, "the certificate is renewed at %s", next ? next : "-");
    else if (state)
        find(d, WARN, "acme",
             "the name must lead here, and TCP 443 (or 80) be reachable from outside",
             "%s%s%s; next try %s", state, why ? ": " : "", why ? why : "", next ? next : "-");
}

static void look_at_process(struct doctor *d)
{
    json_t *request = json_pack("{s:s}", "command", "status"), *answer = NULL, *r;
    struct rk_err err = {0};
    enum rk_code rc = command_ask(wiring_admin_socket(d->mem, &d->c), request, &answer, &err);

    json_decref(request);
    r = json_object_get(answer, "result");
    if (rc == RK_NOT_FOUND)
        find(d, BAD, "server", "systemctl status rookery; journalctl -u rookery", "does not run");
    else if (rc)
        find(d, WARN, "server", "run this as root", "%s", err.msg);
    else
        find(d, GOOD, "server", NULL, "runs, version %s, %lld machines connected",
             json_string_value(json_object_get(r, "version")),
             (long long)json_integer_value(json_object_get(r, "connected_machines")));
    if (rc == RK_OK)
        look_at_status(d, r);
    json_decref(answer);
}

static void ask(struct doctor *d, const char *path, const char *area, const char *todo)
{
    struct rest_target t;
    struct rk_err err = {0};
    json_t *answer = NULL;
    long status = 0;
    enum rk_code rc;

    rest_target_of(d->mem, &d->c, &t);
    rc = rest_call(&t, "GET", path, (struct rk_str){0}, NULL, &status, &answer, &err);
    if (rc)
        find(d, BAD, area, todo, "%s", err.msg);
    else if (status != 200)
        find(d, BAD, area, todo, "%s answers %ld: %s", path, status, rest_error_text(answer));
    else
        find(d, GOOD, area, NULL, "%s answers", path);
    json_decref(answer);
}

/* As an agent comes: by the public name, through whatever stands before the server. */
static void look_at_ways(struct doctor *d)
{
    bool proxied = !d->c.tls_cert.n && rk_str_starts(d->c.exposed_address, RK_STR("https://"));
    const char *todo = proxied ? "compare the proxy's configuration with rookery config proxy"
                               : "does the name lead here, and is the port open?";
    const char *ca = d->c.tls_cert.n ? rk_arena_dupz(d->mem, d->c.tls_cert) : NULL;
    const char *url = rk_arena_dupz(d->mem, d->c.exposed_address);
    struct rk_err err = {0};

    /* Our own TLS gives HTTP/1.1 to clients that offer both, as libcurl does; agents offer HTTP/2
     * alone. */
    if (!d->c.tls_cert.n && doctor_try_grpc(url, ca, &err))
        find(d, BAD, "gRPC", todo, "%s", err.msg);
    else if (!d->c.tls_cert.n)
        find(d, GOOD, "gRPC", NULL, "%s answers over HTTP/2", url);
    if (!d->c.relays.n && doctor_try_websocket(url, RLY_WS_PATH, ca, &err))
        find(d, BAD, "relay", todo, "%s", err.msg);
    else if (!d->c.relays.n)
        find(d, GOOD, "relay", NULL, "%s%s takes WebSockets", url, RLY_WS_PATH);
    if (proxied && !d->c.trusted_proxies.n)
        find(d, WARN, "proxy",
             "name it in server.reverseProxy.trustedHTTPProxies, and let it send X-Forwarded-For",
             "every machine and browser seems to come from the proxy");
}

static void look_at_stun(struct doctor *d)
{
    for (size_t i = 0; i < d->c.stun_ports.n; i++) {
        struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *ai = NULL;
        const char *port = rk_arena_dupz(d->mem, d->c.stun_ports.items[i]);
        struct stun_txid id;
        struct stun_writer w;
        uint8_t buf[128];
        struct rk_str out;
        struct pollfd p = {.events = POLLIN};
        bool ok = false;

        stun_txid_random(&id);
        stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, &id);
        out = stun_end(&w);
        if (getaddrinfo("127.0.0.1", port, &hint, &ai))
            continue;
        p.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (p.fd >= 0 && connect(p.fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
            send(p.fd, out.p, out.n, 0) == (ssize_t)out.n && poll(&p, 1, STUN_WAIT_MS) == 1)
            ok = recv(p.fd, buf, sizeof buf, 0) > 0;
        freeaddrinfo(ai);
        if (p.fd >= 0)
            (void)close(p.fd);
        find(d, ok ? GOOD : BAD, "stun", ok ? NULL : "does another program hold the port? ss -lunp",
             "UDP %s %s", port, ok ? "answers" : "does not answer on this machine");
    }
}

/* ---- names, certificate, clock */

static struct rk_str exposed_host(struct doctor *d)
{
    struct rk_str url = d->c.exposed_address;
    size_t at = rk_str_find(url, RK_STR("://")), end;

    url = rk_str_sub(url, at + 3, url.n);
    end = url.n;
    while (end > 0 && url.p[end - 1] != ':')
        end--;
    return rk_str_sub(url, 0, end ? end - 1 : url.n);
}

static void look_at_certificate(struct doctor *d, struct rk_str host)
{
    struct tls_server_opts o = {0};
    struct acme_cert_info i = {0};
    struct tls_ctx *ctx = NULL;
    struct rk_err err = {0};
    int64_t left_s;

    if (!d->c.tls_cert.n) {
        find(d, rk_str_starts(d->c.exposed_address, RK_STR("https://")) ? GOOD : WARN, "tls",
             rk_str_starts(d->c.exposed_address, RK_STR("https://"))
                 ? NULL
                 : "use server.tls, or a proxy that has a certificate",
             "the server itself speaks clear text");
        return;
    }
    o.cert_file = rk_arena_dupz(d->mem, d->c.tls_cert);
    o.key_file = rk_arena_dupz(d->mem, d->c.tls_key);
    if (tls_server_new(&o, &ctx, &err) || acme_cert_read(o.cert_file, host, &i, &err)) {
        find(d, BAD, "certificate", "see server.tls; the server's user must be able to read both",
             "%s", err.msg);
        tls_ctx_free(ctx);
        return;
    }
    tls_ctx_free(ctx);
    left_s = i.not_after_s - rk_unix_us() / 1000000;
    if (!i.covers)
        find(d, BAD, "certificate", "get one for the name in server.exposedAddress",
             "is not for %.*s", RK_STR_ARG(host));
    find(d,
         left_s < 0                                 ? BAD
         : left_s < 3 * DAY_S && !d->c.acme_enabled ? WARN
                                                    : GOOD,
         "certificate", left_s < 3 * DAY_S ? "renew it, then systemctl reload rookery" : NULL,
         "ends in %lld days", (long long)(left_s / DAY_S));
}

static void look_at_name(struct doctor *d, struct rk_str host)
{
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *ai = NULL;
    char text[256] = "";
    int why = getaddrinfo(rk_arena_dupz(d->mem, host), NULL, &hint, &ai);

    if (why) {
        find(d, BAD, "name", "add an A or AAAA record, or correct server.exposedAddress",
             "%.*s has no address: %s", RK_STR_ARG(host), gai_strerror(why));
        return;
    }
    (void)getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(ai);
    find(d, rk_str_eqz(host, "localhost") ? WARN : GOOD, "name",
         rk_str_eqz(host, "localhost")
             ? "set server.exposedAddress to what other machines can reach"
             : NULL,
         "%.*s is %s", RK_STR_ARG(host), text);
}

static void look_at_clock(struct doctor *d)
{
    struct timex t = {0};
    int state = adjtimex(&t);

    if (state == TIME_ERROR || (t.status & STA_UNSYNC))
        find(d, WARN, "clock",
             "enable systemd-timesyncd or chrony: tokens and certificates need it",
             "is not kept in step with anybody");
    else
        find(d, GOOD, "clock", NULL, "is kept in step");
}

/* ---- main */

static void print(const struct doctor *d, bool as_json)
{
    json_t *v;
    size_t i;

    if (as_json) {
        (void)json_dumpf(d->findings, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        return;
    }
    json_array_foreach (d->findings, i, v) {
        const char *todo = json_string_value(json_object_get(v, "todo"));

        printf("%-5s %-12s %s%s%s\n", json_string_value(json_object_get(v, "verdict")),
               json_string_value(json_object_get(v, "area")),
               json_string_value(json_object_get(v, "finding")),
               *todo ? "\n                   -> " : "", todo);
    }
}

int server_doctor_main(int argc, char **argv)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct doctor d = {.mem = mem, .findings = json_array()};
    struct doctor_opts o = {0};
    struct rk_err err = {0};
    struct rk_str host;
    const char *path;
    int status;

    if (!server_options_load(mem, &CMD, &o, argc, argv, NULL, &status)) {
        json_decref(d.findings);
        return status;
    }
    path = o.config.n ? rk_arena_dupz(mem, o.config) : NULL;
    if (!path && access("/etc/rookery/config.yaml", R_OK) == 0 && !getenv("ROOKERY_DATA_DIR"))
        path = "/etc/rookery/config.yaml";
    if (server_config_load(mem, path, &d.c, NULL, &err)) {
        find(&d, BAD, "config", "rookery config check says where", "%s", err.msg);
    } else {
        find(&d, GOOD, "config", NULL, "%s can be used", path ? path : "the environment");
        host = exposed_host(&d);
        look_at_folder(&d);
        look_at_store(&d);
        look_at_backup(&d);
        look_at_process(&d);
        ask(&d, "/api/instance", "https", "does it run, and on server.listenAddress?");
        ask(&d, "/oauth2/.well-known/openid-configuration", "sign-in",
            "auth.issuer must lead to this server");
        look_at_ways(&d);
        look_at_stun(&d);
        look_at_certificate(&d, host);
        look_at_name(&d, host);
        look_at_clock(&d);
    }
    print(&d, o.json);
    json_decref(d.findings);
    return d.worst == BAD ? EXIT_FAILURE : d.worst == WARN ? 3 : EXIT_SUCCESS;
}
