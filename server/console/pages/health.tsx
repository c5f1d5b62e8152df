// SPDX-License-Identifier: BSD-3-Clause
/* How the server is: what the health page of the operators says, for people. */
import { config } from "../core/config";
import { ago, count, fullTime } from "../core/format";
import { useData } from "../core/live";
import { Badge, PageHead, Pending, Tone } from "../ui/basics";
import { Child, h, useEffect } from "../view/view";

interface Health {
  version: string;
  uptime_s: number;
  machines: { all: number; connected: number };
  agents_are_told: { signal: string; relays: string[]; stuns: string[] };
  health: {
    status: "healthy" | "degraded" | "unhealthy";
    reason: string;
    store: { ok: boolean; engine: string; since_unix_ms?: number; size_bytes?: number; error?: string };
    serving: string[];
    certificate?: { valid: boolean; not_after: string };
  };
}

const LOOK_MS = 5000;
const SOON_MS = 14 * 86400 * 1000;
const TONES: Record<Health["health"]["status"], Tone> = { healthy: "good", degraded: "warn", unhealthy: "bad" };

function size(bytes: number): string {
  const unit = bytes >= 1 << 30 ? 30 : bytes >= 1 << 20 ? 20 : 10;
  return (bytes / 2 ** unit).toLocaleString(undefined, { maximumFractionDigits: 1 }) + { 30: " GB", 20: " MB", 10: " kB" }[unit];
}

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
          ...(health.store.size_bytes ? [["Size", size(health.store.size_bytes)] as [string, Child]] : []),
          ...(health.store.since_unix_ms ? [["Since", fullTime(new Date(health.store.since_unix_ms).toISOString())] as [string, Child]] : []),
          ...(health.store.error ? [["Error", health.store.error] as [string, Child]] : []),
          ["Backup", <span><code>rookery admin backup FOLDER</code> on the server, while it runs</span>],
        ]} />
        <Card title="What machines are told" tone={told.relays.length ? "good" : "warn"} word={count(told.relays.length, "relay")} rows={[
          ["Signal", <code>{told.signal}</code>],
          ["Relays", lines(told.relays)],
          ["STUN", lines(told.stuns)],
        ]} />
        {health.certificate ? <Certificate c={health.certificate} /> : (
          <Card title="Certificate" tone="" word="none here" rows={[["Why", "This server speaks in clear text; a proxy before it may have the certificate."]]} />
        )}
      </div>
    </div>
  );
}
