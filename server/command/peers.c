/* SPDX-License-Identifier: BSD-3-Clause */
/* Console commands on machines. */
#include "config.h"

#include "management/engine/presence.h"
#include "management/ops/peers.h"
#include "server/command/call.h"

static json_t *peer_json(struct mgmt *m, const struct snapshot *s, const struct peer *p,
                         struct rk_arena *mem)
{
    struct presence now = presence_of(m, p);
    char ip[RK_ADDR_TEXT];

    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:o, s:b, s:o, s:o}", "id", j_text(p->id), "name",
                     j_text(p->name), "address", j_text(rk_ip_format(&p->ip, ip)), "fqdn",
                     j_text(op_fqdn(mem, s, p)), "connected", now.connected, "last_seen",
                     j_time(now.last_seen_us), "waits_for_approval", p->status.requires_approval,
                     "version", j_text(p->meta.version), "os", j_text(p->meta.os));
}

static enum rk_code list(struct call *c, struct rk_err *err)
{
    struct snap_iter it = snap_iter(c->op.snap, ENT_PEER);
    const struct peer *p;

    (void)err;
    c->result = json_array();
    while ((p = snap_next(&it)) != NULL)
        (void)json_array_append_new(c->result, peer_json(c->op.m, c->op.snap, p, c->mem));
    return RK_OK;
}

/* By id, name, address or key; a name only when one machine has it. */
static enum rk_code named(struct call *c, const struct peer **out, struct rk_err *err)
{
    struct snap_iter it = snap_iter(c->op.snap, ENT_PEER);
    const struct peer *p;
    struct rk_str id;
    size_t n = 0;
    enum rk_code rc = arg_need(c, "id", &id, err);

    if (rc)
        return rc;
    *out = snap_peer(c->op.snap, id);
    while (!*out && (p = snap_next(&it)) != NULL) {
        char ip[RK_ADDR_TEXT];

        if (rk_str_eq(p->key, id) || rk_str_eq(rk_ip_format(&p->ip, ip), id))
            *out = p;
    }
    if (*out)
        return RK_OK;
    it = snap_iter(c->op.snap, ENT_PEER);
    while ((p = snap_next(&it)) != NULL)
        if (rk_str_eq(p->name, id)) {
            *out = p;
            n++;
        }
    if (n != 1)
        return rk_fail(err, n ? RK_INVALID : RK_NOT_FOUND, "%s machine \"%.*s\"",
                       n ? "more than one" : "no", RK_STR_ARG(id));
    return RK_OK;
}

static enum rk_code approve_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct peer *p = tx_get(tx, ENT_PEER, *(const struct rk_str *)arg);
    struct peer now;

    if (!p)
        return rk_fail(err, RK_NOT_FOUND, "the machine is gone");
    now = *p;
    now.status.requires_approval = false;
    return tx_put(tx, ENT_PEER, &now, err);
}

static enum rk_code approve(struct call *c, struct rk_err *err)
{
    const struct peer *p;
    struct rk_str id;
    enum rk_code rc = named(c, &p, err);

    if (rc)
        return rc;
    id = rk_arena_dup(c->mem, p->id);
    rc = op_mutate(&c->op, approve_tx, &id, err);
    if (rc == RK_OK)
        c->result = peer_json(c->op.m, c->op.snap, snap_peer(c->op.snap, id), c->mem);
    return rc;
}

static enum rk_code delete_peer(struct call *c, struct rk_err *err)
{
    const struct peer *p;
    enum rk_code rc = named(c, &p, err);

    return rc ? rc : peer_delete(&c->op, rk_arena_dup(c->mem, p->id), err);
}

const struct command_row COMMAND_PEERS[] = {{"peer list", list, false},
                                            {"peer approve", approve, true},
                                            {"peer delete", delete_peer, true},
                                            {NULL, NULL, false}};
