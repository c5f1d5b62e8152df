/* SPDX-License-Identifier: BSD-3-Clause */
/* See wire_agent.h. */
#include "config.h"

#include "tests/lib/wire_agent.h"

#include <sodium.h>

#include "lib/base/bytes.h"
#include "schema/pb_arena.h"

#define SERVICE    "/management.ManagementService/"
#define CALL_MS    60000
#define OPEN_MAX   ((size_t)256 << 20)
#define CONNECT_MS 60000

/* ---- sealing and opening */

struct rk_str wire_agent_seal(struct wire_agent *a, struct rk_arena *mem, struct rk_str plain)
{
    Management__EncryptedMessage m = MANAGEMENT__ENCRYPTED_MESSAGE__INIT;
    struct rk_str out;

    m.wgpubkey = a->key_text;
    m.body = pb_bytes_of(box_seal_new(&a->shared, mem, plain));
    if (pb_pack(mem, &m.base, &out, NULL))
        return (struct rk_str){0};
    return out;
}

static struct rk_str body_of(struct rk_str wire)
{
    /* Field 1 is 2 + 44 bytes, then tag and length of field 2, whoever encodes it. */
    size_t at = 2 + RK_KEY_TEXT + 1;

    if (wire.n < at || wire.p[0] != 0x0a || wire.p[at - 1] != 0x12)
        return (struct rk_str){0};
    while (at < wire.n && (uint8_t)wire.p[at] & 0x80)
        at++;
    return rk_str_sub(wire, at + 1, wire.n);
}

static bool open_wire(struct wire_agent *a, struct rk_arena *mem, struct rk_str wire,
                      struct rk_str *plain)
{
    return box_open_new(&a->shared, mem, body_of(wire), plain, NULL) == RK_OK;
}

/* The first bytes of the plain text: the keystream's first 32 bytes are the tag's key. */
static bool peek_wire(struct wire_agent *a, struct rk_str wire, uint8_t *out, size_t *n)
{
    struct rk_str body = body_of(wire);
    uint8_t block[32 + 4096];

    if (body.n < BOX_OVERHEAD)
        return false;
    *n = body.n - BOX_OVERHEAD < *n ? body.n - BOX_OVERHEAD : *n;
    *n = *n < 4096 ? *n : 4096;
    memset(block, 0, 32);
    memcpy(block + 32, body.p + BOX_OVERHEAD, *n);
    if (crypto_stream_xsalsa20_xor(block, block, 32 + *n, (const uint8_t *)body.p, a->shared.k))
        return false;
    memcpy(out, block + 32, *n);
    return true;
}

/* ---- unary calls */

static void unary_message(struct grpc_client_user *u, struct rk_str body)
{
    struct wire_call *c = rk_container_of(u, struct wire_call, user);

    rk_bytes_unref(c->got);
    c->got = rk_bytes_dup(body);
}

static void unary_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct wire_call *c = rk_container_of(u, struct wire_call, user);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(OPEN_MAX);
    struct rk_bytes *got = c->got;
    struct rk_str plain = {0};

    c->call = NULL;
    c->got = NULL;
    if (status == GRPC_OK && !c->plain_answer &&
        (!got || !open_wire(c->a, mem, rk_bytes_str(got), &plain)))
        status = -1;
    if (c->a->ops->reply)
        c->a->ops->reply(c->a, status, plain, text);
    rk_bytes_unref(got);
}

static const struct grpc_client_ops unary_ops = {.message = unary_message, .done = unary_done};

enum rk_code wire_agent_call_raw(struct wire_agent *a, const char *path, struct rk_str body,
                                 struct rk_err *err)
{
    a->unary.user.ops = &unary_ops;
    a->unary.a = a;
    return grpc_client_unary(a->channel, path, body, CALL_MS, &a->unary.user, &a->unary.call, err);
}

enum rk_code wire_agent_call(struct wire_agent *a, const char *method, struct rk_str plain,
                             bool clear, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str path = rk_arena_printf(mem, SERVICE "%s", method);

    a->unary.plain_answer = clear;
    return wire_agent_call_raw(a, path.p, wire_agent_seal(a, mem, plain), err);
}

/* ---- the server's key */

static void key_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct wire_call *c = rk_container_of(u, struct wire_call, user);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(1 << 20);
    struct wire_agent *a = c->a;
    const Management__ServerKeyResponse *r = NULL;
    struct rk_key server;

    (void)text;
    c->call = NULL;
    if (status == GRPC_OK && c->got)
        r = pb_unpack(mem, &management__server_key_response__descriptor, rk_bytes_str(c->got),
                      NULL);
    rk_bytes_unref(c->got);
    c->got = NULL;
    a->have_server_key = r && rk_key_parse_wire(rk_str_z(r->key), &server, NULL) == RK_OK &&
                         box_shared_init(&a->private_key, &server, &a->shared, NULL) == RK_OK;
    if (!a->have_server_key)
        grpc_channel_close(a->channel);
    else if (a->ops->ready)
        a->ops->ready(a);
}

static const struct grpc_client_ops key_ops = {.message = unary_message, .done = key_done};

static void channel_ready(struct grpc_channel_user *u)
{
    struct wire_agent *a = rk_container_of(u, struct wire_agent, channel_user);

    a->unary.user.ops = &key_ops;
    a->unary.a = a;
    if (grpc_client_unary(a->channel, SERVICE "GetServerKey", (struct rk_str){0}, CALL_MS,
                          &a->unary.user, &a->unary.call, NULL))
        grpc_channel_close(a->channel);
}

static void channel_down(struct grpc_channel_user *u, const struct rk_err *why)
{
    struct wire_agent *a = rk_container_of(u, struct wire_agent, channel_user);

    a->channel = NULL;
    a->have_server_key = false;
    a->ops->down(a, why);
}

static const struct grpc_channel_ops channel_ops = {.ready = channel_ready, .down = channel_down};

enum rk_code wire_agent_connect(struct wire_agent *a, struct rk_err *err)
{
    rk_key_public(&a->private_key, &a->public_key);
    rk_key_format(&a->public_key, a->key_text);
    a->channel_user.ops = &channel_ops;
    return grpc_channel_open(a->loop,
                             &(struct grpc_channel_opts){.host = a->host,
                                                         .port = a->port,
                                                         .tls = a->tls,
                                                         .connect_timeout_ms = CONNECT_MS,
                                                         .max_message_bytes = OPEN_MAX},
                             &a->channel_user, &a->channel, err);
}

void wire_agent_close(struct wire_agent *a)
{
    if (a->channel)
        grpc_channel_close(a->channel);
}

/* ---- streams */

static void sync_message(struct grpc_client_user *u, struct rk_str body)
{
    struct wire_call *c = rk_container_of(u, struct wire_call, user);
    struct wire_agent *a = c->a;
    struct rk_str plain;

    if (a->peek) {
        uint8_t head[4096];
        size_t n = a->peek;

        if (a->ops->update && peek_wire(a, body, head, &n))
            a->ops->update(a, rk_str_of(head, n), body.n);
    } else {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(OPEN_MAX);

        if (a->ops->update && open_wire(a, mem, body, &plain))
            a->ops->update(a, plain, body.n);
    }
}

static void sync_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct wire_call *c = rk_container_of(u, struct wire_call, user);

    c->call = NULL;
    if (c->a->ops->sync_ended)
        c->a->ops->sync_ended(c->a, status, text);
}

static const struct grpc_client_ops sync_ops = {.message = sync_message, .done = sync_done};

enum rk_code wire_agent_sync(struct wire_agent *a, struct rk_str plain, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    a->sync.user.ops = &sync_ops;
    a->sync.a = a;
    return grpc_client_unary(a->channel, SERVICE "Sync", wire_agent_seal(a, mem, plain), 0,
                             &a->sync.user, &a->sync.call, err);
}

static void job_message(struct grpc_client_user *u, struct rk_str body)
{
    struct wire_call *c = rk_container_of(u, struct wire_call, user);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(OPEN_MAX);
    struct rk_str plain;

    if (c->a->ops->job && open_wire(c->a, mem, body, &plain))
        c->a->ops->job(c->a, plain);
}

static void job_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct wire_call *c = rk_container_of(u, struct wire_call, user);

    (void)text;
    c->call = NULL;
    if (c->a->ops->job_ended)
        c->a->ops->job_ended(c->a, status);
}

static const struct grpc_client_ops job_ops = {.message = job_message, .done = job_done};

enum rk_code wire_agent_job(struct wire_agent *a, struct rk_str hello, struct rk_err *err)
{
    enum rk_code rc;

    a->job.user.ops = &job_ops;
    a->job.a = a;
    rc = grpc_client_call(a->channel, SERVICE "Job", NULL, 0, 0, &a->job.user, &a->job.call, err);
    return rc ? rc : wire_agent_job_send(a, hello, err);
}

enum rk_code wire_agent_job_send(struct wire_agent *a, struct rk_str plain, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    if (!a->job.call)
        return rk_fail(err, RK_PRECONDITION, "no Job stream");
    grpc_client_send(a->job.call, wire_agent_seal(a, mem, plain));
    return RK_OK;
}

/* ---- messages */

Management__PeerSystemMeta *wire_meta(struct rk_arena *mem, const char *hostname)
{
    Management__PeerSystemMeta *m = rk_new(mem, Management__PeerSystemMeta);
    Management__PeerCapability *caps = rk_new_n(mem, Management__PeerCapability, 2);

    management__peer_system_meta__init(m);
    m->hostname = pb_text(mem, rk_str_z(hostname));
    m->goos = pb_text(mem, RK_STR("linux"));
    m->kernel = pb_text(mem, RK_STR("Linux"));
    m->core = m->osversion = pb_text(mem, RK_STR("12"));
    m->platform = pb_text(mem, RK_STR("x86_64"));
    m->os = pb_text(mem, RK_STR("Debian GNU/Linux"));
    m->netbirdversion = pb_text(mem, RK_STR("0.77.1"));
    m->kernelversion = pb_text(mem, RK_STR("6.1.0-18-amd64"));
    caps[0] = MANAGEMENT__PEER_CAPABILITY__PeerCapabilitySourcePrefixes;
    caps[1] = MANAGEMENT__PEER_CAPABILITY__PeerCapabilityIPv6Overlay;
    m->capabilities = caps;
    m->n_capabilities = 2;
    m->syncmessageversion = 1;
    return m;
}

static struct rk_str packed(struct rk_arena *mem, const ProtobufCMessage *m)
{
    struct rk_str out;

    return pb_pack(mem, m, &out, NULL) ? (struct rk_str){0} : out;
}

struct rk_str wire_login(struct rk_arena *mem, const char *setup_key, const char *hostname)
{
    Management__LoginRequest r = MANAGEMENT__LOGIN_REQUEST__INIT;
    Management__PeerKeys keys = MANAGEMENT__PEER_KEYS__INIT;

    r.setupkey = pb_text(mem, rk_str_z(setup_key));
    r.meta = wire_meta(mem, hostname);
    keys.sshpubkey = pb_bytes_of(RK_STR("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDx0"));
    r.peerkeys = &keys;
    return packed(mem, &r.base);
}

struct rk_str wire_sync_request(struct rk_arena *mem, const char *hostname)
{
    Management__SyncRequest r = MANAGEMENT__SYNC_REQUEST__INIT;

    r.meta = wire_meta(mem, hostname);
    return packed(mem, &r.base);
}
