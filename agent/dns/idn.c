/* SPDX-License-Identifier: BSD-3-Clause */
/* libidn2; see idn.h. */
#include "config.h"

#include "agent/dns/idn.h"

#include <idn2.h>
#include <stdlib.h>

#include "lib/base/dl.h"
#include "lib/base/num.h"

/* Longer than any name that comes to 253 characters. */
#define TEXT_MAX 1024

static struct {
    __typeof__(idn2_lookup_u8) *lookup;
    __typeof__(idn2_free) *free;
    __typeof__(idn2_strerror) *error;
} idn;

static const struct rk_dl_sym SYMS[] = {
    {"idn2_lookup_u8", offsetof(__typeof__(idn), lookup)},
    {"idn2_free", offsetof(__typeof__(idn), free)},
    {"idn2_strerror", offsetof(__typeof__(idn), error)},
};

static struct rk_dl dl = {.soname = "libidn2.so.0",
                          .purpose = "names with letters outside of ASCII",
                          .syms = SYMS,
                          .n = RK_ARRAY_LEN(SYMS),
                          .table = &idn,
                          .lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_ascii(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] >= 0x80)
            return false;
    return true;
}

enum rk_code dns_domain_parse(struct rk_str text, struct dns_name *out, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *copy = NULL;
    uint8_t *ascii = NULL;
    enum rk_code rc;
    int how;

    if (is_ascii(text))
        return dns_name_parse(text, out, err);
    if (text.n > TEXT_MAX)
        return rk_fail(err, RK_BAD_REQUEST, "a domain of %zu bytes", text.n);
    rc = rk_dl_load(&dl, err);
    if (rc)
        return rc;
    copy = rk_str_dupz(text);
    how = idn.lookup((const uint8_t *)copy, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (how != IDN2_OK)
        return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not a domain name: %s",
                       RK_STR_ARG(rk_str_sub(text, 0, 100)), idn.error(how));
    rc = dns_name_parse(rk_str_z((const char *)ascii), out, err);
    idn.free(ascii);
    return rc;
}
