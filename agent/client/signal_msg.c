/* SPDX-License-Identifier: BSD-3-Clause */
/* Signal bodies between agents; see signal_msg.h. */
#include "config.h"

#include "agent/client/signal_msg.h"

#include "schema/gen/signalexchange.pb-c.h"
#include "schema/pb_arena.h"

static bool type_known(int type)
{
    switch (type) {
    case SIGNAL_MSG_OFFER:
    case SIGNAL_MSG_ANSWER:
    case SIGNAL_MSG_CANDIDATE:
    case SIGNAL_MSG_MODE:
    case SIGNAL_MSG_GO_IDLE:
    case SIGNAL_MSG_HEARTBEAT:
        return true;
    default:
        return false;
    }
}

/* "ufrag:pwd", exactly one colon; a lone colon says that the sender does no ICE. */
static bool read_credentials(struct rk_str payload, struct signal_msg *m)
{
    return rk_str_cut(payload, ':', &m->ufrag, &m->pwd) && rk_str_find_c(m->pwd, ':') == m->pwd.n;
}

static void read_relay(const Signalexchange__Body *b, struct signal_msg *m)
{
    if (b->has_relay_server_address_case ==
        SIGNALEXCHANGE__BODY__HAS_RELAY_SERVER_ADDRESS_RELAY_SERVER_ADDRESS)
        m->relay_url = rk_str_z(b->relayserveraddress);
    if (b->has_relay_server_ip_case == SIGNALEXCHANGE__BODY__HAS_RELAY_SERVER_IP_RELAY_SERVER_IP &&
        rk_ip_from_bytes(pb_bytes(b->relayserverip), &m->relay_ip, NULL) == RK_OK)
        m->relay_ip = rk_ip_unmap(&m->relay_ip);
}

static void read_session(const Signalexchange__Body *b, struct signal_msg *m)
{
    if (b->has_session_id_case != SIGNALEXCHANGE__BODY__HAS_SESSION_ID_SESSION_ID ||
        b->sessionid.len != SIGNAL_MSG_SESSION_ID_SIZE)
        return; /* another length counts as absent */
    m->has_session_id = true;
    memcpy(m->session_id, b->sessionid.data, SIGNAL_MSG_SESSION_ID_SIZE);
}

enum rk_code signal_msg_decode(struct rk_arena *mem, struct rk_str plain, struct signal_msg *out,
                               struct rk_err *err)
{
    const Signalexchange__Body *b = pb_unpack(mem, &signalexchange__body__descriptor, plain, err);
    struct signal_msg m = {0};

    if (!b)
        return err && err->code ? err->code : RK_BAD_REQUEST;
    if (!type_known((int)b->type))
        return rk_fail(err, RK_BAD_REQUEST, "signal message of unknown type %d", (int)b->type);
    m.type = (enum signal_msg_type)b->type;
    if (m.type == SIGNAL_MSG_CANDIDATE)
        m.candidate = rk_str_z(b->payload);
    if (m.type == SIGNAL_MSG_OFFER || m.type == SIGNAL_MSG_ANSWER) {
        if (!read_credentials(rk_str_z(b->payload), &m))
            return rk_fail(err, RK_BAD_REQUEST, "signal offer without ufrag:pwd");
        m.wg_port = b->wglistenport <= UINT16_MAX ? (uint16_t)b->wglistenport : 0;
        m.version = rk_str_z(b->netbirdversion);
        if (b->rosenpassconfig) {
            m.rosenpass_key = pb_bytes(b->rosenpassconfig->rosenpasspubkey);
            m.rosenpass_addr = rk_str_z(b->rosenpassconfig->rosenpassserveraddr);
        }
        read_relay(b, &m);
        read_session(b, &m);
    }
    *out = m;
    return RK_OK;
}

static void write_relay(struct rk_arena *mem, const struct signal_msg *m, Signalexchange__Body *b)
{
    if (!m->relay_url.n)
        return;
    b->has_relay_server_address_case =
        SIGNALEXCHANGE__BODY__HAS_RELAY_SERVER_ADDRESS_RELAY_SERVER_ADDRESS;
    b->relayserveraddress = pb_text(mem, m->relay_url);
    if (!m->relay_ip.family)
        return;
    b->has_relay_server_ip_case = SIGNALEXCHANGE__BODY__HAS_RELAY_SERVER_IP_RELAY_SERVER_IP;
    b->relayserverip = pb_bytes_of(rk_str_of(m->relay_ip.b, rk_ip_size(&m->relay_ip)));
}

enum rk_code signal_msg_encode(struct rk_arena *mem, const struct signal_msg *msg,
                               struct rk_str *out, struct rk_err *err)
{
    Signalexchange__Body b;
    Signalexchange__RosenpassConfig rosenpass = SIGNALEXCHANGE__ROSENPASS_CONFIG__INIT;
    struct rk_str payload;

    signalexchange__body__init(&b); /* gcc dislikes the braces of the initializer */
    b.type = (Signalexchange__Body__Type)msg->type;
    if (msg->type == SIGNAL_MSG_CANDIDATE)
        b.payload = pb_text(mem, msg->candidate);
    if (msg->type == SIGNAL_MSG_OFFER || msg->type == SIGNAL_MSG_ANSWER) {
        payload = rk_arena_printf(mem, "%.*s:%.*s", RK_STR_ARG(msg->ufrag), RK_STR_ARG(msg->pwd));
        b.payload = pb_text(mem, payload);
        b.wglistenport = msg->wg_port;
        b.netbirdversion = pb_text(mem, msg->version);
        rosenpass.rosenpasspubkey = pb_bytes_of(msg->rosenpass_key);
        rosenpass.rosenpassserveraddr = pb_text(mem, msg->rosenpass_addr);
        b.rosenpassconfig = &rosenpass; /* there also when Rosenpass is off */
        write_relay(mem, msg, &b);
        if (msg->has_session_id) {
            b.has_session_id_case = SIGNALEXCHANGE__BODY__HAS_SESSION_ID_SESSION_ID;
            b.sessionid = pb_bytes_of(rk_str_of(msg->session_id, SIGNAL_MSG_SESSION_ID_SIZE));
        }
    }
    return pb_pack(mem, &b.base, out, err);
}
