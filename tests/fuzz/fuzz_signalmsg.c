/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz signal bodies between agents: what decodes can be encoded and then means the same. */
#include "config.h"

#include <string.h>

#include "agent/client/signal_msg.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_arena *mem = rk_arena_new(1 << 20);
    struct signal_msg m, again;
    struct rk_str out;
    enum rk_code rc = signal_msg_decode(mem, rk_str_of(data, size), &m, NULL);

    FUZZ_CHECK(rc == RK_OK || rc == RK_BAD_REQUEST || rc == RK_LIMIT);
    if (rc == RK_OK && m.ufrag.n + m.pwd.n < 4096) {
        FUZZ_CHECK(signal_msg_encode(mem, &m, &out, NULL) == RK_OK);
        FUZZ_CHECK(signal_msg_decode(mem, out, &again, NULL) == RK_OK);
        FUZZ_CHECK(again.type == m.type && again.wg_port == m.wg_port);
        FUZZ_CHECK(rk_str_eq(again.ufrag, m.ufrag) && rk_str_eq(again.pwd, m.pwd));
        FUZZ_CHECK(rk_str_eq(again.candidate, m.candidate));
        FUZZ_CHECK(rk_str_eq(again.relay_url, m.relay_url));
        FUZZ_CHECK(again.has_session_id == m.has_session_id);
        FUZZ_CHECK(memcmp(again.session_id, m.session_id, sizeof m.session_id) == 0);
    }
    rk_arena_free(mem);
    return 0;
}
