// SPDX-License-Identifier: BSD-3-Clause
/* Networks behind the mesh: their resources, and the machines that lead to them. */
import { count } from "../core/format";
import { useData } from "../core/live";
import { link } from "../core/router";
import type { GroupRef, Peer } from "../core/types";
import { Badge, Names, PageHead, Pending } from "../ui/basics";
import { Collection, Kind, List, NewButton } from "../ui/collection";
import { CheckField, NumberField, TextField } from "../ui/form";
import { GroupPicker } from "../ui/picker";
import { h } from "../view/view";
import { PeerPicker, useGroupNames } from "./groups";

interface Net {
  id: string;
  name: string;
  description?: string;
  routers: string[] | null;
  routing_peers_count: number;
  resources: string[] | null;
}

interface Resource {
  id: string;
  type: string;
  name: string;
  description?: string;
  address: string;
  enabled: boolean;
  groups: GroupRef[] | null;
}

interface Router {
  id: string;
  peer?: string;
  peer_groups?: string[] | null;
  metric: number;
  masquerade: boolean;
  enabled: boolean;
}

const onOff = (on: boolean) => <Badge tone={on ? "good" : ""}>{on ? "on" : "off"}</Badge>;

const NETWORKS: Kind<Net, { name: string; description: string }> = {
  path: "/networks", module: "networks", many: "networks", one: "network", icon: "cloud",
  about: "An office, a data centre, a home: machines of yours lead others to what has no agent.",
  nameOf: (n) => n.name, href: (n) => link("networks", n.id),
  useColumns: () => [
    { title: "Name", text: (n) => n.name + " " + (n.description ?? ""), width: "minmax(0, 1.5fr)", cell: (n) => <div class="two"><a class="name" href={link("networks", n.id)}>{n.name}</a><span>{n.description}</span></div> },
    { title: "Resources", text: (n) => String((n.resources ?? []).length), cell: (n) => <span>{count((n.resources ?? []).length, "resource")}</span> },
    { title: "Routers", text: (n) => String(n.routing_peers_count), wideOnly: true, cell: (n) => <Badge tone={n.routing_peers_count ? "good" : "warn"}>{count(n.routing_peers_count, "machine")}</Badge> },
  ],
  draft: (n) => ({ name: n?.name ?? "", description: n?.description ?? "" }),
  body: (d) => d, missing: (d) => (d.name.trim() ? "" : "A name is needed."),
  Fields: ({ form }) => <div class="stack"><TextField label="Name" {...form.at("name")} /><TextField label="Description" {...form.at("description")} /></div>,
};

interface ResourceDraft {
  name: string;
  description: string;
  address: string;
  enabled: boolean;
  groups: string[];
}

const resources = (network: string): Kind<Resource, ResourceDraft> => ({
  path: "/networks/" + network + "/resources", module: "networks", many: "resources", one: "resource", icon: "dns",
  about: "An address, a network or a domain that policies can name.",
  nameOf: (r) => r.name,
  useColumns: () => [
    { title: "Name", text: (r) => r.name + " " + (r.description ?? ""), cell: (r) => <div class="two"><strong>{r.name}</strong><span>{r.description}</span></div> },
    { title: "Address", text: (r) => r.address, cell: (r) => <code class="clip">{r.address}</code> },
    { title: "Groups", text: (r) => (r.groups ?? []).map((g) => g.name).join(" "), wideOnly: true, cell: (r) => <Names names={(r.groups ?? []).map((g) => g.name)} /> },
    { title: "State", text: (r) => (r.enabled ? "on" : "off"), width: "64px", wideOnly: true, cell: (r) => onOff(r.enabled) },
  ],
  draft: (r) => ({ name: r?.name ?? "", description: r?.description ?? "", address: r?.address ?? "", enabled: r?.enabled ?? true, groups: (r?.groups ?? []).map((g) => g.id) }),
  body: (d) => d, missing: (d) => (!d.name.trim() ? "A name is needed." : d.address.trim() ? "" : "An address is needed."),
  Fields: ({ form }) => (
    <div class="stack">
      <TextField label="Name" {...form.at("name")} />
      <TextField label="Address" placeholder="10.0.0.5, 10.0.0.0/24, *.corp.example.com" {...form.at("address")} />
      <GroupPicker label="Groups" {...form.at("groups")} hint="Policies that name one of them as destination reach it." />
      <TextField label="Description" {...form.at("description")} />
      <CheckField label="In use" {...form.at("enabled")} />
    </div>
  ),
});

interface RouterDraft {
  peer: string[];
  peer_groups: string[];
  metric: number;
  masquerade: boolean;
  enabled: boolean;
}

const routers = (network: string): Kind<Router, RouterDraft> => ({
  path: "/networks/" + network + "/routers", module: "networks", many: "routers", one: "router", icon: "route",
  about: "A machine inside, with an agent, that leads the others in.",
  nameOf: (r) => r.peer || "router",
  useColumns: () => {
    const groups = useGroupNames();
    const peers = useData<Peer[]>("/peers").data ?? [];
    const who = (r: Router) => (r.peer ? [peers.find((p) => p.id === r.peer)?.name ?? r.peer] : groups(r.peer_groups));
    return [
      { title: "Machine or groups", text: (r) => who(r).join(" "), cell: (r) => <Names names={who(r)} /> },
      { title: "Metric", text: (r) => String(r.metric), order: (r) => r.metric, width: "90px" },
      { title: "Address", text: (r) => (r.masquerade ? "its own" : "the sender's"), wideOnly: true },
      { title: "State", text: (r) => (r.enabled ? "on" : "off"), width: "64px", cell: (r) => onOff(r.enabled) },
    ];
  },
  draft: (r) => ({ peer: r?.peer ? [r.peer] : [], peer_groups: r?.peer_groups ?? [], metric: r?.metric ?? 9999, masquerade: r?.masquerade ?? true, enabled: r?.enabled ?? true }),
  body: (d) => ({ ...d, peer: d.peer[0] ?? "", peer_groups: d.peer.length ? [] : d.peer_groups }),
  missing: (d) => (d.peer.length || d.peer_groups.length ? "" : "Name a machine, or groups of them."),
  Fields: ({ form }) => (
    <div class="stack">
      <PeerPicker single label="Machine" {...form.at("peer")} />
      {!form.values.peer.length && <GroupPicker label="Or all machines of groups" {...form.at("peer_groups")} />}
      <NumberField label="Metric" min={1} max={9999} {...form.at("metric")} hint="The lowest that is there leads." />
      <CheckField label="With the router's address" {...form.at("masquerade")} hint="Inside, traffic comes from the router; without it the network needs a route back." />
      <CheckField label="In use" {...form.at("enabled")} />
    </div>
  ),
});

function NetworkPage({ id }: { id: string }) {
  const { data: n, error } = useData<Net>("/networks/" + encodeURIComponent(id));
  if (!n) return <div class="page"><PageHead title="Network" back={{ to: "networks", title: "Networks" }} /><Pending error={error} /></div>;
  const inside = resources(id), ways = routers(id);
  return (
    <div class="page">
      <PageHead title={n.name} about={n.description} back={{ to: "networks", title: "Networks" }} />
      <div class="card-head"><h2>Resources</h2><NewButton kind={inside} /></div>
      <List kind={inside} />
      <div class="card-head"><h2>Routers</h2><NewButton kind={ways} /></div>
      <List kind={ways} />
    </div>
  );
}

export const Networks = ({ id }: { id?: string }) =>
  id ? <NetworkPage id={id} /> : <Collection kind={NETWORKS} title="Networks" about="What has no agent, reached through machines that have one." />;
