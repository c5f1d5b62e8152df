/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on posture checks; see postures.h. */
#include "config.h"

#include "management/ops/postures.h"

#include <ctype.h>

#include "lib/base/id.h"
#include "management/domain/version.h"

struct save {
    struct rk_arena *mem;
    struct rk_str id;
    const struct posture *in;
    const struct posture *out;
};

static bool version_ok(struct rk_str v)
{
    struct version parsed;

    return version_parse(v, &parsed);
}

static enum rk_code check_versions(const struct posture *p, struct rk_err *err)
{
    const struct {
        const char *what;
        struct rk_str v;
    } OS[] = {{"android version", p->android_min_version},
              {"ios version", p->ios_min_version},
              {"darwin version", p->darwin_min_version},
              {"linux kernel version", p->linux_min_kernel},
              {"windows kernel version", p->windows_min_kernel}};
    size_t n = 0;

    if (p->has_nb_version && !p->nb_min_version.n)
        return rk_fail(err, RK_INVALID, "NBVersionCheck minimum version shouldn't be empty");
    if (p->has_nb_version && !version_ok(p->nb_min_version))
        return rk_fail(err, RK_INVALID, "NBVersionCheck version: %.*s is not valid",
                       RK_STR_ARG(p->nb_min_version));
    for (size_t i = 0; i < RK_ARRAY_LEN(OS); i++) {
        n += OS[i].v.n > 0;
        if (OS[i].v.n && !version_ok(OS[i].v))
            return rk_fail(err, RK_INVALID, "OSVersionCheck %s: %.*s is not valid", OS[i].what,
                           RK_STR_ARG(OS[i].v));
    }
    if (p->has_os_version && !n)
        return rk_fail(err, RK_INVALID, "OSVersionCheck at least one OS version check is required");
    return RK_OK;
}

static enum rk_code check_places(const struct posture *p, struct rk_err *err)
{
    if (p->has_geo && !p->n_geo)
        return rk_fail(err, RK_INVALID, "GeoLocationCheck locations shouldn't be empty");
    for (size_t i = 0; i < p->n_geo; i++) {
        struct rk_str c = p->geo[i].country_code;

        if (!c.n)
            return rk_fail(err, RK_INVALID, "GeoLocationCheck country code shouldn't be empty");
        if (c.n != 2 || !isalpha((unsigned char)c.p[0]) || !isalpha((unsigned char)c.p[1]))
            return rk_fail(err, RK_INVALID,
                           "GeoLocationCheck country code must be 2 letters "
                           "(ISO 3166-1 alpha-2 format)");
    }
    if (p->has_net_range && !p->n_ranges)
        return rk_fail(err, RK_INVALID, "PeerNetworkRangeCheck network ranges shouldn't be empty");
    if (p->has_process && !p->n_processes)
        return rk_fail(err, RK_INVALID, "ProcessCheck processes shouldn't be empty");
    for (size_t i = 0; i < p->n_processes; i++)
        if (!p->processes[i].linux_path.n && !p->processes[i].mac_path.n &&
            !p->processes[i].windows_path.n)
            return rk_fail(err, RK_INVALID, "ProcessCheck path shouldn't be empty");
    return RK_OK;
}

enum rk_code posture_check_form(const struct posture *p, struct rk_err *err)
{
    enum rk_code rc;

    if (!p->name.n)
        return rk_fail(err, RK_INVALID, "posture checks name shouldn't be empty");
    if (!p->has_nb_version && !p->has_os_version && !p->has_geo && !p->has_net_range &&
        !p->has_process)
        return rk_fail(err, RK_INVALID, "posture checks shouldn't be empty");
    rc = check_versions(p, err);
    return rc ? rc : check_places(p, err);
}

static bool name_taken(const struct snapshot *s, struct rk_str name)
{
    struct snap_iter it = snap_iter(s, ENT_POSTURE);
    const struct posture *o;

    while ((o = snap_next(&it)) != NULL)
        if (rk_str_eq(o->name, name))
            return true;
    return false;
}

static enum rk_code save_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct posture *old = s->id.n ? tx_get(tx, ENT_POSTURE, s->id) : NULL;
    struct posture *p = rk_new(s->mem, struct posture);
    enum rk_code rc;

    if (s->id.n && !old)
        return rk_fail(err, RK_NOT_FOUND, "posture checks: %.*s not found", RK_STR_ARG(s->id));
    if (!old && name_taken(tx->snap, s->in->name))
        return rk_fail(err, RK_INVALID, "posture checks with name %.*s already exists",
                       RK_STR_ARG(s->in->name));
    *p = *s->in;
    p->account_id = tx->account_id;
    p->id = old ? old->id : rk_xid_new(s->mem);
    p->public_id = old ? old->public_id : rk_xid_new(s->mem);
    rc = tx_put(tx, ENT_POSTURE, p, err);
    s->out = entity_dup(s->mem, ENT_POSTURE, p);
    return rc ? rc
              : tx_event(tx, old ? ACT_POSTURE_CHECK_UPDATE : ACT_POSTURE_CHECK_CREATE, p->id,
                         META(s->mem, {"name", p->name}), err);
}

enum rk_code posture_save(struct op *op, struct rk_str id, const struct posture *in,
                          const struct posture **out, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id, .in = in};
    enum rk_code rc = posture_check_form(in, err);

    if (!rc)
        rc = op_may(op, PERM_POLICIES, id.n ? PERM_UPDATE : PERM_CREATE, err);
    if (!rc)
        rc = op_mutate(op, save_tx, &s, err);
    if (!rc)
        *out = s.out;
    return rc;
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct posture *p = tx_get(tx, ENT_POSTURE, s->id);
    struct snap_iter it = snap_iter(tx->snap, ENT_POLICY);
    const struct policy *pol;
    enum rk_code rc;

    if (!p)
        return rk_fail(err, RK_NOT_FOUND, "posture checks: %.*s not found", RK_STR_ARG(s->id));
    while ((pol = snap_next(&it)) != NULL)
        if (str_list_has(&pol->posture_checks, s->id))
            return rk_fail(err, RK_PRECONDITION, "posture checks have been linked to policy: %.*s",
                           RK_STR_ARG(pol->name));
    rc = tx_event(tx, ACT_POSTURE_CHECK_DELETE, p->id, META(s->mem, {"name", p->name}), err);
    return rc ? rc : tx_del(tx, ENT_POSTURE, s->id, err);
}

enum rk_code posture_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_POLICIES, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, delete_tx, &s, err);
}
