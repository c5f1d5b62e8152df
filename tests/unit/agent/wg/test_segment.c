/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/wg/own/segment.c: what is split has right checksums and gives the same stream; what
 * is joined and split again is what it was. */
#include "config.h"

#include <arpa/inet.h>

#include "agent/wg/own/segment.h"
#include "lib/crypto/secret.h"
#include "tests/unit/vec.h"

#define MSS 1000

enum { FIN = 1, PSH = 8, ACK = 16, CWR = 128 };

static uint8_t big[66000];

/* The obvious sum: words in network order. */
static uint32_t plain_sum(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint32_t l4_sum(const uint8_t *p, size_t n, bool v6, uint8_t proto)
{
    uint8_t all[2100] = {0};
    size_t h = v6 ? 40 : 20, at = v6 ? 32 : 8, len = n - h;

    memcpy(all, v6 ? p + 8 : p + 12, at);
    all[at] = (uint8_t)(len >> 8);
    all[at + 1] = (uint8_t)len;
    all[at + 3] = proto;
    memcpy(all + at + 4, p + h, len);
    return plain_sum(all, at + 4 + len);
}

/* A large packet as the kernel hands it over, and its header. Returns its length. */
static size_t make(bool v6, bool tcp, size_t payload, struct virtio_net_hdr *h)
{
    size_t ip = v6 ? 40 : 20, l4 = tcp ? 32 : 8, n = ip + l4 + payload;

    memset(big, 0, sizeof big);
    big[0] = v6 ? 0x60 : 0x45;
    if (v6) {
        big[4] = (uint8_t)((n - 40) >> 8);
        big[5] = (uint8_t)(n - 40);
        big[6] = tcp ? 6 : 17;
        big[7] = 64;
        big[8] = big[24] = 0xfd;
        big[39] = 2;
    } else {
        big[2] = (uint8_t)(n >> 8);
        big[3] = (uint8_t)n;
        big[4] = 0xff;
        big[5] = 0xfe;
        big[6] = 0x40;
        big[8] = 64;
        big[9] = tcp ? 6 : 17;
        big[12] = big[16] = 100;
        big[19] = 2;
    }
    big[ip + 1] = 80;
    big[ip + 3] = 90;
    if (tcp) {
        memset(big + ip + 4, 0xff, 4); /* the sequence number wraps */
        big[ip + 12] = 0x80;
        big[ip + 13] = ACK | PSH | CWR;
        big[ip + 20] = 1;
        big[ip + 21] = 1;
        big[ip + 22] = 8;
        big[ip + 23] = 10;
    }
    for (size_t i = 0; i < payload; i++)
        big[ip + l4 + i] = (uint8_t)(i * 13 + i / 256);
    *h = (struct virtio_net_hdr){
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = tcp ? (v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4)
                        : VIRTIO_NET_HDR_GSO_UDP_L4,
        .hdr_len = (uint16_t)(ip + l4),
        .gso_size = MSS,
        .csum_start = (uint16_t)ip,
        .csum_offset = tcp ? 16 : 6,
    };
    return n;
}

static uint8_t parts[70][2048];
static struct wgo_packet packets[70];

static size_t split(size_t n, const struct virtio_net_hdr *h)
{
    struct wgo_split s;
    size_t k = 0, bytes, count;

    ck_assert(wgo_split_begin(&s, h, big, n));
    count = wgo_split_count(&s, &bytes);
    for (; k < 70; k++) {
        size_t m = wgo_split_next(&s, parts[k]);

        if (!m)
            break;
        ck_assert_uint_eq(m, k + 1 == count ? wgo_split_last(&s) : bytes);
        packets[k] = (struct wgo_packet){parts[k], m};
    }
    ck_assert_uint_eq(k, count);
    return k;
}

START_TEST(split_and_joined_again)
{
    bool v6 = _i & 1, tcp = _i & 2;
    size_t head = (v6 ? 40u : 20u) + (tcp ? 32u : 8u), payload = 17345, used, entries, at = 0;
    struct virtio_net_hdr h, back;
    size_t n = make(v6, tcp, payload, &h), k = split(n, &h);
    struct iovec iov[66];
    static uint8_t again[66000];

    ck_assert_uint_eq(k, 18);
    for (size_t i = 0; i < k; i++) {
        uint8_t *p = packets[i].p;

        ck_assert_uint_eq(l4_sum(p, packets[i].n, v6, tcp ? 6 : 17), 0xffff);
        if (!v6)
            ck_assert_uint_eq(plain_sum(p, 20), 0xffff);
        ck_assert_int_eq(memcmp(p + head, big + head + i * MSS, packets[i].n - head), 0);
        if (tcp)
            ck_assert_uint_eq(p[head - 32 + 13], ACK | (i ? 0u : CWR) | (i + 1 == k ? PSH : 0u));
        if (tcp && i == 0)
            p[head - 32 + 13] &= (uint8_t)~CWR; /* a packet with it is not joined */
        if (tcp && i == 0) {
            uint8_t *sum = p + head - 32 + 16;
            uint32_t fixed = plain_sum((uint8_t[]){sum[0], sum[1], 0, CWR}, 4);

            sum[0] = (uint8_t)(fixed >> 8);
            sum[1] = (uint8_t)fixed;
        }
    }
    entries = wgo_join(packets, k, true, &back, iov, 66, &used);
    ck_assert_uint_eq(used, k);
    ck_assert_uint_eq(entries, k + 1);
    ck_assert_uint_eq(back.gso_type, h.gso_type);
    ck_assert_uint_eq(back.gso_size, MSS);
    for (size_t i = 1; i < entries; i++) {
        memcpy(again + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    ck_assert_uint_eq(at, n);
    ck_assert_int_eq(memcmp(again + head, big + head, payload), 0);
    /* and the kernel would find the same packets in it */
    memcpy(big, again, n);
    ck_assert_uint_eq(split(n, &back), k);
    for (size_t i = 0; i < k; i++)
        ck_assert_uint_eq(l4_sum(packets[i].p, packets[i].n, v6, tcp ? 6 : 17), 0xffff);
}
END_TEST

START_TEST(what_does_not_belong_together_is_not_joined)
{
    static const struct {
        size_t packet, offset;
        uint8_t bit;
    } CHANGES[] = {{2, 20 + 0, 1},     {2, 20 + 3, 1},  {2, 20 + 7, 1},  {2, 20 + 11, 1},
                   {2, 20 + 13, FIN},  {2, 20 + 15, 1}, {2, 20 + 21, 1}, {2, 8, 1},
                   {2, 1, 1},          {2, 12, 1},      {2, 6, 0x20},    {2, 52, 1},
                   {2, 20 + 12, 0x10}, {2, 0, 1},       {2, 9, 1},       {2, 3, 1}};

    for (size_t i = 0; i < RK_ARRAY_LEN(CHANGES); i++) {
        struct virtio_net_hdr h;
        struct iovec iov[66];
        size_t n = make(false, true, 6 * MSS, &h), used, entries;

        big[20 + 13] = ACK;
        ck_assert_uint_eq(split(n, &h), 6);
        parts[CHANGES[i].packet][CHANGES[i].offset] ^= CHANGES[i].bit;
        entries = wgo_join(packets, 6, true, &h, iov, 66, &used);
        ck_assert_msg(used == 2 && entries == 3, "change %zu: %zu joined", i, used);
        entries = wgo_join(packets + 2, 4, true, &h, iov, 66, &used);
        ck_assert_msg(used == 1 && entries == 2 && h.gso_type == 0 && h.flags == 0,
                      "change %zu: %zu joined", i, used);
    }
}
END_TEST

START_TEST(only_the_last_may_be_short_or_pushed)
{
    struct virtio_net_hdr h;
    struct iovec iov[66];
    size_t used, n = make(false, true, 2 * MSS + 1, &h);

    ck_assert_uint_eq(split(n, &h), 3);
    packets[3] = packets[2];
    packets[1].n = 0; /* dropped: not for this peer, or a replay */
    ck_assert_uint_eq(wgo_join(packets, 4, true, &h, iov, 66, &used), 2);
    ck_assert_uint_eq(used, 1);
    ck_assert_uint_eq(wgo_join(packets + 1, 1, true, &h, iov, 66, &used), 0);
    ck_assert_uint_eq(used, 1);
    ck_assert_uint_eq(wgo_join(packets + 1, 3, true, &h, iov, 66, &used), 2);
    ck_assert_uint_eq(used, 2);
    ck_assert_uint_eq(wgo_join(packets, 0, true, &h, iov, 66, &used), 0);
}
END_TEST

START_TEST(bad_headers_are_refused)
{
    struct virtio_net_hdr good, h;
    struct wgo_split s;
    size_t n = make(false, true, 5000, &good);

    h = good;
    ck_assert(wgo_split_begin(&s, &h, big, n));
    h.gso_size = 0;
    ck_assert(!wgo_split_begin(&s, &h, big, n));
    h = good;
    h.csum_start = 60000;
    ck_assert(!wgo_split_begin(&s, &h, big, n));
    h.csum_start = 4;
    ck_assert(!wgo_split_begin(&s, &h, big, n));
    h = good;
    h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
    ck_assert(!wgo_split_begin(&s, &h, big, n));
    h = good;
    ck_assert(!wgo_split_begin(&s, &h, big, 30));
    h.gso_type = 0;
    h.csum_offset = 60000;
    ck_assert(!wgo_split_begin(&s, &h, big, n));
    ck_assert(!wgo_split_begin(&s, &h, big, 5));
}
END_TEST

START_TEST(sums)
{
    uint8_t p[300];

    rk_secret_random(p, sizeof p);
    for (size_t n = 0; n < sizeof p; n++) {
        uint16_t got = wgo_fold(wgo_sum(p, n, 0));

        ck_assert_uint_eq(got, htons((uint16_t)plain_sum(p, n)));
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("segment");

    tcase_add_loop_test(t, split_and_joined_again, 0, 4);
    tcase_add_test(t, what_does_not_belong_together_is_not_joined);
    tcase_add_test(t, only_the_last_may_be_short_or_pushed);
    tcase_add_test(t, bad_headers_are_refused);
    tcase_add_test(t, sums);
    return vec_run(t, "segment");
}
