/* SPDX-License-Identifier: BSD-3-Clause */
/* See envelope.h. */
#include "config.h"

#include "management/rpc/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "management/rpc/keycache.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"

/* Two generations of this many keys, 8 MB at the very worst: more agents than one process has. */
#define CACHE_KEYS  32768
#define SENDER_SHOW 64 /* characters of a wrong key that an error text repeats */

#define TAG_KEY  0x0a /* field 1, length-delimited */
#define TAG_BODY 0x12 /* field 2, length-delimited */
#define HEAD     (2 + RK_KEY_TEXT)

struct envelope {
    struct rk_key private_key;
    char key_text[RK_KEY_TEXT + 1];
    struct keycache *cache;
};

struct envelope *envelope_new(const struct rk_key *private_key)
{
    struct envelope *e = rk_calloc(1, sizeof *e);
    struct rk_key pub;

    e->private_key = *private_key;
    rk_key_public(private_key, &pub);
    rk_key_format(&pub, e->key_text);
    e->cache = keycache_new(CACHE_KEYS);
    return e;
}

void envelope_free(struct envelope *e)
{
    if (!e)
        return;
    keycache_free(e->cache);
    rk_key_wipe(&e->private_key);
    free(e);
}

const char *envelope_key_text(const struct envelope *e)
{
    return e->key_text;
}

void envelope_peer_wipe(struct envelope_peer *p)
{
    rk_secret_wipe(p, sizeof *p);
}

static struct rk_str printable(struct rk_arena *mem, struct rk_str s)
{
    char *copy;

    s.n = s.n > SENDER_SHOW ? SENDER_SHOW : s.n;
    copy = rk_arena_dupz(mem, s);
    for (size_t i = 0; i < s.n; i++)
        if (copy[i] < 0x20 || copy[i] > 0x7e)
            copy[i] = '?';
    return rk_str_of(copy, s.n);
}

static bool open_body(struct envelope *e, struct rk_arena *mem, struct rk_str body,
                      struct envelope_peer *peer, struct rk_str *plain)
{
    bool known = keycache_get(e->cache, &peer->key, &peer->shared);

    if (!known && box_shared_init(&e->private_key, &peer->key, &peer->shared, NULL))
        return false;
    if (box_open_new(&peer->shared, mem, body, plain, NULL))
        return false;
    if (!known)
        keycache_put(e->cache, &peer->key, &peer->shared);
    return true;
}

enum envelope_fault envelope_open(struct envelope *e, struct rk_arena *mem, struct rk_str wire,
                                  struct envelope_peer *peer, struct rk_str *plain,
                                  struct rk_str *sender)
{
    const Management__EncryptedMessage *m =
        pb_unpack(mem, &management__encrypted_message__descriptor, wire, NULL);

    *sender = (struct rk_str){0};
    if (!m)
        return ENVELOPE_BAD_FORM;
    *sender = printable(mem, rk_str_z(m->wgpubkey));
    if (rk_key_parse_wire(rk_str_z(m->wgpubkey), &peer->key, NULL))
        return ENVELOPE_BAD_KEY;
    rk_key_format(&peer->key, peer->text);
    return open_body(e, mem, pb_bytes(m->body), peer, plain) ? ENVELOPE_OK : ENVELOPE_BAD_BODY;
}

static size_t put_varint(uint8_t *p, size_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

struct rk_bytes *envelope_seal(const struct envelope *e, const struct box_shared *shared,
                               struct rk_str plain)
{
    uint8_t head[HEAD + 1 + 10] = {TAG_KEY, RK_KEY_TEXT};
    size_t n = HEAD;
    struct rk_bytes *out;

    memcpy(head + 2, e->key_text, RK_KEY_TEXT);
    head[n++] = TAG_BODY;
    n += put_varint(head + n, plain.n + BOX_OVERHEAD);
    out = rk_bytes_new(n + BOX_OVERHEAD + plain.n);
    memcpy(out->p, head, n);
    box_seal(shared, plain, (uint8_t *)out->p + n);
    return out;
}
