// SPDX-License-Identifier: BSD-3-Clause
/* The objects of the REST API, as far as the console shows them (see /api/openapi.json). */

export interface GroupRef {
  id: string;
  name: string;
  peers_count?: number;
  resources_count?: number;
}

export interface Peer {
  id: string;
  name: string;
  ip: string;
  ipv6?: string;
  connection_ip: string;
  connected: boolean;
  last_seen: string;
  os: string;
  kernel_version: string;
  version: string;
  ui_version?: string;
  hostname: string;
  dns_label: string;
  extra_dns_labels?: string[];
  groups: GroupRef[];
  user_id: string;
  ssh_enabled: boolean;
  login_expiration_enabled: boolean;
  login_expired: boolean;
  inactivity_expiration_enabled: boolean;
  approval_required: boolean;
  country_code: string;
  city_name: string;
  serial_number?: string;
  last_login: string;
  created_at: string;
  ephemeral: boolean;
}

export interface SetupKey {
  id: string;
  name: string;
  key: string;
  type: "reusable" | "one-off";
  expires: string;
  valid: boolean;
  revoked: boolean;
  used_times: number;
  usage_limit: number;
  last_used: string;
  state: "valid" | "overused" | "expired" | "revoked";
  auto_groups: string[];
  updated_at: string;
  ephemeral: boolean;
  allow_extra_dns_labels: boolean;
}

export interface Group extends GroupRef {
  peers_count: number;
  resources_count: number;
  issued?: "api" | "integration" | "jwt";
  peers: { id: string; name: string }[] | null;
  resources: { id: string; type: string }[] | null;
}

export type Verb = "create" | "read" | "update" | "delete";

export interface User {
  id: string;
  email: string;
  name: string;
  role: string;
  status: "active" | "invited" | "blocked";
  password?: string; // once, when it was made
  last_login?: string;
  auto_groups: string[];
  is_current?: boolean;
  is_service_user?: boolean;
  is_blocked: boolean;
  pending_approval: boolean;
  issued?: string;
  permissions?: { is_restricted: boolean; modules: Record<string, Record<Verb, boolean>> };
}

export interface ResourceRef {
  id: string;
  type: "host" | "subnet" | "domain" | "peer";
}

/** Of /api/networks/resources. */
export interface NetworkResource extends ResourceRef {
  name: string;
  description?: string;
  address: string;
  enabled: boolean;
  groups: GroupRef[] | null;
}

export interface Rule {
  id?: string;
  name: string;
  description?: string;
  enabled: boolean;
  action: "accept" | "drop";
  bidirectional: boolean;
  protocol: "all" | "tcp" | "udp" | "icmp" | "netbird-ssh";
  ports?: string[] | null;
  port_ranges?: { start: number; end: number }[] | null;
  authorized_groups?: Record<string, string[]>;
  sources?: GroupRef[] | null;
  destinations?: GroupRef[] | null;
  sourceResource?: ResourceRef;
  destinationResource?: ResourceRef;
}

export interface Policy {
  id: string;
  name: string;
  description?: string;
  enabled: boolean;
  source_posture_checks: string[] | null;
  rules: Rule[];
}

export interface End {
  id: string;
  name: string;
}

/** What changes mean: of ?dry_run=true and of /api/x/diff. */
export interface Review {
  changes: { kind: string; id: string; name?: string; peer?: string; op: "create" | "update" | "delete" }[];
  machines: number; // that get a new map
  flows: {
    gained: number;
    lost: number;
    changed: number;
    complete: boolean;
    list: { from: End; to: End; route?: End; before: string; after: string }[];
  };
}

export interface HistoryEntry {
  entry: number;
  change: number;
  time: string;
  actor: End;
  op: "create" | "update" | "delete";
  kind: string;
  id: string;
  name: string;
  peer?: string; // of a membership
  fields: string[] | null;
}

export interface AuditEvent {
  id: string;
  timestamp: string;
  activity: string;
  activity_code: string;
  initiator_id: string;
  initiator_name: string;
  initiator_email: string;
  target_id: string;
  meta: Record<string, string>;
}

/** A machine, group, resource, address or name in a question. */
export interface ReachEnd extends End {
  type: string;
  ip?: string;
}

export interface Verdict {
  from: ReachEnd;
  to: ReachEnd;
  reachable: boolean;
  flows: string;
  by: { policy?: End; rule?: End; open_route: boolean; reverse: boolean }[];
  over: { type: string; id: string; name: string; network?: string; domain?: string; peer?: ReachEnd; reachable: boolean }[];
  missing: { code: string; message: string; id?: string; name?: string; policy?: End }[];
}
