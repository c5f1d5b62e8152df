// SPDX-License-Identifier: BSD-3-Clause
/* All machines. */
import { api } from "../core/api";
import { refresh, useData } from "../core/live";
import { base } from "../core/config";
import { can, me } from "../core/me";
import { link } from "../core/router";
import type { Peer } from "../core/types";
import { Badge, Button, Empty, Names, PageHead, Time } from "../ui/basics";
import { confirm, toast } from "../ui/dialogs";
import { Action, Menu } from "../ui/menu";
import { Column, Table } from "../ui/table";
import { h } from "../view/view";
import { addMachine } from "./add-machine";
import { editPeer } from "./peer-edit";

export function groupNames(p: Peer): string[] {
  return (p.groups ?? []).map((g) => g.name).filter((n) => n !== "All");
}

export function PeerState({ p }: { p: Peer }) {
  if (p.approval_required) return <Badge tone="warn">waits for approval</Badge>;
  if (p.login_expired) return <Badge tone="warn">login expired</Badge>;
  return p.connected ? <Badge tone="good">connected</Badge> : <Time at={p.last_seen} />;
}

function state(p: Peer): string {
  return p.approval_required ? "waits for approval" : p.login_expired ? "login expired" : p.connected ? "connected" : "offline";
}

const COLUMNS: Column<Peer>[] = [
  {
    title: "Name",
    text: (p) => p.name + " " + p.dns_label,
    order: (p) => p.name,
    width: "minmax(0, 1.6fr)",
    cell: (p) => (
      <div class="with-dot">
        <span class={"dot" + (p.connected ? " on" : "")} />
        <div class="two">
          <a class="name" href={link("peers", p.id)}>{p.name}</a>
          <span>{p.dns_label}</span>
        </div>
      </div>
    ),
  },
  { title: "Address", text: (p) => p.ip + " " + (p.ipv6 ?? ""), width: "130px", cell: (p) => <span class="mono clip">{p.ip}</span> },
  { title: "Groups", text: (p) => groupNames(p).join(" "), wideOnly: true, cell: (p) => <Names names={groupNames(p)} /> },
  { title: "System", text: (p) => p.os + " " + p.version, wideOnly: true, width: "minmax(0, 0.9fr)", cell: (p) => (
    <div class="two">
      <span>{p.os || "unknown"}</span>
      <span>{p.version}</span>
    </div>
  ) },
  { title: "Seen", text: state, order: (p) => (p.connected ? -Infinity : -Date.parse(p.last_seen)), width: "150px", wideOnly: true, cell: (p) => <PeerState p={p} /> },
];

export async function removePeer(p: Peer): Promise<boolean> {
  const sure = await confirm({
    title: "Remove " + p.name + "?",
    text: "It leaves the network at once and can come back with a setup key or a login only.",
    action: "Remove", danger: true, typed: p.name,
  });
  if (!sure) return false;
  await api.remove("/peers/" + p.id);
  refresh("/peers", "/groups");
  toast(p.name + " was removed.");
  return true;
}

export async function approvePeer(p: Peer) {
  await api.put("/peers/" + p.id, { ...settingsOf(p), approval_required: false });
  refresh("/peers");
  toast(p.name + " is let in.");
}

export function settingsOf(p: Peer) {
  return {
    name: p.name, ssh_enabled: p.ssh_enabled, login_expiration_enabled: p.login_expiration_enabled,
    inactivity_expiration_enabled: p.inactivity_expiration_enabled,
  };
}

export function peerActions(p: Peer): Action[] {
  const all: Action[] = [];
  if (can("peers", "update")) {
    if (p.approval_required) all.push({ title: "Approve", icon: "check", run: () => void approvePeer(p) });
    all.push({ title: "Edit", icon: "edit", run: () => editPeer(p) });
  }
  if (can("peers", "delete")) all.push({ title: "Remove", icon: "trash", danger: true, run: () => void removePeer(p) });
  return all;
}

export function Peers() {
  const peers = useData<Peer[]>("/peers");
  const add = can("setup_keys", "create");
  const button = add && <Button kind="main" icon="plus" onClick={addMachine}>Add a machine</Button>;
  return (
    <div class="page">
      <PageHead title="Peers" about="The machines of your network, and whether they are there.">
        {button}
      </PageHead>
      <Table
        name="peers" one="peer" rows={peers.data} error={peers.error} columns={COLUMNS} rowKey={(p) => p.id} href={(p) => link("peers", p.id)}
        actions={can("peers", "update") ? (p) => <Menu label={"Actions for " + p.name} actions={peerActions(p)} /> : undefined}
        empty={
          <Empty icon="machine" title="No machine yet" action={button}>
            {add ? "Machines join with a setup key, or when somebody signs in on them."
              : me.get()?.permissions?.is_restricted ? "Those who run this network show members nothing of it. Your machines work all the same; ask an administrator for “Members see nothing of the network” in the settings to be switched off."
              : "Machines you sign in on appear here: run “rook up --management-url " + base + "” on one."}
          </Empty>
        }
      />
    </div>
  );
}
