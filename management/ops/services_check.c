/* SPDX-License-Identifier: BSD-3-Clause */
/* The form of a service: what can be said without looking at the account. See services.h. */
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "lib/crypto/hash.h"
#include "lib/crypto/pwhash.h"
#include "management/ops/domains.h"
#include "management/ops/services.h"

#define HEADER_NAME_MAX  128
#define HEADER_VALUE_MAX 4096
#define PATH_MAX_BYTES   1024

/* The parameters that other servers of this interface write; a visitor waits for it at each login.
 */
#define COST ((struct pwhash_cost){2, (size_t)19456 << 10})

/* ---- header names */

static bool is_token(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !memchr("!#$%&'*+-.^_`|~", s.p[i], 15))
            return false;
    return s.n > 0;
}

static bool one_of(struct rk_str s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rk_str_ieq(s, rk_str_z(list[i])))
            return true;
    return false;
}

/* Neither of one connection only, nor written by the proxy itself. */
static enum rk_code header_name_check(struct rk_str name, const char *what, struct rk_err *err)
{
    static const char *const HOP[] = {"Connection",
                                      "Keep-Alive",
                                      "Proxy-Authenticate",
                                      "Proxy-Authorization",
                                      "Proxy-Connection",
                                      "Te",
                                      "Trailer",
                                      "Transfer-Encoding",
                                      "Upgrade"};
    static const char *const OWN[] = {"Content-Length",   "Content-Type",      "Cookie",
                                      "Forwarded",        "X-Forwarded-For",   "X-Forwarded-Host",
                                      "X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-Ip"};

    if (!is_token(name) || name.n > HEADER_NAME_MAX)
        return rk_fail(err, RK_INVALID, "%s: \"%.*s\" is no name of a header", what,
                       RK_STR_ARG(rk_str_sub(name, 0, 80)));
    if (one_of(name, HOP, RK_ARRAY_LEN(HOP)))
        return rk_fail(err, RK_INVALID, "%s: %.*s belongs to one connection and cannot be used",
                       what, RK_STR_ARG(name));
    if (one_of(name, OWN, RK_ARRAY_LEN(OWN)))
        return rk_fail(err, RK_INVALID, "%s: %.*s is written by the proxy itself", what,
                       RK_STR_ARG(name));
    if (rk_str_ieq(name, RK_STR("Host")))
        return rk_fail(err, RK_INVALID, "%s: Host cannot be used, see pass_host_header", what);
    return RK_OK;
}

/* ---- authentication */

static enum rk_code auth_check(const struct service_input *in, struct rk_err *err)
{
    const struct service *s = &in->s;
    enum rk_code rc = RK_OK;

    if (in->password.n > PWHASH_PASSWORD_MAX || in->pin.n > PWHASH_PASSWORD_MAX)
        return rk_fail(err, RK_INVALID, "a password or PIN has at most %d bytes",
                       PWHASH_PASSWORD_MAX);
    if (s->n_header_auths > SERVICE_AUTHS_MAX)
        return rk_fail(err, RK_INVALID, "header_auths: more than %d", SERVICE_AUTHS_MAX);
    for (size_t i = 0; i < s->n_header_auths && rc == RK_OK; i++) {
        if (!s->header_auths[i].enabled)
            continue;
        rc = header_name_check(s->header_auths[i].header, "header_auths", err);
        if (rc == RK_OK && in->header_values[i].n > SERVICE_SECRET_MAX)
            rc = rk_fail(err, RK_INVALID, "header_auths: a value has at most %d bytes",
                         SERVICE_SECRET_MAX);
    }
    return rc;
}

/* ---- restrictions */

static enum rk_code cidrs_check(const char *what, const struct str_list *l, struct rk_err *err)
{
    char text[RK_ADDR_TEXT];

    if (l->n > SERVICE_CIDRS_MAX)
        return rk_fail(err, RK_INVALID, "%s: more than %d entries", what, SERVICE_CIDRS_MAX);
    for (size_t i = 0; i < l->n; i++) {
        struct rk_prefix p, masked;

        if (rk_prefix_parse(l->v[i], &p, NULL))
            return rk_fail(err, RK_INVALID, "%s: \"%.*s\" is no network like 192.0.2.0/24", what,
                           RK_STR_ARG(rk_str_sub(l->v[i], 0, 80)));
        masked = rk_prefix_masked(&p);
        if (rk_prefix_cmp(&p, &masked) != 0)
            return rk_fail(err, RK_INVALID, "%s: %.*s has host bits, use %s", what,
                           RK_STR_ARG(l->v[i]), rk_prefix_format(&masked, text).p);
    }
    return RK_OK;
}

static enum rk_code countries_check(struct rk_arena *mem, const char *what, struct str_list *l,
                                    struct rk_err *err)
{
    struct rk_str *v = rk_new_n(mem, struct rk_str, l->n + 1);

    if (l->n > SERVICE_COUNTRIES_MAX)
        return rk_fail(err, RK_INVALID, "%s: more than %d entries", what, SERVICE_COUNTRIES_MAX);
    for (size_t i = 0; i < l->n; i++) {
        struct rk_str c = l->v[i];

        if (c.n != 2 || !isalpha((unsigned char)c.p[0]) || !isalpha((unsigned char)c.p[1]))
            return rk_fail(err, RK_INVALID, "%s: \"%.*s\" is no country of two letters", what,
                           RK_STR_ARG(rk_str_sub(c, 0, 20)));
        v[i] = rk_arena_printf(mem, "%c%c", toupper((unsigned char)c.p[0]),
                               toupper((unsigned char)c.p[1]));
    }
    l->v = v;
    return RK_OK;
}

static enum rk_code restrictions_check(struct rk_arena *mem, struct service *s, struct rk_err *err)
{
    static const char *const MODES[] = {"", "off", "enforce", "observe"};
    enum rk_code rc = RK_OK;
    bool known = false;

    for (size_t i = 0; i < RK_ARRAY_LEN(MODES); i++)
        known |= rk_str_eqz(s->crowdsec_mode, MODES[i]);
    if (!known)
        return rk_fail(err, RK_INVALID, "crowdsec_mode is off, enforce or observe");
    rc = cidrs_check("allowed_cidrs", &s->allowed_cidrs, err);
    if (rc == RK_OK)
        rc = cidrs_check("blocked_cidrs", &s->blocked_cidrs, err);
    if (rc == RK_OK)
        rc = countries_check(mem, "allowed_countries", &s->allowed_countries, err);
    return rc ? rc : countries_check(mem, "blocked_countries", &s->blocked_countries, err);
}

/* ---- targets */

static bool type_is(const struct service_target *t, const char *type)
{
    return rk_str_eqz(t->target_type, type);
}

static enum rk_code headers_check(const struct service_target *t, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (t->n_headers > SERVICE_HEADERS_MAX)
        return rk_fail(err, RK_INVALID, "custom_headers: more than %d", SERVICE_HEADERS_MAX);
    for (size_t i = 0; i < t->n_headers && rc == RK_OK; i++) {
        const struct service_header *h = &t->headers[i];

        rc = header_name_check(h->name, "custom_headers", err);
        if (rc == RK_OK && (h->value.n > HEADER_VALUE_MAX || memchr(h->value.p, '\r', h->value.n) ||
                            memchr(h->value.p, '\n', h->value.n)))
            rc = rk_fail(err, RK_INVALID,
                         "custom_headers: the value of %.*s is too long or has a line end",
                         RK_STR_ARG(h->name));
        for (size_t k = 0; k < i && rc == RK_OK; k++)
            if (rk_str_ieq(t->headers[k].name, h->name))
                rc = rk_fail(err, RK_INVALID, "custom_headers: %.*s is there twice",
                             RK_STR_ARG(h->name));
    }
    return rc;
}

/* A host that the proxy dials itself: a name or an address, without a port. */
static enum rk_code host_check(const struct service_target *t, struct rk_err *err)
{
    struct rk_str host = rk_str_trim(t->host);
    struct rk_ip ip;
    size_t colon = rk_str_find_c(host, ':');

    if (!t->direct_upstream || !host.n)
        return RK_OK;
    if (rk_str_find_c(host, ' ') < host.n || rk_str_find_c(host, '\t') < host.n ||
        rk_str_find_c(host, '/') < host.n || host.n > 255)
        return rk_fail(err, RK_INVALID, "host \"%.*s\" is neither a name nor an address",
                       RK_STR_ARG(rk_str_sub(host, 0, 80)));
    if (colon < host.n && rk_ip_parse(host, &ip, NULL) && host.p[0] != '[')
        return rk_fail(err, RK_INVALID, "host \"%.*s\" has a port, which belongs into port",
                       RK_STR_ARG(host));
    return RK_OK;
}

static enum rk_code target_check(const struct service_target *t, struct rk_err *err)
{
    static const char *const TYPES[] = {"peer", "host", "domain", "subnet", "cluster"};

    if (!one_of(t->target_type, TYPES, RK_ARRAY_LEN(TYPES)))
        return rk_fail(err, RK_INVALID, "target_type \"%.*s\" is not known",
                       RK_STR_ARG(rk_str_sub(t->target_type, 0, 40)));
    if (!t->target_id.n)
        return rk_fail(err, RK_INVALID, "a target needs target_id");
    if (type_is(t, "subnet") && !t->host.n)
        return rk_fail(err, RK_INVALID, "a target of type subnet needs host");
    if (type_is(t, "cluster") && !t->direct_upstream)
        return rk_fail(err, RK_INVALID, "a target of type cluster needs direct_upstream");
    if (t->path_rewrite.n && !rk_str_eqz(t->path_rewrite, "preserve"))
        return rk_fail(err, RK_INVALID, "path_rewrite is preserve or not there");
    if (t->path.n > PATH_MAX_BYTES)
        return rk_fail(err, RK_INVALID, "a path has at most %d bytes", PATH_MAX_BYTES);
    return host_check(t, err);
}

static enum rk_code http_check(const struct service *s, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (s->listen_port)
        return rk_fail(err, RK_INVALID, "listen_port is not for services of mode http");
    for (size_t i = 0; i < s->n_targets && rc == RK_OK; i++) {
        const struct service_target *t = &s->targets[i];

        rc = target_check(t, err);
        if (rc)
            break;
        if (type_is(t, "cluster") && !rk_str_trim(t->host).n)
            rc = rk_fail(err, RK_INVALID, "a target of type cluster needs host");
        else if (!rk_str_eqz(t->protocol, "http") && !rk_str_eqz(t->protocol, "https"))
            rc = rk_fail(err, RK_INVALID, "the protocol of a target is http or https");
        else if (t->path.n && t->path.p[0] != '/')
            rc = rk_fail(err, RK_INVALID, "the path of a target begins with /");
        else if (t->proxy_protocol)
            rc = rk_fail(err, RK_INVALID, "proxy_protocol is not for services of mode http");
        else
            rc = headers_check(t, err);
    }
    return rc;
}

static enum rk_code l4_check(struct service *s, struct rk_err *err)
{
    struct service_target *t = s->targets;
    enum rk_code rc;

    if (service_has_auth(s))
        return rk_fail(err, RK_INVALID, "a service of mode %.*s has no authentication",
                       RK_STR_ARG(s->mode));
    if (s->n_targets != 1)
        return rk_fail(err, RK_INVALID, "a service of mode %.*s has exactly one target",
                       RK_STR_ARG(s->mode));
    rc = target_check(t, err);
    if (rc)
        return rc;
    if (!t->port)
        return rk_fail(err, RK_INVALID, "the target needs a port");
    if (rk_str_eqz(s->mode, "udp") && t->proxy_protocol)
        return rk_fail(err, RK_INVALID, "proxy_protocol is not for services of mode udp");
    if (t->path.n && !rk_str_eqz(t->path, "/"))
        return rk_fail(err, RK_INVALID, "path is for services of mode http");
    if (t->skip_tls_verify || t->path_rewrite.n || t->n_headers)
        return rk_fail(err, RK_INVALID,
                       "skip_tls_verify, path_rewrite and custom_headers are for services of mode "
                       "http");
    t->enabled = true; /* the service has a switch of its own */
    return RK_OK;
}

static enum rk_code private_check(const struct service *s, struct rk_err *err)
{
    if (!s->is_private)
        return RK_OK;
    if (service_is_l4(s))
        return rk_fail(err, RK_INVALID, "a private service has mode http");
    if (!s->access_groups.n)
        return rk_fail(err, RK_INVALID, "a private service needs access_groups");
    if (s->bearer_on)
        return rk_fail(err, RK_INVALID, "a private service cannot have bearer_auth as well");
    return RK_OK;
}

enum rk_code service_input_check(struct rk_arena *mem, struct service_input *in, struct rk_err *err)
{
    static const char *const MODES[] = {"http", "tcp", "udp", "tls"};
    struct service *s = &in->s;
    enum rk_code rc;

    if (!s->name.n || s->name.n > SERVICE_NAME_MAX)
        return rk_fail(err, RK_INVALID, "the name of a service has 1 to %d bytes",
                       SERVICE_NAME_MAX);
    if (!s->n_targets || s->n_targets > SERVICE_TARGETS_MAX)
        return rk_fail(err, RK_INVALID, "a service has 1 to %d targets", SERVICE_TARGETS_MAX);
    if (!s->mode.n)
        s->mode = RK_STR("http");
    if (!one_of(s->mode, MODES, RK_ARRAY_LEN(MODES)))
        return rk_fail(err, RK_INVALID, "mode \"%.*s\" is not one of http, tcp, udp, tls",
                       RK_STR_ARG(rk_str_sub(s->mode, 0, 40)));
    if (!s->domain.n)
        return rk_fail(err, RK_INVALID, "a service needs a domain");
    if (dns_name_to_ascii(mem, s->domain, false, &s->domain, NULL))
        return rk_fail(err, RK_INVALID, "\"%.*s\" is no domain",
                       RK_STR_ARG(rk_str_sub(s->domain, 0, 80)));
    rc = auth_check(in, err);
    if (rc == RK_OK)
        rc = restrictions_check(mem, s, err);
    if (rc == RK_OK)
        rc = private_check(s, err);
    if (rc)
        return rc;
    if (!service_is_l4(s))
        return http_check(s, err);
    if (rk_str_eqz(s->mode, "tls") && !s->listen_port)
        return rk_fail(err, RK_INVALID, "a service of mode tls needs listen_port");
    return l4_check(s, err);
}

/* ---- secrets */

/* What is longer than a hash takes is hashed once before. */
static struct rk_str shorten(struct rk_str plain, char buf[HASH_SHA256_TEXT + 1])
{
    if (plain.n <= PWHASH_PASSWORD_MAX)
        return plain;
    hash_sha256_base64(plain, buf);
    return rk_str_z(buf);
}

static enum rk_code hash_one(struct rk_arena *mem, struct rk_str plain, struct rk_str *out,
                             struct rk_err *err)
{
    char text[PWHASH_TEXT_MAX + 1], brief[HASH_SHA256_TEXT + 1];
    enum rk_code rc = pwhash_make(COST, shorten(plain, brief), text, err);

    if (rc == RK_OK)
        *out = rk_arena_dup(mem, rk_str_z(text));
    return rc;
}

enum rk_code service_input_hash(struct rk_arena *mem, struct service_input *in, struct rk_err *err)
{
    struct service *s = &in->s;
    enum rk_code rc = RK_OK;

    if (s->password_on && in->password.n)
        rc = hash_one(mem, in->password, &s->password_hash, err);
    if (rc == RK_OK && s->pin_on && in->pin.n)
        rc = hash_one(mem, in->pin, &s->pin_hash, err);
    for (size_t i = 0; i < s->n_header_auths && rc == RK_OK; i++)
        if (s->header_auths[i].enabled && in->header_values[i].n)
            rc = hash_one(mem, in->header_values[i], &s->header_auths[i].hash, err);
    return rc;
}

enum rk_code service_secret_verify(struct rk_str hash, struct rk_str plain, struct rk_err *err)
{
    char brief[HASH_SHA256_TEXT + 1];

    return pwhash_verify(hash, shorten(plain, brief), err);
}
