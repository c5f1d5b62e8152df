/* SPDX-License-Identifier: BSD-3-Clause */
/* `status`. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/anonymize.h"
#include "agent/cli/cli_priv.h"
#include "agent/cli/status.h"
#include "agent/cli/yaml.h"

static int print_address(const json_t *status, const char *name)
{
    const char *cidr = json_string_value(json_object_get(status, name));

    if (!cidr || !*cidr) {
        (void)fprintf(stderr, "Error: this host has no such address: it is not connected, or the "
                              "overlay gives none (\"rook status\" says which)\n");
        return 1;
    }
    (void)printf("%.*s\n", (int)strcspn(cidr, "/"), cidr);
    return 0;
}

static int check(const json_t *status, const char *what)
{
    int rc = cli_status_check(status, what);

    if (rc == 2)
        (void)fprintf(stderr, "Error: --check is live, ready or startup\n");
    return rc != 0;
}

/* As text, so that whatever it says goes through the anonymiser. */
static void print(FILE *out, struct cli *c, const json_t *status, bool detail)
{
    if (c->v.cli.json) {
        (void)json_dumpf(status, out, JSON_INDENT(2));
        (void)fprintf(out, "\n");
    } else if (c->v.cli.yaml) {
        yaml_print(out, status);
    } else {
        cli_status_print(out, status, detail);
    }
}

static int print_anonymous(struct cli *c, const json_t *status, bool detail)
{
    struct anonymizer *a = anonymizer_new(cli_anon_level(c) == CLI_ANON_STRICT);
    struct rk_str text;
    char *p = NULL;
    size_t n = 0;
    FILE *mem = open_memstream(&p, &n);

    anonymizer_learn(a, status);
    if (mem) {
        print(mem, c, status, detail);
        (void)fclose(mem);
    }
    text = anonymizer_text(a, rk_str_of(p ? p : "", n));
    (void)fwrite(text.p, 1, text.n, stdout);
    anonymizer_free(a);
    free(p);
    return mem ? 0 : 1;
}

int cmd_status(struct cli *c)
{
    const struct cli_opts *o = &c->v.cli;
    struct status_filter filter = {.ips = &o->filter_ips,
                                   .names = &o->filter_names,
                                   .status = o->filter_status,
                                   .path = o->filter_path};
    bool filtered = o->filter_ips.n || o->filter_names.n || o->filter_status.n || o->filter_path.n;
    json_t *status;
    int rc = 0;

    if (o->json + o->yaml + o->ipv4 + o->ipv6 > 1) {
        (void)fprintf(stderr, "Error: --json, --yaml, --ipv4 and --ipv6 exclude each other\n");
        return 1;
    }
    status = cli_ask(c, "status", NULL, 10000);
    if (!status)
        return 1;
    (void)json_object_set_new(status, "cliVersion", json_string(PACKAGE_VERSION));
    if (!cli_status_filter(status, &filter)) {
        (void)fprintf(stderr, "Error: --filter-by-status is idle, connecting or connected; "
                              "--filter-by-connection-type is P2P or Relayed\n");
        rc = 1;
    } else if (o->check.n) {
        rc = check(status, o->check.p);
    } else if (o->ipv4 || o->ipv6) {
        rc = print_address(status, o->ipv4 ? "netbirdIp" : "netbirdIpv6");
    } else if (cli_anon_level(c) != CLI_ANON_NO) {
        rc = print_anonymous(c, status, o->detail || filtered);
    } else {
        print(stdout, c, status, o->detail || filtered);
    }
    json_decref(status);
    return rc;
}
