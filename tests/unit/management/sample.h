/* SPDX-License-Identifier: BSD-3-Clause */
/* An account with at least one row of everything and every field set, for store and engine tests.
 */
#ifndef TESTS_SAMPLE_H
#define TESTS_SAMPLE_H

#include "lib/base/arena.h"
#include "management/domain/account_data.h"

#define S RK_STR

static inline struct str_list sample_strs(struct rk_arena *mem, size_t n, ...)
{
    struct str_list l = {.v = rk_new_n(mem, struct rk_str, n), .n = n};
    va_list ap;

    va_start(ap, n);
    for (size_t i = 0; i < n; i++)
        l.v[i] = rk_str_z(va_arg(ap, const char *));
    va_end(ap);
    return l;
}

static inline void *sample_dup(struct rk_arena *mem, const void *p, size_t size)
{
    return memcpy(rk_arena_alloc(mem, size), p, size);
}

/* One struct in the arena, as an array of length 1: ONE(mem, struct foo, {…}) */
#define ONE(mem, type, ...) ((type *)sample_dup(mem, (const type[]){__VA_ARGS__}, sizeof(type)))

static inline struct rk_prefix sample_prefix(const char *text)
{
    struct rk_prefix p = {0};

    ck_assert_int_eq(rk_prefix_parse(rk_str_z(text), &p, NULL), RK_OK);
    return p;
}

static inline struct rk_ip sample_ip(const char *text)
{
    struct rk_ip ip = {0};

    ck_assert_int_eq(rk_ip_parse(rk_str_z(text), &ip, NULL), RK_OK);
    return ip;
}

static inline void sample_people(struct rk_arena *mem, struct account_data *d)
{
    d->users = ONE(mem, struct user,
                   {.id = S("user-1"),
                    .account_id = S("acc-1"),
                    .role = ROLE_NETWORK_ADMIN,
                    .is_service = true,
                    .non_deletable = true,
                    .service_name = S("robot"),
                    .auto_groups = sample_strs(mem, 2, "grp-2", "grp-gone"),
                    .blocked = true,
                    .pending_approval = true,
                    .last_login_us = 5,
                    .created_at_us = 6,
                    .issued = ISSUED_INTEGRATION,
                    .integration_id = 7,
                    .integration_type = S("scim"),
                    .name = S("J\xc3\xbcrgen \"Q\" \\ Tab\t"),
                    .email = S("j@example.com")});
    d->n_users = 1;
    d->pats = ONE(mem, struct pat,
                  {.id = S("pat-1"),
                   .user_id = S("user-1"),
                   .name = S("ci"),
                   .hash = S("hash-pat-1"),
                   .expires_at_us = 10,
                   .created_by = S("user-1"),
                   .created_at_us = 11,
                   .last_used_us = 12});
    d->n_pats = 1;
    d->setup_keys = ONE(mem, struct setup_key,
                        {.id = S("key-1"),
                         .account_id = S("acc-1"),
                         .hash = S("hash-key-1"),
                         .display = S("AAAAA****"),
                         .name = S("laptops"),
                         .type = SETUP_KEY_ONE_OFF,
                         .created_at_us = 1,
                         .updated_at_us = 2,
                         .expires_at_us = 3,
                         .last_used_us = 4,
                         .revoked = true,
                         .used = 9,
                         .usage_limit = 10,
                         .auto_groups = sample_strs(mem, 1, "grp-2"),
                         .ephemeral = true,
                         .allow_extra_dns_labels = true});
    d->n_setup_keys = 1;
    d->invites = ONE(mem, struct invite,
                     {.id = S("inv-1"),
                      .account_id = S("acc-1"),
                      .email = S("new@example.com"),
                      .name = S("New"),
                      .role = ROLE_AUDITOR,
                      .auto_groups = sample_strs(mem, 1, "grp-2"),
                      .token_hash = S("hash-inv-1"),
                      .expires_at_us = 3,
                      .created_at_us = 4,
                      .created_by = S("user-1")});
    d->n_invites = 1;
}

static inline struct peer sample_peer(struct rk_arena *mem)
{
    struct peer_address *addr = rk_new_n(mem, struct peer_address, 2);

    addr[0] = (struct peer_address){sample_prefix("192.168.1.7/24"), S("aa:bb")};
    addr[1] = (struct peer_address){sample_prefix("fe80::1/64"), S("")};
    return (struct peer){
        .id = S("peer-1"),
        .account_id = S("acc-1"),
        .key = S("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        .ip = sample_ip("100.64.0.1"),
        .ip6 = sample_ip("fd00::1"),
        .name = S("web"),
        .dns_label = S("web"),
        .user_id = S("user-1"),
        .ssh_key = S("ssh-ed25519 AAAA"),
        .ssh_enabled = true,
        .login_expiration_enabled = true,
        .inactivity_expiration_enabled = true,
        .last_login_us = 100,
        .created_at_us = 101,
        .ephemeral = true,
        .extra_dns_labels = sample_strs(mem, 2, "a", "b"),
        .allow_extra_dns_labels = true,
        .proxy_embedded = true,
        .proxy_cluster = S("eu"),
        .meta = {.hostname = S("web.example.com"),
                 .goos = S("linux"),
                 .kernel = S("Linux"),
                 .core = S("12"),
                 .platform = S("x86_64"),
                 .os = S("Debian"),
                 .os_version = S("12"),
                 .version = S("0.70.0"),
                 .ui_version = S("1"),
                 .kernel_version = S("6.1"),
                 .addresses = addr,
                 .n_addresses = 2,
                 .serial_number = S("SN"),
                 .product_name = S("PN\n"),
                 .manufacturer = S("MF"),
                 .env_cloud = S("aws"),
                 .env_platform = S("ec2"),
                 .files = ONE(mem, struct peer_file, {S("/bin/x"), true, false}),
                 .n_files = 1,
                 .flags = UINT32_C(0xffffffff),
                 .capabilities = PEER_CAP_IPV6_OVERLAY,
                 .sync_message_version = -3},
        .location = {sample_ip("203.0.113.9"), S("DE"), S("Berlin"), 2950159},
        .status = {.last_seen_us = 7,
                   .connected = true,
                   .login_expired = true,
                   .requires_approval = true,
                   .session_token = 5},
    };
}

static inline void sample_access(struct rk_arena *mem, struct account_data *d)
{
    struct group *g = rk_new_n(mem, struct group, 2);
    struct rule *r = rk_new_n(mem, struct rule, 2);

    d->peers = ONE(mem, struct peer, sample_peer(mem));
    d->n_peers = 1;
    g[0] = (struct group){
        .id = S("grp-1"), .account_id = S("acc-1"), .public_id = S("pub-1"), .name = S("All")};
    g[1] = (struct group){.id = S("grp-2"),
                          .account_id = S("acc-1"),
                          .public_id = S("pub-2"),
                          .name = S("servers"),
                          .issued = ISSUED_JWT,
                          .resources = ONE(mem, struct resource_ref, {S("res-1"), RESOURCE_HOST}),
                          .n_resources = 1,
                          .integration_id = 3,
                          .integration_type = S("x")};
    d->groups = g;
    d->n_groups = 2;
    d->group_peers = ONE(mem, struct group_peer, {S("grp-1"), S("peer-1")});
    d->n_group_peers = 1;
    r[0] = (struct rule){.id = S("pol-1"),
                         .policy_id = S("pol-1"),
                         .name = S("r"),
                         .description = S("d"),
                         .enabled = true,
                         .action = ACTION_DROP,
                         .protocol = PROTO_SSH,
                         .bidirectional = true,
                         .sources = sample_strs(mem, 2, "grp-2", "grp-1"),
                         .destinations = sample_strs(mem, 1, "grp-1"),
                         .ports = sample_strs(mem, 2, "80", "443"),
                         .ranges = ONE(mem, struct port_range, {1, 65535}),
                         .n_ranges = 1,
                         .authorized = ONE(mem, struct authorized_group,
                                           {S("grp-2"), sample_strs(mem, 2, "root", "ops")}),
                         .n_authorized = 1,
                         .authorized_user = S("user-1")};
    r[1] = (struct rule){.id = S("rule-2"),
                         .policy_id = S("pol-1"),
                         .source_resource = {S("peer-1"), RESOURCE_PEER},
                         .destination_resource = {S("res-1"), RESOURCE_HOST}};
    d->policies = ONE(mem, struct policy,
                      {.id = S("pol-1"),
                       .account_id = S("acc-1"),
                       .public_id = S("pub-p"),
                       .seq = 4,
                       .name = S("p"),
                       .description = S("desc"),
                       .enabled = true,
                       .posture_checks = sample_strs(mem, 2, "post-1", "post-gone"),
                       .rules = r,
                       .n_rules = 2});
    d->n_policies = 1;
    d->postures = ONE(mem, struct posture,
                      {.id = S("post-1"),
                       .account_id = S("acc-1"),
                       .public_id = S("pub-po"),
                       .name = S("checks"),
                       .description = S("d"),
                       .has_nb_version = true,
                       .nb_min_version = S("0.60"),
                       .has_os_version = true,
                       .android_min_version = S("1"),
                       .darwin_min_version = S("2"),
                       .ios_min_version = S("3"),
                       .linux_min_kernel = S("4"),
                       .windows_min_kernel = S("5"),
                       .has_geo = true,
                       .geo_action = CHECK_DENY,
                       .geo = ONE(mem, struct geo_location, {S("DE"), S("Berlin")}),
                       .n_geo = 1,
                       .has_net_range = true,
                       .net_action = CHECK_DENY,
                       .ranges = ONE(mem, struct rk_prefix, sample_prefix("10.0.0.0/8")),
                       .n_ranges = 1,
                       .has_process = true,
                       .processes = ONE(mem, struct check_process, {S("/l"), S("/m"), S("C:\\w")}),
                       .n_processes = 1});
    d->n_postures = 1;
}

static inline void sample_network(struct rk_arena *mem, struct account_data *d)
{
    d->routes = ONE(mem, struct route,
                    {.id = S("rt-1"),
                     .account_id = S("acc-1"),
                     .public_id = S("pub-rt"),
                     .description = S("d"),
                     .network = sample_prefix("192.0.2.0/32"),
                     .domains = sample_strs(mem, 2, "a.example", "*.b.example"),
                     .kind = ROUTE_DOMAIN,
                     .keep_route = true,
                     .net_id = S("net"),
                     .peer = S("peer-1"),
                     .peer_groups = sample_strs(mem, 1, "grp-1"),
                     .metric = 9999,
                     .masquerade = true,
                     .enabled = true,
                     .skip_auto_apply = true,
                     .groups = sample_strs(mem, 1, "grp-2"),
                     .access_control_groups = sample_strs(mem, 2, "grp-2", "grp-1")});
    d->n_routes = 1;
    d->networks =
        ONE(mem, struct network, {S("net-1"), S("acc-1"), S("pub-n"), S("office"), S("d")});
    d->n_networks = 1;
    d->resources = ONE(mem, struct resource,
                       {.id = S("res-1"),
                        .account_id = S("acc-1"),
                        .network_id = S("net-1"),
                        .public_id = S("pub-r"),
                        .name = S("printer"),
                        .description = S("d"),
                        .type = RESOURCE_HOST,
                        .prefix = sample_prefix("10.1.2.3/32"),
                        .domain = S(""),
                        .enabled = true});
    d->n_resources = 1;
    d->routers = ONE(mem, struct router,
                     {.id = S("rtr-1"),
                      .account_id = S("acc-1"),
                      .network_id = S("net-1"),
                      .public_id = S("pub-ro"),
                      .peer = S(""),
                      .peer_groups = sample_strs(mem, 1, "grp-1"),
                      .masquerade = true,
                      .metric = 10,
                      .enabled = true});
    d->n_routers = 1;
    d->ns_groups = ONE(mem, struct ns_group,
                       {.id = S("ns-1"),
                        .account_id = S("acc-1"),
                        .public_id = S("pub-ns"),
                        .name = S("corp"),
                        .description = S("d"),
                        .servers = ONE(mem, struct nameserver, {sample_ip("9.9.9.9"), 1, 53}),
                        .n_servers = 1,
                        .groups = sample_strs(mem, 1, "grp-1"),
                        .primary = true,
                        .domains = sample_strs(mem, 1, "corp.example"),
                        .enabled = true,
                        .search_domains = true});
    d->n_ns_groups = 1;
    d->zones = ONE(mem, struct zone,
                   {S("zone-1"), S("acc-1"), S("z"), S("z.example"), true, true,
                    sample_strs(mem, 1, "grp-1")});
    d->n_zones = 1;
    d->records =
        ONE(mem, struct record,
            {S("rec-1"), S("acc-1"), S("zone-1"), S("a.z.example"), RECORD_AAAA, S("::1"), 300});
    d->n_records = 1;
    d->services = ONE(
        mem, struct service,
        {.id = S("svc-1"),
         .account_id = S("acc-1"),
         .name = S("app"),
         .domain = S("app.example"),
         .proxy_cluster = S("eu"),
         .mode = S("http"),
         .listen_port = 8443,
         .port_auto_assigned = true,
         .enabled = true,
         .terminated = true,
         .pass_host_header = true,
         .rewrite_redirects = true,
         .is_private = true,
         .access_groups = sample_strs(mem, 1, "grp-2"),
         .targets = ONE(mem, struct service_target,
                        {.path = S("/"),
                         .target_type = S("peer"),
                         .target_id = S("peer-1"),
                         .protocol = S("http"),
                         .port = 8080,
                         .enabled = true,
                         .host = S("h.example"),
                         .skip_tls_verify = true,
                         .request_timeout_ms = 1000,
                         .idle_timeout_ms = 2000,
                         .path_rewrite = S("preserve"),
                         .headers = ONE(mem, struct service_header, {S("X-A"), S("b")}),
                         .n_headers = 1,
                         .proxy_protocol = true,
                         .direct_upstream = true}),
         .n_targets = 1,
         .password_given = true,
         .password_on = true,
         .password_hash = S("$argon2id$1"),
         .pin_given = true,
         .pin_on = true,
         .pin_hash = S("$argon2id$2"),
         .bearer_given = true,
         .bearer_on = true,
         .bearer_groups = sample_strs(mem, 1, "grp-2"),
         .header_auths = ONE(mem, struct service_header_auth, {true, S("X-Key"), S("$argon2id$3")}),
         .n_header_auths = 1,
         .allowed_cidrs = sample_strs(mem, 1, "10.0.0.0/8"),
         .blocked_cidrs = sample_strs(mem, 1, "10.1.0.0/16"),
         .allowed_countries = sample_strs(mem, 1, "DE"),
         .blocked_countries = sample_strs(mem, 1, "US"),
         .crowdsec_mode = S("observe"),
         .session_public = S("cHVi"),
         .session_private = S("c2VjcmV0"),
         .created_at_us = 1700000000000017,
         .source = S("ephemeral"),
         .source_peer = S("peer-1")});
    d->n_services = 1;
    d->proxy_domains =
        ONE(mem, struct proxy_domain, {S("dom-1"), S("apps.example"), S("eu"), true});
    d->n_proxy_domains = 1;
    d->jobs = ONE(mem, struct job,
                  {.id = S("job-1"),
                   .account_id = S("acc-1"),
                   .peer_id = S("peer-1"),
                   .type = S("bundle"),
                   .bundle_for = true,
                   .bundle_for_min = 3,
                   .log_file_count = 10,
                   .anonymize = true,
                   .status = JOB_FAILED,
                   .failed_reason = S("why"),
                   .result = S("key"),
                   .triggered_by = S("user-1"),
                   .created_at_us = 1,
                   .completed_at_us = 2});
    d->n_jobs = 1;
}

static inline struct account_data sample_account(struct rk_arena *mem)
{
    struct account_data d = {0};

    d.account = (struct account){.id = S("acc-1"),
                                 .created_by = S("user-1"),
                                 .created_at_us = 1700000000000001,
                                 .domain = S("example.com"),
                                 .domain_category = DOMAIN_PRIVATE,
                                 .domain_primary = true,
                                 .net_id = S("netid"),
                                 .net4 = sample_prefix("100.64.0.0/16"),
                                 .net6 = sample_prefix("fd00::/64"),
                                 .rp_nonce = S("nonce"),
                                 .onboarding_flow_pending = true,
                                 .signup_form_pending = true,
                                 .onboarding_created_at_us = 3,
                                 .onboarding_updated_at_us = 4};
    settings_default(&d.settings);
    d.settings.jwt_groups_claim = S("groups");
    d.settings.jwt_allow_groups = sample_strs(mem, 2, "x", "y");
    d.settings.peer_expose_groups = sample_strs(mem, 1, "grp-1");
    d.settings.integrated_validator_groups = sample_strs(mem, 1, "grp-2");
    d.settings.ipv6_groups = sample_strs(mem, 1, "grp-1");
    d.settings.network_range4 = sample_prefix("10.0.0.0/16");
    d.settings.traffic_groups_given = true;
    d.settings.traffic_logs = true;
    d.settings.traffic_counters = true;
    d.settings.traffic_groups = sample_strs(mem, 1, "grp-1");
    d.settings.has_dashboard_features = true;
    d.settings.dashboard_agent_network = TRI_TRUE;
    d.dns_settings.disabled_management_groups = sample_strs(mem, 1, "grp-2");
    sample_people(mem, &d);
    sample_access(mem, &d);
    sample_network(mem, &d);
    return d;
}

#undef S

#endif
