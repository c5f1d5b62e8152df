/* SPDX-License-Identifier: BSD-3-Clause */
/* What a plan says: its steps, what they mean, and whether the claims of the file hold. */
#include "config.h"

#include "lib/json/json.h"
#include "management/rest/plan_impl.h"
#include "management/review/review.h"

enum rk_code plan_judge(struct plan_run *r, const struct snapshot *s, struct rk_err *err)
{
    int64_t now_us = mgmt_now_us(r->op->m);
    size_t i = 0;

    r->claims_hold = true;
    r->verdicts = rk_new_n(r->mem, struct want_verdict, r->claims ? r->claims->n + 1 : 1);
    WANT_EACH (it, r->claims) {
        enum rk_code rc = want_claim(s, it->text, now_us, r->mem, &r->verdicts[i], err);

        if (rc) {
            struct rk_str why = rk_arena_dup(r->mem, rk_str_z(err ? err->msg : ""));

            return rk_fail(err, RK_INVALID, "line %zu: %.*s", it->line, RK_STR_ARG(why));
        }
        r->claims_hold &= r->verdicts[i++].holds;
    }
    return RK_OK;
}

enum rk_code plan_refuse(const struct plan_run *r, struct rk_err *err)
{
    size_t i = 0;

    WANT_EACH (it, r->claims)
        if (!r->verdicts[i++].holds)
            return rk_fail(err, RK_PRECONDITION, "line %zu: \"%.*s\" would not hold: %.*s",
                           it->line, RK_STR_ARG(it->text), RK_STR_ARG(r->verdicts[i - 1].why));
    return RK_OK;
}

static void put_step(const struct want_step *s, struct rk_buf *b)
{
    const struct want_object *o = s->want ? s->want : s->have;

    json_put_obj(b);
    json_put_key_str(b, "op", rk_str_z(want_op_text(s->op)));
    json_put_key_str(b, "kind", rk_str_z(want_kind_text(s->kind)));
    json_put_key_str(b, "name", o->identity);
    if (o->parent)
        json_put_key_str(b, "in", o->parent->identity);
    if (s->have && s->want && !rk_str_eq(s->have->identity, o->identity))
        json_put_key_str(b, "was", s->have->identity);
    if (s->have)
        json_put_key_str(b, "id", s->have->id);
    if (s->want)
        json_put_key_int(b, "line", (int64_t)o->node->line);
    json_put_key_arr(b, "fields");
    for (size_t i = 0; i < s->fields.n; i++)
        json_put_str(b, s->fields.v[i]);
    json_put_arr_end(b);
    json_put_obj_end(b);
}

static void put_claims(const struct plan_run *r, struct rk_buf *b)
{
    size_t i = 0;

    json_put_key_arr(b, "tests");
    WANT_EACH (it, r->claims) {
        const struct want_verdict *v = &r->verdicts[i++];

        json_put_obj(b);
        json_put_key_str(b, "test", it->text);
        json_put_key_int(b, "line", (int64_t)it->line);
        json_put_key_bool(b, "ok", v->holds);
        if (!v->holds)
            json_put_key_str(b, "why", v->why);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
}

static void put_keys(const struct plan_run *r, struct rk_buf *b)
{
    json_put_key_arr(b, "setup_keys");
    for (size_t i = 0; i < r->n_keys; i++) {
        json_put_obj(b);
        json_put_key_str(b, "name", r->keys[i].name);
        json_put_key_str(b, "key", r->keys[i].key);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
}

void plan_answer(const struct plan_run *r, const struct mgmt_trial *trial, struct rk_buf *out)
{
    struct review v = {.before = trial->before,
                       .after = trial->after,
                       .changes = trial->changes,
                       .n_changes = trial->n_changes,
                       .now_us = mgmt_now_us(r->op->m)};
    bool applied = r->q->apply;

    json_put_obj(out);
    json_put_key_bool(out, "ok", r->claims_hold);
    json_put_key_bool(out, "applied", applied);
    json_put_key_int(out, "serial", (int64_t)(applied ? snap_serial(r->op->snap) : r->serial));
    json_put_key_str(out, "digest", r->digest);
    json_put_key_arr(out, "steps");
    for (size_t i = 0; i < r->plan.n; i++)
        put_step(&r->plan.steps[i], out);
    json_put_arr_end(out);
    put_claims(r, out);
    review_put(&v, out);
    if (applied)
        put_keys(r, out);
    json_put_obj_end(out);
}
