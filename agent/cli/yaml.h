/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON values as YAML 1.2 in block style. Main thread. */
#ifndef RK_AGENT_CLI_YAML_H
#define RK_AGENT_CLI_YAML_H

#include <jansson.h>
#include <stdio.h>

/** A document. Texts that another YAML value could be taken for are quoted. */
void yaml_print(FILE *out, const json_t *v);

#endif
