/* SPDX-License-Identifier: BSD-3-Clause */
/* Start and end of the presence table; called by engine.c only. */
#ifndef MGMT_PRESENCE_IMPL_H
#define MGMT_PRESENCE_IMPL_H

struct mgmt;

void presences_new(struct mgmt *m);
void presences_free(struct mgmt *m); /* accepts an engine without one */

#endif
