// SPDX-License-Identifier: BSD-3-Clause
/* How the server is: what the health page of the operators says, for people. */
import { config } from "../core/config";
import { ago, bytes, count, fullTime } from "../core/format";
import { useData } from "../core/live";
import { Badge, PageHead, Pending, Tone } from "../ui/basics";
import { Child, h, useEffect } from "../view/view";

interface Backup {
  time: string;
  size_bytes: number;
  path: string;
}

interface Node {
  id: string;
  this: boolean;
  host: string;
  version: string;
  started: string;
  seen: string;
  relay: string;
  behind: number;
  behind_ms: number;
}

interface Health {
  version: string;
  uptime_s: number;
  machines: { all: number; connected: number };
  nodes: Node[];
  maps: { waiting: number; bytes_under_way: number; took_ms: number; cut_off: number };
  agents_are_told: { signal: string; relays: string[]; stuns: string[] };
  health: {
    status: "healthy" | "degraded" | "unhealthy";
    reason: string;
    store: { ok: boolean; engine: string; since_unix_ms?: number; size_bytes?: number; error?: string };
    serving: string[];
    certificate?: { valid: boolean; not_after: string };
    backups?: Backup[];
    relay?: { address: string; machines: number };
  };
}

const LOOK_MS = 5000;
const SOON_MS = 14 * 86400 * 1000;
const TONES: Record<Health["health"]["status"], Tone> = { healthy: "good", degraded: "warn", unhealthy: "bad" };

function duration(seconds: number): string {
  return ago(new Date(Date.now() - seconds * 1000).toISOString());
}

function Card({ title, tone, word, rows }: { title: string; tone: Tone; word: string; rows: [string, Child][] }) {
  return (
    <section class="card">
      <div class="card-head">
        <h2>{title}</h2>
        <Badge tone={tone}>{word}</Badge>
      </div>
      <dl class="facts">{rows.map(([name, value]) => [<dt>{name}</dt>, <dd>{value}</dd>])}</dl>
    </section>
  );
}

function Certificate({ c }: { c: { valid: boolean; not_after: string } }) {
  const soon = Date.parse(c.not_after) - Date.now() < SOON_MS;
  return <Card title="Certificate" tone={!c.valid ? "bad" : soon ? "warn" : "good"} word={!c.valid ? "expired" : soon ? "ends soon" : "valid"} rows={[["Ends", fullTime(c.not_after) + ", " + ago(c.not_after)]]} />;
}

const OLD_MS = 2 * 86400 * 1000;

function Backups({ list }: { list?: Backup[] }) {
  const how = <span><code>rookery admin backup FOLDER</code> on the server, while it runs; the timer does it every night</span>;
  if (!list) return null; // management alone knows nothing of them
  const old = list.length > 0 && Date.now() - Date.parse(list[0].time) > OLD_MS;
  return (
    <Card title="Backup" tone={!list.length || old ? "warn" : "good"} word={list.length ? ago(list[0].time) : "none is known"} rows={[
      ["How", how],
      ...list.map((b) => [ago(b.time), <span title={fullTime(b.time)}><code>{b.path}</code>, {bytes(b.size_bytes)}</span>] as [string, Child]),
    ]} />
  );
}

/* How far machines are behind what was changed. */
function Maps({ d }: { d: Health }) {
  const late = d.maps.waiting > 0 && d.maps.took_ms > 5000;
  return (
    <Card title="Changes on their way" tone={late ? "warn" : "good"} word={d.maps.waiting ? count(d.maps.waiting, "machine") + " waiting" : "all told"} rows={[
      ["Last one took", d.maps.took_ms ? d.maps.took_ms.toLocaleString() + " ms to a machine" : "less than a millisecond, or there was none"],
      ["Not sent yet", bytes(d.maps.bytes_under_way)],
      ["Cut off", count(d.maps.cut_off, "machine") + " that read too slowly"],
    ]} />
  );
}

const BEHIND_MS = 2000;

/* The servers of one database; with SQLite it is one. */
function Nodes({ nodes }: { nodes: Node[] }) {
  const late = nodes.some((n) => n.behind > 0 && n.behind_ms > BEHIND_MS);
  return (
    <Card title="Servers" tone={late ? "warn" : "good"} word={nodes.length > 1 ? count(nodes.length, "server") : "one server"} rows={nodes.map((n) => [
      n.host || n.id,
      <div>
        <div>{n.version ? "Rookery " + n.version : "an older version"}{n.this && ", this one"}, started {ago(n.started)}</div>
        {nodes.length > 1 && <div class="soft">{n.behind ? count(n.behind, "change") + ", " + n.behind_ms.toLocaleString() + " ms behind" : "not behind"}, seen {ago(n.seen)}</div>}
        {n.relay && <div><code>{n.relay}</code></div>}
      </div>,
    ] as [string, Child])} />
  );
}

const lines = (all: string[]) => (all.length ? all.map((x) => <div><code>{x}</code></div>) : <span class="soft">none</span>);

export function HealthPage() {
  const { data, error, reload } = useData<Health>("/x/health");
  useEffect(() => {
    const timer = setInterval(reload, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  if (!data) return <div class="page"><PageHead title="Server" /><Pending error={error} /></div>;
  const { health, machines, agents_are_told: told } = data;
  return (
    <div class="page">
      <PageHead title="Server" about={"Rookery " + data.version + ", started " + duration(data.uptime_s) + "."} />
      <div class="columns">
        <Card title="Service" tone={TONES[health.status]} word={health.status} rows={[
          ...(health.reason ? [["Why", health.reason] as [string, Child]] : []),
          ["Serves", health.serving.join(", ")],
          ["Machines", count(machines.connected, "connected machine") + " of " + machines.all.toLocaleString()],
          ["Console", config.version],
        ]} />
        <Card title="Database" tone={health.store.ok ? "good" : "bad"} word={health.store.ok ? "answers" : "does not answer"} rows={[
          ["Engine", health.store.engine === "postgres" ? "PostgreSQL" : "SQLite"],
          ...(health.store.size_bytes ? [["Size", bytes(health.store.size_bytes)] as [string, Child]] : []),
          ...(health.store.since_unix_ms ? [["Since", fullTime(new Date(health.store.since_unix_ms).toISOString())] as [string, Child]] : []),
          ...(health.store.error ? [["Error", health.store.error] as [string, Child]] : []),
        ]} />
        <Backups list={health.backups} />
        <Maps d={data} />
        <Nodes nodes={data.nodes} />
        <Card title="What machines are told" tone={told.relays.length ? "good" : "warn"} word={count(told.relays.length, "relay")} rows={[
          ["Signal", <code>{told.signal}</code>],
          ["Relays", lines(told.relays)],
          ["STUN", lines(told.stuns)],
          ...(health.relay ? [["Own relay", count(health.relay.machines, "machine") + " connected to it"] as [string, Child]] : []),
        ]} />
        {health.certificate ? <Certificate c={health.certificate} /> : (
          <Card title="Certificate" tone="" word="none here" rows={[["Why", "This server speaks in clear text; a proxy before it may have the certificate."]]} />
        )}
      </div>
    </div>
  );
}
