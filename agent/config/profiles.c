/* SPDX-License-Identifier: BSD-3-Clause */
/* Which profiles there are; see profiles.h. */
#include "config.h"

#include "agent/config/profiles.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/os/files.h"
#include "lib/base/enc.h"
#include "lib/base/file.h"
#include "lib/crypto/secret.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define PROFILES_MAX   256 /* of one user: a list for people */

struct profiles {
    char *dir;
    char *file;      /* not NULL: the only one */
    char *active_id; /* NULL: default */
    char *active_user;
};

static const char SUFFIX[] = ".json", STATE_SUFFIX[] = ".state.json";

static json_t *read_json(const char *path)
{
    struct rk_buf text;
    json_t *v = NULL;

    rk_buf_init(&text, FILE_MAX_BYTES);
    if (rk_file_read(path, 0, &text, NULL) == RK_OK)
        v = json_loadb(text.p ? text.p : "", text.n, 0, NULL);
    rk_secret_wipe(text.p, text.n); /* a profile has keys */
    rk_buf_done(&text);
    return v;
}

static enum rk_code write_json(const char *path, const json_t *v, struct rk_err *err)
{
    char *text = json_dumps(v, JSON_INDENT(2));
    enum rk_code rc;

    if (!text)
        return rk_fail(err, RK_INTERNAL, "cannot write %s as JSON", path);
    rc = files_write(path, rk_str_z(text), 0600, err);
    rk_secret_wipe(text, strlen(text));
    free(text);
    return rc;
}

/* ---- names */

/* What may be one part of a path. */
static bool is_stem(struct rk_str s)
{
    if (!s.n || s.n > PROFILES_ID_MAX || s.p[0] == '.' || rk_str_find(s, RK_STR("..")) < s.n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '/' || s.p[i] == '\\' || (unsigned char)s.p[i] < ' ')
            return false;
    return true;
}

static bool is_default(struct rk_str id)
{
    return rk_str_eqz(id, "default");
}

/* Without control characters (C0, DEL, and C1 in UTF-8) and blanks around it. */
static enum rk_code clean_name(struct rk_arena *mem, struct rk_str name, struct rk_str *out,
                               struct rk_err *err)
{
    char *clean = rk_arena_alloc(mem, name.n + 1);
    size_t n = 0, chars = 0;

    if (!rk_str_utf8_ok(name))
        return rk_fail(err, RK_INVALID, "a profile's name must be UTF-8");
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        if (c < ' ' || c == 0x7f)
            continue;
        if (c == 0xc2 && i + 1 < name.n && (unsigned char)name.p[i + 1] < 0xa0) {
            i++;
            continue;
        }
        clean[n++] = (char)c;
    }
    *out = rk_str_trim(rk_str_of(clean, n));
    for (size_t i = 0; i < out->n; i++)
        chars += ((unsigned char)out->p[i] & 0xc0) != 0x80;
    if (!chars || chars > PROFILES_NAME_MAX)
        return rk_fail(err, RK_INVALID, "a profile's name has 1 to %d characters",
                       PROFILES_NAME_MAX);
    return RK_OK;
}

struct rk_str profiles_user(struct rk_arena *mem, uid_t uid)
{
    FILE *f = fopen("/etc/passwd", "re");
    struct rk_str out = {0};
    const struct passwd *pw;

    while (f && !out.n && (pw = fgetpwent(f))) {
        char *clean;
        size_t n = 0;

        if (pw->pw_uid != uid)
            continue;
        clean = rk_arena_alloc(mem, strlen(pw->pw_name) + 1);
        for (const char *c = pw->pw_name; *c && n < PROFILES_ID_MAX; c++)
            if (isalnum((unsigned char)*c) || *c == '_' || *c == '-')
                clean[n++] = *c;
        out = rk_str_of(clean, n);
    }
    if (f)
        (void)fclose(f);
    return out.n ? out : rk_arena_printf(mem, "uid-%lu", (unsigned long)uid);
}

/* ---- where they are */

static struct profile_ref ref_of(const struct profiles *ps, struct rk_arena *mem,
                                 struct rk_str user, struct rk_str id)
{
    struct profile_ref r = {.id = rk_arena_dup(mem, id), .name = RK_STR("default")};

    if (is_default(id)) {
        r.path = ps->file ? rk_arena_printf(mem, "%s", ps->file)
                          : rk_arena_printf(mem, "%s/default%s", ps->dir, SUFFIX);
        r.state_path = rk_arena_printf(mem, "%s/state.json", ps->dir);
        return r;
    }
    r.user = rk_arena_dup(mem, user);
    r.path =
        rk_arena_printf(mem, "%s/%.*s/%.*s%s", ps->dir, RK_STR_ARG(user), RK_STR_ARG(id), SUFFIX);
    r.state_path = rk_arena_printf(mem, "%s/%.*s/%.*s%s", ps->dir, RK_STR_ARG(user), RK_STR_ARG(id),
                                   STATE_SUFFIX);
    r.name = r.id;
    return r;
}

/* By its file, which official agents of old did not write a name into. */
static void read_name(struct rk_arena *mem, struct profile_ref *r)
{
    json_t *v = is_default(r->id) ? NULL : read_json(r->path.p);
    const char *name = json_string_value(json_object_get(v, "Name"));

    if (name && *name)
        (void)clean_name(mem, rk_arena_dup(mem, rk_str_z(name)), &r->name, NULL);
    json_decref(v);
}

static void read_active(struct profiles *ps)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    json_t *v = read_json(rk_arena_printf(mem, "%s/active_profile.json", ps->dir).p);
    struct rk_str id = rk_str_z(json_string_value(json_object_get(v, "name")));
    struct rk_str user = rk_str_z(json_string_value(json_object_get(v, "username")));

    if (is_stem(id) && !is_default(id) && is_stem(user) &&
        access(ref_of(ps, mem, user, id).path.p, F_OK) == 0) {
        ps->active_id = rk_str_dupz(id);
        ps->active_user = rk_str_dupz(user);
    }
    json_decref(v);
}

static void take_legacy(const struct profiles *ps, const char *legacy)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct profile_ref r = ref_of(ps, mem, RK_STR(""), RK_STR("default"));
    json_t *v;

    if (!legacy || ps->file || access(r.path.p, F_OK) == 0)
        return;
    v = read_json(legacy);
    if (json_is_object(v))
        RK_IGNORE(write_json(r.path.p, v, NULL)); /* else a new one is made */
    json_decref(v);
}

struct profiles *profiles_open(struct rk_str dir, struct rk_str file, const char *legacy)
{
    struct profiles *ps = rk_calloc(1, sizeof *ps);

    ps->dir = rk_str_dupz(dir);
    if (file.n)
        ps->file = rk_str_dupz(file);
    else
        read_active(ps);
    take_legacy(ps, legacy);
    return ps;
}

void profiles_free(struct profiles *ps)
{
    if (!ps)
        return;
    free(ps->dir);
    free(ps->file);
    free(ps->active_id);
    free(ps->active_user);
    free(ps);
}

struct profile_ref profiles_active(struct profiles *ps, struct rk_arena *mem)
{
    struct profile_ref r = ref_of(ps, mem, rk_str_z(ps->active_user),
                                  ps->active_id ? rk_str_z(ps->active_id) : RK_STR("default"));

    read_name(mem, &r);
    return r;
}

enum rk_code profiles_activate(struct profiles *ps, const struct profile_ref *r, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    json_t *v = json_pack("{s:s%,s:s%}", "name", r->id.p, r->id.n, "username",
                          r->user.p ? r->user.p : "", r->user.n);
    enum rk_code rc = write_json(rk_arena_printf(mem, "%s/active_profile.json", ps->dir).p, v, err);

    json_decref(v);
    if (rc)
        return rc;
    free(ps->active_id);
    free(ps->active_user);
    ps->active_id = is_default(r->id) ? NULL : rk_str_dupz(r->id);
    ps->active_user = is_default(r->id) ? NULL : rk_str_dupz(r->user);
    return RK_OK;
}

/* ---- the list */

static int by_id(const void *a, const void *b)
{
    return rk_str_cmp(((const struct profile_ref *)a)->id, ((const struct profile_ref *)b)->id);
}

static bool id_of_file(const char *file, struct rk_str *id)
{
    struct rk_str name = rk_str_z(file);
    size_t n = sizeof SUFFIX - 1, ns = sizeof STATE_SUFFIX - 1;

    if (name.n <= n || strcmp(file + name.n - n, SUFFIX) != 0 ||
        (name.n > ns && strcmp(file + name.n - ns, STATE_SUFFIX) == 0))
        return false;
    *id = rk_str_sub(name, 0, name.n - n);
    return is_stem(*id) && !is_default(*id);
}

/* "default", then those of the user. */
static size_t all_of(struct profiles *ps, struct rk_arena *mem, struct rk_str user,
                     struct profile_ref *out)
{
    DIR *d =
        ps->file ? NULL : opendir(rk_arena_printf(mem, "%s/%.*s", ps->dir, RK_STR_ARG(user)).p);
    const struct dirent *e;
    struct rk_str id;
    size_t n = 0;

    out[n++] = ref_of(ps, mem, RK_STR(""), RK_STR("default"));
    while (d && n < PROFILES_MAX && (e = readdir(d)))
        if (id_of_file(e->d_name, &id)) {
            out[n] = ref_of(ps, mem, user, id);
            read_name(mem, &out[n++]);
        }
    if (d)
        (void)closedir(d);
    qsort(out + 1, n - 1, sizeof *out, by_id);
    return n;
}

static bool is_active(const struct profiles *ps, const struct profile_ref *r)
{
    return ps->active_id ? rk_str_eqz(r->id, ps->active_id) && rk_str_eqz(r->user, ps->active_user)
                         : is_default(r->id);
}

json_t *profiles_list(struct profiles *ps, struct rk_str user)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct profile_ref *all = rk_new_n(mem, struct profile_ref, PROFILES_MAX);
    size_t n = all_of(ps, mem, user, all);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s%,s:s%,s:b}", "id", all[i].id.p, all[i].id.n, "name",
                            all[i].name.p, all[i].name.n, "active", is_active(ps, &all[i])));
    return list;
}

enum rk_code profiles_find(struct profiles *ps, struct rk_arena *mem, struct rk_str user,
                           struct rk_str handle, struct profile_ref *out, struct rk_err *err)
{
    struct profile_ref *all = rk_new_n(mem, struct profile_ref, PROFILES_MAX);
    size_t n = all_of(ps, mem, user, all), hits[2] = {0}, at[2] = {0};

    for (size_t i = 0; i < n && handle.n; i++) {
        bool fits[2] = {rk_str_starts(all[i].id, handle), rk_str_eq(all[i].name, handle)};

        if (rk_str_eq(all[i].id, handle)) {
            *out = all[i];
            return RK_OK;
        }
        for (size_t k = 0; k < 2; k++)
            if (fits[k]) {
                hits[k]++;
                at[k] = i;
            }
    }
    for (size_t k = 0; k < 2; k++) {
        if (hits[k] == 1) {
            *out = all[at[k]];
            return RK_OK;
        }
        if (hits[k])
            return rk_fail(err, RK_INVALID,
                           "%zu profiles fit \"%.*s\": \"rook profile list --show-id\" shows ids, "
                           "of which the beginning is enough",
                           hits[k], RK_STR_ARG(handle));
    }
    if (ps->file)
        return rk_fail(err, RK_INVALID,
                       "this daemon was started with --config: %s is its only "
                       "profile",
                       ps->file);
    return rk_fail(err, RK_NOT_FOUND,
                   "there is no profile \"%.*s\" (\"rook profile list\" shows them, \"rook profile "
                   "add\" makes one)",
                   RK_STR_ARG(rk_str_sub(handle, 0, 60)));
}

/* ---- changes */

enum rk_code profiles_add(struct profiles *ps, struct rk_arena *mem, struct rk_str user,
                          struct rk_str name, struct profile_ref *out, struct rk_err *err)
{
    uint8_t random[16];
    char id[2 * sizeof random + 1];
    struct rk_str clean;
    json_t *v;
    enum rk_code rc;

    if (ps->file)
        return rk_fail(err, RK_INVALID,
                       "this daemon was started with --config: %s is its only "
                       "profile",
                       ps->file);
    rc = clean_name(mem, name, &clean, err);
    if (rc)
        return rc;
    if (is_default(clean))
        return rk_fail(err, RK_INVALID, "\"default\" is there already");
    rk_secret_random(random, sizeof random);
    rk_hex_encode_to(id, rk_str_of(random, sizeof random));
    *out = ref_of(ps, mem, user, rk_str_z(id));
    out->name = clean;
    v = json_pack("{s:s%}", "Name", clean.p, clean.n);
    rc = write_json(out->path.p, v, err); /* keys come with its first use */
    json_decref(v);
    return rc;
}

enum rk_code profiles_rename(struct profiles *ps RK_UNUSED, const struct profile_ref *r,
                             struct rk_str name, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str clean;
    json_t *v;
    enum rk_code rc;

    if (is_default(r->id))
        return rk_fail(err, RK_INVALID, "the profile \"default\" keeps its name");
    rc = clean_name(mem, name, &clean, err);
    if (rc)
        return rc;
    v = read_json(r->path.p);
    if (!json_is_object(v))
        rc = rk_fail(err, RK_INTERNAL, "%s cannot be read", r->path.p);
    else
        (void)json_object_set_new(v, "Name", json_stringn(clean.p, clean.n));
    if (rc == RK_OK)
        rc = write_json(r->path.p, v, err);
    json_decref(v);
    return rc;
}

enum rk_code profiles_remove(struct profiles *ps, const struct profile_ref *r, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    if (is_default(r->id))
        return rk_fail(err, RK_INVALID, "the profile \"default\" stays");
    if (is_active(ps, r))
        return rk_fail(err, RK_INVALID,
                       "\"%.*s\" is the active profile: \"rook profile select\" another first",
                       RK_STR_ARG(r->name));
    if (unlink(r->path.p) != 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "remove %s", r->path.p);
    (void)unlink(r->state_path.p);
    (void)unlink(rk_arena_printf(mem, "%s.bak", r->state_path.p).p);
    return RK_OK;
}
