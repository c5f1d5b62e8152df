/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz the gRPC message reader and the texts of its headers: two ways of cutting the same bytes
 * give the same messages, and nothing above the limit comes out. */
#include "config.h"

#include "lib/grpc/frame.h"
#include "lib/grpc/status.h"
#include "tests/fuzz/fuzz.h"

enum { MAX = 1000 };

static enum rk_code collect(const uint8_t *p, size_t n, size_t step, struct rk_buf *out)
{
    struct grpc_reader r;
    enum rk_code rc = RK_OK;

    grpc_reader_init(&r, MAX);
    for (size_t i = 0; i < n && rc == RK_OK; i += step) {
        struct rk_str in = rk_str_of(p + i, n - i < step ? n - i : step), msg;
        bool have;

        while (in.n && rc == RK_OK) {
            rc = grpc_reader_next(&r, &in, &msg, &have, NULL);
            if (rc == RK_OK && have) {
                FUZZ_CHECK(msg.n <= MAX);
                rk_buf_add(out, msg);
                rk_buf_addc(out, '|');
            }
        }
        FUZZ_CHECK(grpc_reader_held(&r) <= MAX);
    }
    grpc_reader_done(&r);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_buf a, b;
    struct rk_str in = rk_str_of(data, size);
    int64_t ms = 0;

    rk_buf_init(&a, 1 << 20);
    rk_buf_init(&b, 1 << 20);
    FUZZ_CHECK(collect(data, size, size ? size : 1, &a) == collect(data, size, 3, &b));
    FUZZ_CHECK(rk_str_eq(rk_buf_str(&a), rk_buf_str(&b)));
    rk_buf_clear(&a);
    rk_buf_clear(&b);
    grpc_message_decode(&a, in);
    FUZZ_CHECK(a.n <= size);
    rk_buf_clear(&a);
    grpc_message_encode(&a, rk_str_sub(in, 0, 1000));
    grpc_message_decode(&b, rk_buf_str(&a));
    FUZZ_CHECK(rk_str_eq(rk_buf_str(&b), rk_str_sub(in, 0, 1000)));
    if (grpc_timeout_parse(in, &ms, NULL) == RK_OK)
        FUZZ_CHECK(ms >= 0);
    FUZZ_CHECK(grpc_status_parse(in) >= 0 && grpc_status_parse(in) <= 16);
    rk_buf_done(&a);
    rk_buf_done(&b);
    return 0;
}
