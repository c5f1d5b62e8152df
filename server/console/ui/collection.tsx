// SPDX-License-Identifier: BSD-3-Clause
/*
 * A page for objects of one kind: their list, a sheet to make and edit one, and removing with its effect
 * shown first. A kind says what is special about it; everything else is here.
 */
import { api, messageOf } from "../core/api";
import { refresh, useData } from "../core/live";
import { can } from "../core/me";
import { Child, h, VNode } from "../view/view";
import { Button, Empty, PageHead } from "./basics";
import { confirm, open, toast } from "./dialogs";
import { confirmChange, TrialPanel, useTrial } from "./effect";
import { Form, FormSheet, useForm } from "./form";
import type { IconName } from "./icons";
import { Action, Menu } from "./menu";
import { Column, Table } from "./table";

export interface Kind<T extends { id?: string }, D extends object> {
  path: string; // of the API
  module: string; // of the permissions
  many: string; // "routes"
  one: string; // "route"
  icon: IconName;
  about: string; // without any: what they are for
  nameOf: (row: T) => string;
  useColumns: () => Column<T>[];
  draft: (row: T | null) => D;
  body: (d: D, row: T | null) => unknown;
  missing?: (d: D) => string;
  Fields: (p: { form: Form<D>; row: T | null }) => VNode;
  href?: (row: T) => string; // a page of its own; else a click edits
  more?: (row: T) => Action[];
  untried?: boolean; // the server cannot tell what a change would do
  fixed?: (row: T) => boolean; // neither edited nor removed
  made?: (answer: any) => void; // after making one
}

interface EditProps<T extends { id?: string }, D extends object> {
  kind: Kind<T, D>;
  row: T | null;
  close: () => void;
}

function Edit<T extends { id?: string }, D extends object>({ kind, row, close }: EditProps<T, D>) {
  const form = useForm<D>(kind.draft(row));
  const method = row ? "PUT" : "POST", path = row ? kind.path + "/" + row.id : kind.path;
  const missing = kind.missing?.(form.values) ?? "";
  const trial = useTrial(method, path, kind.untried || missing || !form.dirty ? null : kind.body(form.values, row));
  const save = async (d: D) => {
    const answer = await (row ? api.put(path, kind.body(d, row)) : api.post(path, kind.body(d, row)));
    refresh();
    const name = typeof (d as any).name === "string" && (d as any).name.trim() ? (d as any).name.trim() : row ? kind.nameOf(row) : "";
    toast((name || "The " + kind.one) + (row ? " was saved." : " was made."));
    close();
    if (!row) kind.made?.(answer);
  };
  return (
    <FormSheet title={row ? "Edit " + kind.nameOf(row) : "New " + kind.one} form={form} action={row ? "Save" : "Create"} check={() => missing} onSave={save} onClose={close}
      below={kind.untried ? undefined : <TrialPanel trial={trial} />}>
      <kind.Fields form={form} row={row} />
    </FormSheet>
  );
}

export function edit<T extends { id?: string }, D extends object>(kind: Kind<T, D>, row: T | null) {
  open((close) => <Edit kind={kind as Kind<any, any>} row={row} close={close} />);
}

async function remove<T extends { id?: string }, D extends object>(kind: Kind<T, D>, row: T) {
  const name = kind.nameOf(row), path = kind.path + "/" + row.id;
  const q = { title: "Delete " + name + "?", action: "Delete", danger: true };
  const sure = kind.untried
    ? await confirm({ ...q, text: "This cannot be undone.", typed: name })
    : await confirmChange("DELETE", path, undefined, { ...q, text: "It can be brought back in the activity." });
  if (!sure) return;
  await api.remove(path).then(() => toast(name + " was deleted."), (e) => toast(messageOf(e)));
  refresh();
}

function actionsOf<T extends { id?: string }, D extends object>(kind: Kind<T, D>, row: T): Action[] {
  const all: Action[] = kind.more?.(row) ?? [];
  if (kind.fixed?.(row)) return all;
  if (can(kind.module, "update")) all.unshift({ title: "Edit", icon: "edit", run: () => edit(kind, row) });
  if (can(kind.module, "delete")) all.push({ title: "Delete", icon: "trash", danger: true, run: () => void remove(kind, row) });
  return all;
}

export function NewButton<T extends { id?: string }, D extends object>({ kind }: { kind: Kind<T, D> }) {
  return can(kind.module, "create") ? (
    <Button kind="main" icon="plus" onClick={() => edit(kind, null)}>
      New {kind.one}
    </Button>
  ) : null;
}

export function List<T extends { id?: string }, D extends object>({ kind, query = "" }: { kind: Kind<T, D>; query?: string }) {
  const { data, error } = useData<T[]>(kind.path + query);
  const edits = can(kind.module, "update");
  const columns = kind.useColumns();
  return (
    <Table
      name={kind.many} one={kind.one} rows={data} error={error} columns={columns} rowKey={(r) => r.id ?? ""} href={kind.href}
      onOpen={edits ? (r) => !kind.fixed?.(r) && edit(kind, r) : undefined}
      actions={edits ? (r) => <Menu label={"Actions for " + kind.nameOf(r)} actions={actionsOf(kind, r)} /> : undefined}
      empty={<Empty icon={kind.icon} title={"No " + kind.one + " yet"} action={<NewButton kind={kind as Kind<any, any>} />}>{kind.about}</Empty>}
    />
  );
}

export function Collection<T extends { id?: string }, D extends object>({ kind, title, about, query, children }: { kind: Kind<T, D>; title: string; about: string; query?: string; children?: Child }) {
  return (
    <div class="page">
      <PageHead title={title} about={about}>
        {children}
        <NewButton kind={kind as Kind<any, any>} />
      </PageHead>
      <List kind={kind as Kind<any, any>} query={query} />
    </div>
  );
}
