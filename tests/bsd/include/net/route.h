/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of routing sockets as net/route.h, net/if_dl.h and netinet/in.h of both systems lay them
 * out. */
#ifndef RK_TESTS_BSD_NET_ROUTE_H
#define RK_TESTS_BSD_NET_ROUTE_H

#include <stdint.h>

#ifdef __APPLE__
struct rt_metrics {
    uint32_t rmx_locks, rmx_mtu, rmx_hopcount;
    int32_t rmx_expire;
    uint32_t rmx_recvpipe, rmx_sendpipe, rmx_ssthresh, rmx_rtt, rmx_rttvar, rmx_pksent, rmx_state;
    uint32_t rmx_filler[3];
};

struct rt_msghdr {
    uint16_t rtm_msglen;
    uint8_t rtm_version, rtm_type;
    uint16_t rtm_index;
    int rtm_flags, rtm_addrs, rtm_pid, rtm_seq, rtm_errno, rtm_use;
    uint32_t rtm_inits;
    struct rt_metrics rtm_rmx;
};
#define SDL_DATA 12
#else
struct rt_metrics {
    unsigned long rmx_locks, rmx_mtu, rmx_hopcount, rmx_expire, rmx_recvpipe, rmx_sendpipe,
        rmx_ssthresh, rmx_rtt, rmx_rttvar, rmx_pksent, rmx_weight, rmx_nhidx, rmx_filler[2];
};

struct rt_msghdr {
    uint16_t rtm_msglen;
    uint8_t rtm_version, rtm_type;
    uint16_t rtm_index, rtm_spare;
    int rtm_flags, rtm_addrs, rtm_pid, rtm_seq, rtm_errno, rtm_fmask;
    unsigned long rtm_inits;
    struct rt_metrics rtm_rmx;
};
#define SDL_DATA 46
#endif

struct sockaddr_in {
    uint8_t sin_len, sin_family;
    uint16_t sin_port;
    uint32_t sin_addr;
    char sin_zero[8];
};

struct sockaddr_in6 {
    uint8_t sin6_len, sin6_family;
    uint16_t sin6_port;
    uint32_t sin6_flowinfo;
    uint8_t sin6_addr[16];
    uint32_t sin6_scope_id;
};

struct sockaddr_dl {
    uint8_t sdl_len, sdl_family;
    uint16_t sdl_index;
    uint8_t sdl_type, sdl_nlen, sdl_alen, sdl_slen;
    char sdl_data[SDL_DATA];
};

#endif
