/* SPDX-License-Identifier: BSD-3-Clause */
/* libqrencode, loaded when somebody wants a picture; see qr.h. */
#include "config.h"

#include "agent/cli/qr.h"

#include <qrencode.h>
#include <stddef.h>

#include "lib/base/dl.h"

#define MARGIN 2 /* modules around the code */

static struct {
    QRcode *(*encode)(int size, const unsigned char *data, int version, QRecLevel level);
    void (*free)(QRcode *code);
} qr;

static const struct rk_dl_sym SYMS[] = {
    {"QRcode_encodeData", 0},
    {"QRcode_free", sizeof(void (*)(void))},
};

static struct rk_dl lib = {.soname = "libqrencode.so.4",
                           .purpose = "QR codes",
                           .syms = SYMS,
                           .n = RK_ARRAY_LEN(SYMS),
                           .table = &qr,
                           .lock = PTHREAD_MUTEX_INITIALIZER};

static bool dark(const QRcode *code, int x, int y)
{
    return x >= 0 && y >= 0 && x < code->width && y < code->width &&
           (code->data[y * code->width + x] & 1);
}

/* Two rows of modules in one line of half blocks, on a white ground. */
static void draw(FILE *out, const QRcode *code)
{
    for (int y = -MARGIN; y < code->width + MARGIN; y += 2) {
        (void)fputs("\033[30;107m", out);
        for (int x = -MARGIN; x < code->width + MARGIN; x++) {
            bool top = dark(code, x, y), bottom = dark(code, x, y + 1);

            (void)fputs(top && bottom ? "\u2588" : top ? "\u2580" : bottom ? "\u2584" : " ", out);
        }
        (void)fputs("\033[0m\n", out);
    }
    (void)fputs("\n", out);
}

enum rk_code qr_print(FILE *out, struct rk_str text, struct rk_err *err)
{
    QRcode *code;

    if (rk_dl_load(&lib, err))
        return RK_UNAVAILABLE;
    code = text.n < 2048 ? qr.encode((int)text.n, (const unsigned char *)text.p, 0, QR_ECLEVEL_L)
                         : NULL;
    if (!code)
        return rk_fail(err, RK_LIMIT, "%zu bytes do not fit into a QR code", text.n);
    draw(out, code);
    qr.free(code);
    return RK_OK;
}
