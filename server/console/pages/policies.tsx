// SPDX-License-Identifier: BSD-3-Clause
/* Policies: who may reach whom. */
import { api, messageOf } from "../core/api";
import { list } from "../core/format";
import { refresh, useData } from "../core/live";
import { can } from "../core/me";
import type { GroupRef, NetworkResource, Peer, Policy, ResourceRef, Rule } from "../core/types";
import { Badge, Button, Empty, Names, PageHead } from "../ui/basics";
import { toast } from "../ui/dialogs";
import { confirmChange } from "../ui/effect";
import { Action, Menu } from "../ui/menu";
import { Column, Table } from "../ui/table";
import { h } from "../view/view";
import { bodyOf } from "./policy-body";
import { editPolicy } from "./policy-edit";

/** "tcp 80, 443" */
export function traffic(r: Rule): string {
  const ports = [...(r.ports ?? []), ...(r.port_ranges ?? []).map((p) => p.start + "–" + p.end)];
  const protocol = { all: "everything", tcp: "TCP", udp: "UDP", icmp: "ICMP", "netbird-ssh": "SSH" }[r.protocol];
  return protocol + (ports.length ? " " + list(ports, 4) : "");
}

type NameOf = (r: ResourceRef) => string;

/* Machines and resources by their names. */
function useEndNames(): NameOf {
  const peers = useData<Peer[]>("/peers").data ?? [];
  const resources = useData<NetworkResource[]>(can("networks", "read") ? "/networks/resources" : "").data ?? [];
  const names = new Map([...peers, ...resources].map((x) => [x.id, x.name]));
  return (r) => names.get(r.id) ?? r.type + " " + r.id;
}

function ends(nameOf: NameOf, groups: GroupRef[] | null | undefined, resource?: ResourceRef): string[] {
  return resource?.id ? [nameOf(resource)] : (groups ?? []).map((g) => g.name);
}

const side = (nameOf: NameOf, p: Policy, to: boolean) => [
  ...new Set(p.rules.flatMap((r) => (to ? ends(nameOf, r.destinations, r.destinationResource) : ends(nameOf, r.sources, r.sourceResource)))),
];

const columnsOf = (nameOf: NameOf): Column<Policy>[] => [
  { title: "Name", text: (p) => p.name + " " + (p.description ?? ""), order: (p) => p.name, width: "minmax(0, 1.3fr)", cell: (p) => (
    <div class="two">
      <strong>{p.name}</strong>
      <span>
        {p.description}
        <span class="on-phones">{p.description && ": "}{p.rules.some((r) => r.bidirectional) ? "↔" : "→"} {list(side(nameOf, p, true), 2)}, {p.rules.map(traffic).join(", ")}</span>
      </span>
    </div>
  ) },
  { title: "From", text: (p) => side(nameOf, p, false).join(" "), cell: (p) => <Names names={side(nameOf, p, false)} /> },
  { title: "Direction", thin: true, text: (p) => (p.rules.some((r) => r.bidirectional) ? "both ways" : "one way"), width: "24px", wideOnly: true, cell: (p) => (
    <span aria-label={p.rules.some((r) => r.bidirectional) ? "both ways" : "to"}>{p.rules.some((r) => r.bidirectional) ? "↔" : "→"}</span>
  ) },
  { title: "To", text: (p) => side(nameOf, p, true).join(" "), wideOnly: true, cell: (p) => <Names names={side(nameOf, p, true)} /> },
  { title: "Traffic", text: (p) => p.rules.map(traffic).join(", "), width: "minmax(0, 0.8fr)", wideOnly: true },
  { title: "State", text: (p) => (p.enabled ? "on" : "off"), width: "64px", cell: (p) => <Badge tone={p.enabled ? "good" : ""}>{p.enabled ? "on" : "off"}</Badge> },
];

async function change(p: Policy, enabled: boolean) {
  const body = { ...bodyOf(p), enabled };
  const verb = enabled ? "Switch on" : "Switch off";
  if (!(await confirmChange("PUT", "/policies/" + p.id, body, { title: verb + " " + p.name + "?", text: "This happens at once on all machines.", action: verb }))) return;
  await api.put("/policies/" + p.id, body).then(() => toast(p.name + " is " + (enabled ? "on." : "off.")), (e) => toast(messageOf(e)));
  refresh("/policies");
}

async function remove(p: Policy) {
  if (!(await confirmChange("DELETE", "/policies/" + p.id, undefined, { title: "Delete " + p.name + "?", text: "It can be brought back in the activity.", action: "Delete", danger: true }))) return;
  await api.remove("/policies/" + p.id).then(() => toast(p.name + " was deleted."), (e) => toast(messageOf(e)));
  refresh("/policies");
}

function actions(p: Policy): Action[] {
  const all: Action[] = [];
  if (can("policies", "update")) {
    all.push({ title: "Edit", icon: "edit", run: () => editPolicy(p) });
    all.push({ title: p.enabled ? "Switch off" : "Switch on", icon: p.enabled ? "close" : "check", run: () => void change(p, !p.enabled) });
  }
  if (can("policies", "delete")) all.push({ title: "Delete", icon: "trash", danger: true, run: () => void remove(p) });
  return all;
}

export function Policies() {
  const policies = useData<Policy[]>("/policies");
  const edits = can("policies", "update");
  const button = can("policies", "create") && <Button kind="main" icon="plus" onClick={() => editPolicy(null)}>New policy</Button>;
  return (
    <div class="page">
      <PageHead title="Policies" about="Who may reach whom. What no policy allows does not pass.">
        {button}
      </PageHead>
      <Table
        name="policies" one="policy" rows={policies.data} error={policies.error} columns={columnsOf(useEndNames())} rowKey={(p) => p.id}
        onOpen={edits ? editPolicy : undefined} actions={edits ? (p) => <Menu label={"Actions for " + p.name} actions={actions(p)} /> : undefined}
        empty={<Empty icon="shield" title="No policy" action={button}>Without one no machine reaches another. Say which group may reach which.</Empty>}
      />
    </div>
  );
}
