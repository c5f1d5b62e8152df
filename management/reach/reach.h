/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who can reach what: questions about the maps of one account, answered from the same walks that
 * make the maps (view_select, firewall_each, routes_each), so an answer cannot differ from what the
 * machines are told (tests/property/reach.c compares the two on random accounts).
 *
 *   "may peer A open tcp 5432 on peer B?"       B lets A in, and both have each other
 *   "may peer A reach 10.1.2.3, or db.corp?"    A has a route there, and its router lets A through
 *
 * What nobody knows here: whether both machines are switched on, and what firewalls of others say.
 * Pure functions of a snapshot: no SQL, no I/O, no locks. Any thread. A question takes some tens of
 * microseconds at 10,000 peers (tests/bench/reach).
 */
#ifndef MGMT_REACH_REACH_H
#define MGMT_REACH_REACH_H

#include "lib/base/arena.h"
#include "management/reach/flows.h"
#include "management/snapshot/snapshot.h"

struct reach_query {
    uint32_t from;               /* peer index */
    uint32_t to;                 /* peer index; SNAP_NO_PEER: addr or name */
    struct rk_ip addr;           /* family 0: name */
    struct rk_str name;          /* a domain, lower case, punycode, without the final dot */
    enum rule_protocol protocol; /* PROTO_ALL: anything */
    uint16_t port;               /* 0: any port */
    int64_t now_us;              /* unix time that login expiry is judged by */
};

/** What stands in the way. The texts of API and command line are made from these. */
enum reach_fault {
    REACH_FROM_NOT_APPROVED, /* the asking peer waits for approval, or its owner is blocked */
    REACH_TO_NOT_APPROVED,
    REACH_FROM_LOGIN_EXPIRED,
    REACH_TO_LOGIN_EXPIRED,
    REACH_NO_POLICY,       /* no rule has both ends on its sides */
    REACH_POLICY_DISABLED, /* this policy would allow it */
    REACH_RULE_DISABLED,   /* this rule would */
    REACH_ONE_WAY,         /* this rule allows the other direction only */
    REACH_POSTURE,         /* the source fails this check of the policy */
    REACH_PORT,            /* this rule connects both, but not for this protocol or port */
    REACH_DROPPED,         /* this rule forbids it */
    REACH_BLOCKS_INBOUND,  /* the machine itself lets nobody in */
    REACH_NO_ROUTE,        /* nothing in the account leads there */
    REACH_ROUTE_DISABLED,  /* this route or resource does, and is disabled */
    REACH_NOT_GIVEN,       /* this route or resource is not given to the asking peer */
    REACH_NO_ROUTER,       /* no router of it that the asking peer can use */
    REACH_IGNORES_ROUTES,  /* the machine itself takes no routes */
    REACH_NOT_ROUTING,     /* the routing machine itself serves none */
    REACH_FAULTS
};

/** "no_policy", … as the API writes it. */
const char *reach_fault_text(enum reach_fault f);
/** A sentence for people, without names. */
const char *reach_fault_sentence(enum reach_fault f);

struct reach_by {                /* a rule that lets it through */
    const struct policy *policy; /* NULL: a route without access control, open to its groups */
    const struct rule *rule;
    bool reverse; /* against the direction in which the rule was written */
};

struct reach_over {       /* a way over a routing peer */
    struct rk_str id;     /* of the route or network resource */
    bool resource;        /* which of the two */
    struct rk_str net_id; /* the route's network identifier, the resource's name */
    struct rk_prefix network;
    struct rk_str domain; /* empty: by network */
    uint32_t router;      /* peer index; may be the asking peer itself */
    int64_t metric;
    bool masquerade;
    bool by_choice; /* used only where the user selects it */
    bool open;      /* its router lets the question through */
};

struct reach_miss {
    enum reach_fault fault;
    const struct policy *policy; /* NULL where none is meant */
    const struct rule *rule;
    struct rk_str id; /* of the check, route, resource or peer that is meant; or empty */
};

struct reach_answer { /* arrays in the arena, rows borrowed from the snapshot */
    bool yes;
    struct flows flows; /* all that may be sent, whatever was asked */
    struct reach_by *by;
    size_t n_by;
    struct reach_over *over; /* for addresses and names: the most specific ones alone */
    size_t n_over;
    struct reach_miss
        *missing; /* when the answer is no: the nearest reasons, at most REACH_MISSES */
    size_t n_missing;
};
#define REACH_MISSES 16

/** Answer a question. q->from and q->to must be peers of s. arena */
struct reach_answer *reach_ask(const struct snapshot *s, const struct reach_query *q,
                               struct rk_arena *mem);

/** Whether and what peer `from` may send to peer `to`, without reasons: for pages of a matrix. */
bool reach_between(const struct snapshot *s, uint32_t from, uint32_t to, int64_t now_us,
                   struct flows *out);

enum reach_way { REACH_SOURCES, REACH_TARGETS };

/** All peers that may send something to a peer, or that it may send something to: the set of those
 *  for which reach_between says yes. Replaces *out. A few hundred microseconds at 10,000 peers. */
void reach_peers(const struct snapshot *s, uint32_t peer, enum reach_way way, int64_t now_us,
                 struct bits *out);

#endif
