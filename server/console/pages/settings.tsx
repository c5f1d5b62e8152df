// SPDX-License-Identifier: BSD-3-Clause
/* Settings of the account. */
import { useData } from "../core/live";
import { can } from "../core/me";
import { PageHead, Pending } from "../ui/basics";
import { CheckField, NumberField, TextField, useForm } from "../ui/form";
import { GroupPicker } from "../ui/picker";
import { SavedForm } from "../ui/saved-form";
import { Child, h } from "../view/view";

interface Extra {
  peer_approval_enabled: boolean;
  user_approval_required: boolean;
  network_traffic_logs_enabled: boolean;
  network_traffic_logs_groups: string[] | null;
  network_traffic_packet_counter_enabled: boolean;
  [name: string]: unknown;
}

interface Settings {
  peer_login_expiration_enabled: boolean;
  peer_login_expiration: number;
  peer_inactivity_expiration_enabled: boolean;
  peer_inactivity_expiration: number;
  regular_users_view_blocked: boolean;
  groups_propagation_enabled: boolean;
  jwt_groups_enabled: boolean;
  jwt_groups_claim_name: string;
  jwt_allow_groups: string[];
  routing_peer_dns_resolution_enabled: boolean;
  dns_domain: string;
  network_range: string;
  lazy_connection_enabled: boolean;
  local_mfa_enabled: boolean;
  ipv6_enabled_groups: string[];
  extra: Extra;
}

export interface Account {
  id: string;
  settings: Settings;
}

const HOUR_S = 3600, MINUTE_S = 60;

function Section({ title, children }: { title: string; children?: Child }) {
  return (
    <section class="card">
      <h2>{title}</h2>
      <div class="stack">{children}</div>
    </section>
  );
}

function Editor({ account }: { account: Account }) {
  const form = useForm<Settings>(account.settings);
  const s = form.values;
  const edits = can("settings", "update");
  const kept = useData<{ traffic_events: boolean }>("/x/health").data?.traffic_events ?? false;
  const setExtra = (part: Partial<Extra>) => form.set({ extra: { ...s.extra, ...part } as Extra });
  const extra = (name: "peer_approval_enabled" | "user_approval_required" | "network_traffic_logs_enabled" | "network_traffic_packet_counter_enabled") => ({ value: !!s.extra?.[name], onChange: (on: boolean) => setExtra({ [name]: on }) });
  return (
    <SavedForm path={"/accounts/" + account.id} body={{ settings: s }} dirty={form.dirty} edits={edits} what="The settings">
      <fieldset class="plain columns" disabled={!edits}>
        <Section title="People">
          <CheckField label="New users wait for approval" {...extra("user_approval_required")} />
          <CheckField label="Members see nothing of the network" {...form.at("regular_users_view_blocked")} hint="Not even their own machines, in dashboard and console." />
          <CheckField label="Second factor" {...form.at("local_mfa_enabled")} hint="Users of this server confirm with an app." />
        </Section>
        <Section title="Machines">
          <CheckField label="New machines wait for approval" {...extra("peer_approval_enabled")} />
          <CheckField label="Logins expire" {...form.at("peer_login_expiration_enabled")} />
          {s.peer_login_expiration_enabled && <NumberField label="Hours until then" min={1} value={Math.round(s.peer_login_expiration / HOUR_S)} onChange={(n) => form.set({ peer_login_expiration: n * HOUR_S })} />}
          <CheckField label="Inactivity ends logins" {...form.at("peer_inactivity_expiration_enabled")} />
          {s.peer_inactivity_expiration_enabled && <NumberField label="Minutes without connection" min={1} value={Math.round(s.peer_inactivity_expiration / MINUTE_S)} onChange={(n) => form.set({ peer_inactivity_expiration: n * MINUTE_S })} />}
          <CheckField label="Connect when needed" {...form.at("lazy_connection_enabled")} hint="Tunnels are made when something passes." />
        </Section>
        <Section title="Network">
          <TextField label="Domain of machines" placeholder="as the server says" {...form.at("dns_domain")} />
          <TextField label="IPv4 range" {...form.at("network_range")} hint="Another range gives every machine another address." />
          <GroupPicker withAll label="IPv6 for" value={s.ipv6_enabled_groups ?? []} onChange={(g) => form.set({ ipv6_enabled_groups: g })} />
          <CheckField label="Routers resolve names" {...form.at("routing_peer_dns_resolution_enabled")} hint="Domains of routes are looked up where they lead." />
        </Section>
        <Section title="Traffic events">
          {kept ? <CheckField label="Machines record who talks to whom" {...extra("network_traffic_logs_enabled")} hint="Addresses, ports and amounts, never contents. They are on the page Traffic." />
            : <p class="soft">This server keeps none: “server.x.flow” in its configuration is off.</p>}
          {kept && s.extra?.network_traffic_logs_enabled && <GroupPicker label="Only machines of" value={s.extra.network_traffic_logs_groups ?? []} onChange={(g) => setExtra({ network_traffic_logs_groups: g })} placeholder="all" />}
          {kept && s.extra?.network_traffic_logs_enabled && <CheckField label="Count packets and bytes" {...extra("network_traffic_packet_counter_enabled")} />}
        </Section>
        <Section title="Groups from sign-in">
          <CheckField label="Users pass their groups to their machines" {...form.at("groups_propagation_enabled")} />
          <CheckField label="Groups from tokens" {...form.at("jwt_groups_enabled")} />
          {s.jwt_groups_enabled && <TextField label="Claim" placeholder="groups" {...form.at("jwt_groups_claim_name")} />}
          {s.jwt_groups_enabled && <TextField label="Only these groups may sign in" value={(s.jwt_allow_groups ?? []).join(", ")} onChange={(t) => form.set({ jwt_allow_groups: t.split(/\s*,\s*/).filter(Boolean) })} />}
        </Section>
      </fieldset>
    </SavedForm>
  );
}

export function SettingsPage() {
  const { data, error } = useData<Account[]>("/accounts");
  return (
    <div class="page">
      <PageHead title="Settings" about="For all machines and people of this network." />
      {data ? <Editor key={JSON.stringify(data[0].settings)} account={data[0]} /> : <Pending error={error} />}
    </div>
  );
}
