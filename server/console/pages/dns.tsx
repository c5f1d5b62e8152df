// SPDX-License-Identifier: BSD-3-Clause
/* DNS: name servers that machines are told, and zones of one's own. */
import { count } from "../core/format";
import { useData } from "../core/live";
import { can } from "../core/me";
import { link } from "../core/router";
import { Badge, Names, PageHead, Pending } from "../ui/basics";
import { Collection, Kind, List, NewButton } from "../ui/collection";
import { CheckField, NumberField, SelectField, TextField, useForm } from "../ui/form";
import { GroupPicker } from "../ui/picker";
import { SavedForm } from "../ui/saved-form";
import { Tabs } from "../ui/tabs";
import { Child, h } from "../view/view";
import { useGroupNames } from "./groups";

interface Servers {
  id: string;
  name: string;
  description: string;
  nameservers: { ip: string; ns_type: string; port: number }[];
  enabled: boolean;
  groups: string[] | null;
  primary: boolean;
  domains: string[] | null;
  search_domains_enabled: boolean;
}

interface ServersDraft {
  name: string;
  description: string;
  servers: string;
  domains: string;
  groups: string[];
  search_domains_enabled: boolean;
  enabled: boolean;
}

const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);
const shown = (s: Servers) => s.nameservers.map((n) => (n.port === 53 ? n.ip : (n.ip.includes(":") ? "[" + n.ip + "]" : n.ip) + ":" + n.port));
const onOff = (on: boolean) => <Badge tone={on ? "good" : ""}>{on ? "on" : "off"}</Badge>;

/* "1.1.1.1", "1.1.1.1:5353", "[2606::1]:53", "2606::1" */
function server(text: string) {
  const m = /^\[(.*)\](?::(\d+))?$/.exec(text) ?? /^([^:]+)(?::(\d+))?$/.exec(text);
  return { ip: m ? m[1] : text, ns_type: "udp", port: Number(m?.[2] ?? 53) };
}

const NAMESERVERS: Kind<Servers, ServersDraft> = {
  path: "/dns/nameservers", module: "nameservers", many: "name servers", one: "name server", icon: "dns",
  about: "Machines ask these for names: for all, or for some domains.",
  nameOf: (s) => s.name,
  useColumns: () => {
    const groups = useGroupNames();
    return [
      { title: "Name", text: (s) => s.name + " " + s.description, cell: (s) => <div class="two"><strong>{s.name}</strong><span>{s.description}</span></div> },
      { title: "Servers", text: (s) => shown(s).join(" "), cell: (s) => <code class="clip">{shown(s).join(", ")}</code> },
      { title: "For", text: (s) => (s.primary ? "all names" : (s.domains ?? []).join(" ")), wideOnly: true, cell: (s) => (s.primary ? <span>all names</span> : <Names names={s.domains ?? []} />) },
      { title: "Machines of", text: (s) => groups(s.groups).join(" "), wideOnly: true, cell: (s) => <Names names={groups(s.groups)} /> },
      { title: "State", text: (s) => (s.enabled ? "on" : "off"), width: "64px", cell: (s) => onOff(s.enabled) },
    ];
  },
  draft: (s) => ({
    name: s?.name ?? "", description: s?.description ?? "", servers: s ? shown(s).join(", ") : "", domains: (s?.domains ?? []).join(", "), groups: s?.groups ?? [],
    search_domains_enabled: s?.search_domains_enabled ?? false, enabled: s?.enabled ?? true,
  }),
  body: (d) => ({
    name: d.name.trim(), description: d.description, nameservers: words(d.servers).map(server), domains: words(d.domains), primary: !words(d.domains).length, groups: d.groups,
    search_domains_enabled: d.search_domains_enabled && words(d.domains).length > 0, enabled: d.enabled,
  }),
  missing: (d) => (!d.name.trim() ? "A name is needed." : !words(d.servers).length ? "Name one to three servers." : d.groups.length ? "" : "Say which groups use them."),
  Fields: ({ form }) => (
    <div class="stack">
      <TextField label="Name" {...form.at("name")} />
      <TextField label="Servers" placeholder="1.1.1.1, 9.9.9.9" {...form.at("servers")} hint="Up to three; another port as 10.0.0.1:5353" />
      <TextField label="Domains" placeholder="all names" {...form.at("domains")} hint="Without any they answer everything." />
      <GroupPicker withAll label="Machines of" {...form.at("groups")} />
      {words(form.values.domains).length > 0 && <CheckField label="Search these domains" {...form.at("search_domains_enabled")} hint="A short name is looked for in them." />}
      <TextField label="Description" {...form.at("description")} />
      <CheckField label="In use" {...form.at("enabled")} />
    </div>
  ),
};

/* ---- zones */

interface DnsRecord {
  id: string;
  name: string;
  type: string;
  content: string;
  ttl: number;
}

interface Zone {
  id: string;
  name: string;
  domain: string;
  enabled: boolean;
  enable_search_domain: boolean;
  distribution_groups: string[] | null;
  records: DnsRecord[] | null;
}

interface ZoneDraft {
  name: string;
  domain: string;
  enabled: boolean;
  enable_search_domain: boolean;
  distribution_groups: string[];
}

const ZONES: Kind<Zone, ZoneDraft> = {
  path: "/dns/zones", module: "dns", many: "zones", one: "zone", icon: "dns",
  about: "Names of your own that machines know without any name server.",
  nameOf: (z) => z.name, href: (z) => link("dns", "zones", z.id),
  useColumns: () => {
    const groups = useGroupNames();
    return [
      { title: "Name", text: (z) => z.name + " " + z.domain, cell: (z) => <div class="two"><a class="name" href={link("dns", "zones", z.id)}>{z.name}</a><span class="mono">{z.domain}</span></div> },
      { title: "Records", text: (z) => String((z.records ?? []).length), cell: (z) => <span>{count((z.records ?? []).length, "record")}</span> },
      { title: "Machines of", text: (z) => groups(z.distribution_groups).join(" "), wideOnly: true, cell: (z) => <Names names={groups(z.distribution_groups)} /> },
      { title: "State", text: (z) => (z.enabled ? "on" : "off"), width: "64px", cell: (z) => onOff(z.enabled) },
    ];
  },
  draft: (z) => ({ name: z?.name ?? "", domain: z?.domain ?? "", enabled: z?.enabled ?? true, enable_search_domain: z?.enable_search_domain ?? false, distribution_groups: z?.distribution_groups ?? [] }),
  body: (d) => d, missing: (d) => (!d.name.trim() ? "A name is needed." : !d.domain.trim() ? "A domain is needed." : d.distribution_groups.length ? "" : "Say which groups know it."),
  Fields: ({ form, row }) => (
    <div class="stack">
      <TextField label="Name" {...form.at("name")} />
      <TextField label="Domain" placeholder="corp.example.com" disabled={!!row} {...form.at("domain")} hint={row ? "The domain of a zone stays." : undefined} />
      <GroupPicker withAll label="Machines of" {...form.at("distribution_groups")} />
      <CheckField label="Search in it" {...form.at("enable_search_domain")} hint="Short names are looked for in this domain." />
      <CheckField label="In use" {...form.at("enabled")} />
    </div>
  ),
};

const records = (zone: Zone): Kind<DnsRecord, Omit<DnsRecord, "id">> => ({
  path: "/dns/zones/" + zone.id + "/records", module: "dns", many: "records", one: "record", icon: "dns", about: "A name, and the address or name that it stands for.",
  nameOf: (r) => r.name,
  useColumns: () => [
    { title: "Name", text: (r) => r.name, cell: (r) => <code class="clip">{r.name}</code> },
    { title: "Type", text: (r) => r.type, width: "80px" },
    { title: "Content", text: (r) => r.content, cell: (r) => <code class="clip">{r.content}</code> },
    { title: "Lives", text: (r) => r.ttl + " s", order: (r) => r.ttl, width: "90px", wideOnly: true },
  ],
  draft: (r) => ({ name: r?.name ?? "." + zone.domain, type: r?.type ?? "A", content: r?.content ?? "", ttl: r?.ttl ?? 300 }),
  body: (d) => d, missing: (d) => (d.name.trim() && d.content.trim() ? "" : "A name and a content are needed."),
  Fields: ({ form }) => (
    <div class="stack">
      <TextField label="Name" {...form.at("name")} />
      <SelectField label="Type" {...form.at("type")} options={[["A", "A: IPv4 address"], ["AAAA", "AAAA: IPv6 address"], ["CNAME", "CNAME: another name"]]} />
      <TextField label="Content" {...form.at("content")} />
      <NumberField label="Seconds it may be kept" min={1} {...form.at("ttl")} />
    </div>
  ),
});

function ZonePage({ id }: { id: string }) {
  const { data: z, error } = useData<Zone>("/dns/zones/" + encodeURIComponent(id));
  if (!z) return <div class="page"><PageHead title="Zone" back={{ to: "dns", title: "DNS" }} /><Pending error={error} /></div>;
  return (
    <div class="page">
      <PageHead title={z.name} about={z.domain} back={{ to: "dns", title: "DNS" }}><NewButton kind={records(z)} /></PageHead>
      <List kind={records(z)} />
    </div>
  );
}

/* ---- machines that keep their own name servers */

interface Unmanaged {
  disabled_management_groups: string[] | null;
}

const UNMANAGED = "/dns/settings";

function UnmanagedEditor({ before }: { before: string[] }) {
  const form = useForm({ disabled_management_groups: before });
  const edits = can("dns", "update");
  return (
    <SavedForm path={UNMANAGED} body={form.values} dirty={form.dirty} edits={edits} what="The groups">
      <section class="card">
        <fieldset class="plain" disabled={!edits}>
          <GroupPicker withAll label="Machines of" {...form.at("disabled_management_groups")} hint="They get no name servers and no zones, and keep the DNS that they have." />
        </fieldset>
      </section>
    </SavedForm>
  );
}

function UnmanagedPage({ children }: { children?: Child }) {
  const { data, error } = useData<Unmanaged>(UNMANAGED);
  const before = data?.disabled_management_groups ?? [];
  return (
    <div class="page">
      <PageHead title="DNS" about="Machines whose DNS is not managed.">{children}</PageHead>
      {data ? <UnmanagedEditor key={before.join()} before={before} /> : <Pending error={error} />}
    </div>
  );
}

export function Dns({ rest: [tab, id] }: { rest: string[] }) {
  if (tab === "zones" && id) return <ZonePage id={id} />;
  const parts: [string, string][] = [["", "Name servers"], ["zones", "Zones"]];
  if (can("dns", "read")) parts.push(["unmanaged", "Not managed"]);
  const tabs = <Tabs page="dns" at={tab ?? ""} tabs={parts} />;
  if (tab === "unmanaged") return <UnmanagedPage>{tabs}</UnmanagedPage>;
  return tab === "zones" ? <Collection key="zones" kind={ZONES} title="DNS" about="Names of your own.">{tabs}</Collection>
    : <Collection key="servers" kind={NAMESERVERS} title="DNS" about="Who answers when machines ask for names.">{tabs}</Collection>;
}
