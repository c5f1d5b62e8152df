/* SPDX-License-Identifier: BSD-3-Clause */
/* What setup made, for people and programs; see setup_priv.h. */
#include "config.h"

#include <jansson.h>
#include <qrencode.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/setup_priv.h"

enum { QUIET_ZONE = 2 };

void setup_say(const struct setup *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vfprintf(s->o.json ? stderr : stdout, fmt, ap);
    va_end(ap);
    (void)fflush(s->o.json ? stderr : stdout);
}

static bool dark(const QRcode *q, int x, int y)
{
    return x >= 0 && y >= 0 && x < q->width && y < q->width && (q->data[y * q->width + x] & 1);
}

/* Two modules above each other are one character; light is drawn, for terminals are dark. */
void setup_qr(const char *text)
{
    static const char *const blocks[4] = {"█", "▀", "▄", " "};
    QRcode *q = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

    if (!q)
        return; /* the text stands above it */
    for (int y = -QUIET_ZONE; y < q->width + QUIET_ZONE; y += 2) {
        (void)fputs("  ", stdout);
        for (int x = -QUIET_ZONE; x < q->width + QUIET_ZONE; x++)
            (void)fputs(blocks[2 * dark(q, x, y) + dark(q, x, y + 1)], stdout);
        (void)putchar('\n');
    }
    QRcode_free(q);
}

static struct rk_str token_of(const struct setup *s)
{
    return rk_str_sub(s->pat, strlen("Authorization: Token "), s->pat.n);
}

/* As people write it. */
static struct rk_str url_of(const struct setup *s)
{
    struct rk_str url = s->c.exposed_address;

    if (rk_str_starts(url, RK_STR("https://")) && rk_str_ends(url, RK_STR(":443")))
        url.n -= 4;
    return url;
}

static const char *line_of(const struct setup *s, const char *program)
{
    return rk_arena_printf(s->mem, "sudo %s up --management-url %.*s --setup-key %.*s", program,
                           RK_STR_ARG(url_of(s)), RK_STR_ARG(s->setup_key))
        .p;
}

static void print_certificate(const struct setup *s)
{
    if (!s->uncertified)
        return;
    printf("The certificate is not there yet: %s\n",
           s->certificate_error[0] ? s->certificate_error : "the authority has not answered");
    printf(
        "  -> TCP 443 of %.*s must lead to this machine from outside. The server tries again by\n"
        "     itself; \"rookery doctor\" says how it stands. Until then machines cannot enrol.\n\n",
        RK_STR_ARG(s->host.n ? s->host : url_of(s)));
}

void setup_print(const struct setup *s)
{
    const struct rk_str url = url_of(s);

    printf("\nRookery is ready at %.*s\n\n", RK_STR_ARG(url));
    print_certificate(s);
    printf("  owner        %.*s\n", RK_STR_ARG(s->o.owner_email));
    if (s->password.n)
        printf("  password     %.*s   (shown this once; keep it)\n", RK_STR_ARG(s->password));
    if (s->pat.n)
        printf("  API token    %.*s   (valid for one day)\n", RK_STR_ARG(token_of(s)));
    printf("  setup key    %.*s   (7 days, 10 machines)\n\n", RK_STR_ARG(s->setup_key));
    printf("Enrol a machine:\n");
    printf("  with rook            %s\n", line_of(s, "rook"));
    printf("  official client      %s\n\n", line_of(s, "netbird"));
    if (s->o.qr) {
        printf("The line for the official client, to be read by a camera:\n");
        setup_qr(line_of(s, "netbird"));
        (void)putchar('\n');
    }
    printf("API: curl -H 'Authorization: Token …' %.*s/api/peers\n", RK_STR_ARG(url));
    printf("Data and keys are in %.*s; back that folder up.\n", RK_STR_ARG(s->c.data_dir));
    if (rk_str_starts(url, RK_STR("http://")))
        printf("Everything is clear text, passwords and tokens too.\n");
}

static void put(json_t *o, const char *key, struct rk_str v)
{
    (void)json_object_set_new(o, key, json_stringn(v.n ? v.p : "", v.n));
}

void setup_print_json(const struct setup *s)
{
    json_t *o = json_object();

    put(o, "url", s->c.exposed_address);
    put(o, "config", rk_str_z(s->path ? s->path : ""));
    put(o, "owner", s->o.owner_email);
    put(o, "password", s->password);
    put(o, "api_token", token_of(s));
    put(o, "setup_key", s->setup_key);
    put(o, "rook", rk_str_z(line_of(s, "rook")));
    put(o, "netbird", rk_str_z(line_of(s, "netbird")));
    if (s->c.acme_enabled)
        put(o, "certificate",
            rk_str_z(!s->uncertified           ? "valid"
                     : s->certificate_error[0] ? s->certificate_error
                                               : "waiting"));
    (void)json_dumpf(o, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(o);
}
