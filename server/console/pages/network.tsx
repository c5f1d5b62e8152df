// SPDX-License-Identifier: BSD-3-Clause
/* The network as a picture: groups with their machines, who may reach whom, and why. */
import { count } from "../core/format";
import { useData } from "../core/live";
import { can } from "../core/me";
import { link } from "../core/router";
import type { Group, Peer, Policy } from "../core/types";
import { Badge, Button, Empty, PageHead, Pending } from "../ui/basics";
import { h, useMemo, useState } from "../view/view";
import { addMachine } from "./add-machine";
import { Behind, Bubble, curve, Picture, pictureOf, Place, seat, step, Way } from "./network-layout";
import { editPolicy } from "./policy-edit";
import { traffic } from "./policies";
import { Question } from "./reach";

type Chosen = { bubble?: Bubble; way?: Way };

/* Thousands of machines are two lines of dots: those that are there, and the others. */
function dots(b: Bubble, connected: boolean): string {
  return b.peers.map((p, i) => (p.connected === connected ? "M" + seat(b, i).map((n) => n.toFixed(1)).join(" ") + "h0" : "")).join("");
}

function onKeys(run: () => void) {
  return (e: KeyboardEvent) => {
    if (e.key !== "Enter" && e.key !== " ") return;
    e.preventDefault();
    run();
  };
}

function BubbleShape({ b, on, dim, choose }: { b: Bubble; on: boolean; dim: boolean; choose: () => void }) {
  const here = b.peers.filter((p) => p.connected).length;
  const size = String(Math.min(11, step(b.peers.length) * 0.62));
  const few = b.peers.length > 0 && b.peers.length <= 6;
  const about = few ? b.peers.map((p) => p.name).slice(0, 3).join(", ") + (b.peers.length > 3 ? "…" : "") : count(b.peers.length, "machine");
  return (
    <g class={"bubble" + (on ? " on" : "") + (dim ? " dim" : "")} role="button" tabindex="0" onClick={choose} onKeydown={onKeys(choose)}
      aria-label={`${b.name} ${about}, ${here} of ${b.peers.length} connected`}>
      <circle cx={b.x} cy={b.y} r={b.r} />
      <path class="away" d={dots(b, false)} stroke-width={size} />
      <path class="here" d={dots(b, true)} stroke-width={size} />
      <text x={b.x} y={b.y + b.r + 17}>{b.name}</text>{" "}
      <text class="about" x={b.x} y={b.y + b.r + 32}>{about}</text>
    </g>
  );
}

/* What has no agent is square. */
function PlaceShape({ b, place, on, dim, choose }: { b: Bubble; place: Place; on: boolean; dim: boolean; choose: () => void }) {
  const about = place.what.length === 1 ? place.what[0].address : place.kind === "network" ? count(place.what.length, "resource") : count(place.what.length, "route");
  const half = b.r * 0.8;
  return (
    <g class={"bubble place" + (on ? " on" : "") + (dim ? " dim" : "")} role="button" tabindex="0" onClick={choose} onKeydown={onKeys(choose)} aria-label={`${place.kind} ${b.name}, ${about}`}>
      <rect x={b.x - half} y={b.y - half} width={2 * half} height={2 * half} rx="8" />
      <path d={`M${b.x - 11} ${b.y + (place.kind === "network" ? 6 : 0)}h22M${b.x - 11} ${b.y - 6}h${place.kind === "network" ? 22 : 15}m-4 -4l4 4l-4 4`} />
      <text x={b.x} y={b.y + b.r + 17}>{b.name}</text>{" "}
      <text class="about" x={b.x} y={b.y + b.r + 32}>{about}</text>
    </g>
  );
}

function WayShape({ w, on, dim, choose }: { w: Way; on: boolean; dim: boolean; choose: () => void }) {
  const label = `${w.from.name} ${w.both ? "and" : "may reach"} ${w.to.name}${w.both ? " may reach each other" : ""}`;
  return (
    <g class={"way" + (on ? " on" : "") + (dim ? " dim" : "")} role="button" tabindex="0" aria-label={label} onClick={choose} onKeydown={onKeys(choose)}>
      <path class="touch" d={curve(w)} />
      <path class="line" d={curve(w)} marker-end="url(#arrow)" marker-start={w.both ? "url(#arrow)" : undefined} />
    </g>
  );
}

function Drawing({ picture, chosen, choose }: { picture: Picture; chosen: Chosen; choose: (c: Chosen) => void }) {
  const { bubble, way } = chosen;
  const touches = (w: Way) => w === way || w.from === bubble || w.to === bubble;
  const near = (b: Bubble) => b === bubble || picture.ways.some((w) => touches(w) && (w.from === b || w.to === b));
  const any = !!bubble || !!way;
  return (
    <svg class="picture" style={{ "max-width": 1.5 * picture.width + "px" }} viewBox={`0 0 ${picture.width} ${picture.height}`} role="group" aria-label="Groups and who may reach whom">
      <defs>
        <marker id="arrow" viewBox="0 0 8 8" refX="5" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
          <path d="M0 0L8 4L0 8z" />
        </marker>
      </defs>
      {picture.ways.map((w) => (
        <WayShape key={w.from.id + w.to.id} w={w} on={any && touches(w)} dim={any && !touches(w)} choose={() => choose(w === way ? {} : { way: w })} />
      ))}
      {picture.bubbles.map((b) => {
        const props = { key: b.id, b, on: b === bubble, dim: any && !near(b), choose: () => choose(b === bubble ? {} : { bubble: b }) };
        return b.place ? <PlaceShape {...props} place={b.place} /> : <BubbleShape {...props} />;
      })}
    </svg>
  );
}

const SHOWN = 200;

function AboutBubble({ b, ways }: { b: Bubble; ways: Way[] }) {
  const out = ways.filter((w) => w.from === b || (w.both && w.to === b)).map((w) => (w.from === b ? w.to : w.from));
  const into = ways.filter((w) => w.to === b || (w.both && w.from === b)).map((w) => (w.to === b ? w.from : w.to));
  const names = (all: Bubble[]) => (all.length ? <span class="badges">{all.map((x) => <Badge>{x.name}</Badge>)}</span> : <span class="soft">nobody</span>);
  return (
    <section class="card">
      <h2>{b.name}</h2>
      <dl class="facts">
        {!b.place && <dt>May reach</dt>}{!b.place && <dd>{names(out)}</dd>}
        <dt>Reached by</dt><dd>{names(into)}</dd>
      </dl>
      {b.place && (
        <ul class="members">
          {b.place.what.slice(0, SHOWN).map((w) => <li><span class="clip">{w.name}</span><code class="soft clip">{w.address}</code></li>)}
        </ul>
      )}
      {b.place && <p><a href={b.place.kind === "network" ? link("networks", b.place.id) : link("routes")}>{b.place.kind === "network" ? "To the network" : "To the routes"}</a></p>}
      <ul class="members">
        {b.peers.slice(0, SHOWN).map((p) => (
          <li key={p.id}>
            <span class={"dot" + (p.connected ? " on" : "")} />
            <a class="clip" href={link("peers", p.id)}>{p.name}</a>
            <code class="soft">{p.ip}</code>
          </li>
        ))}
      </ul>
      {b.peers.length > SHOWN && <p class="soft small">And {(b.peers.length - SHOWN).toLocaleString()} more.</p>}
    </section>
  );
}

function AboutWay({ w }: { w: Way }) {
  return (
    <section class="card">
      <h2>{w.from.name} {w.both ? "↔" : "→"} {w.to.name}</h2>
      <ul class="members">
        {w.rules.map(({ policy, rule }) => (
          <li>
            <span class="clip">{can("policies", "update") ? <button type="button" class="text-button" onClick={() => editPolicy(policy)}>{policy.name}</button> : policy.name}</span>
            <span class="soft">{traffic(rule)}</span>
          </li>
        ))}
        {w.routes.map((address) => (
          <li>
            <span class="clip">has a route to</span>
            <code class="soft clip">{address}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}

/* As questions name it; of a network its first resource, of routes nothing. */
function endOf(b: Bubble): string {
  if (!b.place) return "group:" + b.id;
  return b.place.what[0]?.id ? "resource:" + b.place.what[0].id : "";
}

function useBehind(): Behind | undefined {
  const nets = can("networks", "read"), ways = can("routes", "read");
  const networks = useData<Behind["networks"]>(nets ? "/networks" : ""), resources = useData<Behind["resources"]>(nets ? "/networks/resources" : "");
  const routes = useData<Behind["routes"]>(ways ? "/routes" : "");
  const there = (!nets || (networks.data && resources.data)) && (!ways || routes.data);
  return useMemo(() => (there ? { networks: networks.data ?? [], resources: resources.data ?? [], routes: routes.data ?? [] } : undefined),
    [networks.data, resources.data, routes.data]);
}

export function Network() {
  const groups = useData<Group[]>("/groups"), peers = useData<Peer[]>("/peers"), policies = useData<Policy[]>("/policies");
  const [at, setAt] = useState<{ bubble?: string; way?: string }>({});
  const behind = useBehind();
  const ready = groups.data && peers.data && policies.data && behind;
  const picture = useMemo(() => ready && pictureOf(groups.data ?? [], peers.data ?? [], policies.data ?? [], behind!), [groups.data, peers.data, policies.data, behind]);
  const failed = groups.error || peers.error || policies.error;
  if (!picture) return <div class="page"><PageHead title="Network" /><Pending error={failed} /></div>;
  const wayKey = (w: Way) => w.from.id + ">" + w.to.id;
  const chosen: Chosen = { bubble: picture.bubbles.find((b) => b.id === at.bubble), way: picture.ways.find((w) => wayKey(w) === at.way) };
  const choose = (c: Chosen) => setAt({ bubble: c.bubble?.id, way: c.way && wayKey(c.way) });
  const here = (peers.data ?? []).filter((p) => p.connected).length;
  return (
    <div class="page">
      <PageHead title="Network" about={`${count(peers.data?.length ?? 0, "machine")}, ${here.toLocaleString()} connected. Pick a group or an arrow.`} />
      {peers.data?.length === 0 ? (
        <div class="list">
          <Empty icon="network" title="Your network is empty" action={can("setup_keys", "create") && <Button kind="main" icon="plus" onClick={addMachine}>Add a machine</Button>}>
            Bring in two machines, and see here who reaches whom.
          </Empty>
        </div>
      ) : (
        <div class="network">
          <div class="card drawing"><Drawing picture={picture} chosen={chosen} choose={choose} /></div>
          <div class="stack">
            {chosen.bubble && <AboutBubble b={chosen.bubble} ways={picture.ways} />}
            {chosen.way && <AboutWay w={chosen.way} />}
            <Question key={at.way ?? "free"} from={chosen.way && endOf(chosen.way.from)} to={chosen.way && endOf(chosen.way.to)} />
          </div>
        </div>
      )}
    </div>
  );
}
