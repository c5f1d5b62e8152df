/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses that a person says this host has outside, one to one behind a NAT: "IP" (of every
 * address inside), "IP/IP" or "IP/INTERFACE" (its first IPv4 address). Any thread.
 */
#ifndef RK_AGENT_OS_EXTERNAL_IP_H
#define RK_AGENT_OS_EXTERNAL_IP_H

#include <net/if.h>
#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

#define EXTERNAL_IPS_MAX 16 /* of one host */

struct external_ip { /* open */
    struct rk_ip outside;
    struct rk_ip inside;     /* family 0: by the interface, or every one of the family */
    char iface[IF_NAMESIZE]; /* empty: none */
};

/** RK_INVALID. *out is untouched then. */
enum rk_code external_ip_parse(struct rk_str text, struct external_ip *out,
                               struct rk_err *err) RK_MUST;

/** What an address of this host is outside; false: nobody has said. */
bool external_ip_of(const struct external_ip *list, size_t n, const struct rk_ip *inside,
                    struct rk_ip *out);

#endif
