/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state file: what this agent has changed on the host and must undo, one JSON object from a
 * name to what its undoing needs. Written before the change is made and cleared after it is undone,
 * so that the next start finds what a killed agent left. Names that we do not know are kept. Loop
 * thread; reads and writes the file at once.
 */
#ifndef RK_AGENT_STATE_H
#define RK_AGENT_STATE_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

/* Names in the file. */
#define STATE_DEVICE   "wireguard_state"    /* interface, daemon */
#define STATE_ROUTES   "policy_route_state" /* rules and table */
#define STATE_SYSCTL   "sysctl_state"
#define STATE_FIREWALL "nftables_state"
#define STATE_DNS      "dns_state"
#define STATE_SSH      "ssh_config_state"
#define STATE_SELECTED "routeselector_state" /* not to undo: the user's choice of networks */
#define STATE_LOGIN    "login_state"         /* not to undo: who logged in, to suggest next time */

struct state;

/** Read the file; a missing one is empty. One that is not JSON is set aside under another name, and
 *  its copy beside it is taken. Owned: state_free. */
struct state *state_open(const char *path, struct rk_log *log);
/** Neither file nor copy could be read: something may have been left that no file tells of. */
bool state_damaged(const struct state *s);
void state_free(struct state *s); /* accepts NULL; writes nothing */

/** Value of a name; NULL when absent or null. Lends. */
json_t *state_get(const struct state *s, const char *name);

/** The names that have a value. Owned by the caller. */
json_t *state_names(const struct state *s);

/** Set a name (value is taken; NULL clears it) and write the file. A failure to write is logged and
 *  no reason to stop: only a crash now would leave something behind. */
void state_set(struct state *s, const char *name, json_t *value);

#endif
