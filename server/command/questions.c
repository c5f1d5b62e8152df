/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions about the network: what /api/x/reach answers, for whoever has the machine. */
#include "config.h"

#include "management/reach/report.h"
#include "server/command/call.h"

#define ANSWER_MAX (32 << 20)

static enum rk_code reach(struct call *c, struct rk_err *err)
{
    struct reach_question q = {.from = arg_text(c, "from"),
                               .to = arg_text(c, "to"),
                               .protocol = arg_text(c, "protocol"),
                               .port = arg_i64(c, "port", 0),
                               .page = arg_i64(c, "page", 0),
                               .page_size = REACH_PAGE_MAX,
                               .now_us = mgmt_now_us(c->op.m),
                               .policies = true};
    struct rk_buf out;
    json_error_t why;
    enum rk_code rc;

    rk_buf_init(&out, ANSWER_MAX);
    rc = reach_report(c->op.snap, &q, c->mem, &out, err);
    if (rc == RK_OK && out.full)
        rc = rk_fail(err, RK_LIMIT, "the answer is too long; ask for a smaller group");
    if (rc == RK_OK) {
        c->result = json_loadb(out.p, out.n, 0, &why);
        if (!c->result)
            rc = rk_fail(err, RK_INTERNAL, "the answer is no JSON: %s", why.text);
    }
    rk_buf_done(&out);
    return rc;
}

const struct command_row COMMAND_QUESTIONS[] = {{"reach", reach}, {NULL, NULL}};
