/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz answers of routers (PCP). */
#include "config.h"

#include "agent/ice/portmap_pcp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct portmap_ask a = {.port = 51820, .nonce = "nonce of 12"};
    struct portmap_answer out = {0};

    if (pcp_map_answer(rk_str_of(data, size), &a, &out) == PCP_OK) {
        FUZZ_CHECK(out.method == PORTMAP_PCP && out.outside.port && out.lifetime_s > 0);
        FUZZ_CHECK(out.outside.ip.family == 4 || out.outside.ip.family == 0);
    } else {
        FUZZ_CHECK(out.method == PORTMAP_NONE);
    }
    return 0;
}
