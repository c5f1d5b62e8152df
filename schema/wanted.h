/* SPDX-License-Identifier: BSD-3-Clause */
/* The form of the files that rookery plan reads: schema/wanted/network.schema.json without its line
 * breaks. */
#ifndef SCHEMA_WANTED_H
#define SCHEMA_WANTED_H

#include <stddef.h>

extern const char SCHEMA_WANTED[];
extern const size_t SCHEMA_WANTED_SIZE; /* bytes, without a NUL */

#endif
