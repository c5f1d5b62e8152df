/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/locations */
#include "config.h"

#include <ctype.h>

#include "management/rest/geo.h"
#include "management/rest/handlers.h"

bool rest_has_geo(const struct rest *r)
{
    return r->geo != NULL;
}

static enum rk_code no_database(struct rk_err *err)
{
    return rk_fail(err, RK_PRECONDITION,
                   "Geo location database is not initialized. "
                   "Check the self-hosted Geo database documentation");
}

enum rk_code rest_locations_countries(struct http_req *req, struct http_resp *resp, struct db *db,
                                      struct rk_err *err)
{
    const struct geo_country *c = NULL;
    size_t n = 0;
    enum rk_code rc;

    (void)db;
    if (!rest_of(req)->geo)
        return no_database(err);
    rc = geo_countries(rest_of(req)->geo, &c, &n, err);
    if (rc)
        return rc;
    json_put_arr(&resp->body);
    for (size_t i = 0; i < n; i++) {
        json_put_obj(&resp->body);
        json_put_key_str(&resp->body, "country_code", c[i].code);
        json_put_key_str(&resp->body, "country_name", c[i].name);
        json_put_obj_end(&resp->body);
    }
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_locations_cities(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    struct rk_str code = param(req, 0);
    const struct geo_city *c = NULL;
    size_t n = 0;
    enum rk_code rc;

    (void)db;
    if (code.n != 2 || !isalpha((unsigned char)code.p[0]) || !isalpha((unsigned char)code.p[1]))
        return rk_fail(err, RK_INVALID, "invalid country code");
    if (!rest_of(req)->geo)
        return no_database(err);
    rc = geo_cities(rest_of(req)->geo, code, &c, &n, err);
    if (rc)
        return rc;
    json_put_arr(&resp->body);
    for (size_t i = 0; i < n; i++) {
        json_put_obj(&resp->body);
        json_put_key_int(&resp->body, "geoname_id", c[i].geoname_id);
        json_put_key_str(&resp->body, "city_name", c[i].name);
        json_put_obj_end(&resp->body);
    }
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}
