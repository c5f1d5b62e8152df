/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz the texts of keys: what parses has one canonical text, and the wire form is a superset. */
#include "config.h"

#include "lib/crypto/secret.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_str in = rk_str_of(data, size);
    struct rk_key strict, wire, again;
    char text[RK_KEY_TEXT + 1];
    enum rk_code rc = rk_key_parse(in, &strict, NULL);
    enum rk_code wire_rc = rk_key_parse_wire(in, &wire, NULL);

    FUZZ_CHECK(rc == RK_OK || rc == RK_BAD_REQUEST);
    FUZZ_CHECK(wire_rc == RK_OK || wire_rc == RK_BAD_REQUEST);
    if (rc == RK_OK) {
        rk_key_format(&strict, text);
        FUZZ_CHECK(rk_str_eqz(in, text));
        FUZZ_CHECK(wire_rc == RK_OK && rk_key_eq(&strict, &wire));
    }
    if (wire_rc == RK_OK) {
        rk_key_format(&wire, text);
        FUZZ_CHECK(in.n == RK_KEY_TEXT && rk_str_eq(rk_str_sub(in, 0, 42), rk_str_of(text, 42)));
        FUZZ_CHECK(rk_key_parse(rk_str_z(text), &again, NULL) == RK_OK);
        FUZZ_CHECK(rk_key_eq(&again, &wire));
    }
    return 0;
}
