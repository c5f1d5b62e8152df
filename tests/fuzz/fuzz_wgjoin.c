/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz the joining of packets, which come from peers, and the splitting of what comes out: nothing
 * outside of the input is touched, no byte is lost, and the kernel could take it apart again.
 * Input: packets, each behind two bytes of length.
 */
#include "config.h"

#include <string.h>

#include "agent/wg/own/segment.h"
#include "tests/fuzz/fuzz.h"

#define PACKETS_MAX 40

static void try_split(const uint8_t *data, size_t size)
{
    struct virtio_net_hdr h;
    struct wgo_split s;
    uint8_t *packet;
    size_t n, total = 0, bytes, count;
    static uint8_t out[70000];

    if (size < sizeof h + 1)
        return;
    memcpy(&h, data, sizeof h);
    packet = malloc(size - sizeof h);
    memcpy(packet, data + sizeof h, size - sizeof h);
    if (wgo_split_begin(&s, &h, packet, size - sizeof h)) {
        count = wgo_split_count(&s, &bytes);
        while ((n = wgo_split_next(&s, out))) {
            FUZZ_CHECK(count-- && n <= bytes);
            total += n - s.headers;
        }
        FUZZ_CHECK(!count && total == size - sizeof h - s.headers);
    }
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wgo_packet v[PACKETS_MAX];
    uint8_t *owned[PACKETS_MAX];
    struct iovec iov[66];
    struct virtio_net_hdr h;
    size_t n = 0, at = 0, used;

    try_split(data, size);
    while (n < PACKETS_MAX && size - at > 2) {
        size_t len = (size_t)data[at] << 8 | data[at + 1];

        at += 2;
        if (len > size - at)
            len = size - at;
        owned[n] = malloc(len + 1);
        memcpy(owned[n], data + at, len);
        v[n] = (struct wgo_packet){owned[n], len};
        at += len;
        n++;
    }
    for (size_t i = 0; i < n; i += used) {
        size_t entries = wgo_join(v + i, n - i, true, &h, iov, 66, &used);
        size_t bytes = 0;
        struct wgo_split s;
        uint8_t *all = malloc(66000);

        FUZZ_CHECK(used > 0 && used <= n - i && entries <= 66);
        for (size_t k = 1; k < entries; k++) {
            FUZZ_CHECK(bytes + iov[k].iov_len < 66000);
            memcpy(all + bytes, iov[k].iov_base, iov[k].iov_len);
            bytes += iov[k].iov_len;
        }
        FUZZ_CHECK(bytes <= 65535);
        if (entries > 2)
            FUZZ_CHECK(h.gso_size && wgo_split_begin(&s, &h, all, bytes));
        free(all);
    }
    for (size_t i = 0; i < n; i++)
        free(owned[i]);
    return 0;
}
