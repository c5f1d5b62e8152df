/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other people's firewalls on this host (Docker, ufw, firewalld, a handwritten ruleset): each of
 * their chains that filters what comes in or is forwarded gets, at its front, rules that let
 * packets of the overlay's interface through. They only keep those chains from dropping what our
 * own table allows; what that one drops stays dropped. Nothing else of theirs is touched, and the
 * rules are known again by their comment, also by another process.
 *
 *   forward: in by the interface; out by it, if it is an answer      input: in by the interface
 *
 * Tables of iptables go through its programs, which refuse to work with rules that they have not
 * made; where there are none, nobody is left to mind. Waits for the kernel and for programs: one
 * thread at a time, not the loop (but for the quick look).
 */
#ifndef RK_AGENT_OS_FIREWALL_OTHERS_H
#define RK_AGENT_OS_FIREWALL_OTHERS_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct firewall_others {  /* what was done, for the log */
    unsigned added;       /* rules */
    unsigned locked;      /* chains that belong to a running program alone */
    char locked_name[64]; /* one of their tables */
};

/** Make way in all chains but those of the tables named `own`. iface: plain letters. Missing rules
 *  are added; those that stand are left. Errors: the last one; as much as can be is done. */
enum rk_code firewall_others_open(const char *iface, struct rk_str own, bool with_ipv6,
                                  struct firewall_others *out, struct rk_err *err) RK_MUST;

/** Remove every rule that firewall_others_open has made for the interface. */
enum rk_code firewall_others_close(const char *iface, struct rk_err *err) RK_MUST;

/** Is there any chain that firewall_others_open would look at? Quick. */
bool firewall_others_exist(struct rk_str own);

#endif
