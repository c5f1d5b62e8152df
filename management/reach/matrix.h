/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who can reach whom, as a table in pages: groups × groups (between how many of their machines
 * something may flow) or peers × peers (what may flow). For /api/x/reach/matrix. Pure; any thread.
 *
 * A cell of groups costs a sweep (reach_peers) for each machine of its smaller side, which is kept
 * for the page; a cell of peers is one question.
 */
#ifndef MGMT_REACH_MATRIX_H
#define MGMT_REACH_MATRIX_H

#include "management/reach/report.h"

struct reach_matrix_question { /* open; texts borrowed for the call */
    bool peers;                /* × peers, else groups × groups */
    struct reach_question q;   /* from, to: only these rows, these columns; protocol and port are
                                  for peers; member must be empty */
};

/** One object, appended to out: {"cells": [{"from", "to", …}], "total", "page", "page_size"}, rows
 *  one behind the other. A cell of groups has "pairs" (of two machines), "reachable" (how many of
 *  them) and "example"; a cell of peers "reachable" and "flows". Errors: those of reach_report. */
enum rk_code reach_matrix(const struct snapshot *s, const struct reach_matrix_question *m,
                          struct rk_arena *mem, struct rk_buf *out, struct rk_err *err) RK_MUST;

#endif
