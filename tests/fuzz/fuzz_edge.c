/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz the first bytes of a connection: a decision never changes with more bytes, and the PROXY
 * header stays inside the input. */
#include "config.h"

#include "lib/http/edge_sniff.h"
#include "lib/http/realip.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rk_str paths[] = {{"/relay", 6}, {"/ws-proxy/management", 20}};
    static const struct rk_prefix trusted = {.ip = {.family = 4}, .bits = 1};
    struct http_proxies p = {&trusted, 1};
    struct rk_str in = rk_str_of(data, size);
    struct rk_addr src = {.ip = {.family = 4}};
    size_t index = 0, used = 0;
    enum edge_kind whole = edge_sniff(in, paths, 2, &index);

    FUZZ_CHECK(size < EDGE_SNIFF_MAX || whole != EDGE_MORE);
    FUZZ_CHECK(index < 2);
    for (size_t n = 0; n < size && n < EDGE_SNIFF_MAX; n++) {
        enum edge_kind part = edge_sniff(rk_str_of(data, n), paths, 2, &index);

        FUZZ_CHECK(part == EDGE_MORE || part == whole);
    }
    if (http_proxy_parse(in, &used, &src) == HTTP_PROXY_OK)
        FUZZ_CHECK(used <= size);
    src = http_real_addr(&p, &src, in, in);
    FUZZ_CHECK(src.ip.family == 4 || src.ip.family == 6);
    return 0;
}
