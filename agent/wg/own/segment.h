/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large packets of a TUN interface, apart and together: with IFF_VNET_HDR the kernel hands over up
 * to 64 KiB of a TCP or UDP flow under one header (TSO, USO), and takes such a packet too (GRO).
 * One system call then moves fifty packets. Pure; any thread.
 *
 *   read(tun)  -> wgo_split_begin, wgo_split_next ... -> packets of the interface's MTU
 *   packets that a peer sent -> wgo_join -> header and pieces for writev(tun)
 */
#ifndef RK_AGENT_WG_OWN_SEGMENT_H
#define RK_AGENT_WG_OWN_SEGMENT_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define WGO_HEADERS_MAX 120 /* bytes of IP and TCP headers with all options */

struct wgo_split {      /* use the functions */
    const uint8_t *p;   /* borrowed */
    size_t n;           /* bytes */
    size_t l4, headers; /* offset of TCP or UDP; of the payload */
    size_t gso;         /* payload bytes of a packet; 0: it is one packet */
    size_t at;          /* payload taken so far */
    bool tcp, v6;
    uint16_t index; /* of the next packet */
};

/** packet follows its header h; checksums that are missing are put in. false: the two do not fit
 *  together, drop it. */
bool wgo_split_begin(struct wgo_split *s, const struct virtio_net_hdr *h, uint8_t *packet,
                     size_t n);
/** How many packets there are, and the length of each but the last (which is not longer). */
size_t wgo_split_count(const struct wgo_split *s, size_t *bytes);
/** Length of the last one. */
size_t wgo_split_last(const struct wgo_split *s);
/** Write the next packet, with its checksums; returns its length, 0 at the end. */
size_t wgo_split_next(struct wgo_split *s, uint8_t *out);

struct wgo_packet { /* open; an IP packet in memory that may be written to */
    uint8_t *p;
    size_t n; /* 0: skip it */
};

/** Take packets from the front of v as long as they belong together and put them into one write:
 * iov (of max entries, at least 2) gets h and the pieces, *used how many packets were taken.
 * Returns how many entries to write; 0: only skipped ones were left. udp: the kernel takes joined
 * UDP. */
size_t wgo_join(struct wgo_packet *v, size_t n, bool udp, struct virtio_net_hdr *h,
                struct iovec *iov, size_t max, size_t *used);

/** RFC 1071 sum (not inverted, not folded to the end) of n bytes, added to `start`. */
uint64_t wgo_sum(const uint8_t *p, size_t n, uint64_t start);
uint16_t wgo_fold(uint64_t sum);

#endif
