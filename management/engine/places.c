/* SPDX-License-Identifier: BSD-3-Clause */
/* Look-ups in a MaxMind DB; see places.h. */
#include "config.h"

#include "management/engine/places.h"

#include <maxminddb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

struct places {
    char *path;
    pthread_rwlock_t lock; /* guards db: look-ups read, a reload writes */
    MMDB_s db;
};

/* A database of something else (ASN, connection type) would answer every question with nothing. */
static bool has_countries(const MMDB_s *db)
{
    const char *type = db->metadata.database_type;

    return strstr(type, "City") || strstr(type, "Country") || strstr(type, "Enterprise") ||
           strstr(type, "Location");
}

static enum rk_code open_file(const char *path, MMDB_s *db, struct rk_err *err)
{
    int rc = MMDB_open(path, MMDB_MODE_MMAP, db);

    if (rc == MMDB_FILE_OPEN_ERROR)
        return rk_fail(err, RK_UNAVAILABLE, "location database %s cannot be opened", path);
    if (rc != MMDB_SUCCESS)
        return rk_fail(err, RK_INVALID, "%s is no MaxMind database: %s", path, MMDB_strerror(rc));
    if (has_countries(db))
        return RK_OK;
    (void)rk_fail(err, RK_INVALID, "%s has no countries (its type is %.60s): use a City database",
                  path, db->metadata.database_type);
    MMDB_close(db);
    return RK_INVALID;
}

enum rk_code places_open(const char *path, struct places **out, struct rk_err *err)
{
    MMDB_s db;
    struct places *p;
    enum rk_code rc = open_file(path, &db, err);

    if (rc)
        return rc;
    p = rk_calloc(1, sizeof *p);
    p->path = rk_str_dupz(rk_str_z(path));
    p->db = db;
    (void)pthread_rwlock_init(&p->lock, NULL);
    *out = p;
    return RK_OK;
}

void places_free(struct places *p)
{
    if (!p)
        return;
    MMDB_close(&p->db);
    (void)pthread_rwlock_destroy(&p->lock);
    free(p->path);
    free(p);
}

enum rk_code places_reload(struct places *p, struct rk_err *err)
{
    MMDB_s fresh, old;
    enum rk_code rc = open_file(p->path, &fresh, err);

    if (rc)
        return rc;
    (void)pthread_rwlock_wrlock(&p->lock);
    old = p->db;
    p->db = fresh;
    (void)pthread_rwlock_unlock(&p->lock);
    MMDB_close(&old);
    return RK_OK;
}

/* ---- one address */

static struct rk_str text_of(MMDB_entry_s *e, const char *const *path)
{
    MMDB_entry_data_s d;

    if (MMDB_aget_value(e, &d, path) != MMDB_SUCCESS || !d.has_data ||
        d.type != MMDB_DATA_TYPE_UTF8_STRING)
        return (struct rk_str){0};
    return rk_str_of(d.utf8_string, d.data_size);
}

static uint64_t number_of(MMDB_entry_s *e, const char *const *path)
{
    MMDB_entry_data_s d;

    if (MMDB_aget_value(e, &d, path) != MMDB_SUCCESS || !d.has_data)
        return 0;
    switch (d.type) {
    case MMDB_DATA_TYPE_UINT16:
        return d.uint16;
    case MMDB_DATA_TYPE_UINT32:
        return d.uint32;
    case MMDB_DATA_TYPE_UINT64:
        return d.uint64;
    default:
        return 0;
    }
}

/* Texts point into the mapped file. */
static struct place place_of(MMDB_entry_s *e)
{
    static const char *const CODE[] = {"country", "iso_code", NULL};
    static const char *const COUNTRY[] = {"country", "names", "en", NULL};
    static const char *const CITY[] = {"city", "names", "en", NULL};
    static const char *const ID[] = {"city", "geoname_id", NULL};

    return (struct place){.country = text_of(e, CODE),
                          .country_name = text_of(e, COUNTRY),
                          .city = text_of(e, CITY),
                          .geoname_id = number_of(e, ID)};
}

static bool is_private(const struct rk_ip *ip)
{
    const uint8_t *b = ip->b;

    if (ip->family == 4)
        return b[0] == 10 || b[0] == 127 || b[0] == 0 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
               (b[0] == 192 && b[1] == 168) || (b[0] == 169 && b[1] == 254) ||
               (b[0] == 100 && (b[1] & 0xc0) == 64);
    return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || b[0] == 0;
}

bool places_wants(const struct places *p, const struct peer_location *l)
{
    struct rk_ip ip = rk_ip_unmap(&l->connection_ip);

    return p && ip.family && !l->country_code.n && !is_private(&ip);
}

void places_fill(struct places *p, struct rk_arena *mem, struct peer_location *l)
{
    struct rk_ip ip = rk_ip_unmap(&l->connection_ip);
    struct sockaddr_storage to = {0};
    MMDB_lookup_result_s r;
    int rc = MMDB_SUCCESS;

    *l = (struct peer_location){.connection_ip = l->connection_ip};
    if (!p || !ip.family)
        return;
    if (ip.family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)&to;

        in->sin_family = AF_INET;
        memcpy(&in->sin_addr, ip.b, 4);
    } else {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)&to;

        in->sin6_family = AF_INET6;
        memcpy(&in->sin6_addr, ip.b, 16);
    }
    (void)pthread_rwlock_rdlock(&p->lock);
    r = MMDB_lookup_sockaddr(&p->db, (const struct sockaddr *)(const void *)&to, &rc);
    if (rc == MMDB_SUCCESS && r.found_entry) {
        struct place e = place_of(&r.entry);

        l->country_code = rk_arena_dup(mem, e.country);
        l->city_name = rk_arena_dup(mem, e.city);
        l->geoname_id = e.geoname_id;
    }
    (void)pthread_rwlock_unlock(&p->lock);
}

/* ---- all of them */

/* Entries are shared by many networks: each offset counts once. */
static bool seen_before(uint8_t *seen, uint32_t offset)
{
    uint8_t bit = (uint8_t)(1U << (offset % 8));
    bool was = seen[offset / 8] & bit;

    seen[offset / 8] |= bit;
    return was;
}

void places_each(struct places *p, void (*fn)(const struct place *e, void *arg), void *arg)
{
    RK_CLEANUP(rk_freep) uint8_t *seen = NULL;
    size_t size;

    (void)pthread_rwlock_rdlock(&p->lock);
    size = (size_t)p->db.data_section_size;
    seen = rk_calloc(1, size / 8 + 1);
    for (uint32_t i = 0; i < p->db.metadata.node_count; i++) {
        MMDB_search_node_s node;

        if (MMDB_read_node(&p->db, i, &node) != MMDB_SUCCESS)
            break;
        for (int side = 0; side < 2; side++) {
            MMDB_entry_s *e = side ? &node.right_record_entry : &node.left_record_entry;
            uint8_t type = side ? node.right_record_type : node.left_record_type;

            if (type == MMDB_RECORD_TYPE_DATA && e->offset < size &&
                !seen_before(seen, e->offset)) {
                struct place one = place_of(e);

                fn(&one, arg);
            }
        }
    }
    (void)pthread_rwlock_unlock(&p->lock);
}
