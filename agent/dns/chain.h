/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_chain: handlers by priority, and the questions on their way through them. The first
 * handler whose pattern fits gets the question; it answers, at once or later, or passes it on to
 * the next. Nobody left: REFUSED. A question only ever moves down the chain, so there are no loops.
 *
 *   150 names of the control plane · 100 domain routes · 75 local zones · 50 match domains
 *   1 primary servers (all names) · -100 what the host had before (all names)
 *
 * Loop thread.
 */
#ifndef RK_AGENT_DNS_CHAIN_H
#define RK_AGENT_DNS_CHAIN_H

#include "lib/base/list.h"
#include "lib/base/loop.h"
#include "lib/net/dnsmsg.h"

enum {
    DNS_PRIO_NAMES = 150,
    DNS_PRIO_ROUTE = 100,
    DNS_PRIO_LOCAL = 75,
    DNS_PRIO_MATCH = 50,
    DNS_PRIO_PRIMARY = 1,
    DNS_PRIO_FALLBACK = -100,
};

/* Questions under way; above it new ones get SERVFAIL. A busy desktop has a few dozen. */
#define DNS_QUERIES_MAX 2048

struct dns_query;

struct dns_handler { /* embed; filled by its owner before dns_chain_set */
    int priority;
    struct dns_name pattern; /* the root: every name */
    bool wildcard;           /* only names below the pattern */
    bool subdomains;         /* the pattern and names below it */
    /** Answer q with one of the functions below, now or later. May look at q->msg until then. */
    void (*ask)(struct dns_handler *h, struct dns_query *q);
};

struct dns_chain;

/** Owned: dns_chain_free. */
struct dns_chain *dns_chain_new(struct rk_loop *loop);
/** Questions under way get SERVFAIL. Accepts NULL. */
void dns_chain_free(struct dns_chain *c);

/** The handlers from now on; lent until the next call. Those under way go on with what they hold
 *  and look for their next handler here. */
void dns_chain_set(struct dns_chain *c, struct dns_handler *const *v, size_t n);

bool dns_handler_matches(const struct dns_handler *h, const struct dns_name *name);

/** Does some handler up to this priority take the name? */
bool dns_chain_has(const struct dns_chain *c, const struct dns_name *name, int max_priority);

/* ---- questions */

struct dns_asker { /* embed */
    /** The answer, once; bytes may be changed and are borrowed for the call. Its id is the query's.
     */
    void (*answer)(struct dns_asker *a, uint8_t *bytes, size_t n);
};

struct dns_query {       /* open for handlers */
    struct rk_list link; /* private */
    struct dns_chain *chain;
    struct dns_asker *asker; /* NULL: gone away */
    struct dns_msg msg;
    uint8_t *bytes; /* of msg; owned */
    bool tcp;       /* it came by TCP: no truncation */
    int priority;   /* of the handler that has it now */
    unsigned labels;
    unsigned aliases; /* this many aliases led here */
    /** Set by a handler that answers later: forget the question, no answer is wanted. */
    void (*drop)(struct dns_query *q);
    void *job; /* of the handler */
};

/** Ask the handlers up to this priority. msg is copied. The answer may come within this call.
 *  *out (may be NULL) is set while it is under way, for dns_query_cancel. */
void dns_chain_ask(struct dns_chain *c, const struct dns_msg *msg, bool tcp, int max_priority,
                   struct dns_asker *asker, struct dns_query **out);

/** No answer is wanted any more. */
void dns_query_cancel(struct dns_query *q);

/* For handlers, each once per question. */
void dns_query_answer(struct dns_query *q, uint8_t *bytes, size_t n);
void dns_query_code(struct dns_query *q, enum dns_rcode code, int ede); /* ede < 0: none */
void dns_query_pass(struct dns_query *q);

/** Equal questions under way at the handler that has q now, q included: many mean a loop through
 *  some other name server. */
size_t dns_query_twins(const struct dns_query *q);

size_t dns_chain_pending(const struct dns_chain *c);

#endif
