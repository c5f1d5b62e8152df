/* SPDX-License-Identifier: BSD-3-Clause */
/* The last map for people; see sync_keep.h. */
#include "config.h"

#include "agent/engine/sync_keep.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/crypto/secret.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"

#define KEEP_MAX_BYTES ((size_t)64 << 20)
#define MAP_MAX_BYTES  ((size_t)512 << 20)

void sync_keep_set(struct sync_keep *k, bool on)
{
    k->on = on;
    if (on)
        return;
    if (k->p)
        rk_secret_wipe(k->p, k->n);
    free(k->p);
    *k = (struct sync_keep){0};
}

void sync_keep_take(struct sync_keep *k, struct rk_str message)
{
    if (!k || !k->on || message.n > KEEP_MAX_BYTES)
        return;
    sync_keep_set(k, false);
    k->on = true;
    k->p = rk_malloc(message.n + 1);
    memcpy(k->p, message.p, message.n);
    k->n = message.n;
}

static json_t *bytes_json(const ProtobufCBinaryData *b)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str text = rk_base64_encode(mem, rk_str_of((const char *)b->data, b->len));

    return json_stringn(text.p ? text.p : "", text.n);
}

static json_t *enum_json(const ProtobufCFieldDescriptor *f, int value)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(f->descriptor, value);

    return v ? json_string(v->name) : json_integer(value);
}

/* One value of a field; at points to it. */
static json_t *value_json(const ProtobufCFieldDescriptor *f, const void *at)
{
    const char *text;

    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return json_integer(*(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
        return json_real((double)*(const float *)at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(*(const double *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_json(f, *(const int *)at);
    case PROTOBUF_C_TYPE_STRING:
        text = *(char *const *)at;
        return json_string(text ? text : "");
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_json(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return sync_keep_message_json(*(ProtobufCMessage *const *)at);
    }
    return json_null();
}

static size_t size_of(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        break;
    }
    return 4;
}

static json_t *list_json(const ProtobufCFieldDescriptor *f, const char *m)
{
    size_t n = *(const size_t *)(const void *)(m + f->quantifier_offset);
    const char *items = *(char *const *)(const void *)(m + f->offset);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, value_json(f, items + i * size_of(f)));
    return list;
}

/* Passwords of others. */
static bool is_secret(const char *field)
{
    static const char *const names[] = {"tokenSignature", "password", "tokenPayload"};

    for (size_t i = 0; i < RK_ARRAY_LEN(names); i++)
        if (strcmp(field, names[i]) == 0)
            return true;
    return false;
}

json_t *sync_keep_message_json(const ProtobufCMessage *m)
{
    json_t *o;

    if (!m)
        return json_null();
    o = json_object();
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const char *at = (const char *)m + f->offset;
        json_t *v;

        if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
            *(const uint32_t *)(const void *)((const char *)m + f->quantifier_offset) != f->id)
            continue;
        if (f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED &&
            !*(void *const *)(const void *)at)
            continue;
        if (is_secret(f->name))
            v = json_string("(set)");
        else
            v = f->label == PROTOBUF_C_LABEL_REPEATED ? list_json(f, (const char *)m)
                                                      : value_json(f, at);
        (void)json_object_set_new(o, f->name, v);
    }
    return o;
}

json_t *sync_keep_json(const struct sync_keep *k)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(MAP_MAX_BYTES);
    const Management__SyncResponse *msg =
        k->p ? pb_unpack(mem, &management__sync_response__descriptor, rk_str_of(k->p, k->n), NULL)
             : NULL;

    return msg ? sync_keep_message_json(&msg->base) : json_null();
}
