/* SPDX-License-Identifier: BSD-3-Clause */
/* The userinfo endpoint. */
#ifndef MGMT_IDP_USERINFO_H
#define MGMT_IDP_USERINFO_H

#include "management/idp/base.h"

http_handler idp_userinfo;

#endif
