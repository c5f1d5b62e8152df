/* SPDX-License-Identifier: BSD-3-Clause */
/* A service as a proxy is told of it, and the one-time token for its peer; see impl.h. */
#include "config.h"

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "management/proxy/impl.h"

#define ONCE_S 300 /* a token is good for so long */

char **proxy_texts(struct rk_arena *mem, const struct str_list *l, size_t *n)
{
    char **v = rk_new_n(mem, char *, l->n + 1);

    for (size_t i = 0; i < l->n; i++)
        v[i] = pb_text(mem, l->v[i]);
    *n = l->n;
    return v;
}

static Google__Protobuf__Duration *duration(struct rk_arena *mem, int64_t ms)
{
    Google__Protobuf__Duration *d;

    if (!ms)
        return NULL;
    d = rk_new(mem, Google__Protobuf__Duration);
    google__protobuf__duration__init(d);
    d->seconds = ms / 1000;
    d->nanos = (int32_t)(ms % 1000 * 1000000);
    return d;
}

static Management__PathTargetOptions *options(struct rk_arena *mem, const struct service_target *t)
{
    Management__PathTargetOptions *o = rk_new(mem, Management__PathTargetOptions);

    management__path_target_options__init(o);
    o->skip_tls_verify = t->skip_tls_verify;
    o->request_timeout = duration(mem, t->request_timeout_ms);
    o->session_idle_timeout = duration(mem, t->idle_timeout_ms);
    if (rk_str_eqz(t->path_rewrite, "preserve"))
        o->path_rewrite = MANAGEMENT__PATH_REWRITE_MODE__PATH_REWRITE_PRESERVE;
    o->custom_headers = rk_new_n(mem, Management__CustomHeadersEntry *, t->n_headers + 1);
    for (size_t i = 0; i < t->n_headers; i++) {
        Management__CustomHeadersEntry *e = rk_new(mem, Management__CustomHeadersEntry);

        management__custom_headers_entry__init(e);
        e->key = pb_text(mem, t->headers[i].name);
        e->value = pb_text(mem, t->headers[i].value);
        o->custom_headers[o->n_custom_headers++] = e;
    }
    o->proxy_protocol = t->proxy_protocol;
    o->direct_upstream = t->direct_upstream;
    return o;
}

/* http: "scheme://host[:port]/"; streams: "host:port". */
static struct rk_str target_text(struct rk_arena *mem, const struct snapshot *s,
                                 const struct service *svc, const struct service_target *t)
{
    struct rk_str host = service_target_host(mem, s, t);
    unsigned usual = rk_str_eqz(t->protocol, "https") ? 443 : 80;
    struct rk_ip ip;

    if (!rk_ip_parse(host, &ip, NULL) && ip.family == 6)
        host = RK_CAT(mem, RK_STR("["), host, RK_STR("]"));
    if (service_is_l4(svc))
        return rk_arena_printf(mem, "%.*s:%u", RK_STR_ARG(host), t->port);
    if (!t->port || t->port == usual)
        return RK_CAT(mem, t->protocol, RK_STR("://"), host, RK_STR("/"));
    return rk_arena_printf(mem, "%.*s://%.*s:%u/", RK_STR_ARG(t->protocol), RK_STR_ARG(host),
                           t->port);
}

static void put_paths(struct rk_arena *mem, const struct snapshot *s, const struct service *svc,
                      Management__ProxyMapping *m)
{
    m->path = rk_new_n(mem, Management__PathMapping *, svc->n_targets + 1);
    for (size_t i = 0; i < svc->n_targets; i++) {
        const struct service_target *t = &svc->targets[i];
        Management__PathMapping *p;

        if (!t->enabled)
            continue;
        p = rk_new(mem, Management__PathMapping);
        management__path_mapping__init(p);
        if (!service_is_l4(svc))
            p->path = pb_text(mem, t->path.n ? t->path : RK_STR("/"));
        p->target = pb_text(mem, target_text(mem, s, svc, t));
        p->options = options(mem, t);
        m->path[m->n_path++] = p;
    }
}

static Management__Authentication *auth_of(struct rk_arena *mem, const struct service *svc)
{
    Management__Authentication *a = rk_new(mem, Management__Authentication);

    management__authentication__init(a);
    a->session_key = pb_text(mem, svc->session_public);
    a->max_session_age_seconds = PROXY_SESSION_S;
    a->password = svc->password_on;
    a->pin = svc->pin_on;
    a->oidc = svc->bearer_on;
    a->header_auths = rk_new_n(mem, Management__HeaderAuth *, svc->n_header_auths + 1);
    for (size_t i = 0; i < svc->n_header_auths; i++) {
        Management__HeaderAuth *h;

        if (!svc->header_auths[i].enabled)
            continue;
        h = rk_new(mem, Management__HeaderAuth);
        management__header_auth__init(h); /* the hash stays here: we check, not the proxy */
        h->header = pb_text(mem, svc->header_auths[i].header);
        a->header_auths[a->n_header_auths++] = h;
    }
    return a;
}

static Management__AccessRestrictions *restrictions(struct rk_arena *mem, const struct service *svc)
{
    Management__AccessRestrictions *r;

    if (!svc->allowed_cidrs.n && !svc->blocked_cidrs.n && !svc->allowed_countries.n &&
        !svc->blocked_countries.n && !svc->crowdsec_mode.n)
        return NULL;
    r = rk_new(mem, Management__AccessRestrictions);
    management__access_restrictions__init(r);
    r->allowed_cidrs = proxy_texts(mem, &svc->allowed_cidrs, &r->n_allowed_cidrs);
    r->blocked_cidrs = proxy_texts(mem, &svc->blocked_cidrs, &r->n_blocked_cidrs);
    r->allowed_countries = proxy_texts(mem, &svc->allowed_countries, &r->n_allowed_countries);
    r->blocked_countries = proxy_texts(mem, &svc->blocked_countries, &r->n_blocked_countries);
    r->crowdsec_mode = pb_text(mem, svc->crowdsec_mode);
    return r;
}

Management__ProxyMapping *proxy_mapping(struct rk_arena *mem, const struct snapshot *s,
                                        const struct service *svc)
{
    Management__ProxyMapping *m = rk_new(mem, Management__ProxyMapping);

    management__proxy_mapping__init(m);
    m->id = pb_text(mem, svc->id);
    m->account_id = pb_text(mem, svc->account_id);
    m->domain = pb_text(mem, svc->domain);
    put_paths(mem, s, svc, m);
    m->auth = auth_of(mem, svc);
    m->pass_host_header = svc->pass_host_header;
    m->rewrite_redirects = svc->rewrite_redirects;
    m->mode = pb_text(mem, svc->mode);
    m->listen_port = svc->listen_port;
    m->access_restrictions = restrictions(mem, svc);
    m->private_ = svc->is_private;
    return m;
}

/* ---- one-time tokens: "expiry.random.MAC", so that every process knows those of the others */

static struct rk_str once_mac(const struct proxies *p, struct rk_arena *mem,
                              struct rk_str account_id, struct rk_str service_id,
                              struct rk_str head)
{
    uint8_t mac[HMAC_SHA256_SIZE];

    hmac_sha256(rk_str_of(p->key.b, sizeof p->key.b),
                RK_CAT(mem, account_id, RK_STR("\n"), service_id, RK_STR("\n"), head), mac);
    return rk_base64url_encode(mem, rk_str_of(mac, sizeof mac));
}

struct rk_str proxy_once_make(const struct proxies *p, struct rk_arena *mem,
                              const struct service *svc)
{
    uint8_t random[16];
    struct rk_str head;

    rk_secret_random(random, sizeof random);
    head = rk_arena_printf(mem, "%lld.%.*s", (long long)(mgmt_now_us(p->o.mgmt) / 1000000 + ONCE_S),
                           RK_STR_ARG(rk_base64url_encode(mem, rk_str_of(random, sizeof random))));
    return RK_CAT(mem, head, RK_STR("."), once_mac(p, mem, svc->account_id, svc->id, head));
}

enum rk_code proxy_once_take(const struct proxies *p, struct db *db, struct rk_arena *mem,
                             struct rk_str account_id, struct rk_str service_id,
                             struct rk_str token, struct rk_err *err)
{
    struct rk_str expiry, rest, random, mac, want;
    int64_t until_s;
    bool first = false;
    enum rk_code rc;

    if (!rk_str_cut(token, '.', &expiry, &rest) || !rk_str_cut(rest, '.', &random, &mac) ||
        rk_parse_i64(expiry, 0, INT64_MAX / 1000000, &until_s, NULL))
        return rk_fail(err, RK_UNAUTHENTICATED, "the token is not one of a mapping");
    want = once_mac(p, mem, account_id, service_id, rk_str_of(token.p, expiry.n + 1 + random.n));
    if (mac.n != want.n || !rk_secret_eq(mac.p, want.p, mac.n))
        return rk_fail(err, RK_UNAUTHENTICATED, "the token is not one of this service's mapping");
    if (until_s * 1000000 <= mgmt_now_us(p->o.mgmt))
        return rk_fail(err, RK_UNAUTHENTICATED, "the token of the mapping has expired");
    rc = proxy_use_once(db, token, until_s * 1000000, &first, err);
    if (!rc && !first)
        rc = rk_fail(err, RK_UNAUTHENTICATED, "the token of the mapping was used already");
    return rc;
}
