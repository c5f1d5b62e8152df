/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Suite map-cases: every case of tests/data/network-map-cases.json against the engine. One line per
 * case group and a closing line with the counts; a failing case says what it wanted and got.
 *
 *   map_cases [CASE-ID…]     only these
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "tests/map-cases/suite.h"

static const struct case_group {
    const char *key;
    case_judge *judge;
} GROUPS[] = {
    {"map_cases", judge_map},
    {"affected_cases", judge_affected},
    {"posture_cases", judge_posture},
    {"setup_key_cases", judge_setup_key},
    {"label_cases", judge_label},
    {"address_cases", judge_address},
    {"expiration_cases", judge_expiration},
    {"timing_cases", judge_timing},
};

#define EXPECTED_TOTAL 191

static bool wanted(const char *id, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (rk_str_eqz(rk_str_z(id), argv[i]))
            return true;
    return argc < 2;
}

static json_t *load(void)
{
    const char *srcdir = getenv("srcdir");
    char path[4096];
    json_error_t err;
    json_t *root;

    (void)snprintf(path, sizeof path, "%s/tests/data/network-map-cases.json",
                   srcdir ? srcdir : "..");
    root = json_load_file(path, 0, &err);
    if (!root)
        fprintf(stderr, "map-cases: %s: %s\n", path, err.text);
    return root;
}

int main(int argc, char **argv)
{
    struct cases c = {.root = load()};
    size_t total = 0, failed = 0;

    if (!c.root)
        return 99;
    c.defaults = json_object_get(c.root, "defaults");
    c.now_us = tj_time(json_object_get(c.root, "now"));
    for (size_t g = 0; g < RK_ARRAY_LEN(GROUPS); g++) {
        const json_t *list = json_object_get(c.root, GROUPS[g].key);
        size_t passed = 0, ran = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *one = json_array_get(list, i);
            const char *id = json_string_value(json_object_get(one, "id"));

            if (!wanted(id, argc, argv))
                continue;
            ran++;
            if (GROUPS[g].judge(&c, one))
                passed++;
            else
                printf("FAIL %s: %s\n", id, json_string_value(json_object_get(one, "title")));
        }
        printf("%-17s %3zu of %3zu passed\n", GROUPS[g].key, passed, ran);
        total += ran;
        failed += ran - passed;
    }
    json_decref(c.root);
    printf("map-cases: %zu passed, %zu failed\n", total - failed, failed);
    if (argc < 2 && total != EXPECTED_TOTAL) {
        printf("map-cases: expected %d cases\n", EXPECTED_TOTAL);
        return 1;
    }
    return failed > 0;
}
