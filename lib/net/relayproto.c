/* SPDX-License-Identifier: BSD-3-Clause */
/* Relay messages; see relayproto.h. */
#include "config.h"

#include "lib/net/relayproto.h"

#include <string.h>

#include "lib/base/enc.h"
#include "lib/base/rd.h"
#include "lib/crypto/hash.h"
#include "lib/net/addr.h"

static const uint8_t MAGIC[4] = {0x21, 0x12, 0xa4, 0x42};

enum { URL_MAX = 512 }; /* bytes of a relay URL: a host name has 253 */

static bool read_body(struct rk_rd *rd, struct rly_frame *f)
{
    const uint8_t *magic;

    switch (f->type) {
    case RLY_TRANSPORT:
        f->peer = rk_rd_str(rd, RLY_PEER_ID_SIZE);
        f->payload = rk_rd_rest(rd);
        return !rd->bad;
    case RLY_AUTH:
        magic = rk_rd_take(rd, sizeof MAGIC);
        f->peer = rk_rd_str(rd, RLY_PEER_ID_SIZE);
        f->payload = rk_rd_rest(rd);
        return !rd->bad && memcmp(magic, MAGIC, sizeof MAGIC) == 0;
    case RLY_AUTH_RESPONSE:
        f->url = rk_rd_rest(rd);
        return f->url.n > 0;
    case RLY_SUBSCRIBE:
    case RLY_UNSUBSCRIBE:
    case RLY_PEERS_ONLINE:
    case RLY_PEERS_OFFLINE:
        f->ids = rk_rd_rest(rd);
        f->n_ids = f->ids.n / RLY_PEER_ID_SIZE;
        return f->ids.n % RLY_PEER_ID_SIZE == 0;
    case RLY_CLOSE:
    case RLY_HEALTH_CHECK:
        return true; /* bytes behind them are ignored, as official peers do */
    case RLY_HELLO:
    case RLY_HELLO_RESPONSE:
        break;
    }
    return false;
}

enum rk_code rly_frame_decode(struct rk_str in, struct rly_frame *out, struct rk_err *err)
{
    struct rk_rd rd = rk_rd_of(in);
    unsigned version = rk_rd_u8(&rd);
    unsigned type = rk_rd_u8(&rd);
    struct rly_frame f = {0};

    if (rd.bad || version != RLY_VERSION || in.n > RLY_MAX_MESSAGE)
        return rk_fail(err, RK_BAD_REQUEST, "relay message: version %u, %zu bytes", version, in.n);
    if (type < RLY_TRANSPORT || type > RLY_PEERS_OFFLINE)
        return rk_fail(err, RK_BAD_REQUEST, "relay message: type %u", type);
    f.type = (enum rly_type)type;
    if (!read_body(&rd, &f))
        return rk_fail(err, type == RLY_AUTH ? RK_BAD_REQUEST : RK_INVALID,
                       "relay message: type %u with %zu bytes", type, in.n);
    *out = f;
    return RK_OK;
}

struct rk_str rly_frame_id(const struct rly_frame *f, size_t i)
{
    return rk_str_sub(f->ids, i * RLY_PEER_ID_SIZE, RLY_PEER_ID_SIZE);
}

void rly_put_header(struct rk_wr *w, enum rly_type type)
{
    rk_wr_u8(w, RLY_VERSION);
    rk_wr_u8(w, (unsigned)type);
}

void rly_put_transport(struct rk_wr *w, const struct rly_peer_id *peer, struct rk_str payload)
{
    rly_put_header(w, RLY_TRANSPORT);
    rk_wr_mem(w, peer->b, sizeof peer->b);
    rk_wr_str(w, payload);
}

void rly_put_auth(struct rk_wr *w, const struct rly_peer_id *self, struct rk_str token)
{
    rly_put_header(w, RLY_AUTH);
    rk_wr_mem(w, MAGIC, sizeof MAGIC);
    rk_wr_mem(w, self->b, sizeof self->b);
    rk_wr_str(w, token);
}

void rly_put_auth_response(struct rk_wr *w, struct rk_str url)
{
    rly_put_header(w, RLY_AUTH_RESPONSE);
    rk_wr_str(w, url);
}

void rly_put_ids(struct rk_wr *w, enum rly_type type, struct rk_str ids)
{
    if (ids.n % RLY_PEER_ID_SIZE || ids.n > (size_t)RLY_MAX_IDS * RLY_PEER_ID_SIZE)
        w->bad = true;
    rly_put_header(w, type);
    rk_wr_str(w, ids);
}

void rly_peer_id_of(struct rk_str key_text, struct rly_peer_id *out)
{
    memcpy(out->b, "sha-", 4);
    hash_sha256(key_text, out->b + 4);
}

void rly_peer_id_text(const void *id36, char out[RLY_PEER_TEXT + 1])
{
    memcpy(out, "sha-", 4);
    rk_base64_encode_to(out + 4, rk_str_of((const char *)id36 + 4, RLY_PEER_ID_SIZE - 4));
}

enum rk_code rly_url_parse(struct rk_str text, struct rly_url *out, struct rk_err *err)
{
    struct rly_url u = {0};
    struct rk_str rest, path;
    struct rk_err why = {0};

    u.tls = rk_str_istarts(text, RK_STR("rels://"));
    if (text.n > URL_MAX || (!u.tls && !rk_str_istarts(text, RK_STR("rel://"))))
        return rk_fail(err, RK_BAD_REQUEST, "relay URL must start with rel:// or rels://");
    rest = rk_str_sub(text, u.tls ? 7 : 6, text.n);
    (void)rk_str_cut(rest, '/', &rest, &path);
    if (rk_authority_parse(rest, &u.host, &u.port, &why))
        return rk_fail(err, RK_BAD_REQUEST, "relay URL: %s", why.msg);
    u.has_port = u.port > 0;
    if (!u.has_port)
        u.port = u.tls ? 443 : 80;
    *out = u;
    return RK_OK;
}

enum rk_code rly_instance_url(struct rk_str configured, bool own_tls, struct rk_arena *mem,
                              struct rk_str *out, struct rk_err *err)
{
    struct rk_str text = rk_str_trim(configured);
    size_t scheme = rk_str_find(text, RK_STR("://"));
    struct rly_url u;

    if (scheme == text.n)
        text = rk_arena_printf(mem, "%s://%.*s", own_tls ? "rels" : "rel", RK_STR_ARG(text));
    else if (rk_str_find(rk_str_sub(text, scheme + 3, text.n), RK_STR("://")) !=
             text.n - scheme - 3)
        return rk_fail(err, RK_INVALID, "exposed address has more than one scheme");
    else
        text = rk_arena_dup(mem, text);
    if (rly_url_parse(text, &u, err))
        return rk_fail(err, RK_INVALID,
                       "exposed address \"%.*s\" is not host:port, rel://host:port or "
                       "rels://host:port",
                       RK_STR_ARG(rk_str_sub(text, 0, 100)));
    if (own_tls && !u.tls)
        return rk_fail(err, RK_INVALID, "exposed address is rel://, but the relay serves TLS");
    *out = text;
    return RK_OK;
}
