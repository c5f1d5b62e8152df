/* SPDX-License-Identifier: BSD-3-Clause */
/* Logging out, and where a provider sends people after its own logout. */
#ifndef MGMT_IDP_LOGOUT_H
#define MGMT_IDP_LOGOUT_H

#include "management/idp/base.h"

http_handler idp_logout, idp_logged_out;

#endif
