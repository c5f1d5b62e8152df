// SPDX-License-Identifier: BSD-3-Clause
/* One machine. */
import { list } from "../core/format";
import { useData } from "../core/live";
import { can } from "../core/me";
import { go, link } from "../core/router";
import type { AuditEvent, Peer, ReachEnd } from "../core/types";
import { Badge, Button, Names, PageHead, Pending, Time } from "../ui/basics";
import { Icon } from "../ui/icons";
import { Child, h } from "../view/view";
import { editPeer } from "./peer-edit";
import { approvePeer, groupNames, PeerState, removePeer } from "./peers";

function Facts({ rows }: { rows: [string, Child][] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => [<dt>{name}</dt>, <dd>{value}</dd>])}
    </dl>
  );
}

interface Neighbours {
  peers: { peer: ReachEnd; flows: string }[];
  total: number;
}

/* Who may send to it, or whom it may send to. */
function Reach({ title, query, none }: { title: string; query: string; none: string }) {
  const { data, error } = useData<Neighbours>("/x/reach?page_size=200&" + query);
  return (
    <section class="card">
      <div class="card-head">
        <h2>{title}</h2>
        {data && <span class="soft">{data.total.toLocaleString()}</span>}
      </div>
      {!data && <Pending error={error} />}
      {data?.total === 0 && <p class="soft">{none}</p>}
      <ul class="members">
        {data?.peers.map(({ peer, flows }) => (
          <li key={peer.id}>
            <a class="clip" href={link("peers", peer.id)}>{peer.name}</a>
            <code class="soft clip">{flows}</code>
          </li>
        ))}
      </ul>
      {data && data.total > data.peers.length && <p class="soft small">The first {data.peers.length}.</p>}
    </section>
  );
}

const EVENTS_SHOWN = 12;

function Events({ id }: { id: string }) {
  const { data, error } = useData<AuditEvent[]>("/events/audit?page_size=" + EVENTS_SHOWN + "&target_id=" + encodeURIComponent(id));
  return (
    <section class="card">
      <h2>What happened</h2>
      {!data && <Pending error={error} />}
      {data?.length === 0 && <p class="soft">Nothing is on record.</p>}
      <ul class="members">
        {data?.slice(0, EVENTS_SHOWN).map((e) => (
          <li key={e.id}>
            <span class="clip">{e.activity}</span>
            <span class="soft clip">{e.initiator_name || e.initiator_email}</span>
            <span class="soft nowrap"><Time at={e.timestamp} /></span>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface Served {
  id: string;
  network_id: string;
  network?: string;
  domains?: string[];
  peer?: string;
  peer_groups?: string[];
}

/* Networks that others reach through it. */
function Routes({ p }: { p: Peer }) {
  const groups = new Set((p.groups ?? []).map((g) => g.id));
  const routes = (useData<Served[]>("/routes").data ?? []).filter((r) => r.peer === p.id || r.peer_groups?.some((g) => groups.has(g)));
  if (!routes.length) return null;
  return (
    <section class="card">
      <h2>Routes through it</h2>
      <ul class="members">
        {routes.map((r) => (
          <li key={r.id}>
            <span class="clip">{r.network_id}</span>
            <code class="soft clip">{r.network || (r.domains ?? []).join(", ")}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface Verdict {
  id: string;
  name: string;
  passes: boolean;
  parts: { part: string; passes: boolean; wanted: string; found: string }[];
  policies?: { id: string; name: string; enabled: boolean; concerns: boolean }[];
}

const PARTS: Record<string, string> = {
  nb_version_check: "agent", os_version_check: "system", geo_location_check: "place", peer_network_range_check: "network", process_check: "process",
};

/* Which checks it passes, and what stands in the way. */
function Posture({ id }: { id: string }) {
  const { data } = useData<Verdict[]>("/x/peers/" + encodeURIComponent(id) + "/posture");
  if (!data?.length) return null;
  return (
    <section class="card">
      <h2>Posture checks</h2>
      <ul class="members">
        {data.map((v) => {
          const needed = (v.policies ?? []).filter((p) => p.enabled && p.concerns).map((p) => p.name);
          return (
            <li key={v.id} class="check-verdict">
              <div class="two">
                <strong>{v.name}</strong>
                {v.parts.map((p) => <span><Icon name={p.passes ? "check" : "close"} /> {PARTS[p.part] ?? p.part}: {p.passes ? p.found : "wanted is " + p.wanted + ", found " + p.found}</span>)}
                {needed.length > 0 && <span class="soft">decides for {list(needed)}</span>}
              </div>
              <Badge tone={v.passes ? "good" : "bad"}>{v.passes ? "passes" : "fails"}</Badge>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

export function PeerPage({ id }: { id: string }) {
  const { data: p, error } = useData<Peer>("/peers/" + encodeURIComponent(id));
  if (!p) return <div class="page"><PageHead title="Peer" back={{ to: "peers", title: "Peers" }} /><Pending error={error} /></div>;
  const remove = async () => {
    if (await removePeer(p)) go(link("peers"));
  };
  const place = [p.city_name, p.country_code].filter(Boolean).join(", ");
  return (
    <div class="page">
      <PageHead title={p.name} back={{ to: "peers", title: "Peers" }} about={<PeerState p={p} />}>
        {p.approval_required && can("peers", "update") && <Button kind="main" onClick={() => void approvePeer(p)}>Approve</Button>}
        {can("peers", "update") && <Button icon="edit" onClick={() => editPeer(p)}>Edit</Button>}
        {can("peers", "delete") && <Button icon="trash" label="Remove" onClick={() => void remove()} />}
      </PageHead>
      <div class="columns">
        <section class="card">
          <h2>Network</h2>
          <Facts rows={[
            ["Address", <code>{p.ip}</code>],
            p.ipv6 ? ["IPv6", <code>{p.ipv6}</code>] : ["", ""],
            ["Name", <code>{p.dns_label}</code>],
            ["Groups", <Names names={groupNames(p)} most={20} />],
            ["Last seen", p.connected ? "now" : <Time at={p.last_seen} />],
            ["From", p.connection_ip ? <span><code>{p.connection_ip}</code> {place}</span> : <span class="soft">unknown</span>],
          ]} />
        </section>
        <section class="card">
          <h2>Machine</h2>
          <Facts rows={[
            ["Host name", p.hostname],
            ["System", p.os],
            p.kernel_version ? ["Kernel", p.kernel_version] : ["", ""],
            ["Agent", p.version],
            ["Joined", <Time at={p.created_at} />],
            ["Last login", <Time at={p.last_login} />],
          ]} />
        </section>
        <Reach title="May reach" query={"from=peer:" + encodeURIComponent(p.id)} none="No policy lets it reach another machine." />
        <Reach title="Reached by" query={"to=peer:" + encodeURIComponent(p.id)} none="No policy lets another machine reach it." />
        <Posture id={p.id} />
        {can("routes", "read") && <Routes p={p} />}
        {can("events", "read") && <Events id={p.id} />}
      </div>
    </div>
  );
}
