/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The objects of a network as a file names them: of an account as it is, or of a file. Both in one
 * canonical form, so that equal trees mean equal objects.
 *
 *   snapshot ─▶ want_present ─▶ struct want_set ──┐
 *   file ─▶ tree ─▶ schema ─▶ want_file ─▶ want_set ─▶ want_match: steps (steps.h)
 *
 * Pure; any thread.
 */
#ifndef MGMT_WANTED_SET_H
#define MGMT_WANTED_SET_H

#include "lib/base/map.h"
#include "management/snapshot/snapshot.h"
#include "management/wanted/schema.h"

/* In the order in which they are made: each refers to those before it only. */
enum want_kind {
    WANT_GROUP,
    WANT_POSTURE,
    WANT_NETWORK,
    WANT_RESOURCE, /* of a network */
    WANT_ROUTER,   /* of a network */
    WANT_POLICY,
    WANT_ROUTE,
    WANT_NS_GROUP,
    WANT_ZONE,
    WANT_RECORD, /* of a zone */
    WANT_SETTINGS,
    WANT_DNS_SETTINGS,
    WANT_SETUP_KEY,
    WANT_KINDS
};

/** "group", … as history and reports say it. */
const char *want_kind_text(enum want_kind k);

struct want_object { /* open, arena */
    enum want_kind kind;
    struct want_node *node;     /* canonical; of a parent without the lists of its children */
    struct rk_str identity;     /* what it is known by: its name, mostly */
    struct rk_str id;           /* of the account; of a new one when it was made */
    struct want_object *parent; /* of children, on the same side */
    struct want_object *match;  /* its other side; NULL: none */
    bool fixed;                 /* made by the server or an identity provider: left alone */
    unsigned given;             /* of a file: bits of the kinds of children that it lists */
    struct want_object *next;   /* of the set, in order */
};

struct want_set {
    struct want_object *first, *last;
    size_t n;
    bool given[WANT_KINDS]; /* of a file: this section is there, so it is complete */
};

#define WANT_OBJECTS(it, set) for (struct want_object *it = (set)->first; it; it = it->next)

struct want_object *want_set_add(struct rk_arena *mem, struct want_set *s, enum want_kind kind,
                                 struct want_object *parent, struct want_node *node,
                                 struct rk_str id);

/** By identity: two files of the same network are the same text, whatever its ids. */
void want_set_sort(struct rk_arena *mem, struct want_set *s);

/** The account as it is at a time, sorted. arena, borrows from snap. */
struct want_set *want_present(struct rk_arena *mem, const struct snapshot *snap, int64_t now_us);

/** What a checked file names. Changes the tree to its canonical form. Errors: RK_INVALID (an object
 *  that stands twice), "line L: …". */
enum rk_code want_file(struct rk_arena *mem, struct want_node *tree, struct want_set **out,
                       struct rk_err *err) RK_MUST;

/** A set as the tree of a file; ids only where a name is not enough. */
struct want_node *want_set_tree(struct rk_arena *mem, const struct want_set *s);

/** What an object of this form is known by. */
struct rk_str want_identity(struct rk_arena *mem, enum want_kind kind,
                            const struct want_node *node);

#endif
