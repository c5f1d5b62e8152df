/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz the outside of signal messages: views stay inside the input, keys are UTF-8. */
#include "config.h"

#include "signal/envelope.h"
#include "tests/fuzz/fuzz.h"

static void inside(struct rk_str in, struct rk_str view)
{
    FUZZ_CHECK(!view.n || (view.p >= in.p && view.p + view.n <= in.p + in.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_str in = rk_str_of(data, size);
    struct sig_envelope e;

    if (sig_envelope_decode(in, &e, NULL) != RK_OK)
        return 0;
    inside(in, e.key);
    inside(in, e.remote_key);
    inside(in, e.body);
    FUZZ_CHECK(rk_str_utf8_ok(e.key) && rk_str_utf8_ok(e.remote_key));
    return 0;
}
