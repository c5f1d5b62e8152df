/* SPDX-License-Identifier: BSD-3-Clause */
/* The shared socket, a UDP socket of our own or WireGuard's port: opening, where it may send,
 * sending; what it receives goes to the users that mux.c has set. See mux.h. */
#include "config.h"

#include <sys/socket.h>
#include <unistd.h>

#include "agent/ice/mux_priv.h"
#include "lib/base/num.h"
#include "lib/net/way.h"

#define BUFFER_BYTES ((size_t)4 << 20) /* bursts of a tunnel while the loop is busy elsewhere */

/* ---- life */

static enum rk_code open_socket(struct ice_mux *m, const struct ice_mux_opts *opts, uint16_t port,
                                struct rk_err *err)
{
    struct udp_opts o = {
        .bind = {.ip = {.family = opts->disable_ipv6 ? 4 : 0}, .port = port},
        .want_dst = true,
        .offload = true,
        .fwmark = opts->fwmark,
        .buffer_bytes = BUFFER_BYTES,
        .scratch = m->scratch,
    };

    return udp_open(m->loop, &o, &m->user, &m->sock, err);
}

enum rk_code ice_mux_socket_open(struct ice_mux *m, const struct ice_mux_opts *opts,
                                 struct rk_err *err)
{
    enum rk_code rc;

    if (opts->shared) {
        m->shared = opts->shared;
        m->shared->user = &m->port_user;
        return RK_OK;
    }
    rc = open_socket(m, opts, opts->port, err);
    if (rc == RK_UNAVAILABLE && opts->port) { /* taken: any other port does, offers tell which */
        rk_log(m->log, RK_WARN, "udp port is taken, using another", kv_i64("port", opts->port));
        rc = open_socket(m, opts, 0, err);
    }
    return rc;
}

void ice_mux_socket_close(struct ice_mux *m)
{
    udp_close(m->sock);
    m->sock = NULL;
    if (m->shared)
        m->shared->user = NULL;
    m->shared = NULL;
}

uint16_t ice_mux_port(const struct ice_mux *m)
{
    return m->shared ? m->shared->number : udp_local(m->sock)->port;
}

struct udp_scratch *ice_mux_scratch(const struct ice_mux *m)
{
    return m->scratch;
}

/* ---- places */

void ice_mux_set_overlay(struct ice_mux *m, const struct rk_prefix *prefixes, size_t n)
{
    m->n_overlay = rk_min_size(n, ICE_MUX_MAX_OVERLAY);
    for (size_t i = 0; i < m->n_overlay; i++)
        m->overlay[i] = prefixes[i];
}

bool ice_mux_in_overlay(const struct ice_mux *m, const struct rk_ip *ip)
{
    for (size_t i = 0; i < m->n_overlay; i++)
        if (rk_prefix_contains(&m->overlay[i], ip))
            return true;
    return false;
}

bool ice_mux_may_send(const struct ice_mux *m, const struct rk_ip *to)
{
    if (to->family != 4 && (to->family != 6 || m->disable_ipv6))
        return false;
    if (rk_ip_is_unspecified(to) || rk_ip_is_multicast(to))
        return false;
    if (to->family == 6 && rk_ip_is_link_local(to))
        return false; /* a line has no zone to send it to */
    return (m->with_loopback || !rk_ip_is_loopback(to)) && !ice_mux_in_overlay(m, to);
}

struct rk_ip ice_mux_source(const struct ice_mux *m, const struct rk_addr *to)
{
    int fd = socket(to->ip.family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage ss;
    socklen_t len = rk_addr_to_sa(to, &ss);
    struct rk_addr a = {0};

    if (fd < 0)
        return a.ip;
    if (m->fwmark)
        (void)setsockopt(fd, SOL_SOCKET, SO_MARK, &m->fwmark, sizeof m->fwmark);
    if (connect(fd, (const struct sockaddr *)&ss, len) == 0) {
        len = sizeof ss;
        if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
            RK_IGNORE(rk_addr_from_sa((const struct sockaddr *)&ss, &a, NULL));
    }
    (void)close(fd);
    return a.ip;
}

/* ---- sending */

void ice_mux_send(struct ice_mux *m, const struct rk_ip *src, const struct rk_addr *to,
                  struct rk_str datagram)
{
    struct udp_out o = {.to = *to, .bytes = datagram};

    if (src)
        o.src = *src;
    if (!ice_mux_may_send(m, &to->ip))
        return;
    net_way(&to->ip, false);
    ice_mux_sendv(m, &o, 1);
}

void ice_mux_sendv(struct ice_mux *m, const struct udp_out *v, size_t n)
{
    if (m->shared)
        (void)wg_port_sendv(m->shared, v, n);
    else if (m->sock)
        (void)udp_sendv(m->sock, v, n);
}
