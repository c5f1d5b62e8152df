/* SPDX-License-Identifier: BSD-3-Clause */
/* xid and UUIDv4; random parts from the kernel. */
#include "config.h"

#include "lib/base/id.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/num.h"

static void random_bytes(uint8_t *p, size_t n)
{
    while (n) {
        ssize_t got = getrandom(p, n, 0);

        if (got <= 0)
            abort(); /* no entropy source: nothing safe can be done */
        p += got;
        n -= (size_t)got;
    }
}

static struct {
    uint8_t machine[3];
    uint32_t start;
} xid_state;

static void xid_init(void)
{
    random_bytes(xid_state.machine, sizeof xid_state.machine);
    random_bytes((uint8_t *)&xid_state.start, sizeof xid_state.start);
}

void rk_xid(char out[RK_XID_LEN + 1])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Atomic uint32_t counter;
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";
    uint32_t t = (uint32_t)(rk_unix_ms() / 1000), pid = (uint32_t)getpid(), c;
    uint8_t raw[12];
    uint32_t bits = 0;
    unsigned have = 0;
    size_t o = 0;

    (void)pthread_once(&once, xid_init);
    c = xid_state.start + counter++;
    raw[0] = (uint8_t)(t >> 24);
    raw[1] = (uint8_t)(t >> 16);
    raw[2] = (uint8_t)(t >> 8);
    raw[3] = (uint8_t)t;
    memcpy(raw + 4, xid_state.machine, 3);
    raw[7] = (uint8_t)(pid >> 8);
    raw[8] = (uint8_t)pid;
    raw[9] = (uint8_t)(c >> 16);
    raw[10] = (uint8_t)(c >> 8);
    raw[11] = (uint8_t)c;
    for (size_t i = 0; i < sizeof raw; i++) {
        bits = bits << 8 | raw[i];
        have += 8;
        while (have >= 5) {
            have -= 5;
            out[o++] = alphabet[bits >> have & 31];
        }
    }
    out[o++] = alphabet[bits << (5 - have) & 31];
    out[o] = '\0';
}

struct rk_str rk_xid_new(struct rk_arena *a)
{
    char id[RK_XID_LEN + 1];

    rk_xid(id);
    return rk_arena_dup(a, rk_str_of(id, RK_XID_LEN));
}

void rk_uuid(char out[RK_UUID_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t r[16];
    size_t o = 0;

    random_bytes(r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof r; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[o++] = '-';
        out[o++] = hex[r[i] >> 4];
        out[o++] = hex[r[i] & 15];
    }
    out[o] = '\0';
}

struct rk_str rk_uuid_new(struct rk_arena *a)
{
    char id[RK_UUID_LEN + 1];

    rk_uuid(id);
    return rk_arena_dup(a, rk_str_of(id, RK_UUID_LEN));
}
