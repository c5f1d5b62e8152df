/* SPDX-License-Identifier: BSD-3-Clause */
/* What this agent calls itself. */
#ifndef RK_AGENT_VERSION_H
#define RK_AGENT_VERSION_H

/* Sent as the agent version: servers and peers derive from it what an agent can do (port ranges,
 * lazy connections, the DNS forwarder's port), so it names the release whose behaviour we follow.
 * The program's own version is PACKAGE_VERSION. */
#define AGENT_WIRE_VERSION "0.77.1"

#endif
