/* SPDX-License-Identifier: BSD-3-Clause */
/* WebSocket upgrades through libmicrohttpd; see h1_upgrade.h. */
#include "config.h"

#include "lib/http/h1_upgrade.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <unistd.h>

#include "lib/http/reply.h"
#include "lib/net/ws.h"

struct upgrade { /* in the arena of the request, which MHD ends after the hand-over */
    const struct http_h1_upgrade *u;
    struct rk_addr peer;
    struct rk_str head;
};

/* MHD would keep its connection object as long as the socket lives, so it gets to close its own
 * descriptor at once and we go on with a duplicate. */
static void on_upgrade(void *arg, struct MHD_Connection *mhd, void *request, const char *extra,
                       size_t extra_n, MHD_socket sock, struct MHD_UpgradeResponseHandle *urh)
{
    const struct upgrade *up = arg;
    int fd = fcntl(sock, F_DUPFD_CLOEXEC, 3);

    (void)mhd;
    (void)request;
    if (fd >= 0)
        up->u->take(up->u->arg, fd, &up->peer, up->head, rk_str_of(extra, extra_n));
    (void)MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE);
}

/* The request head as text again: MHD has taken it apart. */
static struct rk_str head_text(const struct http_req *req)
{
    struct rk_buf b;
    struct rk_str text = {0};

    rk_buf_init(&b, WS_HEAD_MAX);
    rk_buf_printf(&b, "%s ", http_method_name(req->method));
    rk_buf_add(&b, req->path);
    if (req->query.n) {
        rk_buf_addc(&b, '?');
        rk_buf_add(&b, req->query);
    }
    rk_buf_addz(&b, " HTTP/1.1\r\n");
    for (size_t i = 0; i < req->n_headers; i++) {
        rk_buf_add(&b, req->headers[i].name);
        rk_buf_addz(&b, ": ");
        rk_buf_add(&b, req->headers[i].value);
        rk_buf_addz(&b, "\r\n");
    }
    rk_buf_addz(&b, "\r\n");
    if (!b.full)
        text = rk_arena_dup(req->mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return text;
}

/* "Sec-WebSocket-Accept: X" out of the answer that lib/net/ws would send. */
static struct rk_str accept_key(struct rk_arena *mem, const struct ws_request *ws)
{
    static const struct rk_str name = {"Sec-WebSocket-Accept: ", 22};
    struct rk_buf b;
    struct rk_str key = {0}, rest;

    rk_buf_init(&b, 4096);
    ws_server_response(ws, &b);
    rest = rk_buf_str(&b);
    rest = rk_str_sub(rest, rk_str_find(rest, name), rest.n);
    if (rest.n > name.n && rk_str_cut(rk_str_sub(rest, name.n, rest.n), '\r', &key, &rest))
        key = rk_arena_dup(mem, key);
    rk_buf_done(&b);
    return key;
}

static bool queue_101(struct MHD_Connection *mhd, struct upgrade *up, const char *key)
{
    struct MHD_Response *r = MHD_create_response_for_upgrade(on_upgrade, up);
    bool ok;

    if (!r)
        return false;
    ok = MHD_add_response_header(r, "Upgrade", "websocket") == MHD_YES &&
         MHD_add_response_header(r, "Sec-WebSocket-Accept", key) == MHD_YES &&
         MHD_queue_response(mhd, MHD_HTTP_SWITCHING_PROTOCOLS, r) == MHD_YES;
    MHD_destroy_response(r);
    return ok;
}

bool h1_upgrade(struct MHD_Connection *mhd, const struct http_h1_upgrade *u,
                const struct http_req *req, const struct rk_addr *peer, struct http_resp *resp)
{
    struct upgrade *up = rk_new(req->mem, struct upgrade);
    struct ws_request ws = {.status = 400, .reason = "bad request"};
    struct rk_str key;

    *up = (struct upgrade){.u = u, .peer = *peer, .head = head_text(req)};
    if (up->head.n && ws_server_parse(up->head, &ws, NULL) == RK_OK && ws.status == 101) {
        key = accept_key(req->mem, &ws);
        if (key.n && queue_101(mhd, up, rk_arena_dupz(req->mem, key)))
            return true;
        ws.status = 500;
        ws.reason = "upgrade failed";
    }
    http_reply_status(resp, (unsigned)ws.status, ws.reason ? ws.reason : "bad request");
    if (ws.status == 426) {
        http_resp_header(resp, "Upgrade", RK_STR("websocket"));
        http_resp_header(resp, "Sec-WebSocket-Version", RK_STR("13"));
    }
    return false;
}
