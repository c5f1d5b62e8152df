// SPDX-License-Identifier: BSD-3-Clause
/* Can A reach B, and why (not)? */
import { useData } from "../core/live";
import { can } from "../core/me";
import type { Group, NetworkResource, Peer, ReachEnd, Verdict } from "../core/types";
import { Badge, Button, Pending } from "../ui/basics";
import { SelectField, TextField } from "../ui/form";
import { Option, Picker } from "../ui/picker";
import { Icon } from "../ui/icons";
import { h, useState } from "../view/view";

interface Pairs {
  pairs: Verdict[];
  total: number;
}

function useEnds(): Option[] {
  const peers = useData<Peer[]>("/peers").data ?? [], groups = useData<Group[]>("/groups").data ?? [];
  const resources = useData<NetworkResource[]>(can("networks", "read") ? "/networks/resources" : "").data ?? [];
  return [
    ...groups.map((g) => ({ id: "group:" + g.id, name: g.name, about: "group" })),
    ...peers.map((p) => ({ id: "peer:" + p.id, name: p.name, about: p.ip })),
    ...resources.map((r) => ({ id: "resource:" + r.id, name: r.name, about: r.address })),
  ];
}

const endName = (e: ReachEnd) => e.name || e.ip || e.id;

function Why({ v }: { v: Verdict }) {
  return (
    <div class="verdict">
      <p class={v.reachable ? "yes" : "no"}>
        <Icon name={v.reachable ? "check" : "close"} />
        <strong>{endName(v.from)} {v.reachable ? "reaches" : "does not reach"} {endName(v.to)}</strong>
        {v.flows && <code class="soft">{v.flows}</code>}
      </p>
      <ul>
        {v.by.map((b) => (
          <li>by {b.open_route ? "a route without access control" : <span>the policy <strong>{b.policy?.name ?? "of the network"}</strong>{b.rule?.name && b.rule.name !== b.policy?.name ? ", rule " + b.rule.name : ""}</span>}{b.reverse ? ", which works both ways" : ""}</li>
        ))}
        {v.over.map((o) => (
          <li>over {o.type} <strong>{o.name}</strong>{o.peer && " by " + endName(o.peer)} {!o.reachable && <Badge tone="warn">not reachable now</Badge>}</li>
        ))}
        {v.missing.map((m) => (
          <li>{m.message}{m.name ? " (" + m.name + ")" : ""}</li>
        ))}
      </ul>
    </div>
  );
}

function Answer({ path }: { path: string }) {
  const { data, error } = useData<Verdict | Pairs>(path);
  if (!data) return <Pending error={error} />;
  if (!("pairs" in data)) return <Why v={data} />;
  const yes = data.pairs.filter((v) => v.reachable).length;
  return (
    <div class="stack">
      <p class="soft">{yes.toLocaleString()} of {data.pairs.length.toLocaleString()} pairs{data.total > data.pairs.length ? ", the first of " + data.total.toLocaleString() : ""} can.</p>
      {data.pairs.slice(0, 12).map((v) => (
        <Why v={v} />
      ))}
    </div>
  );
}

export function Question({ from = "", to = "" }: { from?: string; to?: string }) {
  const ends = useEnds();
  const [a, setA] = useState<string[]>(from ? [from] : []);
  const [b, setB] = useState<string[]>(to ? [to] : []);
  const [other, setOther] = useState("");
  const [protocol, setProtocol] = useState("all");
  const [port, setPort] = useState("");
  const [path, setPath] = useState(from && to ? asking(from, to, "all", "") : "");
  const target = b[0] ?? other.trim();
  const submit = (e: Event) => {
    e.preventDefault();
    if (a[0] && target) setPath(asking(a[0], target, protocol, port));
  };
  return (
    <section class="card">
      <h2>Can it be reached?</h2>
      <form class="stack" onSubmit={submit}>
        <Picker single label="From" options={ends} value={a} onChange={setA} placeholder="A machine or a group" />
        <Picker single label="To" options={ends} value={b} onChange={setB} placeholder="A machine or a group" />
        {!b.length && <TextField label="Or an address or a name" placeholder="10.0.0.5, db.example.com" value={other} onChange={setOther} />}
        <div class="row">
          <SelectField label="Protocol" value={protocol} onChange={setProtocol} options={[["all", "any"], ["tcp", "TCP"], ["udp", "UDP"], ["icmp", "ICMP"]]} />
          <TextField label="Port" placeholder="any" value={port} onChange={setPort} />
        </div>
        <Button type="submit" disabled={!a[0] || !target}>Ask</Button>
      </form>
      {path && <div class="answer" role="status"><Answer path={path} /></div>}
    </section>
  );
}

function asking(from: string, to: string, protocol: string, port: string): string {
  const q = new URLSearchParams({ from, to, page_size: "50" });
  if (protocol !== "all") q.set("protocol", protocol);
  if (port.trim()) q.set("port", port.trim());
  return "/x/reach?" + q;
}
