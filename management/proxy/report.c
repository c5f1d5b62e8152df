/* SPDX-License-Identifier: BSD-3-Clause */
/* What proxies tell and ask for themselves: status, log, a peer of their own; see impl.h. */
#include "config.h"

#include "lib/json/json.h"
#include "management/engine/places.h"
#include "management/ops/proxy_peer.h"
#include "management/proxy/impl.h"

#define MOMENT_S     (7 * 86400) /* a visit is no further from now */
#define METADATA_MAX 16384       /* bytes of an entry's metadata; of more, nothing is kept */

static const char *const STATUS[] = {
    "pending", "active", "tunnel_not_created", "certificate_pending", "certificate_failed",
    "error"};

/* The service that a request names, if it is the caller's to speak of. */
static enum rk_code find(struct proxy_call *c, const char *account_id, const char *service_id,
                         struct snapshot **s, const struct service **svc, struct rk_err *err)
{
    enum rk_code rc = proxy_scope(&c->token, rk_str_z(account_id), err);

    if (rc)
        return rc;
    rc = mgmt_snapshot(c->p->o.mgmt, rk_str_z(account_id), (const struct snapshot **)s, err);
    if (rc)
        return rc;
    *svc = snap_find(*s, ENT_SERVICE, rk_str_z(service_id));
    return *svc ? RK_OK : rk_fail(err, RK_NOT_FOUND, "there is no service %.80s", service_id);
}

enum rk_code proxy_status_update(struct proxy_call *c, struct db *db, struct rk_err *err)
{
    const Management__SendStatusUpdateRequest *r = c->msg;
    Management__SendStatusUpdateResponse *a = rk_new(c->mem, Management__SendStatusUpdateResponse);
    RK_CLEANUP(snap_unrefp) struct snapshot *s = NULL;
    const struct service *svc;
    enum rk_code rc;

    management__send_status_update_response__init(a);
    c->answer = &a->base;
    if (!r->service_id[0] || !r->account_id[0])
        return rk_fail(err, RK_INVALID, "a status names its service and account");
    if (r->status < 0 || (size_t)r->status >= RK_ARRAY_LEN(STATUS))
        return rk_fail(err, RK_INVALID, "%d is no status of a service", (int)r->status);
    rc = find(c, r->account_id, r->service_id, &s, &svc, err);
    if (rc)
        return rc;
    if (r->error_message[0])
        rk_log(c->p->o.log, RK_WARN, "proxy cannot serve", kv_str("service", svc->id),
               kv_str("domain", svc->domain), kv_z("status", STATUS[r->status]),
               kv_z("reason", r->error_message));
    rc = service_status_set(db, svc->id, rk_str_z(STATUS[r->status]), r->certificate_issued,
                            mgmt_now_us(c->p->o.mgmt), err);
    /* deleted in this moment: as if it had come a moment later */
    return rc == RK_INVALID ? rk_fail(err, RK_NOT_FOUND, "there is no such service any more") : rc;
}

enum rk_code proxy_create_peer(struct proxy_call *c, struct db *db, struct rk_err *err)
{
    const Management__CreateProxyPeerRequest *r = c->msg;
    Management__CreateProxyPeerResponse *a = rk_new(c->mem, Management__CreateProxyPeerResponse);
    struct rk_key key;
    enum rk_code rc = proxy_scope(&c->token, rk_str_z(r->account_id), err);

    management__create_proxy_peer_response__init(a);
    c->answer = &a->base;
    if (rc)
        return rc;
    if (!r->service_id[0] || !r->account_id[0] || !r->token[0] || !r->cluster[0] ||
        rk_key_parse(rk_str_z(r->wireguard_public_key), &key, NULL)) {
        a->error_message = pb_text(
            c->mem,
            RK_STR("service_id, account_id, token, cluster and a WireGuard key are needed"));
        return RK_OK;
    }
    rc = proxy_once_take(c->p, db, c->mem, rk_str_z(r->account_id), rk_str_z(r->service_id),
                         rk_str_z(r->token), err);
    if (!rc)
        rc = proxy_peer_create(c->p->o.mgmt, c->mem, rk_str_z(r->account_id),
                               rk_str_z(r->wireguard_public_key), rk_str_z(r->cluster), err);
    if (!rc)
        a->success = true;
    return rc;
}

/* ---- access log */

static struct rk_str text(const char *s, size_t max)
{
    struct rk_str t = rk_str_sub(rk_str_z(s), 0, max);

    while (t.n && !rk_str_utf8_ok(t)) /* cut inside a character */
        t.n--;
    return t;
}

static struct rk_str metadata(struct rk_arena *mem, const Management__AccessLog *l)
{
    struct rk_buf b;
    struct rk_str out;

    if (!l->n_metadata)
        return RK_STR("");
    rk_buf_init(&b, METADATA_MAX);
    json_put_obj(&b);
    for (size_t i = 0; i < l->n_metadata; i++) {
        json_put_key_any(&b, rk_str_z(l->metadata[i]->key));
        json_put_str(&b, rk_str_z(l->metadata[i]->value));
    }
    json_put_obj_end(&b);
    out = b.full ? RK_STR("") : rk_arena_dup(mem, rk_str_of(b.p, b.n));
    rk_buf_done(&b);
    return out;
}

static const char *reason(const Management__AccessLog *l)
{
    if (l->protocol[0] && !rk_str_eqz(rk_str_z(l->protocol), "http"))
        return "";
    return !l->auth_success          ? "Authentication failed"
           : l->response_code >= 400 ? "Request failed"
                                     : "";
}

/* When it was, as the proxy says; now for times that are no moments of late, for the oldest go. */
static int64_t moment(const Google__Protobuf__Timestamp *t, int64_t now_us)
{
    int64_t s = t ? t->seconds : 0;

    return s < now_us / 1000000 - MOMENT_S || s > now_us / 1000000 + MOMENT_S || t->nanos < 0
               ? now_us
               : s * 1000000 + t->nanos / 1000;
}

enum rk_code proxy_access_log(struct proxy_call *c, struct db *db, struct rk_err *err)
{
    const Management__AccessLog *l = ((const Management__SendAccessLogRequest *)c->msg)->log;
    Management__SendAccessLogResponse *a = rk_new(c->mem, Management__SendAccessLogResponse);
    RK_CLEANUP(snap_unrefp) struct snapshot *s = NULL;
    const struct service *svc;
    struct peer_location where = {0};
    struct proxy_log e;
    enum rk_code rc;

    management__send_access_log_response__init(a);
    c->answer = &a->base;
    if (!l || !l->log_id[0])
        return rk_fail(err, RK_INVALID, "an entry of the access log has an id");
    if (l->agent_network)
        return rk_fail(err, RK_INVALID, "gateways to model providers are not part of this server");
    rc = find(c, l->account_id, l->service_id, &s, &svc, err);
    if (rc)
        return rc;
    if (!rk_ip_parse(rk_str_z(l->source_ip), &where.connection_ip, NULL))
        places_fill(mgmt_places(c->p->o.mgmt), c->mem, &where);
    e = (struct proxy_log){
        .id = text(l->log_id, 64),
        .account_id = svc->account_id,
        .service_id = svc->id,
        .at_us = moment(l->timestamp, mgmt_now_us(c->p->o.mgmt)),
        .method = text(l->method, 32),
        .host = text(l->host, 255),
        .path = text(l->path, 2048),
        .duration_ms = l->duration_ms,
        .status_code = l->response_code,
        .source_ip = text(l->source_ip, 64),
        .reason = rk_str_z(reason(l)),
        .user_id = text(l->user_id, 255),
        .auth_method = text(l->auth_mechanism, 64),
        .country = where.country_code,
        .city = where.city_name,
        .bytes_upload = l->bytes_upload,
        .bytes_download = l->bytes_download,
        .protocol = text(l->protocol, 16),
        .metadata = metadata(c->mem, l),
    };
    return proxy_log_add(db, &e, err);
}
