/* SPDX-License-Identifier: BSD-3-Clause */
/* What paths of products that this server does not have answer; see absent.c. */
#ifndef MGMT_REST_ABSENT_H
#define MGMT_REST_ABSENT_H

#include "management/domain/permission.h"

enum absent_answer {
    ABSENT_LIST,           /* [] */
    ABSENT_PAGE,           /* an empty page of a log */
    ABSENT_AGENT_SETTINGS, /* what is in force before the product is set up */
    ABSENT_NOT_FOUND,      /* 404 "text: id not found" */
    ABSENT_NO_SETTINGS,    /* 404: the product is not set up */
    ABSENT_REFUSED,        /* 412 with text */
};

struct absent { /* http_route.arg of rest_absent */
    enum absent_answer answer;
    enum perm_module module; /* PERM_MODULES: any authenticated user */
    enum perm_op op;
    bool has_body;
    const char *text;
};

#endif
