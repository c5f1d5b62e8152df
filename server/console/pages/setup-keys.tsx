// SPDX-License-Identifier: BSD-3-Clause
/* Setup keys: what machines join with when nobody signs in on them. */
import { api } from "../core/api";
import { count } from "../core/format";
import { refresh, useData } from "../core/live";
import { can } from "../core/me";
import type { Group, SetupKey } from "../core/types";
import { Badge, Button, Empty, Names, PageHead, Time } from "../ui/basics";
import { confirm, Frame, open, toast } from "../ui/dialogs";
import { CheckField, FormSheet, NumberField, SelectField, TextField, useForm } from "../ui/form";
import { Action, Menu } from "../ui/menu";
import { GroupPicker } from "../ui/picker";
import { Column, Table } from "../ui/table";
import { h } from "../view/view";
import { JoinLines } from "./add-machine";

const DAY_S = 86400;
const TONES = { valid: "good", expired: "warn", overused: "warn", revoked: "bad" } as const;

function columns(nameOf: (id: string) => string): Column<SetupKey>[] {
  return [
    { title: "Name", text: (k) => k.name + " " + k.key, order: (k) => k.name, width: "minmax(0, 1.4fr)", cell: (k) => (
      <div class="two">
        <strong>{k.name}</strong>
        <span class="mono">{k.key}</span>
      </div>
    ) },
    { title: "State", text: (k) => k.state, width: "100px", cell: (k) => <Badge tone={TONES[k.state]}>{k.state}</Badge> },
    { title: "Used", text: (k) => String(k.used_times), order: (k) => k.used_times, width: "130px", wideOnly: true, cell: (k) => (
      <span>{k.usage_limit ? k.used_times + " of " + k.usage_limit : count(k.used_times, "time")}</span>
    ) },
    { title: "Groups", text: (k) => (k.auto_groups ?? []).map(nameOf).join(" "), wideOnly: true, cell: (k) => <Names names={(k.auto_groups ?? []).map(nameOf)} /> },
    { title: "Expires", text: (k) => k.expires, width: "130px", wideOnly: true, cell: (k) => <Time at={k.expires} /> },
  ];
}

function Created({ k, close }: { k: SetupKey; close: () => void }) {
  return (
    <Frame title={k.name} wide onClose={close} foot={<Button kind="main" onClick={close}>Done</Button>}>
      <JoinLines k={k} />
    </Frame>
  );
}

function NewKey({ close }: { close: () => void }) {
  const form = useForm({ name: "", type: "reusable", days: 7, usage_limit: 0, auto_groups: [] as string[], ephemeral: false, allow_extra_dns_labels: false });
  const save = async ({ days, ...v }: typeof form.values) => {
    const key = await api.post<SetupKey>("/setup-keys", { ...v, expires_in: days * DAY_S, usage_limit: v.type === "one-off" ? 1 : v.usage_limit });
    refresh("/setup-keys");
    close();
    open((done) => <Created k={key} close={done} />);
  };
  return (
    <FormSheet title="New setup key" form={form} action="Create" onSave={save} onClose={close} check={(v) => (v.name.trim() ? "" : "A name is needed.")}>
      <TextField label="Name" placeholder="web servers" {...form.at("name")} />
      <SelectField label="Can be used" {...form.at("type")} options={[["reusable", "by several machines"], ["one-off", "by one machine"]]} />
      <div class="row">
        <NumberField label="Days until it expires" min={0} {...form.at("days")} hint="0: never" />
        {form.values.type === "reusable" && <NumberField label="At most" min={0} {...form.at("usage_limit")} hint="machines; 0: any number" />}
      </div>
      <GroupPicker label="Groups" {...form.at("auto_groups")} hint="Machines that join with this key become members." />
      <CheckField label="Ephemeral machines" {...form.at("ephemeral")} hint="They are removed when they were away for ten minutes." />
      <CheckField label="Machines may choose more DNS names" {...form.at("allow_extra_dns_labels")} />
    </FormSheet>
  );
}

function EditKey({ k, close }: { k: SetupKey; close: () => void }) {
  const form = useForm({ auto_groups: k.auto_groups ?? [] });
  const save = async (v: { auto_groups: string[] }) => {
    await api.put("/setup-keys/" + k.id, { revoked: k.revoked, auto_groups: v.auto_groups });
    refresh("/setup-keys");
    toast(k.name + " was saved.");
    close();
  };
  return (
    <FormSheet title={"Edit " + k.name} form={form} action="Save" onSave={save} onClose={close}>
      <GroupPicker label="Groups" {...form.at("auto_groups")} hint="For machines that join from now on." />
    </FormSheet>
  );
}

async function revoke(k: SetupKey) {
  if (!(await confirm({ title: "Revoke " + k.name + "?", text: "No machine can join with it any more. Those that did stay.", action: "Revoke", danger: true }))) return;
  await api.put("/setup-keys/" + k.id, { revoked: true, auto_groups: k.auto_groups ?? [] });
  refresh("/setup-keys");
  toast(k.name + " is revoked.");
}

async function remove(k: SetupKey) {
  if (!(await confirm({ title: "Delete " + k.name + "?", text: "Machines that joined with it stay.", action: "Delete", danger: true, typed: k.name }))) return;
  await api.remove("/setup-keys/" + k.id);
  refresh("/setup-keys");
  toast(k.name + " was deleted.");
}

function actions(k: SetupKey): Action[] {
  const all: Action[] = [];
  if (can("setup_keys", "update")) {
    all.push({ title: "Edit", icon: "edit", run: () => open((close) => <EditKey k={k} close={close} />) });
    if (!k.revoked) all.push({ title: "Revoke", icon: "close", run: () => void revoke(k) });
  }
  if (can("setup_keys", "delete")) all.push({ title: "Delete", icon: "trash", danger: true, run: () => void remove(k) });
  return all;
}

export function SetupKeys() {
  const keys = useData<SetupKey[]>("/setup-keys");
  const groups = useData<Group[]>("/groups").data ?? [];
  const nameOf = (id: string) => groups.find((g) => g.id === id)?.name ?? id;
  const button = can("setup_keys", "create") && (
    <Button kind="main" icon="plus" onClick={() => open((close) => <NewKey close={close} />)}>New key</Button>
  );
  return (
    <div class="page">
      <PageHead title="Setup keys" about="Machines join with a key when nobody signs in on them: servers, containers, routers.">
        {button}
      </PageHead>
      <Table
        name="keys" one="key" rows={keys.data} error={keys.error} columns={columns(nameOf)} rowKey={(k) => k.id}
        actions={can("setup_keys", "update") ? (k) => <Menu label={"Actions for " + k.name} actions={actions(k)} /> : undefined}
        empty={<Empty icon="key" title="No setup key yet" action={button}>Make one, and paste it on the machine that shall join.</Empty>}
      />
    </div>
  );
}
