/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The programs of iptables: for hosts whose kernel has no nftables, and for tables of others that
 * only these programs may touch. Each call starts a program and waits for it, some seconds at most.
 * Any thread.
 */
#ifndef RK_AGENT_OS_IPTABLES_H
#define RK_AGENT_OS_IPTABLES_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

enum iptables_kind {
    IPTABLES_ANY,    /* what the system has chosen */
    IPTABLES_NFT,    /* that speaks to nftables, if it can be told */
    IPTABLES_LEGACY, /* that speaks to the kernel's older filter, if it can be told */
};

/** Path of the program, NULL when there is none. Static. */
const char *iptables_find(bool v6, enum iptables_kind kind);

/** Has the kernel's older filter a filter table in this namespace? */
bool iptables_legacy_used(bool v6);

/** Put in front of a chain of the filter table (or with add false: remove) the rule that lets an
 *  interface's packets in, or out if they are answers; see firewall_others.h. */
enum rk_code iptables_way(const char *program, const char *chain, const char *iface, bool out,
                          const char *comment, bool add, struct rk_err *err) RK_MUST;
bool iptables_has_way(const char *program, const char *chain, const char *iface, bool out,
                      const char *comment);

/** Give a text to the restore program of the same kind (*-restore --noflush): one transaction per
 *  table in it. Errors: RK_PRECONDITION (no program), RK_INVALID (refused; the first line). */
enum rk_code iptables_restore(bool v6, enum iptables_kind kind, struct rk_str text,
                              struct rk_err *err) RK_MUST;

/** See that a chain of the kernel begins with a jump to one of ours (iface not NULL: of what comes
 * in there), or that it has none. */
enum rk_code iptables_jump(bool v6, enum iptables_kind kind, const char *table, const char *from,
                           const char *to, const char *iface, struct rk_err *err) RK_MUST;
void iptables_unjump(bool v6, enum iptables_kind kind, const char *table, const char *from,
                     const char *to, const char *iface);

/** Remove all chains whose name begins so; nothing may jump to them from elsewhere. Missing ones
 * are fine. */
enum rk_code iptables_drop_chains(bool v6, enum iptables_kind kind, const char *table,
                                  struct rk_str prefix, struct rk_err *err) RK_MUST;

/** What the save program of the same kind says about a table. arena */
struct rk_arena;
enum rk_code iptables_save(bool v6, enum iptables_kind kind, const char *table,
                           struct rk_arena *mem, struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
