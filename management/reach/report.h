/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions of people and their answers as JSON: the same for the API (/api/x/reach) and the
 * command line. Ends are named as people name them:
 *
 *   an id of a peer, group or network resource · an overlay address · any other address ·
 *   a peer's label or full name · a name of a group, of a resource, of a peer · any other domain
 *
 * in this order, the first that fits; "peer:", "group:", "resource:", "ip:" and "name:" in front
 * settle what is meant. Pure; any thread.
 */
#ifndef MGMT_REACH_REPORT_H
#define MGMT_REACH_REPORT_H

#include "lib/base/err.h"
#include "management/reach/reach.h"

#define REACH_PAGE     100
#define REACH_PAGE_MAX 1000

struct reach_question {      /* open; texts borrowed for the call */
    struct rk_str from, to;  /* one may be empty: everybody */
    struct rk_str protocol;  /* all, tcp, udp, icmp, netbird-ssh; empty: all */
    int64_t port;            /* 0: any */
    int64_t page, page_size; /* of lists, from 1; 0: the first, REACH_PAGE */
    int64_t now_us;
    bool policies;        /* name policies and rules, for those who may read them */
    struct rk_str member; /* a user id: one end must be a peer of that user; empty: any */
};

/**
 * One object, appended to out. Two machines or addresses: a verdict with its reasons. A group on
 * either side: {"pairs": […], "total": …} in pages. One end empty: {"peers": […], "total": …},
 * who may send to the other end, or may be sent to.
 * Errors: RK_INVALID (a text that says nothing; a source that is an address; a protocol, port or
 * page), RK_NOT_FOUND (an id of something that is not here, and what a member may not ask).
 */
enum rk_code reach_report(const struct snapshot *s, const struct reach_question *q,
                          struct rk_arena *mem, struct rk_buf *out, struct rk_err *err) RK_MUST;

#endif
