/* SPDX-License-Identifier: BSD-3-Clause */
/* The password form. */
#ifndef MGMT_IDP_LOGIN_H
#define MGMT_IDP_LOGIN_H

#include "management/idp/base.h"

http_handler idp_login;

#endif
