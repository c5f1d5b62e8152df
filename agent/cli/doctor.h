/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `rook doctor`: what an expert would look at, each finding with what to do.
 *
 *   doctor.c       the list, printing it       doctor_net.c   servers, NAT, relayed peers
 *   doctor_host.c  this machine
 *
 * Main thread of a command; takes seconds. Changes nothing.
 */
#ifndef RK_AGENT_CLI_DOCTOR_H
#define RK_AGENT_CLI_DOCTOR_H

#include <jansson.h>

#include "agent/cli/cli_priv.h"
#include "agent/os/nl.h"
#include "lib/net/addr.h"

enum finding_state {
    FINDING_OK,
    FINDING_NOTE,    /* worth knowing, nothing to do */
    FINDING_WARNING, /* will hurt sooner or later, or somebody */
    FINDING_PROBLEM  /* hurts now */
};

struct doctor {
    struct cli *c;
    struct rk_arena *mem;
    json_t *findings;
    const json_t *status;  /* the daemon's; NULL: it does not answer */
    const json_t *about;   /* its answer to "version"; NULL */
    struct nl_sock *route; /* NULL: the kernel is not asked */
    uint32_t mark;         /* of sockets that must not enter the overlay; 0: none */
    bool root;
    bool udp_blocked, nat_symmetric; /* found by the NAT's check, for the peers' */
};

/** {"check", "state", "text", "advice"}. advice: what to do; NULL: nothing. */
__attribute__((format(printf, 5, 6))) void doctor_find(struct doctor *d, const char *check,
                                                       enum finding_state s, const char *advice,
                                                       const char *format, ...);

void doctor_host(struct doctor *d);
void doctor_net(struct doctor *d);

/** All findings as a list. Owned by the caller. */
json_t *doctor_findings(struct cli *c);

#endif
