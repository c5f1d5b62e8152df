/* SPDX-License-Identifier: BSD-3-Clause */
/* The network as a file, for whoever has the machine: what /api/x/plan, apply and export do. */
#include "config.h"

#include "management/rest/plan.h"
#include "server/command/call.h"

#define ANSWER_MAX ((size_t)64 << 20)

static enum rk_code run(struct call *c, bool apply, struct rk_err *err)
{
    struct plan_request q = {.text = arg_text(c, "text"),
                             .apply = apply,
                             .serial = arg_i64(c, "serial", -1),
                             .digest = arg_text(c, "digest")};
    struct rk_buf out;
    enum rk_code rc;

    rk_buf_init(&out, ANSWER_MAX);
    rc = rest_plan_run(c->commands->rest, &c->op, &q, &out, err);
    if (rc) {
        rk_buf_done(&out);
        return rc;
    }
    return call_answer(c, &out, err);
}

static enum rk_code plan(struct call *c, struct rk_err *err)
{
    return run(c, false, err);
}

static enum rk_code apply(struct call *c, struct rk_err *err)
{
    return run(c, true, err);
}

static enum rk_code export_network(struct call *c, struct rk_err *err)
{
    struct rk_buf out;
    enum rk_code rc;

    rk_buf_init(&out, ANSWER_MAX);
    rc = rest_plan_export(&c->op, &out, err);
    if (rc == RK_OK)
        c->result = j_text(rk_buf_str(&out));
    rk_buf_done(&out);
    return rc;
}

const struct command_row COMMAND_NETWORK[] = {{"plan", plan, false},
                                              {"apply", apply, true},
                                              {"export", export_network, false},
                                              {NULL, NULL, false}};
