/* SPDX-License-Identifier: BSD-3-Clause */
/* Between dnsname.c and its neighbours of lib/net/dnsmsg.h: names inside messages. */
#ifndef RK_NET_DNSNAME_H
#define RK_NET_DNSNAME_H

#include "lib/net/dnsmsg.h"

/** Read a name, maybe compressed (RFC 1035 4.1.4), at an offset of a message. Returns the offset
 *  behind it; 0: cut short, too long, or pointers that do not lead backwards. */
size_t dns_name_read(struct rk_str raw, size_t at, struct dns_name *out);

#endif
