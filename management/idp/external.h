/* SPDX-License-Identifier: BSD-3-Clause */
/* Logging in at an external provider. */
#ifndef MGMT_IDP_EXTERNAL_H
#define MGMT_IDP_EXTERNAL_H

#include "management/idp/base.h"

http_handler idp_external_start, idp_external_back;

#endif
