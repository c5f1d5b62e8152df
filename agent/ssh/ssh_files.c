/* SPDX-License-Identifier: BSD-3-Clause */
/* Host keys and drop-in for OpenSSH's client; see ssh_files.h. */
#include "config.h"

#include "agent/ssh/ssh_files.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/os/files.h"
#include "lib/base/file.h"

#define HEAD           "# Written by rook, which removes it when it disconnects.\n"
#define TEXT_MAX       ((size_t)64 << 20)
#define PATH_MAX_BYTES 4096
#define KEY_MAX        2048
#define NAME_MAX_BYTES 253
#define NAMES          4 /* of a peer: two addresses, full name, short name */

struct ssh_files {
    struct ssh_files_opts o;
    char *config, *known, *folder; /* paths; folder: of drop-ins */
    char *program;                 /* NULL: it cannot stand in a command line */
    char *wrote;                   /* both texts; NULL: there are no files */
    bool told_many;                /* that there are too many peers, since there are */
};

/* ---- what may stand in the files */

/* A host name that means nothing else in ssh_config, in known_hosts or to a shell. */
static bool plain_name(struct rk_str s)
{
    if (!s.n || s.n > NAME_MAX_BYTES || s.p[0] == '-' || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '.' && s.p[i] != '_')
            return false;
    return true;
}

/* Type and key of an authorized_keys line, without its comment. */
static bool plain_key(struct rk_str line, struct rk_str *type, struct rk_str *key)
{
    struct rk_str rest;

    if (line.n > KEY_MAX || !rk_str_cut(rk_str_trim(line), ' ', type, &rest))
        return false;
    (void)rk_str_cut(rest, ' ', key, &rest);
    if (!type->n || !key->n)
        return false;
    for (size_t i = 0; i < type->n; i++)
        if (!isalnum((unsigned char)type->p[i]) && !strchr("-@.", type->p[i]))
            return false;
    for (size_t i = 0; i < key->n; i++)
        if (!isalnum((unsigned char)key->p[i]) && !strchr("+/=", key->p[i]))
            return false;
    return true;
}

/* A path that means itself between single quotes inside of double ones. */
static bool plain_path(const char *p)
{
    return *p == '/' && !strpbrk(p, "'\"\\%$`\n\r");
}

/* ---- texts */

struct names { /* of one peer */
    char ip[2][RK_ADDR_TEXT];
    struct rk_str v[NAMES];
    size_t n;
};

static void names_of(const Management__RemotePeerConfig *p, const struct rk_prefix *v4,
                     const struct rk_prefix *v6, struct names *out)
{
    struct rk_str fqdn = rk_str_z(p->fqdn), shorter, rest;
    size_t ips = 0;

    out->n = 0;
    for (size_t i = 0; i < p->n_allowedips && ips < 2; i++) {
        struct rk_prefix a;

        if (rk_prefix_parse(rk_str_z(p->allowedips[i]), &a, NULL))
            continue;
        if ((a.ip.family == 4 && a.bits == 32 && v4->ip.family && rk_prefix_contains(v4, &a.ip)) ||
            (a.ip.family == 6 && a.bits == 128 && v6->ip.family && rk_prefix_contains(v6, &a.ip))) {
            out->v[out->n++] = rk_ip_format(&a.ip, out->ip[ips]);
            ips++;
        }
    }
    if (!ips)
        return;
    if (fqdn.n && fqdn.p[fqdn.n - 1] == '.')
        fqdn.n--;
    if (!plain_name(fqdn))
        return;
    out->v[out->n++] = fqdn;
    if (rk_str_cut(fqdn, '.', &shorter, &rest) && shorter.n)
        out->v[out->n++] = shorter;
}

static void add_lower(struct rk_buf *b, struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        rk_buf_addc(b, (char)tolower((unsigned char)s.p[i]));
}

static void put_peer(const struct names *names, struct rk_str type, struct rk_str key,
                     struct rk_buf *patterns, struct rk_buf *known)
{
    for (size_t i = 0; i < names->n; i++) {
        if (patterns->n)
            rk_buf_addc(patterns, ',');
        add_lower(patterns, names->v[i]);
        rk_buf_addz(known, i ? "," : "");
        add_lower(known, names->v[i]);
        rk_buf_addz(known, ",["); /* the server's own port, where 22 leads to */
        add_lower(known, names->v[i]);
        rk_buf_addz(known, "]:22022");
    }
    rk_buf_addc(known, ' ');
    rk_buf_add(known, type);
    rk_buf_addc(known, ' ');
    rk_buf_add(known, key);
    rk_buf_addc(known, '\n');
}

/* How many peers. */
static size_t put_peers(const Management__NetworkMap *map, const struct rk_prefix *v4,
                        const struct rk_prefix *v6, struct rk_buf *patterns, struct rk_buf *known)
{
    size_t n = 0;

    rk_buf_addz(known, HEAD);
    for (size_t i = 0; i < map->n_remotepeers; i++) {
        const Management__RemotePeerConfig *p = map->remotepeers[i];
        struct rk_str type, key;
        struct names names;

        if (!p->sshconfig ||
            !plain_key(rk_str_of(p->sshconfig->sshpubkey.data, p->sshconfig->sshpubkey.len), &type,
                       &key))
            continue;
        names_of(p, v4, v6, &names);
        if (!names.n)
            continue;
        put_peer(&names, type, key, patterns, known);
        n++;
    }
    return n;
}

static void put_config(const struct ssh_files *f, struct rk_str patterns, struct rk_buf *out)
{
    rk_buf_addz(out, HEAD "Match host \"");
    rk_buf_add(out, patterns);
    rk_buf_addz(out, "\" exec \"'");
    rk_buf_addz(out, f->program);
    rk_buf_addz(out, "' ssh detect %h %p any\"\n    UserKnownHostsFile ");
    rk_buf_addz(out, f->known);
    rk_buf_addz(out, "\n    GlobalKnownHostsFile none\n"
                     "    StrictHostKeyChecking yes\n"
                     "    UpdateHostKeys no\n"
                     "    CheckHostIP no\n");
}

/* ---- files */

static char *path_of(const char *folder, const char *name, const char *iface, const char *end)
{
    char text[PATH_MAX_BYTES], tail[64];

    (void)snprintf(tail, sizeof tail, "%s%s", iface, end);
    for (char *c = tail; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
            *c = '_';
    (void)snprintf(text, sizeof text, "%s/%s%s", folder, name, tail);
    return rk_str_dupz(rk_str_z(text));
}

static char *own_program(const char *given)
{
    char text[PATH_MAX_BYTES];
    ssize_t n;

    if (given)
        return plain_path(given) ? rk_str_dupz(rk_str_z(given)) : NULL;
    n = readlink("/proc/self/exe", text, sizeof text - 1);
    if (n <= 0)
        return NULL;
    text[n] = 0;
    return plain_path(text) ? rk_str_dupz(rk_str_z(text)) : NULL;
}

struct ssh_files *ssh_files_new(const struct ssh_files_opts *o)
{
    struct ssh_files *f = rk_calloc(1, sizeof *f);

    f->o = *o;
    f->folder = path_of(o->folder, "ssh_config.d", "", "");
    f->config = path_of(o->folder, "ssh_config.d/99-rook-", o->iface, ".conf");
    f->known = path_of(o->folder, "rook_known_hosts-", o->iface, "");
    f->program = own_program(o->program);
    return f;
}

static enum rk_code remove_ours(const char *path, struct rk_err *err)
{
    enum rk_code rc;
    struct rk_buf text;

    if (access(path, F_OK))
        return RK_OK;
    rk_buf_init(&text, TEXT_MAX);
    rc = rk_file_read(path, 0, &text, err);
    if (rc == RK_OK && rk_str_starts(rk_buf_str(&text), rk_str_z(HEAD)) && unlink(path) &&
        errno != ENOENT)
        rc = rk_fail(err, RK_INTERNAL, "remove %s: %s", path, strerror(errno));
    rk_buf_done(&text);
    return rc;
}

enum rk_code ssh_files_recover(const json_t *left, struct rk_err *err)
{
    static const char *const members[] = {"Config", "Known"};
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < RK_ARRAY_LEN(members) && rc == RK_OK; i++) {
        const char *path = json_string_value(json_object_get(left, members[i]));

        if (path)
            rc = remove_ours(path, err);
    }
    return rc;
}

static enum rk_code take_back(struct ssh_files *f, struct rk_err *err)
{
    enum rk_code rc;

    if (!f->wrote)
        return RK_OK;
    rc = ssh_files_recover(state_get(f->o.state, STATE_SSH), err);
    if (rc)
        return rc;
    state_set(f->o.state, STATE_SSH, NULL);
    free(f->wrote);
    f->wrote = NULL;
    return RK_OK;
}

/* The keys first: the drop-in never names a file that is not there. */
static enum rk_code write_both(struct ssh_files *f, struct rk_str config, struct rk_str known,
                               struct rk_err *err)
{
    struct rk_buf both;
    enum rk_code rc;

    rk_buf_init(&both, TEXT_MAX);
    rk_buf_add(&both, config);
    rk_buf_add(&both, known);
    if (f->wrote && rk_str_eqz(rk_buf_str(&both), f->wrote)) {
        rk_buf_done(&both);
        return RK_OK;
    }
    state_set(f->o.state, STATE_SSH,
              json_pack("{s:s,s:s}", "Config", f->config, "Known", f->known));
    free(f->wrote); /* also half of it is to be removed */
    f->wrote = rk_str_dupz(rk_str_z(""));
    rc = files_write(f->known, known, 0644, err);
    if (rc == RK_OK)
        rc = files_write(f->config, config, 0644, err);
    if (rc == RK_OK) {
        free(f->wrote);
        f->wrote = rk_str_dupz(rk_buf_str(&both));
    }
    rk_buf_done(&both);
    return rc;
}

enum rk_code ssh_files_apply(struct ssh_files *f, const Management__NetworkMap *map,
                             const struct rk_prefix *v4, const struct rk_prefix *v6,
                             struct rk_err *err)
{
    struct rk_buf patterns, known, config;
    enum rk_code rc = RK_OK;
    size_t n;

    if (f->o.off || !f->program || access(f->folder, F_OK))
        return take_back(f, err);
    rk_buf_init(&patterns, TEXT_MAX);
    rk_buf_init(&known, TEXT_MAX);
    rk_buf_init(&config, TEXT_MAX);
    n = put_peers(map, v4, v6, &patterns, &known);
    if (n > SSH_FILES_PEERS_MAX && !f->o.force) {
        rc = take_back(f, err);
        if (rc == RK_OK && !f->told_many) {
            f->told_many = true;
            rc = rk_fail(err, RK_LIMIT,
                         "%zu peers have host keys, more than %d are not written for ssh unless "
                         "--force-ssh-config is given",
                         n, SSH_FILES_PEERS_MAX);
        }
    } else if (!n) {
        rc = take_back(f, err);
    } else {
        put_config(f, rk_buf_str(&patterns), &config);
        rc = write_both(f, rk_buf_str(&config), rk_buf_str(&known), err);
    }
    if (n <= SSH_FILES_PEERS_MAX)
        f->told_many = false;
    rk_buf_done(&patterns);
    rk_buf_done(&known);
    rk_buf_done(&config);
    return rc;
}

void ssh_files_free(struct ssh_files *f)
{
    struct rk_err err = {0};

    if (!f)
        return;
    if (take_back(f, &err))
        rk_log(f->o.log, RK_WARN, "host keys of peers stay in ssh's configuration", KV_ERR(&err));
    free(f->config);
    free(f->known);
    free(f->folder);
    free(f->program);
    free(f->wrote);
    free(f);
}
