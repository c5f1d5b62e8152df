/* SPDX-License-Identifier: BSD-3-Clause */
/* Style and script of the pages. */
#ifndef MGMT_IDP_PAGE_STATIC_H
#define MGMT_IDP_PAGE_STATIC_H

#include "management/idp/base.h"

http_handler idp_style, idp_script;

#endif
