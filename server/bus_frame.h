/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payloads of the bus (bus.h): what fits into one NOTIFY, as text.
 *
 *   payload = base64( number of the payload: 8 bytes | frame … )
 *   frame   = kind: 1 byte | size: 2 bytes | size bytes        all numbers big-endian
 */
#ifndef RK_SERVER_BUS_FRAME_H
#define RK_SERVER_BUS_FRAME_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/rd.h"

#define BUS_PAYLOAD_MAX 7999 /* characters that PostgreSQL takes */
#define BUS_RAW_MAX     5992 /* bytes that make no more of them, 4 for 3 */
#define BUS_HEAD        8
#define BUS_FRAME_HEAD  3
#define BUS_FRAME_MAX   (BUS_RAW_MAX - BUS_HEAD - BUS_FRAME_HEAD)

enum bus_kind {
    BUS_MESSAGE = 1,    /* EncryptedMessage */
    BUS_REGISTERED = 2, /* number: 8 bytes | key */
    BUS_PARCEL = 3,     /* id in signal_parcel of an EncryptedMessage that is larger */
};

struct bus_frame { /* borrowed from the payload */
    enum bus_kind kind;
    struct rk_str body;
};

/** Begin a payload with that number in an empty buffer. */
void bus_payload_begin(struct rk_buf *raw, uint64_t number);
/** Add a frame of at most BUS_FRAME_MAX bytes. false: it does not fit any more. */
bool bus_payload_add(struct rk_buf *raw, enum bus_kind kind, struct rk_str body);

/** Bytes of a payload behind its number. arena. RK_BAD_REQUEST. */
enum rk_code bus_payload_open(struct rk_arena *mem, struct rk_str text, struct rk_rd *out,
                              struct rk_err *err) RK_MUST;
/** Next frame; false at the end. Frames of unknown kinds are passed over. */
bool bus_payload_next(struct rk_rd *rd, struct bus_frame *out);

#endif
