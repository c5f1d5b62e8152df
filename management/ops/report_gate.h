/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much one machine may write by reporting about itself: every change of its report is a row and
 * a journal entry. A budget of bytes per machine, so that an ordinary one (2 KB when a laptop
 * moves) never meets it and one that invents reports cannot fill the disk.
 */
#ifndef MGMT_OPS_REPORT_GATE_H
#define MGMT_OPS_REPORT_GATE_H

#include <stdbool.h>

#include "management/domain/peer.h"

#define REPORT_BURST_KIB    1024 /* at once: hundreds of ordinary reports */
#define REPORT_KIB_PER_HOUR 256  /* then: 6 MB a day at most */

/* Machines that one setup key enrols. Each that comes and goes leaves 12 KB of history behind, so a
 * key in a loop is slowed down; a fleet that comes at once, or runners that live for minutes, never
 * meet this. */
#define ENROL_BURST    20000
#define ENROL_PER_HOUR 2000

struct report_gate;

struct report_gate *report_gate_new(void); /* Owned: report_gate_free */
void report_gate_free(struct report_gate *g);

/** May this machine write that many bytes now? Takes them from its budget. g NULL: yes. Any thread.
 */
bool report_gate_take(struct report_gate *g, struct rk_str peer_key, size_t bytes);

/** May another machine be enrolled with this setup key now? Takes it from the key's budget. g NULL:
 * yes. Any thread. */
bool report_gate_enrol(struct report_gate *g, struct rk_str setup_key_id);

/** What storing a report costs, about. */
size_t report_bytes(const struct peer_meta *m);

#endif
