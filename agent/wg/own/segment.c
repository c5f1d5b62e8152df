/* SPDX-License-Identifier: BSD-3-Clause */
/* Splitting and joining of packets for segmentation offload; see segment.h. */
#include "config.h"

#include "agent/wg/own/segment.h"

#include <netinet/in.h>
#include <string.h>

enum { V4_HEADER = 20, V6_HEADER = 40, TCP_HEADER = 20, UDP_HEADER = 8 };
enum { TCP_SEQ = 4, TCP_ACK = 8, TCP_DOFF = 12, TCP_FLAGS = 13, TCP_CSUM = 16 };
enum { UDP_LEN = 4, UDP_CSUM = 6 };
enum { FIN = 0x01, PSH = 0x08, ACK = 0x10, CWR = 0x80 };

#define JOIN_MAX     65535 /* bytes of an IP packet */
#define UDP_JOIN_MAX 64    /* datagrams that the kernel takes as one */

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

/* ---- checksums */

uint64_t wgo_sum(const uint8_t *p, size_t n, uint64_t start)
{
    uint64_t a = 0, b = 0;
    uint16_t w2 = 0;

    for (; n >= 16; n -= 16, p += 16) { /* in the machine's order: RFC 1071 section 2 (B) */
        uint32_t w[4];

        memcpy(w, p, sizeof w);
        a += (uint64_t)w[0] + w[1];
        b += (uint64_t)w[2] + w[3];
    }
    for (; n >= 2; n -= 2, p += 2) {
        memcpy(&w2, p, sizeof w2);
        a += w2;
    }
    w2 = 0;
    if (n)
        memcpy(&w2, p, 1); /* the odd byte, followed by zero */
    return start + a + b + w2;
}

uint16_t wgo_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Sum of the pseudo header of TCP or UDP with n bytes. */
static uint64_t pseudo(const uint8_t *ip, bool v6, uint8_t proto, size_t n)
{
    uint64_t sum = v6 ? wgo_sum(ip + 8, 32, 0) : wgo_sum(ip + 12, 8, 0);

    return sum + htons(proto) + htons((uint16_t)(n & 0xffff)) + htons((uint16_t)(n >> 16));
}

static void put_sum(uint8_t *at, uint16_t folded)
{
    memcpy(at, &folded, sizeof folded);
}

static void finish_v4(uint8_t *ip)
{
    put16(ip + 10, 0);
    put_sum(ip + 10, (uint16_t)~wgo_fold(wgo_sum(ip, (size_t)(ip[0] & 15) * 4, 0)));
}

/* ---- apart */

static bool complete_sum(const struct virtio_net_hdr *h, uint8_t *p, size_t n)
{
    size_t at = (size_t)h->csum_start + h->csum_offset;
    uint16_t sum;

    if (h->csum_start > n || at + 2 > n)
        return false;
    sum = (uint16_t)~wgo_fold(wgo_sum(p + h->csum_start, n - h->csum_start, 0));
    put_sum(p + at,
            sum ? sum : 0xffff); /* for UDP zero would mean none; both are the same number */
    return true;
}

bool wgo_split_begin(struct wgo_split *s, const struct virtio_net_hdr *h, uint8_t *packet, size_t n)
{
    unsigned type = h->gso_type & ~(unsigned)VIRTIO_NET_HDR_GSO_ECN;

    *s = (struct wgo_split){.p = packet, .n = n};
    if (n < V4_HEADER)
        return false;
    if (type == VIRTIO_NET_HDR_GSO_NONE)
        return !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || complete_sum(h, packet, n);
    s->v6 = packet[0] >> 4 == 6;
    s->tcp = type != VIRTIO_NET_HDR_GSO_UDP_L4;
    s->l4 = h->csum_start;
    s->gso = h->gso_size;
    if ((type == VIRTIO_NET_HDR_GSO_TCPV4) == s->v6 && s->tcp)
        return false;
    if (!s->gso || s->l4 < (s->v6 ? V6_HEADER : V4_HEADER) || s->l4 > n ||
        n - s->l4 < (s->tcp ? TCP_HEADER : UDP_HEADER))
        return false;
    s->headers = s->l4 + (s->tcp ? (size_t)(packet[s->l4 + TCP_DOFF] >> 4) * 4 : UDP_HEADER);
    return s->headers >= s->l4 + UDP_HEADER && s->headers < n && s->headers <= WGO_HEADERS_MAX;
}

size_t wgo_split_count(const struct wgo_split *s, size_t *bytes)
{
    size_t payload = s->n - s->headers;

    if (!s->gso || payload <= s->gso) {
        *bytes = s->n;
        return 1;
    }
    *bytes = s->headers + s->gso;
    return (payload + s->gso - 1) / s->gso;
}

size_t wgo_split_last(const struct wgo_split *s)
{
    size_t bytes, count = wgo_split_count(s, &bytes);

    return count == 1 ? s->n : s->headers + (s->n - s->headers - (count - 1) * s->gso);
}

static void finish_tcp(const struct wgo_split *s, uint8_t *out, size_t n, size_t at, bool last)
{
    uint8_t *tcp = out + s->l4;

    put32(tcp + TCP_SEQ, get32(s->p + s->l4 + TCP_SEQ) + (uint32_t)at);
    if (!last)
        tcp[TCP_FLAGS] &= (uint8_t) ~(FIN | PSH);
    if (at)
        tcp[TCP_FLAGS] &= (uint8_t)~CWR;
    put16(tcp + TCP_CSUM, 0);
    put_sum(tcp + TCP_CSUM, (uint16_t)~wgo_fold(wgo_sum(
                                tcp, n - s->l4, pseudo(out, s->v6, IPPROTO_TCP, n - s->l4))));
}

static void finish_udp(const struct wgo_split *s, uint8_t *out, size_t n)
{
    uint8_t *udp = out + s->l4;
    uint16_t sum;

    put16(udp + UDP_LEN, n - s->l4);
    put16(udp + UDP_CSUM, 0);
    sum = (uint16_t)~wgo_fold(wgo_sum(udp, n - s->l4, pseudo(out, s->v6, IPPROTO_UDP, n - s->l4)));
    put_sum(udp + UDP_CSUM, sum ? sum : 0xffff);
}

size_t wgo_split_next(struct wgo_split *s, uint8_t *out)
{
    size_t payload = s->n - s->headers, part, n;

    if (s->at >= payload && (s->index || s->gso))
        return 0;
    if (!s->gso) {
        memcpy(out, s->p, s->n);
        s->at = payload;
        s->index = 1;
        return s->n;
    }
    part = payload - s->at < s->gso ? payload - s->at : s->gso;
    n = s->headers + part;
    memcpy(out, s->p, s->headers);
    memcpy(out + s->headers, s->p + s->headers + s->at, part);
    if (s->v6) {
        put16(out + 4, n - V6_HEADER);
    } else {
        put16(out + 2, n);
        put16(out + 4, get16(s->p + 4) + s->index);
        finish_v4(out);
    }
    if (s->tcp)
        finish_tcp(s, out, n, s->at, s->at + part == payload);
    else
        finish_udp(s, out, n);
    s->at += part;
    s->index++;
    return n;
}

/* ---- together */

struct shape { /* of a packet that may be joined */
    bool v6, tcp;
    size_t l4, headers;
};

/* false: not TCP or UDP, or with something that must not be lost by joining. */
static bool shape_of(const struct wgo_packet *k, bool udp, struct shape *s)
{
    const uint8_t *p = k->p;
    uint8_t proto;

    *s = (struct shape){.v6 = k->n && p[0] >> 4 == 6};
    if (k->n < (s->v6 ? V6_HEADER : V4_HEADER) + UDP_HEADER)
        return false;
    if (s->v6) {
        proto = p[6];
        s->l4 = V6_HEADER;
        if (get16(p + 4) + V6_HEADER != k->n)
            return false;
    } else {
        proto = p[9];
        s->l4 = V4_HEADER;
        if (p[0] != 0x45 || get16(p + 2) != k->n || get16(p + 6) & 0x3fff) /* a fragment */
            return false;
    }
    s->tcp = proto == IPPROTO_TCP;
    if (s->tcp && k->n >= s->l4 + TCP_HEADER) {
        s->headers = s->l4 + (size_t)(p[s->l4 + TCP_DOFF] >> 4) * 4;
        return s->headers >= s->l4 + TCP_HEADER && s->headers < k->n &&
               (p[s->l4 + TCP_FLAGS] & ~PSH) == ACK;
    }
    s->headers = s->l4 + UDP_HEADER;
    return udp && proto == IPPROTO_UDP && s->headers < k->n && get16(p + s->l4 + UDP_CSUM) &&
           get16(p + s->l4 + UDP_LEN) == k->n - s->l4;
}

/* What we join is taken for checked by the kernel. */
static bool sums_hold(const struct wgo_packet *k, const struct shape *s)
{
    size_t n = k->n - s->l4;
    uint8_t proto = s->tcp ? IPPROTO_TCP : IPPROTO_UDP;

    if (!s->v6 && wgo_fold(wgo_sum(k->p, V4_HEADER, 0)) != 0xffff)
        return false;
    return wgo_fold(wgo_sum(k->p + s->l4, n, pseudo(k->p, s->v6, proto, n))) == 0xffff;
}

/* The same flow, header for header, but for lengths, sums, sequence and the flag PSH. */
static bool same_flow(const uint8_t *a, const uint8_t *b, const struct shape *s)
{
    if (s->v6 ? memcmp(a, b, 4) != 0 || memcmp(a + 6, b + 6, 34) != 0
              : a[1] != b[1] || get16(a + 6) != get16(b + 6) || a[8] != b[8] ||
                    memcmp(a + 12, b + 12, 8) != 0)
        return false;
    a += s->l4;
    b += s->l4;
    if (memcmp(a, b, 4) != 0)
        return false;
    return !s->tcp ||
           (memcmp(a + TCP_ACK, b + TCP_ACK, 5) == 0 && get16(a + 14) == get16(b + 14) &&
            memcmp(a + TCP_HEADER, b + TCP_HEADER, s->headers - s->l4 - TCP_HEADER) == 0);
}

/* How many packets from v on make one: each follows on the one before, all are as long as the first
 * but the last, which may be shorter. */
static size_t run_of(const struct wgo_packet *v, size_t n, bool udp, const struct shape *s,
                     size_t *total)
{
    size_t gso = v[0].n - s->headers, k = 1, last = gso;
    uint32_t seq = get32(v[0].p + s->l4 + TCP_SEQ); /* not a number in UDP; unused there */
    struct shape t;

    *total = v[0].n;
    while (k < n && last == gso && !(s->tcp && v[k - 1].p[s->l4 + TCP_FLAGS] & PSH)) {
        if (!shape_of(&v[k], udp, &t) || t.v6 != s->v6 || t.tcp != s->tcp ||
            t.headers != s->headers || (!s->tcp && k == UDP_JOIN_MAX))
            break;
        last = v[k].n - s->headers;
        if (last > gso || *total + last > JOIN_MAX || !same_flow(v[0].p, v[k].p, s))
            break;
        if (s->tcp && get32(v[k].p + s->l4 + TCP_SEQ) != seq + (uint32_t)(k * gso))
            break;
        if (!sums_hold(&v[k], s))
            break;
        *total += last;
        k++;
    }
    return k;
}

/* The first packet's headers become those of the whole. */
static void set_headers(struct wgo_packet *v, size_t k, size_t total, const struct shape *s,
                        struct virtio_net_hdr *h)
{
    uint8_t *p = v[0].p, *l4 = p + s->l4;
    uint8_t proto = s->tcp ? IPPROTO_TCP : IPPROTO_UDP;

    h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    h->gso_type = s->tcp ? (s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4)
                         : VIRTIO_NET_HDR_GSO_UDP_L4;
    h->hdr_len = (uint16_t)s->headers;
    h->gso_size = (uint16_t)(v[0].n - s->headers);
    h->csum_start = (uint16_t)s->l4;
    h->csum_offset = s->tcp ? TCP_CSUM : UDP_CSUM;
    if (s->v6) {
        put16(p + 4, total - V6_HEADER);
    } else {
        put16(p + 2, total);
        finish_v4(p);
    }
    if (s->tcp)
        l4[TCP_FLAGS] |= v[k - 1].p[s->l4 + TCP_FLAGS] & PSH;
    else
        put16(l4 + UDP_LEN, total - s->l4);
    put_sum(l4 + h->csum_offset, wgo_fold(pseudo(p, s->v6, proto, total - s->l4)));
}

size_t wgo_join(struct wgo_packet *v, size_t n, bool udp, struct virtio_net_hdr *h,
                struct iovec *iov, size_t max, size_t *used)
{
    size_t skip = 0, k = 1, total;
    struct shape s = {0};

    while (skip < n && !v[skip].n)
        skip++;
    *used = skip;
    if (skip == n)
        return 0;
    v += skip;
    n = n - skip < max - 1 ? n - skip : max - 1;
    *h = (struct virtio_net_hdr){0};
    if (n > 1 && shape_of(&v[0], udp, &s)) {
        k = run_of(v, n, udp, &s, &total);
        if (k > 1 && !sums_hold(&v[0], &s))
            k = 1; /* alone, the kernel looks itself */
        if (k > 1)
            set_headers(v, k, total, &s, h);
    }
    iov[0] = (struct iovec){h, sizeof *h};
    for (size_t i = 0; i < k; i++) {
        size_t off = i ? s.headers : 0;

        iov[i + 1] = (struct iovec){v[i].p + off, v[i].n - off};
    }
    *used = skip + k;
    return k + 1;
}
