/* SPDX-License-Identifier: BSD-3-Clause */
/* PCP; see portmap_pcp.h. */
#include "config.h"

#include "agent/ice/portmap_pcp.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/rd.h"
#include "lib/base/wr.h"

enum {
    PCP_VERSION = 2,
    MAP = 1,
    ANSWER = 0x80,
    SUCCESS = 0,
    ANSWER_MAX = 1100, /* RFC 6887 section 7 */
    TRIES = 3,
    FIRST_WAIT_MS = 200, /* then twice as long each time: the router is one hop away */
};

static void put_v4(struct rk_wr *w, const struct rk_ip *ip)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    rk_wr_mem(w, mapped, sizeof mapped);
    rk_wr_mem(w, ip->b, 4);
}

void pcp_map_request(const struct portmap_ask *a, uint32_t lifetime_s, uint8_t out[PCP_MAP_SIZE])
{
    struct rk_wr w = rk_wr_of(out, PCP_MAP_SIZE);

    rk_wr_u8(&w, PCP_VERSION);
    rk_wr_u8(&w, MAP);
    rk_wr_u16(&w, 0);
    rk_wr_u32(&w, lifetime_s);
    put_v4(&w, &a->own);
    rk_wr_mem(&w, a->nonce, sizeof a->nonce);
    rk_wr_u32(&w, (uint32_t)IPPROTO_UDP << 24);
    rk_wr_u16(&w, a->port);
    rk_wr_u16(&w, a->wanted);
    put_v4(&w, &(struct rk_ip){.family = 4}); /* any address */
}

static struct rk_ip read_ip(const uint8_t *p)
{
    struct rk_ip ip = {.family = 6};

    memcpy(ip.b, p, 16);
    ip = rk_ip_unmap(&ip);
    return ip.family == 4 && !rk_ip_is_unspecified(&ip) ? ip : (struct rk_ip){0};
}

enum pcp_verdict pcp_map_answer(struct rk_str in, const struct portmap_ask *a,
                                struct portmap_answer *out)
{
    struct rk_rd rd = rk_rd_of(in);
    unsigned version = rk_rd_u8(&rd), opcode = rk_rd_u8(&rd), result;
    uint32_t lifetime_s;
    const uint8_t *nonce, *outside;
    unsigned protocol, inside_port, outside_port;

    if (rd.bad || !(opcode & ANSWER))
        return PCP_IGNORE;
    if (version != PCP_VERSION)
        return PCP_FOREIGN;
    (void)rk_rd_u8(&rd);
    result = rk_rd_u8(&rd);
    lifetime_s = rk_rd_u32(&rd);
    (void)rk_rd_take(&rd, 16);
    nonce = rk_rd_take(&rd, sizeof a->nonce);
    protocol = rk_rd_u8(&rd);
    (void)rk_rd_take(&rd, 3);
    inside_port = rk_rd_u16(&rd);
    outside_port = rk_rd_u16(&rd);
    outside = rk_rd_take(&rd, 16);
    if (rd.bad || opcode != (ANSWER | MAP) || memcmp(nonce, a->nonce, sizeof a->nonce) != 0 ||
        protocol != IPPROTO_UDP || inside_port != a->port)
        return PCP_IGNORE;
    if (result != SUCCESS || !lifetime_s || !outside_port)
        return PCP_REFUSED;
    *out = (struct portmap_answer){.method = PORTMAP_PCP,
                                   .outside = {read_ip(outside), (uint16_t)outside_port},
                                   .lifetime_s = lifetime_s};
    return PCP_OK;
}

static int open_to(const struct portmap_ask *a)
{
    struct rk_addr from = {a->own, 0}, to = {a->gateway, PCP_PORT};
    struct sockaddr_storage sa;
    socklen_t n;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    n = rk_addr_to_sa(&from, &sa); /* the router compares it with what we say */
    if (bind(fd, (struct sockaddr *)&sa, n) == 0) {
        n = rk_addr_to_sa(&to, &sa);
        if (connect(fd, (struct sockaddr *)&sa, n) == 0)
            return fd;
    }
    (void)close(fd);
    return -1;
}

static enum pcp_verdict wait_for(int fd, const struct portmap_ask *a, int64_t until_ms,
                                 struct portmap_answer *out)
{
    enum pcp_verdict v = PCP_IGNORE;

    while (v == PCP_IGNORE) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until_ms - rk_mono_ms();
        uint8_t in[ANSWER_MAX];
        ssize_t n;

        if (left <= 0)
            break;
        if (poll(&p, 1, (int)left) != 1)
            continue;
        n = recv(fd, in, sizeof in, 0);
        if (n < 0) /* nobody listens there */
            return PCP_FOREIGN;
        v = pcp_map_answer(rk_str_of(in, (size_t)n), a, out);
    }
    return v;
}

bool pcp_ask(const struct portmap_ask *a, uint32_t lifetime_s, struct portmap_answer *out)
{
    enum pcp_verdict v = PCP_IGNORE;
    uint8_t request[PCP_MAP_SIZE];
    int fd = open_to(a);

    if (fd < 0)
        return false;
    pcp_map_request(a, lifetime_s, request);
    for (int i = 0; i < TRIES && v == PCP_IGNORE; i++) {
        (void)send(fd, request, sizeof request, 0);
        v = wait_for(fd, a, rk_mono_ms() + (FIRST_WAIT_MS << i), out);
    }
    (void)close(fd);
    return v == PCP_OK;
}

void pcp_forget(const struct portmap_ask *a)
{
    uint8_t request[PCP_MAP_SIZE];
    int fd = open_to(a);

    if (fd < 0)
        return;
    pcp_map_request(a, 0, request);
    (void)send(fd, request, sizeof request, 0);
    (void)close(fd);
}
