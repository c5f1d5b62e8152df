/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists of fields: nothing of a struct is missing in them, and copies follow them. */
#include "config.h"

#include <stddef.h>

#include "management/domain/columns.h"
#include "tests/unit/vec.h"

static size_t width(const struct col *c)
{
    switch (c->type) {
    case C_TEXT:
    case C_REF:
    case C_SEALED:
        return sizeof(struct rk_str);
    case C_TIME:
    case C_I64:
    case C_U64:
        return 8;
    case C_I32:
    case C_U32:
        return 4;
    case C_U16:
        return 2;
    case C_BOOL:
        return sizeof(bool);
    case C_ENUM:
    case C_ENUM_NUM:
        return sizeof(enum entity_kind);
    case C_IP:
        return sizeof(struct rk_ip);
    case C_PREFIX:
        return sizeof(struct rk_prefix);
    case C_STRS:
    case C_GROUPS:
        return sizeof(struct str_list);
    case C_LIST:
    case C_CHILDREN:
        return sizeof(void *);
    case C_OBJ:
        break;
    }
    return 0;
}

static void cover(uint8_t *map, const struct col *cols, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++) {
        const struct col *c = &cols[i];

        if (c->type == C_OBJ) {
            cover(map, c->sub, c->n_sub, at + c->off);
            continue;
        }
        memset(map + at + c->off, 1, width(c));
        if (c->type == C_LIST || c->type == C_CHILDREN)
            memset(map + at + c->off_n, 1, sizeof(size_t));
    }
}

/* What the compiler puts between fields. Where it cannot say (clang), holes of fewer than eight
 * bytes before a multiple of four are taken for that: gcc alone sees a forgotten bool beside
 * others. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define CLEAR_PADDING(v) __builtin_clear_padding(v)
#endif
#endif
enum { STRUCT_MAX = 4096 };
static uint8_t padding[STRUCT_MAX]; /* 1: no field has this byte */

#ifdef CLEAR_PADDING
#define PADDING_OF(st)                                                                             \
    do {                                                                                           \
        struct st v;                                                                               \
                                                                                                   \
        _Static_assert(sizeof v <= STRUCT_MAX, "STRUCT_MAX");                                      \
        memset(&v, 0xff, sizeof v);                                                                \
        CLEAR_PADDING(&v);                                                                         \
        for (size_t i_ = 0; i_ < sizeof v; i_++)                                                   \
            padding[i_] = ((const uint8_t *)&v)[i_] == 0;                                          \
    } while (0)
#else
#define PADDING_OF(st) ck_assert_uint_le(sizeof(struct st), STRUCT_MAX)
#endif

static void padding_of_entity(enum entity_kind k)
{
    switch (k) {
#define KIND(kind, st)                                                                             \
    case kind:                                                                                     \
        PADDING_OF(st);                                                                            \
        return
        KIND(ENT_ACCOUNT, account);
        KIND(ENT_SETTINGS, settings);
        KIND(ENT_DNS_SETTINGS, dns_settings);
        KIND(ENT_USER, user);
        KIND(ENT_PAT, pat);
        KIND(ENT_SETUP_KEY, setup_key);
        KIND(ENT_PEER, peer);
        KIND(ENT_GROUP, group);
        KIND(ENT_POLICY, policy);
        KIND(ENT_POSTURE, posture);
        KIND(ENT_ROUTE, route);
        KIND(ENT_NETWORK, network);
        KIND(ENT_RESOURCE, resource);
        KIND(ENT_ROUTER, router);
        KIND(ENT_NS_GROUP, ns_group);
        KIND(ENT_ZONE, zone);
        KIND(ENT_RECORD, record);
        KIND(ENT_INVITE, invite);
        KIND(ENT_JOB, job);
        KIND(ENT_SERVICE, service);
        KIND(ENT_PROXY_DOMAIN, proxy_domain);
#undef KIND
    default:
        ck_abort_msg("%s: add it to this list", entity_kind_text(k));
    }
}

/* Elements of lists have no kind: known by column and size. */
static void padding_of_element(const struct col *c)
{
#define ELEMENT(column, st)                                                                        \
    if (strcmp(c->name, column) == 0 && c->elem == sizeof(struct st)) {                            \
        PADDING_OF(st);                                                                            \
        return;                                                                                    \
    }
    ELEMENT("addresses", peer_address)
    ELEMENT("postures", rk_str)
    ELEMENT("rules", rule)
    ELEMENT("files", peer_file)
    ELEMENT("resources", resource_ref)
    ELEMENT("ranges", port_range)
    ELEMENT("authorized", authorized_group)
    ELEMENT("geo", geo_location)
    ELEMENT("ranges", rk_prefix)
    ELEMENT("processes", check_process)
    ELEMENT("servers", nameserver)
    ELEMENT("targets", service_target)
    ELEMENT("headers", service_header)
    ELEMENT("header_auths", service_header_auth)
#undef ELEMENT
    ck_abort_msg("elements of %s: add them to this list", c->name);
}

/* A field that somebody adds to a struct and forgets in the list leaves a hole. */
static void no_hole(const char *name, const uint8_t *map, size_t size)
{
    for (size_t i = 0, end; i < size; i = end) {
        bool between;

        end = i + 1;
        if (map[i] || padding[i])
            continue;
        while (end < size && !map[end] && !padding[end])
            end++;
#ifdef CLEAR_PADDING
        between = false;
#else
        between = end - i < 8 && (end % 4 == 0 || end == size);
#endif
        ck_assert_msg(between, "%s: bytes %zu to %zu are in no column", name, i, end);
    }
}

static void check_elements(const char *name, const struct col *cols, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct col *c = &cols[i];

        if (!c->sub)
            continue;
        if (c->type != C_OBJ) {
            uint8_t *map = rk_calloc(1, c->elem);

            cover(map, c->sub, c->n_sub, 0);
            if (c->off_owner)
                memset(map + c->off_owner, 1, sizeof(struct rk_str));
            padding_of_element(c);
            no_hole(c->name, map, c->elem);
            free(map);
        }
        check_elements(name, c->sub, c->n_sub);
    }
}

START_TEST(every_byte_of_a_struct_is_in_its_list)
{
    for (enum entity_kind k = 0; k < ENT_COUNT; k++) {
        const struct codec *c = codec_of(k);
        uint8_t *map;

        if (!c)
            continue;
        map = rk_calloc(1, c->size);
        if (c->off_id != CODEC_NO_FIELD)
            memset(map + c->off_id, 1, sizeof(struct rk_str));
        if (c->off_account != CODEC_NO_FIELD)
            memset(map + c->off_account, 1, sizeof(struct rk_str));
        if (k == ENT_ACCOUNT) /* kept in account_head, not in the row */
            memset(map + offsetof(struct account, serial), 1, sizeof(uint64_t));
        for (size_t t = 0; t < c->n_tables; t++) {
            cover(map, c->tables[t].cols, c->tables[t].n_cols, 0);
            check_elements(entity_kind_text(k), c->tables[t].cols, c->tables[t].n_cols);
        }
        padding_of_entity(k);
        no_hole(entity_kind_text(k), map, c->size);
        free(map);
    }
}
END_TEST

/* One text and one element in every place that has room for one. */
static void fill(struct rk_arena *mem, char *base, const struct col *cols, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct col *c = &cols[i];
        struct rk_str text = rk_arena_dup(mem, rk_str_z(c->name));

        switch (c->type) {
        case C_TEXT:
        case C_REF:
        case C_SEALED:
            AT(base, c->off, struct rk_str) = text;
            break;
        case C_STRS:
        case C_GROUPS:
            AT(base, c->off, struct str_list) = (struct str_list){rk_new(mem, struct rk_str), 1};
            *CAT(base, c->off, struct str_list).v = text;
            break;
        case C_OBJ:
            fill(mem, base + c->off, c->sub, c->n_sub);
            break;
        case C_LIST:
        case C_CHILDREN: {
            char *item = rk_arena_alloc(mem, c->elem);

            memset(item, 0, c->elem);
            if (c->off_owner)
                AT(item, c->off_owner, struct rk_str) = text;
            fill(mem, item, c->sub, c->n_sub);
            AT(base, c->off, void *) = item;
            AT(base, c->off_n, size_t) = 1;
            break;
        }
        default:
            break;
        }
    }
}

static void same(const char *base, const struct col *cols, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct col *c = &cols[i];
        const char *item;

        switch (c->type) {
        case C_TEXT:
        case C_REF:
        case C_SEALED:
            ck_assert_msg(rk_str_eqz(CAT(base, c->off, struct rk_str), c->name), "%s", c->name);
            break;
        case C_STRS:
        case C_GROUPS:
            ck_assert_msg(rk_str_eqz(CAT(base, c->off, struct str_list).v[0], c->name), "%s",
                          c->name);
            break;
        case C_OBJ:
            same(base + c->off, c->sub, c->n_sub);
            break;
        case C_LIST:
        case C_CHILDREN:
            item = CAT(base, c->off, void *);
            if (c->off_owner)
                ck_assert_msg(rk_str_eqz(CAT(item, c->off_owner, struct rk_str), c->name), "%s",
                              c->name);
            same(item, c->sub, c->n_sub);
            break;
        default:
            break;
        }
    }
}

START_TEST(copies_share_nothing_with_their_source)
{
    for (enum entity_kind k = 0; k < ENT_COUNT; k++) {
        const struct codec *c = codec_of(k);
        struct rk_arena *mem, *to = rk_arena_new(0);
        char *e, *copy;

        if (!c) {
            rk_arena_free(to);
            continue;
        }
        mem = rk_arena_new(0);
        e = rk_arena_alloc(mem, c->size);
        memset(e, 0, c->size);
        if (c->off_id != CODEC_NO_FIELD)
            AT(e, c->off_id, struct rk_str) = rk_arena_dup(mem, RK_STR("the id"));
        for (size_t t = 0; t < c->n_tables; t++)
            fill(mem, e, c->tables[t].cols, c->tables[t].n_cols);
        copy = entity_dup(to, k, e);
        rk_arena_free(mem); /* the address sanitizer sees whoever looks there */
        if (c->off_id != CODEC_NO_FIELD)
            ck_assert(rk_str_eqz(entity_id(k, copy), "the id"));
        for (size_t t = 0; t < c->n_tables; t++)
            same(copy, c->tables[t].cols, c->tables[t].n_cols);
        rk_arena_free(to);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("columns");

    tcase_add_test(t, every_byte_of_a_struct_is_in_its_list);
    tcase_add_test(t, copies_share_nothing_with_their_source);
    return vec_run(t, "columns");
}
