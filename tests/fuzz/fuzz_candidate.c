/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz ICE candidate lines: what parses can be written, and reads back as the same candidate. */
#include "config.h"

#include <string.h>

#include "agent/ice/candidate.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ice_cand c, again;
    struct rk_buf line;
    enum rk_code rc = ice_cand_parse(rk_str_of(data, size), &c, NULL);

    FUZZ_CHECK(rc == RK_OK || rc == RK_BAD_REQUEST);
    if (rc)
        return 0;
    rk_buf_init(&line, 2 * ICE_CAND_LINE_MAX);
    ice_cand_format(&c, RK_STR("ufrag"), &line);
    FUZZ_CHECK(!line.full);
    FUZZ_CHECK(ice_cand_parse(rk_buf_str(&line), &again, NULL) == RK_OK);
    FUZZ_CHECK(again.type == c.type && again.priority == c.priority);
    FUZZ_CHECK(rk_addr_eq(&again.addr, &c.addr) && rk_addr_eq(&again.related, &c.related));
    FUZZ_CHECK(strcmp(again.id, c.id) == 0 && strcmp(again.foundation, c.foundation) == 0);
    rk_buf_done(&line);
    return 0;
}
