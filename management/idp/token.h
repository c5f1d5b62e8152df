/* SPDX-License-Identifier: BSD-3-Clause */
/* The token endpoint. */
#ifndef MGMT_IDP_TOKEN_H
#define MGMT_IDP_TOKEN_H

#include "management/idp/base.h"

http_handler idp_token;

#endif
