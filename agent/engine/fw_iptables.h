/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same firewall as fw_text.h makes, as input for iptables-restore --noflush: chains of our own,
 * each filled anew, and the jumps to them from the kernel's chains, which the caller sees to. For
 * hosts without nftables: no sets, one rule per address. Pure; any thread.
 */
#ifndef RK_AGENT_FW_IPTABLES_H
#define RK_AGENT_FW_IPTABLES_H

#include "agent/engine/fw_text.h"

/* A jump into a chain of ours: "<table>-<suffix>". */
struct fw_jump {
    const char *table, *from, *suffix;
    bool by_iface; /* what comes in by our interface only */
};

/** The jumps of one family, i from 0; NULL at the end. */
const struct fw_jump *fw_iptables_jump(size_t i);

/** As fw_text_build, for one family (4 or 6). */
enum rk_code fw_iptables_build(const struct fw_opts *o, uint8_t family,
                               const Management__NetworkMap *map, struct rk_arena *keep,
                               struct fw_domain_sets *sets, struct rk_buf *out,
                               struct fw_stats *stats, struct rk_err *err) RK_MUST;

/** As fw_text_add: input that adds an address of a domain, for the family of the address; nothing
 *  when no set stands for the domain. */
void fw_iptables_add(struct rk_str table, const struct fw_domain_sets *sets, struct rk_str domain,
                     const struct rk_ip *ip, struct rk_buf *out);

#endif
