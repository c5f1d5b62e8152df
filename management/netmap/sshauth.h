/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may log in over SSH: the SSHAuth part of a map. Any thread. */
#ifndef MGMT_NETMAP_SSHAUTH_H
#define MGMT_NETMAP_SSHAUTH_H

#include "lib/base/buf.h"

struct view;

/** NetworkMap.sshAuth of the view's receiver. */
void sshauth_put(const struct view *v, struct rk_str user_claim, struct rk_buf *out);

#endif
