/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers as a configuration file; see setup_priv.h. */
#include "config.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/net/addr.h"
#include "server/setup_priv.h"

static bool given(const struct setup *s, const char *flag)
{
    return rk_opt_source_of(&s->given, flag) != RK_OPT_DEFAULT;
}

/* ---- what goes with what */

static enum rk_code check_place(struct setup *s, struct rk_err *err)
{
    const struct setup_opts *o = &s->o;

    if (o->lan && o->behind_proxy)
        return rk_fail(err, RK_INVALID, "--lan and --behind-proxy exclude each other");
    if (o->domain.n && o->ip.n)
        return rk_fail(err, RK_INVALID, "--domain and --ip exclude each other");
    if (o->behind_proxy && !o->domain.n)
        return rk_fail(err, RK_INVALID,
                       "--behind-proxy needs --domain, the name under which the proxy is reached");
    s->place = o->lan            ? SETUP_LAN
               : o->behind_proxy ? SETUP_PROXY
               : o->domain.n     ? SETUP_DOMAIN
               : o->ip.n         ? SETUP_IP
                                 : SETUP_AS_IS;
    if (o->proxies.n && s->place != SETUP_PROXY)
        return rk_fail(err, RK_INVALID, "--proxy-address goes with --behind-proxy");
    if (!o->cert.n != !o->key.n)
        return rk_fail(err, RK_INVALID, "--cert and --key go together");
    return RK_OK;
}

static bool own_certificate(const struct setup *s)
{
    return s->o.cert.n != 0;
}

static bool by_acme(const struct setup *s)
{
    return (s->place == SETUP_DOMAIN || s->place == SETUP_IP) && !own_certificate(s);
}

static enum rk_code check_tls(struct setup *s, struct rk_err *err)
{
    bool clear = s->place == SETUP_LAN || s->place == SETUP_PROXY;

    if (clear && own_certificate(s))
        return rk_fail(err, RK_INVALID, "--cert does not go with --lan or --behind-proxy");
    if (!by_acme(s) && (given(s, "acme-directory") || given(s, "email")))
        return rk_fail(err, RK_INVALID,
                       "--acme-directory and --email are for certificates that the server gets by "
                       "itself: with --domain or --ip, without --cert");
    if (s->place == SETUP_IP && by_acme(s) &&
        rk_str_find(s->o.directory, RK_STR(LETS_ENCRYPT_HOST)) < s->o.directory.n)
        return rk_fail(err, RK_INVALID,
                       "--ip: Let's Encrypt gives certificates for addresses only under a profile "
                       "that Debian's uacme cannot ask for; use --domain, --cert and --key, "
                       "another --acme-directory, or --lan");
    return RK_OK;
}

/* ---- the name */

static enum rk_code check_domain(struct rk_str d, struct rk_err *err)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

    for (size_t i = 0; i < d.n; i++)
        if (rk_str_find_c(rk_str_z(letters), d.p[i]) == sizeof letters - 1)
            return rk_fail(err, RK_INVALID,
                           "--domain \"%.*s\": a bare name such as vpn.example.com is meant "
                           "(others than Latin letters as xn--…)",
                           RK_STR_ARG(d));
    if (d.n > 253 || d.p[0] == '.' || d.p[0] == '-' || d.p[d.n - 1] == '.' || d.p[d.n - 1] == '-' ||
        rk_str_find(d, RK_STR("..")) < d.n)
        return rk_fail(err, RK_INVALID, "--domain \"%.*s\" is no name", RK_STR_ARG(d));
    return RK_OK;
}

/* The address that this machine uses towards others; nothing is sent. */
static enum rk_code main_address(struct rk_ip *out, struct rk_err *err)
{
    static const char *const far[] = {"192.0.2.1", "2001:db8::1"};

    for (size_t i = 0; i < RK_ARRAY_LEN(far); i++) {
        struct rk_addr to = {.port = 9}, from;
        struct sockaddr_storage sa;
        socklen_t n;
        int fd;
        bool ok;

        if (rk_ip_parse(rk_str_z(far[i]), &to.ip, err))
            return err->code;
        n = rk_addr_to_sa(&to, &sa);
        fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ok = fd >= 0 && connect(fd, (struct sockaddr *)&sa, n) == 0;
        n = sizeof sa;
        ok = ok && getsockname(fd, (struct sockaddr *)&sa, &n) == 0 &&
             rk_addr_from_sa((struct sockaddr *)&sa, &from, err) == RK_OK;
        if (fd >= 0)
            (void)close(fd);
        if (ok) {
            *out = rk_ip_unmap(&from.ip);
            return RK_OK;
        }
    }
    return rk_fail(err, RK_PRECONDITION,
                   "this machine has no way to other networks: say which address with --ip");
}

static enum rk_code host_of_ip(struct setup *s, struct rk_str text, struct rk_err *err)
{
    char buf[RK_ADDR_TEXT];
    struct rk_ip ip;
    struct rk_str shown;

    if (rk_str_eqz(text, "auto")) {
        if (main_address(&ip, err))
            return err->code;
    } else if (rk_ip_parse(text, &ip, err)) {
        return rk_fail(err, RK_INVALID, "--ip \"%.*s\" is no address (or auto)", RK_STR_ARG(text));
    }
    shown = rk_ip_format(&ip, buf);
    s->o.ip = rk_arena_dup(s->mem, shown);
    s->host = rk_arena_printf(s->mem, ip.family == 6 ? "[%.*s]" : "%.*s", RK_STR_ARG(shown));
    return RK_OK;
}

static enum rk_code find_host(struct setup *s, struct rk_err *err)
{
    if (!s->o.domain.n)
        return host_of_ip(s, s->o.ip.n ? s->o.ip : RK_STR("auto"), err);
    s->host = s->o.domain;
    return check_domain(s->o.domain, err);
}

/* ---- the file */

/* In double quotes; false when it holds what YAML would not read back. */
static bool put(struct rk_buf *b, const char *key, struct rk_str v)
{
    bool ok = rk_str_utf8_ok(v);

    rk_buf_addz(b, key);
    rk_buf_addc(b, '"');
    for (size_t i = 0; i < v.n; i++) {
        ok = ok && (unsigned char)v.p[i] >= ' ' && v.p[i] != 0x7f;
        if (v.p[i] == '"' || v.p[i] == '\\')
            rk_buf_addc(b, '\\');
        rk_buf_addc(b, v.p[i]);
    }
    rk_buf_addz(b, "\"\n");
    return ok;
}

static bool put_tls(struct setup *s, struct rk_buf *b)
{
    bool ok = true;

    if (own_certificate(s)) {
        rk_buf_addz(b, "  tls:\n");
        return put(b, "    certFile: ", s->o.cert) && put(b, "    keyFile: ", s->o.key);
    }
    if (!by_acme(s))
        return true;
    rk_buf_addz(b, "  tls:\n    letsencrypt:\n      enabled: true\n      domains:\n");
    ok = put(b, "        - ", s->place == SETUP_IP ? s->o.ip : s->o.domain);
    if (s->o.email.n)
        ok = ok && put(b, "      email: ", s->o.email);
    return ok;
}

static bool put_proxy(struct setup *s, struct rk_buf *b)
{
    bool ok = true;

    if (s->place != SETUP_PROXY)
        return true;
    rk_buf_addz(b, "  reverseProxy:\n    trustedHTTPProxies:\n");
    if (!s->o.proxies.n)
        return put(b, "      - ", RK_STR("127.0.0.1")) && put(b, "      - ", RK_STR("::1"));
    for (size_t i = 0; i < s->o.proxies.n; i++)
        ok = ok && put(b, "      - ", s->o.proxies.items[i]);
    return ok;
}

static bool put_store(struct setup *s, struct rk_buf *b)
{
    if (!s->o.store.n || rk_str_eqz(s->o.store, "sqlite"))
        return true;
    rk_buf_addz(b, "  store:\n    engine: postgres\n");
    return put(b, "    dsn: ", s->o.store);
}

static bool loopback_only(const struct setup *s)
{
    struct rk_prefix p;

    for (size_t i = 0; i < s->o.proxies.n; i++)
        if (rk_prefix_parse_or_ip(s->o.proxies.items[i], &p, NULL) || !rk_ip_is_loopback(&p.ip))
            return false;
    return true;
}

static bool put_addresses(struct setup *s, struct rk_buf *b)
{
    bool clear = s->place == SETUP_LAN || s->place == SETUP_PROXY;
    int64_t port = s->o.port ? s->o.port : clear ? 8080 : 443;
    const char *at = s->place == SETUP_PROXY && loopback_only(s) ? "127.0.0.1" : "";

    return put(b, "  listenAddress: ", rk_arena_printf(s->mem, "%s:%lld", at, (long long)port)) &&
           put(b, "  exposedAddress: ",
               rk_arena_printf(s->mem, "%s://%.*s:%lld", s->place == SETUP_LAN ? "http" : "https",
                               RK_STR_ARG(s->host),
                               s->place == SETUP_PROXY ? 443LL : (long long)port));
}

enum rk_code setup_text(struct setup *s, struct rk_buf *out, struct rk_err *err)
{
    enum rk_code rc = check_place(s, err);
    bool ok;

    if (rc == RK_OK)
        rc = check_tls(s, err);
    if (rc == RK_OK)
        rc = find_host(s, err);
    if (rc)
        return rc;
    if (by_acme(s) && !s->o.email.n)
        s->o.email = s->o.owner_email;
    rk_buf_addz(out, "# Written by rookery setup. \"rookery config show\" says what every key is.\n"
                     "server:\n");
    ok = put_addresses(s, out);
    rk_buf_printf(out, "  stunPorts: [%lld]\n", (long long)s->o.stun_port);
    ok = ok && put(out, "  dataDir: ", s->o.data) && put_tls(s, out) && put_proxy(s, out) &&
         put_store(s, out);
    if (by_acme(s) && given(s, "acme-directory")) {
        rk_buf_addz(out, "  x:\n");
        ok = ok && put(out, "    acmeDirectory: ", s->o.directory);
    }
    if (!ok || out->full)
        return rk_fail(err, RK_INVALID, "a value that was given is no text, or too long");
    return RK_OK;
}
