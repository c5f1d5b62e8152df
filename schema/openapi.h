/* SPDX-License-Identifier: BSD-3-Clause */
/* The OpenAPI document of the REST API: schema/openapi/openapi.json without its line breaks. */
#ifndef SCHEMA_OPENAPI_H
#define SCHEMA_OPENAPI_H

#include <stddef.h>

extern const char SCHEMA_OPENAPI[];
extern const size_t SCHEMA_OPENAPI_SIZE; /* bytes, without a NUL */

#endif
