// SPDX-License-Identifier: BSD-3-Clause
/* What can be changed about one machine, its groups among it. */
import { api } from "../core/api";
import { refresh, useData } from "../core/live";
import type { Group, Peer } from "../core/types";
import { open, toast } from "../ui/dialogs";
import { CheckField, FormSheet, TextField, useForm } from "../ui/form";
import { GroupPicker } from "../ui/picker";
import { h } from "../view/view";

interface Values {
  name: string;
  ssh_enabled: boolean;
  login_expiration_enabled: boolean;
  inactivity_expiration_enabled: boolean;
  groups: string[];
}

/* Members of a group are a list of the group: each that changed is written with its peers. */
async function moveBetweenGroups(peer: string, from: string[], to: string[], groups: Group[]) {
  for (const g of groups) {
    const was = from.includes(g.id), is = to.includes(g.id);
    if (was === is) continue;
    const others = (g.peers ?? []).map((p) => p.id).filter((id) => id !== peer);
    await api.put("/groups/" + g.id, { name: g.name, peers: is ? [...others, peer] : others, resources: g.resources ?? [] });
  }
}

function EditPeer({ p, close }: { p: Peer; close: () => void }) {
  const groups = useData<Group[]>("/groups");
  const mine = (p.groups ?? []).filter((g) => g.name !== "All").map((g) => g.id);
  const form = useForm<Values>({
    name: p.name, ssh_enabled: p.ssh_enabled, login_expiration_enabled: p.login_expiration_enabled,
    inactivity_expiration_enabled: p.inactivity_expiration_enabled, groups: mine,
  });
  const save = async ({ groups: wanted, ...settings }: Values) => {
    await api.put("/peers/" + p.id, settings);
    await moveBetweenGroups(p.id, mine, wanted, groups.data ?? []);
    refresh("/peers", "/groups");
    toast(settings.name + " was saved.");
    close();
  };
  return (
    <FormSheet title={"Edit " + p.name} form={form} action="Save" onSave={save} onClose={close} check={(v) => (v.name.trim() ? "" : "A name is needed.")}>
      <TextField label="Name" {...form.at("name")} />
      <GroupPicker label="Groups" {...form.at("groups")} hint="Policies say what the members of a group may reach." />
      <CheckField label="SSH" {...form.at("ssh_enabled")} hint="Policies with the SSH protocol may open a shell on this machine." />
      {p.user_id && <CheckField label="Login expires" {...form.at("login_expiration_enabled")} hint="Its user signs in again from time to time, as the settings say." />}
      {p.user_id && <CheckField label="Inactivity ends the login" {...form.at("inactivity_expiration_enabled")} />}
    </FormSheet>
  );
}

export function editPeer(p: Peer) {
  open((close) => <EditPeer p={p} close={close} />);
}
