// SPDX-License-Identifier: BSD-3-Clause
/* Groups, and helpers for all who name them. */
import { count } from "../core/format";
import { useData } from "../core/live";
import type { Group, Peer } from "../core/types";
import { Badge } from "../ui/basics";
import { Collection, Kind } from "../ui/collection";
import { TextField } from "../ui/form";
import { Picker } from "../ui/picker";
import type { Column } from "../ui/table";
import { h } from "../view/view";

export function useGroupNames(): (ids: string[] | null | undefined) => string[] {
  const groups = useData<Group[]>("/groups").data ?? [];
  const names = new Map(groups.map((g) => [g.id, g.name]));
  return (ids) => (ids ?? []).map((id) => names.get(id) ?? id);
}

export function PeerPicker(p: { label: string; hint?: string; value: string[]; onChange: (ids: string[]) => void; single?: boolean }) {
  const peers = useData<Peer[]>("/peers").data ?? [];
  return <Picker {...p} options={peers.map((x) => ({ id: x.id, name: x.name, about: x.ip }))} placeholder="Type to search machines" />;
}

interface Draft {
  name: string;
  peers: string[];
}

const COLUMNS: Column<Group>[] = [
  { title: "Name", text: (g) => g.name, cell: (g) => <strong class="clip">{g.name}</strong> },
  { title: "Machines", text: (g) => String(g.peers_count), order: (g) => g.peers_count, cell: (g) => <span>{count(g.peers_count, "machine")}</span> },
  { title: "Resources", text: (g) => String(g.resources_count), order: (g) => g.resources_count, wideOnly: true, cell: (g) => <span>{count(g.resources_count, "resource")}</span> },
  { title: "From", text: (g) => g.issued ?? "api", width: "130px", wideOnly: true, cell: (g) => <Badge>{{ api: "here", jwt: "sign-in", integration: "integration" }[g.issued ?? "api"]}</Badge> },
];

const GROUPS: Kind<Group, Draft> = {
  path: "/groups", module: "groups", many: "groups", one: "group", icon: "group",
  about: "Groups hold machines and resources; policies say which group may reach which.",
  nameOf: (g) => g.name, useColumns: () => COLUMNS, fixed: (g) => g.name === "All",
  draft: (g) => ({ name: g?.name ?? "", peers: (g?.peers ?? []).map((p) => p.id) }),
  body: (d, g) => ({ name: d.name.trim(), peers: d.peers, resources: g?.resources ?? [] }),
  missing: (d) => (d.name.trim() ? "" : "A name is needed."),
  Fields: ({ form }) => (
    <div class="stack">
      <TextField label="Name" {...form.at("name")} />
      <PeerPicker label="Machines" {...form.at("peers")} />
    </div>
  ),
};

export const Groups = () => <Collection kind={GROUPS} title="Groups" about="What policies speak of: machines and resources that belong together." />;
