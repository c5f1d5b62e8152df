/* SPDX-License-Identifier: BSD-3-Clause */
/* Cleaners, one per name of the state file; see recover.h. */
#include "config.h"

#include "agent/daemon/recover.h"

#include <string.h>

#include "agent/dns/host.h"
#include "agent/engine/host.h"
#include "agent/os/sysctl.h"
#include "agent/ssh/ssh_files.h"
#include "agent/wg/device.h"

static enum rk_code clean_device(const json_t *v, struct nl_sock *route, struct rk_err *err)
{
    struct wg_left left = {.name = json_string_value(json_object_get(v, "name")),
                           .socket_dir = json_string_value(json_object_get(v, "socket_dir")),
                           .ifindex = (uint32_t)json_integer_value(json_object_get(v, "ifindex")),
                           .pid = (pid_t)json_integer_value(json_object_get(v, "pid")),
                           .pid_start =
                               (uint64_t)json_integer_value(json_object_get(v, "pid_start"))};

    if (!left.name)
        return RK_OK;
    return wg_device_clean(route, &left, err);
}

static enum rk_code clean_names(const json_t *v, struct nl_sock *route RK_UNUSED,
                                struct rk_err *err)
{
    return dns_host_recover(v, err);
}

static enum rk_code clean_sysctls(const json_t *v, struct nl_sock *route RK_UNUSED,
                                  struct rk_err *err RK_UNUSED)
{
    struct sysctls s = {0};

    sysctls_load(&s, v);
    sysctls_undo(&s);
    return RK_OK;
}

static enum rk_code clean_firewall(const json_t *v, struct nl_sock *route RK_UNUSED,
                                   struct rk_err *err)
{
    return host_firewall_remove(v, err);
}

static enum rk_code clean_ssh(const json_t *v, struct nl_sock *route RK_UNUSED, struct rk_err *err)
{
    return ssh_files_recover(v, err);
}

/* In this order: names are given back before the interface goes. */
static const struct cleaner {
    const char *name;
    enum rk_code (*run)(const json_t *v, struct nl_sock *route, struct rk_err *err);
} CLEANERS[] = {
    {STATE_DNS, clean_names},         {STATE_SSH, clean_ssh},       {STATE_SYSCTL, clean_sysctls},
    {STATE_FIREWALL, clean_firewall}, {STATE_DEVICE, clean_device},
};

static enum rk_code clean_one(struct state *s, struct nl_sock *route, const char *name,
                              struct rk_log *log, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (strcmp(name, STATE_ROUTES) == 0) {
        host_release(route, s, log);
        if (state_get(s, STATE_ROUTES))
            return rk_fail(err, RK_INTERNAL, "%s: the kernel keeps some of it, see the log", name);
        return RK_OK;
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(CLEANERS); i++)
        if (strcmp(CLEANERS[i].name, name) == 0) {
            rc = CLEANERS[i].run(state_get(s, name), route, err);
            if (rc == RK_OK)
                state_set(s, name, NULL);
        }
    return rc ? rk_wrap(err, "%s", name) : RK_OK;
}

enum rk_code recover_one(struct state *s, struct nl_sock *route, const char *name,
                         struct rk_log *log, struct rk_err *err)
{
    return state_get(s, name) ? clean_one(s, route, name, log, err) : RK_OK;
}

void recover(struct state *s, struct nl_sock *route, bool keep_routes, struct rk_log *log)
{
    bool routes = state_get(s, STATE_ROUTES) != NULL;

    if (!keep_routes && routes) {
        host_release(route, s, log);
        if (!state_get(s, STATE_ROUTES))
            rk_log(log, RK_INFO, "removed what an earlier run left", kv_z("what", STATE_ROUTES));
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(CLEANERS); i++) {
        const json_t *v = state_get(s, CLEANERS[i].name);
        struct rk_err err = {0};

        if (!v)
            continue;
        if (CLEANERS[i].run(v, route, &err)) {
            rk_log(log, RK_WARN, "left over from an earlier run and not removed",
                   kv_z("what", CLEANERS[i].name), KV_ERR(&err));
            continue;
        }
        rk_log(log, RK_INFO, "removed what an earlier run left", kv_z("what", CLEANERS[i].name));
        state_set(s, CLEANERS[i].name, NULL);
    }
}
