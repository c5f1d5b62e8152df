/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of findings; see doctor.h. */
#include "config.h"

#include "agent/cli/doctor.h"

#include <linux/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/control/client.h"
#include "agent/os/route.h"
#include "lib/base/num.h"

#define TEXT_MAX 400
#define SOON_MS  (INT64_C(24) * 3600 * 1000)

static const char *const STATES[] = {"ok", "note", "warning", "problem"};

void doctor_find(struct doctor *d, const char *check, enum finding_state s, const char *advice,
                 const char *format, ...)
{
    char text[TEXT_MAX];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    (void)json_array_append_new(d->findings,
                                json_pack("{s:s,s:s,s:s,s:s}", "check", check, "state", STATES[s],
                                          "text", text, "advice", advice ? advice : ""));
}

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

/* ---- the daemon */

static void look_at_status(struct doctor *d)
{
    const char *now = text(d->status, "daemonStatus"), *why = text(d->status, "daemonError");

    if (strcmp(now, "Connected") == 0)
        doctor_find(d, "connection", FINDING_OK, NULL, "connected");
    else if (strcmp(now, "Idle") == 0)
        doctor_find(d, "connection", FINDING_NOTE, "\"rook up\" connects", "not connected");
    else if (strcmp(now, "Connecting") == 0)
        doctor_find(d, "connection", FINDING_PROBLEM, "see the checks of the servers below",
                    "not connected, still trying%s%s", *why ? ": " : "", why);
    else
        doctor_find(d, "connection", FINDING_PROBLEM,
                    "\"rook up\" logs in, with --setup-key or by a browser", "%s%s%s", now,
                    *why ? ": " : "", why);
}

static void look_at_session(struct doctor *d)
{
    const char *at = text(d->status, "sessionExpiresAt");
    int64_t us;

    if (!*at || rk_time_parse_us(rk_str_z(at), &us, NULL))
        return;
    if (us / 1000 - rk_unix_ms() < SOON_MS)
        doctor_find(d, "login", FINDING_WARNING,
                    "\"rook login --extend\" makes it last longer, and the connection stays",
                    "the login of the person ends at %s", at);
    else
        doctor_find(d, "login", FINDING_OK, NULL, "the login lasts until %s", at);
}

static void look_at_events(struct doctor *d)
{
    const json_t *e;
    size_t i;

    json_array_foreach (json_object_get(d->status, "events"), i, e)
        if (strcmp(text(e, "severity"), "INFO") != 0)
            doctor_find(d, "events", FINDING_WARNING, "\"rook debug bundle\" collects the details",
                        "%s: %s", text(e, "timestamp"), text(e, "userMessage"));
}

static void look_at_daemon(struct doctor *d, const struct rk_err *why)
{
    const char *version = text(d->status, "daemonVersion");

    if (!d->status) {
        doctor_find(d, "daemon", FINDING_PROBLEM,
                    "start it: \"rook service start\" where it is installed as a unit, else \"rook "
                    "service run\"",
                    "%s", why->msg);
        return;
    }
    if (strcmp(version, PACKAGE_VERSION) != 0)
        doctor_find(d, "daemon", FINDING_WARNING,
                    "\"rook service restart\" starts the installed one",
                    "the running daemon is version %s, this program is " PACKAGE_VERSION, version);
    else
        doctor_find(d, "daemon", FINDING_OK, NULL, "runs, version %s", version);
    look_at_status(d);
    look_at_session(d);
    look_at_events(d);
}

/* ---- all */

json_t *doctor_findings(struct cli *c)
{
    struct doctor d = {.c = c, .mem = c->mem, .findings = json_array(), .root = geteuid() == 0};
    json_t *status = NULL, *about = NULL;
    struct rk_err why = {0};

    if (ctl_call(c->v.cli.daemon_addr, "status", NULL, 10000, &status, &why) == RK_OK)
        RK_IGNORE(ctl_call(c->v.cli.daemon_addr, "version", NULL, 10000, &about, NULL));
    d.status = status;
    d.about = about;
    if (nl_open(NETLINK_ROUTE, &d.route, NULL))
        d.route = NULL;
    d.mark = d.root ? ROUTE_MARK_CONTROL : 0;
    look_at_daemon(&d, &why);
    doctor_host(&d);
    doctor_net(&d);
    nl_close(d.route);
    json_decref(status);
    json_decref(about);
    return d.findings;
}

static void print(const json_t *list)
{
    static const char *const signs[] = {"ok     ", "note   ", "WARNING", "PROBLEM"};
    const json_t *f;
    size_t i;

    json_array_foreach (list, i, f) {
        const char *sign = "";

        for (size_t k = 0; k < RK_ARRAY_LEN(STATES); k++)
            if (strcmp(STATES[k], text(f, "state")) == 0)
                sign = signs[k];
        (void)printf("%s  %s: %s\n", sign, text(f, "check"), text(f, "text"));
        if (*text(f, "advice"))
            (void)printf("         -> %s\n", text(f, "advice"));
    }
}

int cmd_doctor(struct cli *c)
{
    json_t *list = doctor_findings(c);
    const json_t *f;
    size_t i, problems = 0, warnings = 0;

    json_array_foreach (list, i, f) {
        problems += strcmp(text(f, "state"), STATES[FINDING_PROBLEM]) == 0;
        warnings += strcmp(text(f, "state"), STATES[FINDING_WARNING]) == 0;
    }
    if (c->v.cli.json) {
        cli_print_json(list);
    } else {
        print(list);
        (void)printf("%zu problem%s, %zu warning%s\n", problems, problems == 1 ? "" : "s", warnings,
                     warnings == 1 ? "" : "s");
    }
    json_decref(list);
    return problems ? 1 : 0;
}
