// SPDX-License-Identifier: BSD-3-Clause
/* Where groups and their machines stand in the picture, and which policies lead from one to another. */
import type { Group, NetworkResource, Peer, Policy, Rule } from "../core/types";

/** A network with its resources, or the routes of one name: what has no agent. */
export interface Place {
  kind: "network" | "route";
  id: string; // of the network
  what: { id?: string; name: string; address: string }[];
}

export interface Net {
  id: string;
  name: string;
  resources: string[] | null;
}

export interface Route {
  network_id: string;
  network?: string;
  domains?: string[] | null;
  groups: string[] | null;
  enabled: boolean;
}

export interface Behind {
  networks: Net[];
  resources: NetworkResource[];
  routes: Route[];
}

export interface Bubble {
  id: string;
  name: string;
  peers: Peer[];
  place?: Place; // else a group
  x: number;
  y: number;
  r: number;
}

export interface Way {
  from: Bubble;
  to: Bubble;
  both: boolean;
  rules: { policy: Policy; rule: Rule }[];
  routes: string[]; // addresses that the machines are given a route to
}

export interface Picture {
  bubbles: Bubble[];
  ways: Way[];
  width: number;
  height: number;
}

const GAP = 46;
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

/** Distance of machines in a bubble: dense where there are many. */
export const step = (n: number): number => (n > 1500 ? 3.2 : n > 300 ? 5 : n > 60 ? 8 : n > 12 ? 12 : 17);

function radius(n: number): number {
  return Math.max(34, step(n) * Math.sqrt(n) + 14);
}

/** Machine i of n, from the middle outwards like the seeds of a sunflower. */
export function seat(b: Bubble, i: number): [number, number] {
  const d = b.peers.length > 1 ? step(b.peers.length) * Math.sqrt(i + 0.4) : 0, a = i * GOLDEN;
  return [b.x + d * Math.cos(a), b.y + d * Math.sin(a)];
}

function allowed(policies: Policy[]): { policy: Policy; rule: Rule }[] {
  return policies.filter((p) => p.enabled).flatMap((policy) =>
    policy.rules.filter((r) => r.enabled && r.action === "accept").map((rule) => ({ policy, rule })));
}

/* The group of everybody is in the picture when a policy or route names it, or when nobody is in another. */
function bubblesOf(groups: Group[], peers: Peer[], policies: Policy[], given: Set<string>): Bubble[] {
  const byId = new Map(peers.map((p) => [p.id, p]));
  const named = new Set([...given, ...allowed(policies).flatMap(({ rule }) => [...(rule.sources ?? []), ...(rule.destinations ?? [])].map((g) => g.id))]);
  const others = groups.some((g) => g.name !== "All" && g.peers_count > 0);
  return groups
    .filter((g) => (g.name === "All" ? named.has(g.id) || !others : g.peers_count > 0 || named.has(g.id)))
    .map((g) => {
      const members = (g.peers ?? []).map((p) => byId.get(p.id)).filter((p): p is Peer => !!p);
      return { id: g.id, name: g.name, peers: members, x: 0, y: 0, r: radius(members.length) };
    });
}

const PLACE_R = 30;

function placesOf({ networks, resources, routes }: Behind): Bubble[] {
  const byId = new Map(resources.map((r) => [r.id, r]));
  const bubble = (id: string, name: string, place: Place): Bubble => ({ id, name, place, peers: [], x: 0, y: 0, r: PLACE_R });
  const nets = networks.map((n) => bubble("network:" + n.id, n.name, {
    kind: "network", id: n.id, what: (n.resources ?? []).map((id) => byId.get(id)).filter((r): r is NetworkResource => !!r && r.enabled),
  })).filter((b) => b.place!.what.length > 0);
  const named = new Map<string, Bubble>();
  for (const r of routes.filter((r) => r.enabled)) {
    const b = named.get(r.network_id) ?? bubble("route:" + r.network_id, r.network_id, { kind: "route", id: r.network_id, what: [] });
    const address = (r.domains ?? []).join(", ") || r.network || "";
    if (!b.place!.what.some((w) => w.address === address)) b.place!.what.push({ name: r.network_id, address });
    named.set(r.network_id, b);
  }
  return [...nets, ...named.values()];
}

/* Who may reach a resource of a network, by which rules; who is given a route. */
function waysBehind(bubbles: Bubble[], policies: Policy[], { networks, resources, routes }: Behind, add: (from: Bubble, to: Bubble) => Way) {
  const byId = new Map(bubbles.map((b) => [b.id, b]));
  const home = new Map(networks.flatMap((n) => (n.resources ?? []).map((id) => [id, byId.get("network:" + n.id)] as const)));
  const inGroup = (id: string) => resources.filter((r) => r.enabled && (r.groups ?? []).some((g) => g.id === id)).map((r) => r.id);
  for (const one of allowed(policies)) {
    const aims = one.rule.destinationResource?.id ? [one.rule.destinationResource.id] : (one.rule.destinations ?? []).flatMap((g) => inGroup(g.id));
    for (const to of new Set(aims.map((id) => home.get(id))))
      for (const s of one.rule.sources ?? []) {
        const from = byId.get(s.id);
        if (from && to) add(from, to).rules.push(one);
      }
  }
  for (const r of routes.filter((r) => r.enabled))
    for (const id of r.groups ?? []) {
      const from = byId.get(id), to = byId.get("route:" + r.network_id);
      if (from && to) add(from, to).routes.push((r.domains ?? []).join(", ") || r.network || "");
    }
}

function waysOf(bubbles: Bubble[], policies: Policy[], behind: Behind): Way[] {
  const byId = new Map(bubbles.map((b) => [b.id, b]));
  const ways = new Map<string, Way>();
  for (const one of allowed(policies))
    for (const s of one.rule.sources ?? [])
      for (const d of one.rule.destinations ?? []) {
        const from = byId.get(s.id), to = byId.get(d.id);
        if (!from || !to) continue;
        const way = ways.get(d.id + ">" + s.id) ?? ways.get(s.id + ">" + d.id) ?? { from, to, both: false, rules: [], routes: [] };
        way.both ||= one.rule.bidirectional || way.from !== from;
        way.rules.push(one);
        ways.set(way.from.id + ">" + way.to.id, way);
      }
  waysBehind(bubbles, policies, behind, (from, to) => {
    const key = from.id + ">" + to.id, way = ways.get(key) ?? { from, to, both: false, rules: [], routes: [] };
    ways.set(key, way);
    return way;
  });
  return [...ways.values()];
}

const AROUND_ONE = 5; // with fewer others there is no middle

/* A large group (mostly All) in the middle where there are many, the others around it. */
function arrange(bubbles: Bubble[]): [number, number] {
  const sorted = [...bubbles].sort((a, b) => b.r - a.r || a.name.localeCompare(b.name));
  const middle = sorted.length > AROUND_ONE ? sorted.shift() : undefined;
  sorted.sort((a, b) => a.name.localeCompare(b.name));
  const around = sorted.reduce((sum, b) => sum + 2 * b.r + GAP, 0);
  const largest = Math.max(0, ...sorted.map((b) => b.r));
  const ring = sorted.length === 1 ? 0 : Math.max(around / (2 * Math.PI), (middle?.r ?? 0) + largest + 70, largest + 80);
  const wide = 1.35; // screens are wider than high
  let along = -Math.PI;
  for (const b of sorted) {
    const share = ((2 * b.r + GAP) / around) * 2 * Math.PI;
    const a = along + share / 2;
    along += share;
    b.x = wide * ring * Math.cos(a);
    b.y = ring * Math.sin(a);
  }
  const width = 2 * (wide * ring + Math.max(largest, middle?.r ?? 0)) + 80, height = 2 * (ring + Math.max(largest, middle?.r ?? 0)) + 100;
  for (const b of bubbles) {
    b.x += width / 2;
    b.y += height / 2 - 8;
  }
  return [width, height];
}

export function pictureOf(groups: Group[], peers: Peer[], policies: Policy[], behind: Behind): Picture {
  const given = new Set(behind.routes.filter((r) => r.enabled).flatMap((r) => r.groups ?? []));
  const bubbles = [...bubblesOf(groups, peers, policies, given), ...placesOf(behind)];
  const [width, height] = arrange(bubbles);
  return { bubbles, ways: waysOf(bubbles, policies, behind), width, height };
}

/** From edge to edge, a little bent, so that two ways between the same never lie upon each other. */
export function curve(w: Way): string {
  const { from: a, to: b } = w;
  if (a === b) {
    const at = (angle: number, d: number) => `${a.x + (a.r + d) * Math.cos(angle)} ${a.y + (a.r + d) * Math.sin(angle)}`;
    const half = Math.min(0.45, 26 / a.r); // a loop of one size, whatever the group's
    return `M${at(-0.8 - half, 4)} C${at(-0.8 - half, 44)}, ${at(-0.8 + half, 44)}, ${at(-0.8 + half, 6)}`;
  }
  const dx = b.x - a.x, dy = b.y - a.y, d = Math.hypot(dx, dy);
  const end = (c: Bubble, sign: number, gap: number) => [c.x + (sign * dx * (c.r + gap)) / d, c.y + (sign * dy * (c.r + gap)) / d];
  const [x1, y1] = end(a, 1, w.both ? 7 : 2), [x2, y2] = end(b, -1, 7);
  return `M${x1} ${y1} Q${(x1 + x2) / 2 - dy * 0.1} ${(y1 + y2) / 2 + dx * 0.1} ${x2} ${y2}`;
}
