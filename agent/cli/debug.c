/* SPDX-License-Identifier: BSD-3-Clause */
/* `debug`: for who looks for an error. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/cli/bundle.h"
#include "agent/cli/cli_priv.h"
#include "agent/cli/doctor.h"
#include "agent/client/upload.h"
#include "agent/control/client.h"
#include "lib/base/buf.h"
#include "lib/base/cfg.h"
#include "lib/base/file.h"
#include "lib/base/num.h"

#define TIMEOUT_MS 10000

int cmd_debug_log_level(struct cli *c)
{
    json_t *result = cli_ask(c, "log_level", json_pack("{s:s}", "level", c->rest[0]), TIMEOUT_MS);

    if (!result)
        return 1;
    (void)printf("Log level is %s (it was %s) until the daemon is started again\n", c->rest[0],
                 json_string_value(json_object_get(result, "was")));
    json_decref(result);
    return 0;
}

int cmd_debug_persistence(struct cli *c)
{
    bool on = strcmp(c->rest[0], "on") == 0;

    if (!on && strcmp(c->rest[0], "off") != 0) {
        (void)fprintf(stderr, "Error: usage: rook debug persistence on|off\n");
        return 1;
    }
    return cli_do(c, "persistence", json_pack("{s:b}", "on", (int)on), TIMEOUT_MS,
                  on ? "The next network maps are kept for debug bundles"
                     : "No network map is kept");
}

int cmd_debug_config(struct cli *c)
{
    json_t *result = cli_ask(c, "debug", NULL, TIMEOUT_MS);

    if (!result)
        return 1;
    cli_print_json(json_object_get(result, "config"));
    json_decref(result);
    return 0;
}

/* ---- bundles */

#define BUNDLE_MAX_BYTES ((size_t)256 << 20)
#define FOR_MAX_MS       (INT64_C(24) * 3600 * 1000)

static enum rk_code send_file(struct cli *c, const json_t *debug, struct rk_str path,
                              struct rk_str *key, struct rk_err *err)
{
    const json_t *management = json_object_get(json_object_get(debug, "status"), "management");
    struct upload_opts o = {.service = c->v.cli.upload_url,
                            .management_url =
                                rk_str_z(json_string_value(json_object_get(management, "url"))),
                            .insecure = c->v.cli.upload_insecure};
    struct rk_buf content;
    enum rk_code rc;

    rk_buf_init(&content, BUNDLE_MAX_BYTES);
    rc = rk_file_read(rk_arena_dupz(c->mem, path), 0, &content, err);
    o.content = rk_buf_str(&content);
    if (rc == RK_OK)
        rc = upload(c->mem, &o, key, err);
    rk_buf_done(&content);
    return rc;
}

/* Before anything takes its time. */
static bool upload_is_possible(const struct cli *c)
{
    if (!c->v.cli.upload || c->v.cli.upload_url.n)
        return true;
    (void)fprintf(stderr,
                  "Error: --upload-bundle needs --upload-bundle-url: nothing is uploaded to "
                  "others unasked\n");
    return false;
}

static int make_bundle(struct cli *c)
{
    struct bundle_opts o = {
        .output = c->v.cli.output, .anon = cli_anon_level(c), .system = c->v.cli.system_info};
    json_t *debug = NULL, *findings;
    struct rk_err err = {0}, why = {0};
    struct rk_str path, key;
    int rc = 0;

    if (ctl_call(c->v.cli.daemon_addr, "debug", json_pack("{s:b}", "log", c->v.cli.log_files > 0),
                 TIMEOUT_MS, &debug, &why)) {
        (void)fprintf(stderr, "Without the daemon's part: %s\n", why.msg);
        o.no_debug = why.msg;
    }
    o.debug = debug;
    o.findings = findings = doctor_findings(c);
    if (bundle_make(c->mem, &o, &path, &err)) {
        rc = cli_complain(&err);
    } else {
        (void)printf("Local file:\n%.*s\n", RK_STR_ARG(path));
        if (c->v.cli.upload && send_file(c, debug, path, &key, &err))
            rc = cli_complain(&err);
        else if (c->v.cli.upload)
            (void)printf("Upload file key:\n%.*s\n", RK_STR_ARG(key));
    }
    json_decref(findings);
    json_decref(debug);
    return rc;
}

int cmd_debug_bundle(struct cli *c)
{
    return upload_is_possible(c) ? make_bundle(c) : 1;
}

static bool parse_duration(struct rk_str text, int64_t *ms)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    static const struct rk_opt row[] = {
        {.flag = "d", .type = RK_OPT_DURATION, .min = 1000, .max = FOR_MAX_MS}};
    struct rk_opts o;

    return rk_opts_init(&o, row, 1, ms, mem, NULL) == RK_OK &&
           rk_opt_set(&o, RK_STR("d"), text, RK_OPT_ARGV, NULL) == RK_OK;
}

static void wait_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&ts, &ts))
        ;
}

int cmd_debug_for(struct cli *c)
{
    json_t *was;
    int64_t ms = 0;
    int rc;

    if (!parse_duration(rk_str_z(c->rest[0]), &ms)) {
        (void)fprintf(stderr, "Error: \"%s\" is not a duration from 1s to 24h, as in 5m\n",
                      c->rest[0]);
        return 1;
    }
    if (!upload_is_possible(c))
        return 1;
    was = cli_ask(c, "log_level", json_pack("{s:s}", "level", "debug"), TIMEOUT_MS);
    if (!was)
        return 1;
    json_decref(cli_ask(c, "persistence", json_pack("{s:b}", "on", 1), TIMEOUT_MS));
    (void)printf("Everything is logged for %s; do now what goes wrong.\n", c->rest[0]);
    (void)fflush(stdout);
    wait_ms(ms);
    rc = make_bundle(c);
    json_decref(cli_ask(c, "persistence", json_pack("{s:b}", "on", 0), TIMEOUT_MS));
    json_decref(cli_ask(c, "log_level",
                        json_pack("{s:s}", "level", json_string_value(json_object_get(was, "was"))),
                        TIMEOUT_MS));
    json_decref(was);
    return rc;
}
