/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers of the relay's bench and the packets between two of them; see bench.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "tests/bench/relay/bench.h"

/* ---- connecting */

static void read_until_head(struct stream *s)
{
    char buf[4096];
    size_t n = 0;

    while (!ws_head_size(rk_str_of(buf, n))) {
        stream_recv_all(s, buf + n, 1); /* nothing of what follows */
        if (++n == sizeof buf)
            die("upgrade");
    }
}

/* Upgrade and send a token of this secret. */
static void peer_ask(struct peer *p, const char *secret)
{
    char accept[WS_ACCEPT_LEN + 1];
    uint8_t msg[RLY_MAX_AUTH];
    struct rk_wr w = rk_wr_of(msg, sizeof msg);
    struct hmac_credential cred;
    struct hmac_relay_token token;
    struct rk_key key;
    struct rk_buf out;

    rk_buf_init(&out, 4096);
    ws_client_request(RK_STR("localhost"), RK_STR(RLY_WS_PATH), &out, accept);
    stream_send_all(&p->stream, out.p, out.n);
    read_until_head(&p->stream);
    hmac_relay_key(rk_str_z(secret), &key);
    hmac_relay_credential(&key, rk_unix_ms() / 1000 + 3600, &cred);
    if (hmac_relay_token_build(rk_str_z(cred.payload), rk_str_z(cred.signature), &token, NULL))
        die("token");
    rly_put_auth(&w, &p->id, rk_str_of(token.b, token.n));
    rk_buf_clear(&out);
    ws_put(&out, WS_CLIENT, WS_OP_BINARY, rk_wr_done(&w));
    stream_send_all(&p->stream, out.p, out.n);
    rk_buf_done(&out);
}

static void peer_auth(struct peer *p)
{
    uint8_t msg[RLY_MAX_AUTH], head[2];

    peer_ask(p, SECRET);
    stream_recv_all(&p->stream, head, 2);
    if (head[0] != 0x82 || head[1] > 125)
        die("authentication");
    stream_recv_all(&p->stream, msg, head[1]);
    if (msg[1] != RLY_AUTH_RESPONSE)
        die("authentication");
}

void peer_stranger(const struct server *s)
{
    struct peer p = {0};
    uint8_t sink[64];
    ssize_t n;

    if (!stream_open(&p.stream, s->port, s->kind))
        die("connect");
    rly_peer_id_of(RK_STR("stranger"), &p.id);
    peer_ask(&p, "another secret");
    do {
        n = stream_recv(&p.stream, sink, sizeof sink);
        if (n == 0)
            (void)usleep(100);
    } while (n >= 0);
    stream_close(&p.stream);
}

void peer_open(struct peer *p, const struct server *s, const char *name, unsigned i)
{
    char key[64];

    *p = (struct peer){0};
    if (!stream_open(&p->stream, s->port, s->kind))
        die("connect");
    (void)snprintf(key, sizeof key, "%s %u", name, i);
    rly_peer_id_of(rk_str_z(key), &p->id);
    if (s->path)
        peer_auth(p);
}

static void make_batch(struct pair *p)
{
    static uint8_t msg[RLY_TRANSPORT_HEADER + PACKET];
    static const uint8_t mask[4];
    struct rk_wr w = rk_wr_of(msg, sizeof msg);
    char payload[PACKET];
    struct rk_str whole;

    memset(payload, 4, sizeof payload);
    rly_put_transport(&w, &p->to.id, rk_str_of(payload, sizeof payload));
    whole = rk_wr_done(&w);
    p->batch = malloc(BATCH * (WS_FRAME_HEAD + whole.n));
    if (!p->batch)
        die("memory");
    for (int k = 0; k < BATCH; k++)
        p->batch_n +=
            ws_client_frame(p->batch + p->batch_n, WS_OP_BINARY, mask, whole, (struct rk_str){0});
}

void pair_open(struct pair *p, const struct server *s, unsigned i)
{
    *p = (struct pair){0};
    peer_open(&p->from, s, "from", i);
    peer_open(&p->to, s, "to", i);
    make_batch(p);
}

void pair_open_direct(struct pair *p, enum kind kind)
{
    *p = (struct pair){0};
    stream_pair(&p->from.stream, &p->to.stream, kind);
    make_batch(p);
}

void pair_close(struct pair *p)
{
    stream_close(&p->from.stream);
    stream_close(&p->to.stream);
    free(p->batch);
}

/* ---- receiving */

static unsigned head_size(const struct peer *p)
{
    unsigned second = p->head[1], len = second & 0x7f, n = 2;

    if (p->head_n < 2)
        return n;
    if (len == 126)
        n += 2;
    else if (len == 127)
        n += 8;
    return second & 0x80 ? n + 4 : n;
}

/* Bytes of a payload: the time that a stamped packet carries in front. */
static void note_stamp(struct peer *p, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n && p->payload_at + i < RLY_TRANSPORT_HEADER + sizeof p->stamp; i++)
        if (p->payload_at + i >= RLY_TRANSPORT_HEADER)
            p->stamp[p->payload_at + i - RLY_TRANSPORT_HEADER] = b[i];
    p->payload_at += n;
}

static void packet_over(struct peer *p)
{
    int64_t sent;

    if (p->payload_at < PACKET)
        return; /* of the protocol itself */
    p->received++;
    if (!p->ages || p->ages->n == p->ages->max)
        return;
    memcpy(&sent, p->stamp, sizeof sent);
    p->ages->ns[p->ages->n++] = now_ns() - sent;
}

static void count_packets(struct peer *p, const uint8_t *b, size_t n)
{
    while (n) {
        if (p->skip) {
            size_t k = p->skip < n ? (size_t)p->skip : n;

            note_stamp(p, b, k);
            b += k;
            n -= k;
            p->skip -= k;
            if (!p->skip)
                packet_over(p);
            continue;
        }
        p->head[p->head_n++] = *b++;
        n--;
        if (p->head_n < head_size(p))
            continue;
        p->skip = p->head[1] & 0x7f;
        if (p->skip == 126)
            p->skip = (uint64_t)p->head[2] << 8 | p->head[3];
        p->payload_at = 0;
        p->head_n = 0;
    }
}

bool peer_receive(struct peer *p)
{
    static uint8_t buf[262144];
    ssize_t n = stream_recv(&p->stream, buf, sizeof buf);

    if (n > 0)
        count_packets(p, buf, (size_t)n);
    else if (n < 0)
        die("the relay closed a connection");
    return n > 0;
}

/* ---- sending */

/* The rest of a batch or frame that was begun; true when nothing is left of it. */
static bool push_rest(struct pair *p, size_t size, unsigned packets)
{
    ssize_t n = stream_send(&p->from.stream, p->batch + p->at, size - p->at);

    if (n < 0)
        die("the relay closed a connection");
    p->at += (size_t)n;
    if (p->at < size)
        return false;
    p->at = 0;
    p->sent += packets;
    return true;
}

void pair_fill(struct pair *p)
{
    while (p->at || p->sent + BATCH <= p->to.received + WINDOW)
        if (!push_rest(p, p->batch_n, BATCH))
            return; /* full: goes on when something was received */
}

bool pair_send_stamped(struct pair *p)
{
    int64_t now = now_ns();
    size_t frame = p->batch_n / BATCH;

    if (!p->at)
        memcpy(p->batch + frame - PACKET, &now, sizeof now);
    return push_rest(p, frame, 1);
}

void pair_settle(struct pair *p)
{
    while (p->at)
        if (!push_rest(p, p->batch_n, BATCH) && !peer_receive(&p->to))
            (void)usleep(100);
    while (p->sent > p->to.received)
        if (!peer_receive(&p->to))
            (void)usleep(100);
}
