/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * By what the firewall reaches the kernel: nftables, or the programs of iptables. One text for
 * both; all of it may run on any thread, one after the other.
 */
#ifndef RK_AGENT_ENGINE_HOST_FIREWALL_WAY_H
#define RK_AGENT_ENGINE_HOST_FIREWALL_WAY_H

#include "agent/engine/fw_text.h"

enum fw_way {
    FW_NFTABLES,
    FW_IPTABLES,
    FW_IPTABLES_LEGACY,
    FW_OWN /* the data path's filter, which has no text: host_filter.c */
};

struct fw_place { /* open; texts borrowed */
    enum fw_way way;
    struct rk_str table;
    const char *iface;
    bool v6;
};

const char *fw_way_name(enum fw_way way);
enum fw_way fw_way_of(struct rk_str name); /* unknown: nftables */

/** As fw_text_build. */
enum rk_code fw_way_build(enum fw_way way, const struct fw_opts *o,
                          const Management__NetworkMap *map, struct rk_arena *keep,
                          struct fw_domain_sets *sets, struct rk_buf *out, struct fw_stats *stats,
                          struct rk_err *err) RK_MUST;

/** As fw_text_add. */
void fw_way_add(enum fw_way way, struct rk_str table, const struct fw_domain_sets *sets,
                struct rk_str domain, const struct rk_ip *ip, struct rk_buf *out);

/** Carry a text out (NUL at its end). whole: it is a built one, not additions alone. */
enum rk_code fw_way_run(const struct fw_place *p, const char *text, bool whole,
                        struct rk_err *err) RK_MUST;

/** Remove all of it, whether it is there or not. */
enum rk_code fw_way_remove(const struct fw_place *p, struct rk_err *err) RK_MUST;

#endif
