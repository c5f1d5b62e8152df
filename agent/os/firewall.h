/* SPDX-License-Identifier: BSD-3-Clause */
/* Running nftables transactions through libnftables. Waits for the kernel, long for many
 * rules. Any thread; calls wait for each other. */
#ifndef RK_AGENT_OS_FIREWALL_H
#define RK_AGENT_OS_FIREWALL_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/** Run commands as one transaction: all or nothing. text ends with a NUL. "Busy" is tried again a
 *  few times. Errors: RK_INVALID (refused; the first line of the reason), RK_PRECONDITION (this
 *  kernel has no nftables, or not permitted). */
enum rk_code firewall_run(const char *text, struct rk_err *err) RK_MUST;

/** A number that stands for what is in our tables of that name: equal for equal rules and set
 *  elements, counters aside. Errors: as above; also when one of the tables is missing. */
enum rk_code firewall_picture(struct rk_str table, bool with_ipv6, uint64_t *out,
                              struct rk_err *err) RK_MUST;

/** The kernel's count of changes of the whole ruleset, by anybody. Errors: RK_PRECONDITION (this
 *  kernel has no nftables, or not permitted). */
enum rk_code firewall_generation(uint32_t *out, struct rk_err *err) RK_MUST;

/** Run a listing command and return what it prints. arena */
enum rk_code firewall_list(const char *command, bool json, struct rk_arena *mem, struct rk_str *out,
                           struct rk_err *err) RK_MUST;

#endif
