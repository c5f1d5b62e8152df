/* SPDX-License-Identifier: BSD-3-Clause */
/* Intrusive doubly linked list: a ring with a head node. Embedded nodes, nothing allocated. */
#ifndef RK_BASE_LIST_H
#define RK_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

struct rk_list {
    struct rk_list *prev, *next; /* both NULL: a node that is in no list */
};

static inline void rk_list_init(struct rk_list *head)
{
    head->prev = head->next = head;
}

static inline bool rk_list_empty(const struct rk_list *head)
{
    return head->next == head || !head->next;
}

static inline bool rk_list_linked(const struct rk_list *node)
{
    return node->next != NULL;
}

static inline void rk_list_insert(struct rk_list *node, struct rk_list *prev, struct rk_list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void rk_list_push_back(struct rk_list *head, struct rk_list *node)
{
    rk_list_insert(node, head->prev, head);
}

static inline void rk_list_push_front(struct rk_list *head, struct rk_list *node)
{
    rk_list_insert(node, head, head->next);
}

/** Unlink; harmless on a node that is in no list. */
static inline void rk_list_remove(struct rk_list *node)
{
    if (node->next) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
        node->prev = node->next = NULL;
    }
}

/** Unlink and return the first node; NULL when empty. */
static inline struct rk_list *rk_list_pop_front(struct rk_list *head)
{
    struct rk_list *node = head->next;

    if (rk_list_empty(head))
        return NULL;
    rk_list_remove(node);
    return node;
}

/** Move everything of `from` to the end of `to`. */
static inline void rk_list_splice(struct rk_list *to, struct rk_list *from)
{
    if (rk_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    rk_list_init(from);
}

#define RK_LIST_FOR_EACH(it, head)                                                                 \
    for (struct rk_list *it = (head)->next; it != (head); it = it->next)

/** The body may remove `it`. */
#define RK_LIST_FOR_EACH_SAFE(it, head)                                                            \
    for (struct rk_list *it = (head)->next, *it##_next = it->next; it != (head);                   \
         it = it##_next, it##_next = it->next)

#endif
