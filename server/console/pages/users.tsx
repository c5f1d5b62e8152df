// SPDX-License-Identifier: BSD-3-Clause
/* People, service users, and invitations. */
import { api, messageOf } from "../core/api";
import { base, home } from "../core/config";
import { refresh } from "../core/live";
import { can } from "../core/me";
import type { User } from "../core/types";
import { Badge, Button, Copy, Names, Time, Tone } from "../ui/basics";
import { Collection, Kind } from "../ui/collection";
import { Frame, open, toast } from "../ui/dialogs";
import { CheckField, NumberField, SelectField, TextField } from "../ui/form";
import type { Action } from "../ui/menu";
import { GroupPicker } from "../ui/picker";
import { Tabs } from "../ui/tabs";
import { h } from "../view/view";
import { useGroupNames } from "./groups";
import { showTokens } from "./tokens";

export const ROLES: [string, string][] = [
  ["user", "member: sees their own machines"], ["auditor", "auditor: sees all, changes nothing"],
  ["network_admin", "network admin: policies, routes, DNS"], ["admin", "admin: everything but the owner's"],
];

function once(title: string, text: string, value: string, what: string) {
  open((close) => (
    <Frame title={title} onClose={close} foot={<Button kind="main" onClick={close}>Done</Button>}>
      <p>{text}</p>
      <Copy text={value} what={what} />
    </Frame>
  ));
}

function state(u: User): { word: string; tone: Tone } {
  if (u.pending_approval) return { word: "waits for approval", tone: "warn" };
  if (u.is_blocked) return { word: "blocked", tone: "bad" };
  return u.status === "invited" ? { word: "invited", tone: "accent" } : { word: "active", tone: "good" };
}

async function answer(u: User, yes: boolean) {
  const done = yes ? api.post("/users/" + encodeURIComponent(u.id) + "/approve") : api.remove("/users/" + encodeURIComponent(u.id) + "/reject");
  await done.then(() => toast((u.name || u.email) + (yes ? " is let in." : " was turned away.")), (e) => toast(messageOf(e)));
  refresh("/users");
}

function moreFor(u: User): Action[] {
  const all: Action[] = [];
  if (u.pending_approval && can("users", "update")) all.push({ title: "Approve", icon: "check", run: () => void answer(u, true) }, { title: "Reject", icon: "close", danger: true, run: () => void answer(u, false) });
  if (u.is_service_user || u.is_current) all.push({ title: "Tokens", icon: "key", run: () => showTokens(u) });
  return all;
}

interface Draft {
  email: string;
  name: string;
  role: string;
  auto_groups: string[];
  is_blocked: boolean;
}

function useColumns() {
  const groups = useGroupNames();
  return [
    { title: "Name", text: (u: User) => u.name + " " + u.email, width: "minmax(0, 1.4fr)", cell: (u: User) => <div class="two"><strong>{u.name || u.email || u.id}</strong><span>{u.email}</span></div> },
    { title: "Role", text: (u: User) => u.role.replace("_", " "), width: "120px" },
    { title: "State", text: (u: User) => state(u).word, width: "150px", wideOnly: true, cell: (u: User) => <Badge tone={state(u).tone}>{state(u).word}</Badge> },
    { title: "Groups", text: (u: User) => groups(u.auto_groups).join(" "), wideOnly: true, cell: (u: User) => <Names names={groups(u.auto_groups)} /> },
    { title: "Last login", text: (u: User) => u.last_login ?? "", width: "130px", wideOnly: true, cell: (u: User) => <Time at={u.last_login} /> },
  ];
}

const kindOf = (service: boolean): Kind<User, Draft> => ({
  path: "/users", module: "users", many: service ? "service users" : "users", one: service ? "service user" : "user", icon: service ? "robot" : "person", untried: true,
  about: service ? "Programs that use the API: they have a role and tokens, and no password." : "People who sign in.",
  nameOf: (u) => u.name || u.email || u.id, useColumns, more: moreFor, fixed: (u) => u.role === "owner",
  draft: (u) => ({ email: u?.email ?? "", name: u?.name ?? "", role: u?.role ?? "user", auto_groups: u?.auto_groups ?? [], is_blocked: u?.is_blocked ?? false }),
  body: (d, u) => (u ? { role: d.role, auto_groups: d.auto_groups, is_blocked: d.is_blocked } : { ...(service ? {} : { email: d.email.trim() }), name: d.name.trim(), role: d.role, auto_groups: d.auto_groups, is_service_user: service }),
  missing: (d) => (!d.name.trim() && !d.email ? "A name is needed." : service || d.email.trim() ? "" : "An e-mail address is needed."),
  made: (u: User) => u.password && once(u.email + " can sign in", "The password is shown now and never again.", u.password, "the password"),
  Fields: ({ form, row }) => (
    <div class="stack">
      <TextField label="Name" disabled={!!row} {...form.at("name")} />
      {!service && <TextField label="E-mail" type="email" disabled={!!row} {...form.at("email")} />}
      <SelectField label="Role" {...form.at("role")} options={ROLES} />
      {!service && <GroupPicker label="Groups" {...form.at("auto_groups")} hint="Machines they sign in on become members." />}
      {row && <CheckField label="Blocked" {...form.at("is_blocked")} hint="Cannot sign in; their machines are cut off." />}
    </div>
  ),
});

const PEOPLE = kindOf(false), SERVICE = kindOf(true);

/* ---- invitations */

interface Invite {
  id: string;
  email: string;
  name: string;
  role: string;
  auto_groups: string[];
  expires_at: string;
  expired: boolean;
  invite_token?: string;
}

const invitation = (token: string) => base + home() + "#/invite/" + token;

async function regenerate(i: Invite) {
  try {
    const made = await api.post<{ invite_token: string }>("/users/invites/" + i.id + "/regenerate");
    once("A new link for " + i.email, "The one before works no more. It is shown now and never again.", invitation(made.invite_token), "the link");
  } catch (e) {
    toast(messageOf(e));
  }
  refresh("/users/invites");
}

interface InviteDraft {
  email: string;
  name: string;
  role: string;
  auto_groups: string[];
  days: number;
}

const INVITES: Kind<Invite, InviteDraft> = {
  path: "/users/invites", module: "users", many: "invitations", one: "invitation", icon: "person", untried: true,
  about: "A link with which somebody sets a password and joins.",
  nameOf: (i) => i.email, fixed: () => true,
  useColumns: () => [
    { title: "Name", text: (i) => i.name + " " + i.email, cell: (i) => <div class="two"><strong>{i.name}</strong><span>{i.email}</span></div> },
    { title: "Role", text: (i) => i.role.replace("_", " "), width: "120px" },
    { title: "Ends", text: (i) => i.expires_at, width: "150px", cell: (i) => (i.expired ? <Badge tone="warn">expired</Badge> : <Time at={i.expires_at} />) },
  ],
  draft: () => ({ email: "", name: "", role: "user", auto_groups: [], days: 3 }),
  body: ({ days, ...d }) => ({ ...d, expires_in: days * 86400 }),
  missing: (d) => (!d.email.trim() ? "An e-mail address is needed." : d.name.trim() ? "" : "A name is needed."),
  made: (i: Invite) => i.invite_token && once("Send this link to " + i.email, "It is shown now and never again.", invitation(i.invite_token), "the link"),
  more: (i) => [
    { title: "New link", icon: "undo", run: () => void regenerate(i) },
    { title: "Delete", icon: "trash", danger: true, run: () => void api.remove("/users/invites/" + i.id).then(() => refresh("/users/invites"), (e) => toast(messageOf(e))) },
  ],
  Fields: ({ form }) => (
    <div class="stack">
      <TextField label="E-mail" type="email" {...form.at("email")} />
      <TextField label="Name" {...form.at("name")} />
      <SelectField label="Role" {...form.at("role")} options={ROLES} />
      <GroupPicker label="Groups" {...form.at("auto_groups")} />
      <NumberField label="Days it is valid" min={1} {...form.at("days")} />
    </div>
  ),
};

export function Users({ tab }: { tab: string }) {
  const tabs = <Tabs page="users" at={tab} tabs={[["", "People"], ["service", "Service users"], ["invites", "Invitations"]]} />;
  if (tab === "invites") return <Collection key="invites" kind={INVITES} title="Users" about="Who was asked to come.">{tabs}</Collection>;
  if (tab === "service") return <Collection key="service" kind={SERVICE} query="?service_user=true" title="Users" about="Programs that use the API.">{tabs}</Collection>;
  return <Collection key="people" kind={PEOPLE} query="?service_user=false" title="Users" about="Who signs in, and what they may do.">{tabs}</Collection>;
}
