// SPDX-License-Identifier: BSD-3-Clause
/* Routes and exit nodes. */
import { useData } from "../core/live";
import type { Peer } from "../core/types";
import { Badge, Button, Names } from "../ui/basics";
import { Collection, Kind } from "../ui/collection";
import { CheckField, NumberField, TextField } from "../ui/form";
import { GroupPicker } from "../ui/picker";
import { h } from "../view/view";
import { PeerPicker, useGroupNames } from "./groups";

interface Route {
  id: string;
  network_id: string;
  description: string;
  network?: string;
  domains?: string[] | null;
  peer?: string;
  peer_groups?: string[] | null;
  groups: string[] | null;
  access_control_groups?: string[] | null;
  metric: number;
  masquerade: boolean;
  enabled: boolean;
  keep_route: boolean;
  skip_auto_apply?: boolean;
}

interface Draft {
  network_id: string;
  description: string;
  target: string; // a network, or domains
  peer: string[];
  peer_groups: string[];
  groups: string[];
  access_control_groups: string[];
  metric: number;
  masquerade: boolean;
  enabled: boolean;
  keep_route: boolean;
  skip_auto_apply: boolean;
}

const ANYWHERE = "0.0.0.0/0";
const isNetwork = (text: string) => /^[0-9a-f.:]+\/\d+$/i.test(text.trim());
const isExit = (r: Route) => r.network === ANYWHERE || r.network === "::/0";
const target = (r: Route) => ((r.domains ?? []).length ? (r.domains ?? []).join(", ") : r.network ?? "");

function body(d: Draft) {
  const { target: to, peer, peer_groups, ...rest } = d;
  const where = isNetwork(to) ? { network: to.trim() } : { domains: to.split(/[\s,]+/).filter(Boolean) };
  return { ...rest, ...where, ...(peer.length ? { peer: peer[0] } : { peer_groups }) };
}

const ROUTES: Kind<Route, Draft> = {
  path: "/routes", module: "routes", many: "routes", one: "route", icon: "route",
  about: "A machine can lead others into its network, or to the Internet as an exit node.",
  nameOf: (r) => r.network_id,
  useColumns: () => {
    const groups = useGroupNames();
    const peers = useData<Peer[]>("/peers").data ?? [];
    const via = (r: Route) => (r.peer ? [peers.find((p) => p.id === r.peer)?.name ?? r.peer] : groups(r.peer_groups));
    return [
      { title: "Name", text: (r) => r.network_id + " " + r.description, cell: (r) => <div class="two"><strong>{r.network_id}</strong><span>{r.description}</span></div> },
      { title: "To", text: target, cell: (r) => (isExit(r) ? <Badge tone="accent">exit node</Badge> : <code class="clip">{target(r)}</code>) },
      { title: "Through", text: (r) => via(r).join(" "), wideOnly: true, cell: (r) => <Names names={via(r)} /> },
      { title: "For", text: (r) => groups(r.groups).join(" "), wideOnly: true, cell: (r) => <Names names={groups(r.groups)} /> },
      { title: "State", text: (r) => (r.enabled ? "on" : "off"), width: "64px", cell: (r) => <Badge tone={r.enabled ? "good" : ""}>{r.enabled ? "on" : "off"}</Badge> },
    ];
  },
  draft: (r) => ({
    network_id: r?.network_id ?? "", description: r?.description ?? "", target: r ? target(r) : "", peer: r?.peer ? [r.peer] : [], peer_groups: r?.peer_groups ?? [],
    groups: r?.groups ?? [], access_control_groups: r?.access_control_groups ?? [], metric: r?.metric ?? 9999, masquerade: r?.masquerade ?? true,
    enabled: r?.enabled ?? true, keep_route: r?.keep_route ?? false, skip_auto_apply: r?.skip_auto_apply ?? false,
  }),
  body,
  missing: (d) => (!d.network_id.trim() ? "A name is needed." : !d.target.trim() ? "Say where it leads." : !d.peer.length && !d.peer_groups.length ? "Name a machine, or groups of them." : d.groups.length ? "" : "Say which groups get it."),
  Fields: ({ form }) => (
    <div class="stack">
      <TextField label="Name" placeholder="office" {...form.at("network_id")} />
      <TextField label="Leads to" placeholder="192.168.1.0/24, or intranet.example.com" {...form.at("target")} hint="A network, or domains." />
      <div><Button kind="quiet" onClick={() => form.set({ target: ANYWHERE })}>To the Internet: an exit node</Button></div>
      <PeerPicker single label="Through the machine" {...form.at("peer")} />
      {!form.values.peer.length && <GroupPicker label="Or through all machines of groups" {...form.at("peer_groups")} />}
      <GroupPicker withAll label="For the machines of" {...form.at("groups")} />
      <GroupPicker label="Access groups" {...form.at("access_control_groups")} hint="With some, policies to them decide what passes; without, everything does." />
      <NumberField label="Metric" min={1} max={9999} {...form.at("metric")} />
      <CheckField label="With the router's address" {...form.at("masquerade")} />
      <CheckField label="Keep it when names change" {...form.at("keep_route")} hint="For domains: addresses that a name had stay reachable." />
      <CheckField label="Only by choice" {...form.at("skip_auto_apply")} hint="An exit node that machines select by themselves." />
      <CheckField label="In use" {...form.at("enabled")} />
      <TextField label="Description" {...form.at("description")} />
    </div>
  ),
};

export const Routes = () => <Collection kind={ROUTES} title="Routes" about="Ways into other networks, and exit nodes to the Internet." />;
