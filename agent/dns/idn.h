/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains as people write them: letters outside of ASCII become what the DNS knows them as
 * (IDNA 2008, RFC 5890), by libidn2, which is loaded with the first such name. Any thread.
 */
#ifndef RK_AGENT_DNS_IDN_H
#define RK_AGENT_DNS_IDN_H

#include "lib/net/dnsmsg.h"

/** As dns_name_parse, for a name that a map or a person gives. RK_BAD_REQUEST; RK_UNAVAILABLE: it
 *  needs libidn2, which is not there. */
enum rk_code dns_domain_parse(struct rk_str text, struct dns_name *out, struct rk_err *err) RK_MUST;

#endif
