/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz schema/pb_arena: the lower half of the first byte chooses the message, its upper half a
 * small ceiling (0: a large one), the rest is the wire form. What decodes must encode, and the
 * encoding must decode to the same again. */
#include "config.h"

#include "schema/gen/management.pb-c.h"
#include "schema/gen/signalexchange.pb-c.h"
#include "schema/pb_arena.h"
#include "tests/fuzz/fuzz.h"

static const ProtobufCMessageDescriptor *const TYPES[] = {
    &management__encrypted_message__descriptor,
    &management__login_request__descriptor,
    &management__sync_request__descriptor,
    &management__sync_meta_request__descriptor,
    &management__job_response__descriptor,
    &management__extend_auth_session_request__descriptor,
    &management__expose_service_request__descriptor,
    &management__renew_expose_request__descriptor,
    &management__login_response__descriptor,
    &management__sync_response__descriptor,
    &management__server_key_response__descriptor,
    &management__job_request__descriptor,
    &management__device_authorization_flow__descriptor,
    &management__pkceauthorization_flow__descriptor,
    &signalexchange__encrypted_message__descriptor,
    &signalexchange__body__descriptor,
};

_Static_assert(RK_ARRAY_LEN(TYPES) == 16, "half a byte");

#define CEILING ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t small = size ? (size_t)(data[0] >> 4) * 256 : 0; /* so any allocation may fail */
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(small ? small : CEILING);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *b = rk_arena_new(4 * CEILING);
    const ProtobufCMessageDescriptor *type;
    ProtobufCMessage *msg;
    struct rk_str out, again;
    struct rk_err err = {0};

    if (size == 0)
        return 0;
    type = TYPES[data[0] % 16];
    msg = pb_unpack(a, type, rk_str_of(data + 1, size - 1), &err);
    if (!msg) {
        FUZZ_CHECK(err.code == RK_BAD_REQUEST || err.code == RK_LIMIT);
        return 0;
    }
    FUZZ_CHECK(err.code == RK_OK);
    if (pb_pack(b, msg, &out, &err))
        return 0;
    msg = pb_unpack(b, type, out, &err);
    FUZZ_CHECK(msg || err.code == RK_LIMIT);
    if (msg && pb_pack(b, msg, &again, &err) == RK_OK)
        FUZZ_CHECK(rk_str_eq(out, again));
    return 0;
}
