/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of all REST routes. */
#ifndef MGMT_REST_ROUTES_H
#define MGMT_REST_ROUTES_H

#include "lib/http/router.h"

extern const struct http_route REST_ROUTES[];
extern const size_t REST_N_ROUTES;

#endif
