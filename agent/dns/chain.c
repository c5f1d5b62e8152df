/* SPDX-License-Identifier: BSD-3-Clause */
/* Handlers by priority; see chain.h. */
#include "config.h"

#include "agent/dns/chain.h"

#include <limits.h>
#include <stdlib.h>

#include "lib/base/str.h"

struct dns_chain {
    struct rk_loop *loop;
    struct dns_handler **v; /* sorted: first come first */
    size_t n;
    struct rk_list queries;
    size_t n_queries;
};

/* Of equal priority the longer name first; "*.x" before "x". */
static unsigned weight(const struct dns_handler *h)
{
    return dns_name_labels(&h->pattern) * 2 + h->wildcard;
}

static int by_order(const void *a, const void *b)
{
    const struct dns_handler *x = *(struct dns_handler *const *)a;
    const struct dns_handler *y = *(struct dns_handler *const *)b;

    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    return (int)weight(y) - (int)weight(x);
}

bool dns_handler_matches(const struct dns_handler *h, const struct dns_name *name)
{
    if (h->pattern.n == 1)
        return true;
    if (dns_name_eq(name, &h->pattern))
        return !h->wildcard;
    return (h->wildcard || h->subdomains) && dns_name_below(name, &h->pattern);
}

struct dns_chain *dns_chain_new(struct rk_loop *loop)
{
    struct dns_chain *c = rk_calloc(1, sizeof *c);

    c->loop = loop;
    rk_list_init(&c->queries);
    return c;
}

void dns_chain_set(struct dns_chain *c, struct dns_handler *const *v, size_t n)
{
    free(c->v);
    c->v = n ? rk_memdup(v, n * sizeof(struct dns_handler *)) : NULL;
    c->n = n;
    if (n)
        qsort(c->v, n, sizeof(struct dns_handler *), by_order);
}

bool dns_chain_has(const struct dns_chain *c, const struct dns_name *name, int max_priority)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i]->priority <= max_priority && dns_handler_matches(c->v[i], name))
            return true;
    return false;
}

size_t dns_chain_pending(const struct dns_chain *c)
{
    return c->n_queries;
}

/* ---- questions */

static void query_free(struct dns_query *q)
{
    rk_list_remove(&q->link);
    q->chain->n_queries--;
    free(q->bytes);
    free(q);
}

void dns_query_answer(struct dns_query *q, uint8_t *bytes, size_t n)
{
    struct dns_asker *asker = q->asker;

    q->asker = NULL;
    if (asker)
        asker->answer(asker, bytes, n);
    query_free(q);
}

void dns_query_code(struct dns_query *q, enum dns_rcode code, int ede)
{
    uint8_t buf[DNS_HEADER_SIZE + DNS_NAME_MAX + 32];

    dns_query_answer(q, buf, dns_reply_empty(&q->msg, DNS_RA | code, ede, buf, sizeof buf));
}

/* The next handler behind (priority, weight). */
static void dispatch(struct dns_query *q)
{
    const struct dns_chain *c = q->chain;

    q->drop = NULL;
    q->job = NULL;
    for (size_t i = 0; i < c->n; i++) {
        struct dns_handler *h = c->v[i];

        if (h->priority > q->priority || (h->priority == q->priority && weight(h) >= q->labels) ||
            !dns_handler_matches(h, &q->msg.qname))
            continue;
        q->priority = h->priority;
        q->labels = weight(h);
        h->ask(h, q);
        return;
    }
    dns_query_code(q, DNS_REFUSED, -1);
}

void dns_query_pass(struct dns_query *q)
{
    dispatch(q);
}

void dns_chain_ask(struct dns_chain *c, const struct dns_msg *msg, bool tcp, int max_priority,
                   struct dns_asker *asker, struct dns_query **out)
{
    struct dns_query *q = rk_calloc(1, sizeof *q);

    q->chain = c;
    q->asker = asker;
    q->msg = *msg;
    q->bytes = rk_memdup(msg->raw.p, msg->raw.n);
    q->msg.raw.p = (const char *)q->bytes;
    q->msg.opt_data.p = msg->has_opt ? q->msg.raw.p + (msg->opt_data.p - msg->raw.p) : NULL;
    q->tcp = tcp;
    q->priority = max_priority;
    q->labels = UINT_MAX;
    rk_list_push_back(&c->queries, &q->link);
    if (out)
        *out = q;
    if (++c->n_queries > DNS_QUERIES_MAX)
        dns_query_code(q, DNS_SERVFAIL, -1);
    else
        dispatch(q);
}

size_t dns_query_twins(const struct dns_query *q)
{
    size_t n = 0;

    RK_LIST_FOR_EACH (it, &q->chain->queries) {
        const struct dns_query *o = rk_container_of(it, struct dns_query, link);

        n += o->priority == q->priority && o->labels == q->labels && o->msg.qtype == q->msg.qtype &&
             dns_name_eq(&o->msg.qname, &q->msg.qname);
    }
    return n;
}

void dns_query_cancel(struct dns_query *q)
{
    if (!q)
        return;
    q->asker = NULL;
    if (q->drop)
        q->drop(q);
    query_free(q);
}

void dns_chain_free(struct dns_chain *c)
{
    struct rk_list *node;

    if (!c)
        return;
    while ((node = c->queries.next) != &c->queries) {
        struct dns_query *q = rk_container_of(node, struct dns_query, link);

        if (q->drop)
            q->drop(q);
        q->drop = NULL;
        dns_query_code(q, DNS_SERVFAIL, -1);
    }
    free(c->v);
    free(c);
}
