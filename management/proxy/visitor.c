/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may enter a service: secrets, sessions of people, machines of the overlay; see impl.h. */
#include "config.h"

#include "management/proxy/impl.h"

static enum rk_code session(struct proxy_call *c, const struct service *svc,
                            const struct proxy_session *in, char **out, struct rk_err *err)
{
    struct rk_str token;
    enum rk_code rc = proxy_session_make(c->mem, svc, in, mgmt_now_us(c->p->o.mgmt), &token, err);

    if (!rc)
        *out = pb_text(c->mem, token);
    return rc;
}

/* ---- secrets */

static bool fits(struct rk_str hash, const char *plain)
{
    return hash.n && !service_secret_verify(hash, rk_str_z(plain), NULL);
}

static bool header_fits(const struct service *svc, const Management__HeaderAuthRequest *h)
{
    for (size_t i = 0; i < svc->n_header_auths; i++) {
        const struct service_header_auth *a = &svc->header_auths[i];

        if (a->enabled && (!h->header_name[0] || rk_str_ieq(a->header, rk_str_z(h->header_name))) &&
            fits(a->hash, h->header_value))
            return true;
    }
    return false;
}

/* What people choose and type can be guessed: not for ever. Headers are programs', sent with each
 * request, and long; a limit would only let strangers lock them out. */
static enum rk_code try_secret(struct proxy_call *c, const struct service *svc, const char *scheme,
                               struct rk_str hash, const char *plain, bool *fit, struct rk_err *err)
{
    struct rk_str what = RK_CAT(c->mem, svc->id, RK_STR(" "), rk_str_z(scheme));

    if (!proxy_may_guess(c->p, what))
        return rk_fail(err, RK_LIMIT, "too many wrong secrets for this service: try again later");
    *fit = fits(hash, plain);
    if (*fit)
        proxy_guessed(c->p, what);
    return RK_OK;
}

/* Which of the service's schemes the request fulfils; NULL: none. RK_LIMIT. */
static enum rk_code scheme_of(struct proxy_call *c, const struct service *svc,
                              const Management__AuthenticateRequest *r, const char **out,
                              struct rk_err *err)
{
    enum rk_code rc = RK_OK;
    bool fit = false;

    *out = NULL;
    switch (r->request_case) {
    case MANAGEMENT__AUTHENTICATE_REQUEST__REQUEST_PASSWORD:
        if (svc->password_on)
            rc = try_secret(c, svc, "password", svc->password_hash, r->password->password, &fit,
                            err);
        *out = fit ? "password" : NULL;
        break;
    case MANAGEMENT__AUTHENTICATE_REQUEST__REQUEST_PIN:
        if (svc->pin_on)
            rc = try_secret(c, svc, "pin", svc->pin_hash, r->pin->pin, &fit, err);
        *out = fit ? "pin" : NULL;
        break;
    case MANAGEMENT__AUTHENTICATE_REQUEST__REQUEST_HEADER_AUTH:
        *out = header_fits(svc, r->header_auth) ? "header" : NULL;
        break;
    case MANAGEMENT__AUTHENTICATE_REQUEST__REQUEST__NOT_SET:
    default:
        break;
    }
    return rc;
}

enum rk_code proxy_authenticate(struct proxy_call *c, struct db *db, struct rk_err *err)
{
    const Management__AuthenticateRequest *r = c->msg;
    Management__AuthenticateResponse *a = rk_new(c->mem, Management__AuthenticateResponse);
    RK_CLEANUP(snap_unrefp) struct snapshot *s = NULL;
    const struct service *svc = NULL;
    const char *scheme;
    enum rk_code rc = proxy_scope(&c->token, rk_str_z(r->account_id), err);

    (void)db;
    management__authenticate_response__init(a);
    c->answer = &a->base;
    if (rc)
        return rc;
    rc = mgmt_snapshot(c->p->o.mgmt, rk_str_z(r->account_id), (const struct snapshot **)&s, err);
    if (!rc)
        svc = snap_find(s, ENT_SERVICE, rk_str_z(r->id));
    if (!svc || !svc->enabled || svc->terminated)
        return rc == RK_UNAVAILABLE
                   ? rc
                   : rk_fail(err, RK_PRECONDITION, "there is no service %.80s", r->id);
    rc = scheme_of(c, svc, r, &scheme, err);
    if (rc || !scheme)
        return rc; /* an answer, not an error: the visitor may try again */
    a->success = true;
    return session(
        c, svc,
        &(struct proxy_session){.subject = RK_CAT(c->mem, rk_str_z(scheme), RK_STR("-user")),
                                .method = rk_str_z(scheme)},
        &a->session_token, err);
}

/* ---- who it is */

/* What both answers hold. */
struct verdict {
    struct rk_str user_id, email;
    const char *denied; /* NULL: may enter */
    struct str_list groups, names;
};

static enum rk_code service_of(struct proxy_call *c, struct db *db, struct rk_str domain,
                               struct snapshot **s, const struct service **svc, struct rk_err *err)
{
    struct rk_str account_id, id;
    enum rk_code rc = service_by_domain(db, c->mem, domain, &account_id, &id, err);

    if (!rc)
        rc = proxy_scope(&c->token, account_id, err);
    if (!rc)
        rc = mgmt_snapshot(c->p->o.mgmt, account_id, (const struct snapshot **)s, err);
    if (rc)
        return rc;
    *svc = snap_find(*s, ENT_SERVICE, id);
    return *svc && (*svc)->enabled && !(*svc)->terminated
               ? RK_OK
               : rk_fail(err, RK_NOT_FOUND, "no service has this domain");
}

static void add_group(struct rk_arena *mem, struct verdict *v, const struct group *g)
{
    v->groups = str_list_plus(mem, &v->groups, rk_arena_dup(mem, g->id));
    v->names = str_list_plus(mem, &v->names, rk_arena_dup(mem, g->name));
}

static bool meets(const struct str_list *a, const struct str_list *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (str_list_has(b, a->v[i]))
            return true;
    return false;
}

/* The account's own state of a person: why they may not enter. */
static const char *user_denied(const struct user *u)
{
    return u->pending_approval ? "pending_approval" : u->blocked ? "user_blocked" : NULL;
}

static void judge_user(struct proxy_call *c, const struct snapshot *s, const struct service *svc,
                       const struct user *u, struct verdict *v)
{
    v->user_id = rk_arena_dup(c->mem, u->id);
    v->email = rk_arena_dup(c->mem, u->email);
    for (size_t i = 0; i < u->auto_groups.n; i++) {
        const struct group *g = snap_group(s, u->auto_groups.v[i]);

        if (g)
            add_group(c->mem, v, g);
    }
    v->denied = user_denied(u);
    if (!v->denied && svc->bearer_on && svc->bearer_groups.n &&
        !meets(&svc->bearer_groups, &v->groups))
        v->denied = "not_in_group";
}

/* Both kinds of answers have the same members. */
#define PUT_VERDICT(c, a, v)                                                                       \
    do {                                                                                           \
        (a)->valid = !(v)->denied;                                                                 \
        (a)->denied_reason = pb_text((c)->mem, rk_str_z((v)->denied));                             \
        (a)->user_id = pb_text((c)->mem, (v)->user_id);                                            \
        (a)->user_email = pb_text((c)->mem, (v)->email);                                           \
        (a)->peer_group_ids = proxy_texts((c)->mem, &(v)->groups, &(a)->n_peer_group_ids);         \
        (a)->peer_group_names = proxy_texts((c)->mem, &(v)->names, &(a)->n_peer_group_names);      \
    } while (0)

/* ---- sessions of people */

static enum rk_code judge_session(struct proxy_call *c, struct db *db, struct verdict *v,
                                  struct rk_err *err)
{
    const Management__ValidateSessionRequest *r = c->msg;
    RK_CLEANUP(snap_unrefp) struct snapshot *s = NULL, *other = NULL;
    const struct service *svc;
    const struct user *u;
    struct rk_str subject;
    enum rk_code rc;

    v->denied = "missing domain or session_token";
    if (!r->domain[0] || !r->session_token[0])
        return RK_OK;
    rc = service_of(c, db, rk_str_z(r->domain), &s, &svc, err);
    v->denied = "service_not_found";
    if (rc)
        return rc == RK_NOT_FOUND ? RK_OK : rc;
    v->denied = "invalid_token";
    if (proxy_session_read(c->mem, svc, rk_str_z(r->session_token), mgmt_now_us(c->p->o.mgmt),
                           &subject, NULL))
        return RK_OK;
    u = snap_user(s, subject);
    if (!u) {
        rc =
            mgmt_snapshot_of_user(c->p->o.mgmt, db, subject, (const struct snapshot **)&other, err);
        v->denied = rc ? "user_not_found" : "account_mismatch";
        return rc == RK_UNAVAILABLE ? rc : RK_OK;
    }
    judge_user(c, s, svc, u, v);
    return RK_OK;
}

enum rk_code proxy_validate_session(struct proxy_call *c, struct db *db, struct rk_err *err)
{
    Management__ValidateSessionResponse *a = rk_new(c->mem, Management__ValidateSessionResponse);
    struct verdict v = {0};
    enum rk_code rc = judge_session(c, db, &v, err);

    management__validate_session_response__init(a);
    c->answer = &a->base;
    if (rc)
        return rc;
    *err = (struct rk_err){0}; /* a denial is an answer */
    PUT_VERDICT(c, a, &v);
    return RK_OK;
}

/* ---- machines of the overlay */

static void judge_peer(struct proxy_call *c, const struct snapshot *s, const struct service *svc,
                       uint32_t index, struct verdict *v)
{
    const struct peer *p = snap_peer_at(s, index);
    const struct user *u = p->user_id.n ? snap_user(s, p->user_id) : NULL;
    size_t n;
    const struct group **groups = snap_peer_groups(s, index, c->mem, &n);

    for (size_t i = 0; i < n; i++)
        add_group(c->mem, v, groups[i]);
    v->user_id = rk_arena_dup(c->mem, u ? u->id : p->user_id.n ? p->user_id : p->id);
    v->email = rk_arena_dup(c->mem, u ? u->email : p->user_id.n ? RK_STR("") : p->name);
    v->denied = NULL;
    if (p->user_id.n)
        v->denied = u ? user_denied(u) : "user_not_found";
    if (v->denied)
        return;
    if (svc->is_private
            ? !meets(&svc->access_groups, &v->groups)
            : svc->bearer_on && svc->bearer_groups.n && !meets(&svc->bearer_groups, &v->groups))
        v->denied = "not_in_group";
}

static enum rk_code judge_tunnel(struct proxy_call *c, struct db *db, struct verdict *v,
                                 char **token, struct rk_err *err)
{
    const Management__ValidateTunnelPeerRequest *r = c->msg;
    RK_CLEANUP(snap_unrefp) struct snapshot *s = NULL;
    const struct service *svc;
    struct rk_ip ip;
    uint32_t index;
    enum rk_code rc;

    v->denied = "missing domain or tunnel_ip";
    if (!r->domain[0] || !r->tunnel_ip[0])
        return RK_OK;
    v->denied = "invalid_tunnel_ip";
    if (rk_ip_parse(rk_str_z(r->tunnel_ip), &ip, NULL))
        return RK_OK;
    rc = service_of(c, db, rk_str_z(r->domain), &s, &svc, err);
    v->denied = "service_not_found";
    if (rc)
        return rc == RK_NOT_FOUND ? RK_OK : rc;
    ip = rk_ip_unmap(&ip);
    index = snap_index_by_ip(s, &ip);
    v->denied = "peer_not_found";
    if (index == SNAP_NO_PEER)
        return RK_OK;
    judge_peer(c, s, svc, index, v);
    if (v->denied)
        return RK_OK;
    return session(c, svc,
                   &(struct proxy_session){.subject = v->user_id,
                                           .method = RK_STR("oidc"),
                                           .email = v->email,
                                           .groups = v->groups,
                                           .group_names = v->names},
                   token, err);
}

enum rk_code proxy_validate_peer(struct proxy_call *c, struct db *db, struct rk_err *err)
{
    Management__ValidateTunnelPeerResponse *a =
        rk_new(c->mem, Management__ValidateTunnelPeerResponse);
    struct verdict v = {0};
    enum rk_code rc;

    management__validate_tunnel_peer_response__init(a);
    c->answer = &a->base;
    rc = judge_tunnel(c, db, &v, &a->session_token, err);
    if (rc)
        return rc;
    *err = (struct rk_err){0}; /* a denial is an answer */
    PUT_VERDICT(c, a, &v);
    return RK_OK;
}
