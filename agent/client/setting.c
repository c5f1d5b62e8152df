/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of people; see setting.h. Above the profile, which knows no names. */
#include "config.h"

#include "agent/client/setting.h"

#include <string.h>

#include "agent/dns/idn.h"
#include "agent/os/external_ip.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/num.h"

/* Of all names together; their number is limited by the option. */
#define NAMES_MAX_BYTES ((size_t)32 * DNS_NAME_TEXT)

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* What management takes: words that begin and end with a letter or digit; a leading '_' is allowed
 * in all but the last. */
static bool words_ok(struct rk_str name)
{
    struct rk_str word,
        rest = rk_str_starts(name, RK_STR("*.")) ? rk_str_sub(name, 2, name.n) : name;
    bool more = true;

    while (more) {
        more = rk_str_cut(rest, '.', &word, &rest);
        if (!word.n || !(alnum(word.p[0]) || (more && word.p[0] == '_')) ||
            !(alnum(word.p[word.n - 1]) || word.n == 1))
            return false;
        for (size_t i = 0; i < word.n; i++)
            if (!alnum(word.p[i]) && word.p[i] != '-' && word.p[i] != '_')
                return false;
    }
    return true;
}

static enum rk_code one_name(struct rk_str text, struct rk_buf *out, struct rk_err *err)
{
    char shown[DNS_NAME_TEXT];
    struct dns_name name;
    struct rk_str s;
    enum rk_code rc = dns_domain_parse(text, &name, err);

    if (rc == RK_UNAVAILABLE)
        return rc;
    s = rc ? (struct rk_str){0} : dns_name_format(&name, shown);
    if (!s.n || !words_ok(s))
        return rk_fail(err, RK_INVALID,
                       "extra-dns-labels: \"%.*s\" is no name: letters, digits and '-', more words "
                       "behind dots",
                       RK_STR_ARG(rk_str_sub(text, 0, 80)));
    if (out->n)
        rk_buf_addc(out, ',');
    rk_buf_add(out, s);
    return RK_OK;
}

static enum rk_code set_names(struct profile *p, struct rk_str flag, struct rk_str value,
                              struct rk_err *err)
{
    struct rk_str one, rest = value;
    struct rk_buf names;
    enum rk_code rc = RK_OK;

    rk_buf_init(&names, NAMES_MAX_BYTES);
    while (rc == RK_OK && rest.n) {
        (void)rk_str_cut(rest, ',', &one, &rest);
        rc = one_name(rk_str_trim(one), &names, err);
    }
    if (rc == RK_OK && names.full)
        rc = rk_fail(err, RK_INVALID, "extra-dns-labels: too long");
    if (rc == RK_OK)
        rc = profile_set(p, flag, rk_buf_str(&names), err);
    rk_buf_done(&names);
    return rc;
}

static enum rk_code check_external(struct rk_str value, struct rk_err *err)
{
    struct rk_str one, rest = value;
    struct external_ip e;
    enum rk_code rc = RK_OK;

    while (rc == RK_OK && rest.n) {
        (void)rk_str_cut(rest, ',', &one, &rest);
        rc = external_ip_parse(rk_str_trim(one), &e, err);
    }
    return rc;
}

enum rk_code setting_set(struct profile *p, struct rk_str flag, struct rk_str value,
                         struct rk_err *err)
{
    if (rk_str_eqz(flag, "extra-dns-labels"))
        return set_names(p, flag, value, err);
    if (rk_str_eqz(flag, "external-ip-map")) {
        enum rk_code rc = check_external(value, err);

        if (rc)
            return rc;
    }
    return profile_set(p, flag, value, err);
}
