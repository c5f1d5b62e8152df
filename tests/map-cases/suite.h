/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the map-cases suite: each judges one case and prints why it fails. */
#ifndef RK_TESTS_MAP_CASES_SUITE_H
#define RK_TESTS_MAP_CASES_SUITE_H

#include "tests/map-cases/account.h"

typedef bool case_judge(const struct cases *c, const json_t *one);

case_judge judge_map, judge_affected;
case_judge judge_posture, judge_setup_key, judge_label, judge_address, judge_expiration;
case_judge judge_timing;

/** The ephemeral ones of the timing cases. */
bool judge_ephemeral(const json_t *one);

#endif
