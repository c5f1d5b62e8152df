/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebSocket upgrades on connections that lib/http/h1 has already. The edge sees the first request
 * of a connection only; reverse proxies reuse an idle one for an upgrade. Then the HTTP/1.1 server
 * answers 101 and gives the socket back. Set by edge_set_http; internal to lib/http.
 */
#ifndef RK_HTTP_H1_UPGRADE_H
#define RK_HTTP_H1_UPGRADE_H

#include "lib/http/msg.h"

struct http_h1;
struct MHD_Connection;

struct http_h1_upgrade { /* open; borrowed until http_h1_stop has returned; any thread */
    bool (*wants)(void *arg, struct rk_str path);
    /** The 101 is sent. fd is taken; head and rest (bytes read behind it) are borrowed. */
    void (*take)(void *arg, int fd, const struct rk_addr *peer, struct rk_str head,
                 struct rk_str rest);
    void *arg;
};

/** Before the first http_h1_take_fd. */
void http_h1_set_upgrade(struct http_h1 *h, const struct http_h1_upgrade *u);

/** Answer a request for a path that `u` wants: true when an upgrade has been queued; else *resp is
 *  the refusal and the connection must be closed behind it. peer: the socket's other end. */
bool h1_upgrade(struct MHD_Connection *mhd, const struct http_h1_upgrade *u,
                const struct http_req *req, const struct rk_addr *peer, struct http_resp *resp);

#endif
