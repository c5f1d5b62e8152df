/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recorded messages of official programs (tests/wire/data) through our schema: every field is one
 * that we know, and what we write is, byte for byte, what they wrote.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"
#include "tests/unit/run.h"

#define FILE_MAX (64 * 1024)

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

static struct rk_str recorded(const char *name)
{
    const char *src = getenv("srcdir");
    struct rk_str path = rk_arena_printf(mem, "%s/tests/wire/data/%s.bin", src ? src : ".", name);
    char *buf = rk_arena_alloc(mem, FILE_MAX);
    FILE *f = fopen(path.p, "rb");
    size_t n;

    ck_assert_msg(f != NULL, "cannot open %s", path.p);
    n = fread(buf, 1, FILE_MAX, f);
    ck_assert(n > 0 && n < FILE_MAX);
    (void)fclose(f);
    return rk_arena_dup(mem, rk_str_of(buf, n));
}

/* The message in member `at` of its parent; lists give each of their items. */
static void all_known(const ProtobufCMessage *m);

static void field_known(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *at = (const char *)m + f->offset;

    if (f->type != PROTOBUF_C_TYPE_MESSAGE)
        return;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);
        ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)(const void *)at;

        for (size_t i = 0; i < n; i++)
            all_known(items[i]);
    } else if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
               *(const uint32_t *)(const void *)((const char *)m + f->quantifier_offset) == f->id) {
        const ProtobufCMessage *one = *(ProtobufCMessage *const *)(const void *)at;

        if (one)
            all_known(one);
    }
}

static void all_known(const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->n_unknown_fields; i++)
        ck_abort_msg("%s has a field %u that our schema does not know", m->descriptor->name,
                     m->unknown_fields[i].tag);
    for (unsigned i = 0; i < m->descriptor->n_fields; i++)
        field_known(m, &m->descriptor->fields[i]);
}

/* Decodes, looks for unknown fields, encodes again. arena */
static void *through(const char *name, const ProtobufCMessageDescriptor *type)
{
    struct rk_str in = recorded(name), out;
    struct rk_err err = {0};
    ProtobufCMessage *m = pb_unpack(mem, type, in, &err);

    ck_assert_msg(m != NULL, "%s: %s", name, err.msg);
    all_known(m);
    ck_assert_int_eq(pb_pack(mem, m, &out, &err), RK_OK);
    ck_assert_msg(rk_str_eq(in, out), "%s: %zu bytes came back as %zu or other ones", name, in.n,
                  out.n);
    return m;
}

START_TEST(client_messages)
{
    const Management__LoginRequest *plain =
        through("client-login", &management__login_request__descriptor);
    const Management__LoginRequest *with_key =
        through("client-login-setup-key", &management__login_request__descriptor);
    const Management__SyncRequest *sync =
        through("client-sync", &management__sync_request__descriptor);

    ck_assert_str_eq(plain->setupkey, "");
    ck_assert_str_eq(plain->meta->hostname, "recorded-host");
    ck_assert_str_eq(plain->meta->netbirdversion, "0.77.1");
    ck_assert_uint_eq(plain->meta->n_capabilities, 2);
    ck_assert_int_eq(plain->meta->syncmessageversion, 1);
    ck_assert(plain->meta->flags->disabledns);
    ck_assert_uint_eq(strlen(with_key->setupkey), 36);
    ck_assert_ptr_nonnull(with_key->peerkeys);
    ck_assert_str_eq(sync->meta->hostname, "recorded-host");
}
END_TEST

START_TEST(server_messages)
{
    const Management__LoginResponse *login =
        through("server-login", &management__login_response__descriptor);
    const Management__SyncResponse *alone =
        through("server-sync-alone", &management__sync_response__descriptor);
    const Management__SyncResponse *two =
        through("server-sync-two", &management__sync_response__descriptor);

    ck_assert_str_eq(login->peerconfig->fqdn, "recorded-host.netbird.selfhosted");
    ck_assert_str_eq(login->peerconfig->address, alone->peerconfig->address);
    ck_assert_ptr_nonnull(login->netbirdconfig->signal);
    ck_assert_int_eq(login->netbirdconfig->signal->protocol,
                     MANAGEMENT__HOST_CONFIG__PROTOCOL__HTTP);
    ck_assert_uint_eq(login->netbirdconfig->relay->n_urls, 1);
    ck_assert(alone->networkmap->remotepeersisempty);
    ck_assert_uint_eq(alone->networkmap->n_remotepeers, 0);
    ck_assert(!two->networkmap->remotepeersisempty);
    ck_assert_uint_eq(two->networkmap->n_remotepeers, 1);
    ck_assert_uint_eq(two->networkmap->remotepeers[0]->n_allowedips, 2);
    ck_assert_uint_eq(two->networkmap->n_firewallrules, 4);
    ck_assert_uint_gt(two->networkmap->serial, alone->networkmap->serial);
    ck_assert_ptr_null(two->netbirdconfig); /* an update has none */
}
END_TEST

/* Each shorter message either is refused or says less; none is read beyond its end. */
START_TEST(every_truncation)
{
    static const char *const names[] = {"server-login", "server-sync-two", "client-login"};
    static const ProtobufCMessageDescriptor *const types[] = {
        &management__login_response__descriptor, &management__sync_response__descriptor,
        &management__login_request__descriptor};

    for (size_t i = 0; i < RK_ARRAY_LEN(names); i++) {
        struct rk_str whole = recorded(names[i]);

        for (size_t n = 0; n < whole.n; n++) {
            struct rk_arena *one = rk_arena_new(0);
            char *exact = rk_memdup(whole.p, n);
            ProtobufCMessage *m = pb_unpack(one, types[i], rk_str_of(exact, n), NULL);
            struct rk_str out;

            if (m) {
                ck_assert_int_eq(pb_pack(one, m, &out, NULL), RK_OK);
                ck_assert_uint_le(out.n, n);
            }
            rk_arena_free(one);
            free(exact);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("recorded");
    TCase *c = tcase_create("messages");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, client_messages);
    tcase_add_test(c, server_messages);
    tcase_add_test(c, every_truncation);
    suite_add_tcase(s, c);
    return run_suite(s);
}
