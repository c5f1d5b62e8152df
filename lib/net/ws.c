/* SPDX-License-Identifier: BSD-3-Clause */
/* WebSocket upgrade and frames; see ws.h. */
#include "config.h"

#include "lib/net/ws.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/secret.h"

enum { KEY_SIZE = 16, KEY_TEXT = 24, HEADERS_MAX = 100 };

/* ---- upgrade */

size_t ws_head_size(struct rk_str in)
{
    struct rk_str look = rk_str_sub(in, 0, WS_HEAD_MAX);
    size_t at = rk_str_find(look, RK_STR("\r\n\r\n"));

    return at < look.n ? at + 4 : 0;
}

/* Next line of *rest without its line end; false when none is left. */
static bool next_line(struct rk_str *rest, struct rk_str *line)
{
    if (!rest->n)
        return false;
    (void)rk_str_cut(*rest, '\n', line, rest);
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

/* A token of a comma separated header value, case ignored. */
static bool has_token(struct rk_str value, const char *token)
{
    struct rk_str item, rest = value;
    bool more = true;

    while (more) {
        more = rk_str_cut(rest, ',', &item, &rest);
        if (rk_str_ieq(rk_str_trim(item), rk_str_z(token)))
            return true;
    }
    return false;
}

struct head {            /* headers that matter on either side; views */
    struct rk_str first; /* request or status line */
    struct rk_str host, key, origin, accept, version, extensions, protocol;
    struct rk_str real_ip, real_port, forwarded_for;
    bool upgrade, connection;
    bool repeated; /* a header that must stand once stands twice */
};

static void take_once(struct head *h, struct rk_str *slot, struct rk_str value)
{
    if (slot->p)
        h->repeated = true;
    *slot = value;
}

static void take_header(struct head *h, struct rk_str name, struct rk_str value)
{
    struct {
        const char *name;
        struct rk_str *slot;
    } once[] = {{"host", &h->host},
                {"sec-websocket-key", &h->key},
                {"sec-websocket-version", &h->version},
                {"sec-websocket-accept", &h->accept},
                {"sec-websocket-extensions", &h->extensions},
                {"sec-websocket-protocol", &h->protocol},
                {"origin", &h->origin},
                {"x-real-ip", &h->real_ip},
                {"x-real-port", &h->real_port}};

    if (rk_str_ieq(name, RK_STR("upgrade")))
        h->upgrade |= has_token(value, "websocket");
    else if (rk_str_ieq(name, RK_STR("connection")))
        h->connection |= has_token(value, "upgrade");
    else if (rk_str_ieq(name, RK_STR("x-forwarded-for")))
        h->forwarded_for = value; /* the last line: what the nearest proxy wrote */
    else
        for (size_t i = 0; i < RK_ARRAY_LEN(once); i++)
            if (rk_str_ieq(name, rk_str_z(once[i].name)))
                take_once(h, once[i].slot, value);
}

static bool read_head(struct rk_str in, struct head *h)
{
    struct rk_str rest = in, line, name, value;
    size_t n = 0;

    *h = (struct head){0};
    if (!next_line(&rest, &h->first))
        return false;
    while (next_line(&rest, &line) && line.n) {
        if (++n > HEADERS_MAX || !rk_str_cut(line, ':', &name, &value) || !name.n ||
            rk_str_find_c(name, ' ') < name.n || rk_str_find_c(line, '\0') < line.n)
            return false;
        take_header(h, name, rk_str_trim(value));
    }
    return true;
}

bool ws_is_upgrade(struct rk_str head)
{
    struct head h;

    return read_head(head, &h) && h.upgrade;
}

static void refuse(struct ws_request *r, int status, const char *reason)
{
    r->status = status;
    r->reason = reason;
}

static bool key_ok(struct rk_str key)
{
    uint8_t raw[KEY_SIZE];
    size_t n = 0;

    return !rk_base64_decode(key, raw, sizeof raw, &n, NULL) && n == sizeof raw;
}

enum rk_code ws_server_parse(struct rk_str head, struct ws_request *out, struct rk_err *err)
{
    struct ws_request r = {.status = 101, .reason = ""};
    struct rk_str rest, version;
    struct head h;

    if (!read_head(head, &h) || !rk_str_cut(h.first, ' ', &r.method, &rest) ||
        !rk_str_cut(rest, ' ', &r.target, &version) || !r.method.n || !r.target.n ||
        r.target.p[0] != '/' || !rk_str_starts(version, RK_STR("HTTP/")))
        return rk_fail(err, RK_BAD_REQUEST, "not an HTTP/1.1 request");
    (void)rk_str_cut(r.target, '?', &r.path, &r.query);
    r.host = h.host;
    r.key = h.key;
    r.origin = h.origin;
    r.real_ip = h.real_ip;
    r.real_port = h.real_port;
    r.forwarded_for = h.forwarded_for;
    if (!rk_str_eqz(version, "HTTP/1.1"))
        refuse(&r, 505, "WebSocket needs HTTP/1.1");
    else if (!h.connection || !h.upgrade)
        refuse(&r, 426, "expected a WebSocket upgrade");
    else if (!rk_str_eqz(r.method, "GET"))
        refuse(&r, 405, "WebSocket needs GET");
    else if (h.repeated)
        refuse(&r, 400, "a header stands twice");
    else if (!rk_str_eqz(h.version, "13"))
        refuse(&r, 400, "unsupported Sec-WebSocket-Version");
    else if (!key_ok(h.key))
        refuse(&r, 400, "bad Sec-WebSocket-Key");
    *out = r;
    return RK_OK;
}

static void accept_of(struct rk_str key, char out[WS_ACCEPT_LEN + 1])
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[KEY_TEXT + sizeof GUID - 1];
    uint8_t digest[HASH_SHA1_SIZE];

    memcpy(text, key.p, KEY_TEXT); /* checked before, or our own */
    memcpy(text + KEY_TEXT, GUID, sizeof GUID - 1);
    hash_sha1(rk_str_of(text, sizeof text), digest);
    rk_base64_encode_to(out, rk_str_of(digest, sizeof digest));
}

static const char *status_text(int status)
{
    switch (status) {
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Bad Request";
    }
}

void ws_server_response(const struct ws_request *req, struct rk_buf *out)
{
    char accept[WS_ACCEPT_LEN + 1];

    if (req->status == 101) {
        accept_of(req->key, accept);
        rk_buf_printf(out,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                      accept);
        return;
    }
    rk_buf_printf(out, "HTTP/1.1 %d %s\r\n", req->status, status_text(req->status));
    if (req->status == 426)
        rk_buf_addz(out, "Connection: Upgrade, close\r\nUpgrade: websocket\r\n");
    else
        rk_buf_addz(out, "Connection: close\r\n");
    if (req->status == 400)
        rk_buf_addz(out, "Sec-WebSocket-Version: 13\r\n");
    if (req->status == 405)
        rk_buf_addz(out, "Allow: GET\r\n");
    rk_buf_printf(out, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s\n",
                  strlen(req->reason) + 1, req->reason);
}

void ws_client_request(struct rk_str host, struct rk_str path, struct rk_buf *out,
                       char accept[WS_ACCEPT_LEN + 1])
{
    uint8_t raw[KEY_SIZE];
    char key[KEY_TEXT + 1];

    _Static_assert(KEY_TEXT == RK_BASE64_LEN(KEY_SIZE), "key text");
    rk_secret_random(raw, sizeof raw);
    rk_base64_encode_to(key, rk_str_of(raw, sizeof raw));
    accept_of(rk_str_of(key, KEY_TEXT), accept);
    rk_buf_printf(out,
                  "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                  "Sec-WebSocket-Version: 13\r\n\r\n",
                  RK_STR_ARG(path), RK_STR_ARG(host), key);
}

enum rk_code ws_client_check(struct rk_str head, const char accept[WS_ACCEPT_LEN + 1],
                             struct rk_err *err)
{
    struct rk_str version, rest, code;
    int64_t status;
    struct head h;

    if (!read_head(head, &h) || !rk_str_cut(h.first, ' ', &version, &rest) ||
        !rk_str_eqz(version, "HTTP/1.1"))
        return rk_fail(err, RK_BAD_REQUEST, "WebSocket upgrade: the answer is not HTTP/1.1");
    (void)rk_str_cut(rest, ' ', &code, &rest);
    if (rk_parse_i64(code, 100, 599, &status, NULL))
        return rk_fail(err, RK_BAD_REQUEST, "WebSocket upgrade: no HTTP status");
    if (status == 404)
        return rk_fail(err, RK_NOT_FOUND, "WebSocket upgrade: HTTP status 404");
    if (status >= 500 || status == 429)
        return rk_fail(err, RK_UNAVAILABLE, "WebSocket upgrade: HTTP status %d", (int)status);
    if (status != 101)
        return rk_fail(err, RK_BAD_REQUEST, "WebSocket upgrade: HTTP status %d", (int)status);
    if (!h.upgrade || !h.connection || h.repeated || !rk_str_eqz(h.accept, accept))
        return rk_fail(err, RK_BAD_REQUEST, "WebSocket upgrade: wrong answer headers");
    if (h.extensions.n || h.protocol.n)
        return rk_fail(err, RK_BAD_REQUEST, "WebSocket upgrade: extension nobody asked for");
    return RK_OK;
}

/* ---- reading frames */

void ws_rx_init(struct ws_rx *rx, enum ws_role role, size_t max_message)
{
    *rx = (struct ws_rx){.role = role, .max_message = max_message};
}

void ws_rx_set_in_place(struct ws_rx *rx)
{
    rx->in_place = true;
}

static void release(struct ws_rx *rx)
{
    free(rx->msg);
    rx->msg = NULL;
    rx->msg_n = rx->msg_cap = 0;
}

void ws_rx_done(struct ws_rx *rx)
{
    release(rx);
}

void ws_rx_set_max(struct ws_rx *rx, size_t max_message)
{
    rx->max_message = max_message;
}

static enum ws_event fail(struct ws_rx *rx, struct ws_msg *out, unsigned code)
{
    rx->dead = true;
    rx->fail_code = code;
    release(rx);
    *out = (struct ws_msg){.close_code = code};
    return WS_FAILED;
}

static bool is_control(unsigned op)
{
    return op & 8;
}

static unsigned head_need(const struct ws_rx *rx)
{
    unsigned len, ext;

    if (rx->head_n < 2)
        return 2;
    len = rx->head[1] & 0x7f;
    ext = len == 126 ? 2 : len == 127 ? 8 : 0;
    return 2 + ext + (rx->head[1] & 0x80 ? 4 : 0);
}

/* Payload length of a complete head; UINT64_MAX for an encoding that is not the shortest. */
static uint64_t head_length(const uint8_t *h)
{
    unsigned len = h[1] & 0x7f;
    uint64_t v = 0;

    if (len < 126)
        return len;
    for (unsigned i = 0; i < (len == 126 ? 2U : 8U); i++)
        v = v << 8 | h[2 + i];
    return v < (len == 126 ? 126U : 65536U) ? UINT64_MAX : v;
}

/* Rules of RFC 6455 section 5 for a frame head; 0 or the close code to fail with. */
static unsigned head_check(const struct ws_rx *rx, uint64_t len)
{
    unsigned op = rx->head[0] & 0x0f;
    bool fin = rx->head[0] & 0x80;

    if ((rx->head[0] & 0x70) || (bool)(rx->head[1] & 0x80) != (rx->role == WS_SERVER) ||
        len > INT64_MAX)
        return WS_CLOSE_PROTOCOL;
    if (is_control(op))
        return op > WS_OP_PONG || !fin || len > WS_CONTROL_MAX ? WS_CLOSE_PROTOCOL : 0;
    if (op > WS_OP_BINARY || (op == WS_OP_CONT) != (rx->msg_op != 0))
        return WS_CLOSE_PROTOCOL;
    return len > rx->max_message || rx->msg_n > rx->max_message - len ? WS_CLOSE_TOO_BIG : 0;
}

/* Room for the whole frame; its length is within the limit. */
static void head_accept(struct ws_rx *rx, uint64_t len)
{
    unsigned op = rx->head[0] & 0x0f;

    rx->in_frame = true;
    rx->fin = rx->head[0] & 0x80;
    rx->op = (uint8_t)op;
    rx->left = len;
    rx->mask_at = 0;
    memset(rx->mask, 0, sizeof rx->mask);
    if (rx->role == WS_SERVER)
        memcpy(rx->mask, rx->head + rx->head_n - 4, 4);
    if (is_control(op)) {
        rx->control_n = 0;
        return;
    }
    if (op != WS_OP_CONT)
        rx->msg_op = (uint8_t)op;
    rx->fragmented = op == WS_OP_CONT || !rx->fin;
    if (rx->msg_n + len > rx->msg_cap) {
        rx->msg_cap = rx->msg_n + (size_t)len;
        rx->msg = rk_realloc(rx->msg, rx->msg_cap, 1);
    }
}

/* Bytes of a frame head. True once it is complete and accepted; else *code says failed or not. */
static bool take_head(struct ws_rx *rx, struct rk_str *in, unsigned *code)
{
    uint64_t len;

    *code = 0;
    while (rx->head_n < head_need(rx)) {
        size_t n = rk_min_size(head_need(rx) - rx->head_n, in->n);

        if (!n)
            return false;
        memcpy(rx->head + rx->head_n, in->p, n);
        rx->head_n += (unsigned)n;
        *in = rk_str_sub(*in, n, in->n);
    }
    len = head_length(rx->head);
    *code = head_check(rx, len);
    if (*code)
        return false;
    head_accept(rx, len);
    rx->head_n = 0;
    return true;
}

/* dst = src ^ mask, starting `at` bytes into the mask. Eight bytes at a time: this is the relay's
 * hottest loop. */
static void xor_copy(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t mask[4], size_t at)
{
    uint8_t m[8];
    uint64_t m8, v, wide[4];
    size_t i = 0;

    for (size_t k = 0; k < sizeof m; k++)
        m[k] = mask[(at + k) & 3];
    memcpy(&m8, m, sizeof m8);
    for (; n - i >= sizeof wide; i += sizeof wide) { /* compilers make vectors of this */
        memcpy(wide, src + i, sizeof wide);
        for (size_t k = 0; k < RK_ARRAY_LEN(wide); k++)
            wide[k] ^= m8;
        memcpy(dst + i, wide, sizeof wide);
    }
    for (; n - i >= sizeof v; i += sizeof v) {
        memcpy(&v, src + i, sizeof v);
        v ^= m8;
        memcpy(dst + i, &v, sizeof v);
    }
    for (; i < n; i++)
        dst[i] = src[i] ^ m[i & 7];
}

/* Payload bytes of the current frame; true once all are there. */
static bool take_payload(struct ws_rx *rx, struct rk_str *in)
{
    size_t n = rx->left < in->n ? (size_t)rx->left : in->n;
    bool control = is_control(rx->op);
    uint8_t *dst;

    if (n) { /* msg is NULL while a message is empty */
        dst = control ? rx->control + rx->control_n : rx->msg + rx->msg_n;
        xor_copy(dst, (const uint8_t *)in->p, n, rx->mask, rx->mask_at);
        *in = rk_str_sub(*in, n, in->n);
        rx->mask_at = (rx->mask_at + n) & 3;
        rx->left -= n;
        if (control)
            rx->control_n += n;
        else
            rx->msg_n += n;
    }
    return rx->left == 0;
}

static bool close_code_ok(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum ws_event control_event(struct ws_rx *rx, struct ws_msg *out)
{
    *out = (struct ws_msg){.p = rx->control, .n = rx->control_n};
    if (rx->op != WS_OP_CLOSE)
        return rx->op == WS_OP_PING ? WS_PING : WS_PONG;
    out->close_code = WS_CLOSE_NONE;
    if (rx->control_n >= 2)
        out->close_code = (unsigned)rx->control[0] << 8 | rx->control[1];
    if (rx->control_n == 1 || (rx->control_n >= 2 && !close_code_ok(out->close_code)))
        return fail(rx, out, WS_CLOSE_PROTOCOL);
    rx->dead = true; /* nothing may follow */
    rx->fail_code = WS_CLOSE_PROTOCOL;
    return WS_CLOSE;
}

/* A data message that is whole in one frame at the front of *in. Whatever is not as it should be is
 * left to the long way. */
static bool take_in_place(struct ws_rx *rx, struct rk_str *in, struct ws_msg *out)
{
    uint8_t *p = (uint8_t *)(uintptr_t)in->p; /* writable: ws_rx_set_in_place */
    unsigned need;
    uint64_t len;

    if (rx->head_n || rx->in_frame || rx->msg_op || in->n < WS_FRAME_HEAD || is_control(p[0]))
        return false;
    memcpy(rx->head, p, WS_FRAME_HEAD);
    rx->head_n = WS_FRAME_HEAD;
    need = head_need(rx);
    len = head_length(rx->head);
    if (!(p[0] & 0x80) || head_check(rx, len) || len > in->n - need) {
        rx->head_n = 0;
        return false;
    }
    rx->head_n = 0;
    if (rx->role == WS_SERVER)
        xor_copy(p + need, p + need, (size_t)len, p + need - 4, 0);
    rx->msg_op = p[0] & 0x0f;
    rx->spent = true;
    *out = (struct ws_msg){.p = p + need, .n = (size_t)len};
    *in = rk_str_sub(*in, need + (size_t)len, in->n);
    return true;
}

enum ws_event ws_rx_next(struct ws_rx *rx, struct rk_str *in, struct ws_msg *out)
{
    unsigned code;

    if (rx->dead)
        return fail(rx, out, rx->fail_code);
    if (rx->spent) {
        rx->spent = false;
        rx->msg_n = 0;
        rx->msg_op = 0;
    }
    if (rx->in_place && take_in_place(rx, in, out))
        return rx->msg_op == WS_OP_TEXT ? WS_TEXT : WS_BINARY;
    for (;;) {
        if (!rx->in_frame && !take_head(rx, in, &code)) {
            if (code)
                return fail(rx, out, code);
            if (!rx->msg_op)
                release(rx); /* an idle connection holds no memory */
            return WS_MORE;
        }
        if (!take_payload(rx, in))
            return WS_MORE;
        rx->in_frame = false;
        if (is_control(rx->op))
            return control_event(rx, out);
        if (!rx->fin)
            continue;
        *out = (struct ws_msg){
            .p = rx->msg ? rx->msg : rx->control, .n = rx->msg_n, .fragmented = rx->fragmented};
        rx->spent = true;
        return rx->msg_op == WS_OP_TEXT ? WS_TEXT : WS_BINARY;
    }
}

/* ---- writing frames */

size_t ws_frame_head(uint8_t out[WS_FRAME_HEAD], enum ws_op op, size_t payload_bytes)
{
    out[0] = (uint8_t)(0x80 | (unsigned)op);
    if (payload_bytes < 126) {
        out[1] = (uint8_t)payload_bytes;
        return 2;
    }
    if (payload_bytes < 65536) {
        out[1] = 126;
        out[2] = (uint8_t)(payload_bytes >> 8);
        out[3] = (uint8_t)payload_bytes;
        return 4;
    }
    out[1] = 127;
    for (int i = 0; i < 8; i++)
        out[2 + i] = (uint8_t)((uint64_t)payload_bytes >> (56 - 8 * i));
    return 10;
}

void ws_put(struct rk_buf *out, enum ws_role role, enum ws_op op, struct rk_str payload)
{
    uint8_t head[WS_FRAME_HEAD], mask[4] = {0};
    size_t n = ws_frame_head(head, op, payload.n);
    uint8_t *p;

    if (role == WS_CLIENT) {
        rk_secret_random(mask, sizeof mask);
        head[1] |= 0x80;
        memcpy(head + n, mask, sizeof mask);
        n += sizeof mask;
    }
    p = (uint8_t *)rk_buf_room(out, n + payload.n);
    if (!p)
        return;
    memcpy(p, head, n);
    if (payload.n)
        xor_copy(p + n, (const uint8_t *)payload.p, payload.n, mask, 0);
    rk_buf_added(out, n + payload.n);
}

size_t ws_client_frame(uint8_t *out, enum ws_op op, const uint8_t mask[4], struct rk_str a,
                       struct rk_str b)
{
    size_t n = ws_frame_head(out, op, a.n + b.n);

    out[1] |= 0x80;
    memcpy(out + n, mask, 4);
    n += 4;
    if (a.n)
        xor_copy(out + n, (const uint8_t *)a.p, a.n, mask, 0);
    if (b.n)
        xor_copy(out + n + a.n, (const uint8_t *)b.p, b.n, mask, a.n & 3);
    return n + a.n + b.n;
}

void ws_put_pong(struct rk_buf *out, enum ws_role role, struct rk_str payload)
{
    ws_put(out, role, WS_OP_PONG, rk_str_sub(payload, 0, WS_CONTROL_MAX));
}

void ws_put_close(struct rk_buf *out, enum ws_role role, unsigned code)
{
    uint8_t body[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    ws_put(out, role, WS_OP_CLOSE, rk_str_of(body, code == WS_CLOSE_NONE ? 0 : sizeof body));
}
