/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts for terminals. Any thread. */
#ifndef RK_SERVER_PRINTABLE_H
#define RK_SERVER_PRINTABLE_H

#include <jansson.h>

/** Replace the control characters (C0, DEL, C1) of all texts in v by "?": machines and users choose
 *  their names, and a terminal would do what those say. Values of objects, not their keys. */
void printable(json_t *v);

#endif
