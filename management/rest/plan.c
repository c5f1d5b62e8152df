/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/x/plan, /api/x/apply and /api/x/export; see plan.h. */
#include "config.h"

#include "management/rest/plan.h"

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "lib/json/pull.h"
#include "management/ops/refs.h"
#include "management/rest/handlers.h"
#include "management/rest/plan_impl.h"
#include "management/rest/query.h"

#define BODY_MAX ((size_t)16 << 20) /* of one step, and of its answer */
#define FILE_MAX ((size_t)256 << 20)

/* What makes, changes and deletes objects of a kind; n_params with the object's own id. */
static const struct doing {
    http_handler *create, *update, *remove;
} DOING[WANT_KINDS] = {
    [WANT_GROUP] = {rest_groups_create, rest_groups_update, rest_groups_delete},
    [WANT_POSTURE] = {rest_postures_create, rest_postures_update, rest_postures_delete},
    [WANT_NETWORK] = {rest_networks_create, rest_networks_update, rest_networks_delete},
    [WANT_RESOURCE] = {rest_resources_create, rest_resources_update, rest_resources_delete},
    [WANT_ROUTER] = {rest_routers_create, rest_routers_update, rest_routers_delete},
    [WANT_POLICY] = {rest_policies_create, rest_policies_update, rest_policies_delete},
    [WANT_ROUTE] = {rest_routes_create, rest_routes_update, rest_routes_delete},
    [WANT_NS_GROUP] = {rest_ns_groups_create, rest_ns_groups_update, rest_ns_groups_delete},
    [WANT_ZONE] = {rest_zones_create, rest_zones_update, rest_zones_delete},
    [WANT_RECORD] = {rest_records_create, rest_records_update, rest_records_delete},
    [WANT_SETTINGS] = {NULL, rest_accounts_update, NULL},
    [WANT_DNS_SETTINGS] = {NULL, rest_dns_settings_update, NULL},
    [WANT_SETUP_KEY] = {rest_setup_keys_create, rest_setup_keys_update, rest_setup_keys_delete},
};

/* ---- one step */

/* "id" of the answer of a creation, and "key" of a setup key. */
static void take_answer(struct plan_run *r, const struct want_step *step, struct rk_str json)
{
    struct json_pull p = json_pull_of(json, r->mem);
    struct rk_str name, key = {0};

    json_pull_enter(&p, '{');
    while (json_pull_key(&p, &name)) {
        if (rk_str_eqz(name, "id"))
            step->want->id = rk_arena_dup(r->mem, json_pull_str(&p));
        else if (rk_str_eqz(name, "key"))
            key = rk_arena_dup(r->mem, json_pull_str(&p));
        else
            json_pull_skip(&p);
    }
    if (step->kind != WANT_SETUP_KEY)
        return;
    r->keys = rk_arena_grow(r->mem, r->keys, r->n_keys, &r->cap_keys, sizeof *r->keys);
    r->keys[r->n_keys++] = (struct plan_key){step->want->identity, key};
}

static void params_of(const struct want_step *step, struct http_req *req)
{
    const struct want_object *o = step->want ? step->want : step->have;

    if (o->parent)
        req->params[req->n_params++] = o->parent->id;
    if (step->have)
        req->params[req->n_params++] = step->have->id;
}

static enum rk_code wrong_step(const struct want_step *step, struct rk_err *err)
{
    const struct want_object *o = step->want ? step->want : step->have;

    if (step->want)
        return rk_wrap(err, "line %zu: %s %s \"%.*s\"", o->node->line, want_op_text(step->op),
                       want_kind_text(step->kind), RK_STR_ARG(o->identity));
    return rk_wrap(err, "%s %s \"%.*s\", which the file does not name", want_op_text(step->op),
                   want_kind_text(step->kind), RK_STR_ARG(o->identity));
}

static enum rk_code do_step(struct plan_run *r, struct caller *c, struct db *db,
                            const struct want_step *step, struct rk_err *err)
{
    const struct doing *d = &DOING[step->kind];
    struct http_req req = {.method = HTTP_POST, .mem = r->mem, .app = r->rest, .user = c};
    struct http_resp resp = {0};
    http_handler *fn = step->op == WANT_CREATE                 ? d->create
                       : step->have && step->op == WANT_UPDATE ? d->update
                                                               : d->remove;
    struct rk_buf body;
    enum rk_code rc = RK_OK;

    rk_buf_init(&body, BODY_MAX);
    rk_buf_init(&resp.body, BODY_MAX);
    params_of(step, &req);
    if (step->want)
        rc = want_body(r->mem, &r->plan, step, &body, err);
    if (rc == RK_OK) {
        req.body = rk_arena_dup(r->mem, rk_buf_str(&body)); /* what is stored may lend from it */
        rc = fn(&req, &resp, db, err);
        if (rc)
            rc = wrong_step(step, err);
    }
    if (rc == RK_OK && step->op == WANT_CREATE)
        take_answer(r, step, rk_buf_str(&resp.body));
    rk_buf_done(&body);
    rk_buf_done(&resp.body);
    return rc;
}

static enum rk_code do_steps(struct plan_run *r, struct tx *tx, struct rk_err *err)
{
    struct caller *c = rk_new(r->mem, struct caller);
    enum rk_code rc;

    *c = (struct caller){0};
    rc = op_init(&c->op, r->op->m, tx->db, r->mem, snap_ref(tx->snap), r->op->user->id, err);
    if (rc)
        return rc;
    c->op.tx = tx;
    c->op.pretend = !r->q->apply;
    for (size_t i = 0; i < r->plan.n && rc == RK_OK; i++)
        rc = do_step(r, c, tx->db, &r->plan.steps[i], err);
    op_done(&c->op);
    return rc;
}

/* ---- is it whole? */

static bool nothing_goes(void *arg, enum entity_kind kind, struct rk_str id)
{
    (void)arg;
    (void)kind;
    (void)id;
    return false;
}

/* By hand a resource can be deleted that a policy names. By a file it cannot. */
static enum rk_code check_whole(const struct plan_run *r, struct tx *tx, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    WANT_OBJECTS (o, r->have)
        if (rc == RK_OK && o->kind == WANT_RESOURCE && !snap_find(tx->snap, ENT_RESOURCE, o->id))
            rc = refs_unused(tx, ENT_RESOURCE, o->id, nothing_goes, NULL, err);
    return rc;
}

/* ---- has the network moved? */

static struct rk_str digest_of(struct plan_run *r)
{
    uint8_t hash[HASH_SHA256_SIZE];
    struct hash_sha256_state h;
    struct rk_buf b;

    rk_buf_init(&b, FILE_MAX);
    want_print(want_set_tree(r->mem, r->have), &b);
    hash_sha256_init(&h);
    hash_sha256_add(&h, rk_arena_printf(r->mem, "%llu ", (unsigned long long)r->serial));
    hash_sha256_add(&h, rk_buf_str(&b));
    hash_sha256_add(&h, r->q->text);
    hash_sha256_end(&h, hash);
    rk_buf_done(&b);
    return rk_hex_encode(r->mem, rk_str_of((const char *)hash, sizeof hash));
}

static enum rk_code check_unmoved(const struct plan_run *r, struct rk_err *err)
{
    const struct plan_request *q = r->q;

    if (q->serial >= 0 && (uint64_t)q->serial != r->serial)
        return rk_fail(err, RK_PRECONDITION,
                       "the network has moved since the plan: its serial was %lld and is %llu; "
                       "plan again",
                       (long long)q->serial, (unsigned long long)r->serial);
    if (q->digest.n && !rk_str_eq(q->digest, r->digest))
        return rk_fail(err, RK_PRECONDITION,
                       "the network or the file is not what the plan was made of; plan again");
    return RK_OK;
}

/* ---- the mutation */

static enum rk_code plan_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct plan_run *r = arg;
    struct want_set *want = NULL;
    enum rk_code rc;

    snap_unref(r->before);
    r->before = snap_ref(tx->snap);
    r->n_keys = 0;
    r->serial = snap_serial(tx->snap);
    r->have = want_present(r->mem, tx->snap, tx->now_us);
    r->digest = digest_of(r);
    rc = check_unmoved(r, err);
    if (rc == RK_OK)
        rc = want_file(r->mem, want_copy(r->mem, r->tree), &want, err);
    if (rc)
        return rc;
    want_plan_done(&r->plan);
    rc = want_match(r->mem, tx->snap, r->have, want, &r->plan, err);
    if (rc == RK_OK)
        rc = do_steps(r, tx, err);
    tx_show_own(tx);
    if (rc == RK_OK)
        rc = check_whole(r, tx, err);
    if (rc || !r->q->apply)
        return rc;
    rc = plan_judge(r, tx->snap, err);
    return rc || r->claims_hold ? rc : plan_refuse(r, err);
}

static enum rk_code read_file(struct plan_run *r, struct rk_err *err)
{
    enum rk_code rc = want_parse(r->mem, r->q->text, &r->tree, err);

    if (rc)
        return rc;
    if (!r->tree || r->tree->type == WANT_NULL)
        return rk_fail(err, RK_INVALID, "the file is empty");
    rc = want_schema_check(want_schema_new(r->mem), r->mem, r->tree, err);
    r->claims = want_get(r->tree, "tests");
    if (rc == RK_OK && r->claims && r->claims->n > WANT_CLAIMS_MAX)
        return rk_fail(err, RK_LIMIT, "line %zu: more than %d tests", r->claims->line,
                       WANT_CLAIMS_MAX);
    return rc;
}

/* Who plans and exports sees all that a file holds. */
static enum rk_code may_see(const struct op *op, struct rk_err *err)
{
    static const enum perm_module ALL[] = {PERM_GROUPS, PERM_POLICIES,    PERM_NETWORKS,
                                           PERM_ROUTES, PERM_NAMESERVERS, PERM_DNS,
                                           PERM_PEERS,  PERM_SETUP_KEYS,  PERM_SETTINGS};
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < RK_ARRAY_LEN(ALL) && rc == RK_OK; i++)
        rc = op_may(op, ALL[i], PERM_READ, err);
    return rc;
}

static enum rk_code plan_or_apply(struct plan_run *r, struct rk_buf *out, struct rk_err *err)
{
    struct mgmt_trial t = {0};
    struct op *op = r->op;
    enum rk_code rc;

    op->trial = &t;
    op->for_good = r->q->apply;
    rc = op_mutate_only(op, 0, plan_tx, r, err);
    op->trial = NULL;
    op->for_good = false;
    if (rc == RK_OK)
        rc = r->q->apply ? op_refresh(op, err) : plan_judge(r, t.after, err);
    if (rc == RK_OK)
        plan_answer(r, &t, out);
    mgmt_trial_done(&t);
    return rc;
}

/* Of ?dry_run=true: whoever asks reports. */
static enum rk_code apply_tried(struct plan_run *r, struct rk_err *err)
{
    return op_mutate_only(r->op, 0, plan_tx, r, err);
}

enum rk_code rest_plan_run(struct rest *rest, struct op *op, const struct plan_request *q,
                           struct rk_buf *out, struct rk_err *err)
{
    struct plan_run *r = rk_new(op->mem, struct plan_run);
    enum rk_code rc = may_see(op, err);

    *r = (struct plan_run){.rest = rest, .op = op, .q = q, .mem = op->mem};
    if (rc == RK_OK)
        rc = read_file(r, err);
    if (rc == RK_OK)
        rc = op->trial ? apply_tried(r, err) : plan_or_apply(r, out, err);
    want_plan_done(&r->plan);
    snap_unref(r->before);
    r->before = NULL;
    return rc;
}

enum rk_code rest_plan_export(const struct op *op, struct rk_buf *out, struct rk_err *err)
{
    enum rk_code rc = may_see(op, err);
    struct want_node *tree;

    if (rc)
        return rc;
    tree = want_set_tree(op->mem, want_present(op->mem, op->snap, mgmt_now_us(op->m)));
    want_schema_shorten(want_schema_new(op->mem), tree);
    rk_buf_addz(out, "# A Rookery network: rookery plan FILE, rookery apply FILE\n");
    want_print(tree, out);
    return RK_OK;
}

/* ---- over REST */

static enum rk_code run(struct http_req *req, struct http_resp *resp, bool apply_it,
                        struct rk_err *err)
{
    struct plan_request q = {.text = req->body, .apply = apply_it, .serial = -1};
    enum rk_code rc = query_int(req, "serial", 0, INT64_MAX, &q.serial, err);

    (void)http_req_query(req, "digest", &q.digest);
    if (rc)
        return rc;
    rc = rest_plan_run(rest_of(req), op_of(req), &q, &resp->body, err);
    return rc ? rc : answer_done(resp);
}

enum rk_code rest_plan(struct http_req *req, struct http_resp *resp, struct db *db,
                       struct rk_err *err)
{
    (void)db;
    return run(req, resp, false, err);
}

enum rk_code rest_apply(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    (void)db;
    return run(req, resp, true, err);
}

enum rk_code rest_export(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    (void)db;
    resp->content_type = "application/yaml; charset=utf-8";
    return rest_plan_export(op_of(req), &resp->body, err);
}
