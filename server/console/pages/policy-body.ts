// SPDX-License-Identifier: BSD-3-Clause
/* A policy as the API takes it, and as the editor holds it. */
import type { Policy, ResourceRef, Rule } from "../core/types";

export interface RuleDraft {
  key: number; // of the editor
  kept: Partial<Rule>; // what the editor does not show: id, name, description, SSH users
  protocol: Rule["protocol"];
  ports: string; // "80, 443, 8000-8100"
  bidirectional: boolean;
  action: Rule["action"];
  sources: string[]; // ids
  destinations: string[];
  sourceResource?: ResourceRef;
  destinationResource?: ResourceRef;
}

export interface PolicyDraft {
  name: string;
  description: string;
  enabled: boolean;
  postures: string[];
  rules: RuleDraft[];
}

let keys = 0;

export function newRule(): RuleDraft {
  return { key: keys++, kept: {}, protocol: "tcp", ports: "", bidirectional: false, action: "accept", sources: [], destinations: [] };
}

function draftOfRule(r: Rule): RuleDraft {
  const ports = [...(r.ports ?? []), ...(r.port_ranges ?? []).map((p) => p.start + "-" + p.end)].join(", ");
  const { id, name, description, authorized_groups, enabled } = r;
  return {
    key: keys++, kept: { id, name, description, authorized_groups, enabled }, protocol: r.protocol, ports, bidirectional: r.bidirectional, action: r.action,
    sources: (r.sources ?? []).map((g) => g.id), destinations: (r.destinations ?? []).map((g) => g.id),
    sourceResource: r.sourceResource, destinationResource: r.destinationResource,
  };
}

export function draftOf(p: Policy | null): PolicyDraft {
  if (!p) return { name: "", description: "", enabled: true, postures: [], rules: [newRule()] };
  return { name: p.name, description: p.description ?? "", enabled: p.enabled, postures: p.source_posture_checks ?? [], rules: p.rules.map(draftOfRule) };
}

export const takesPorts = (r: RuleDraft): boolean => r.protocol === "tcp" || r.protocol === "udp";

function splitPorts(text: string) {
  const all = text.split(/[\s,]+/).filter(Boolean);
  const ranges = all.filter((p) => p.includes("-")).map((p) => p.split("-").map(Number));
  return { ports: all.filter((p) => !p.includes("-")), port_ranges: ranges.map(([start, end]) => ({ start, end })) };
}

/** "" or what is wrong. */
export function portsProblem(r: RuleDraft): string {
  if (!takesPorts(r)) return "";
  const { ports, port_ranges } = splitPorts(r.ports);
  const ok = (n: number) => Number.isInteger(n) && n >= 1 && n <= 65535;
  const bad = ports.find((p) => !ok(Number(p))) ?? port_ranges.map((p) => p.start + "-" + p.end)[port_ranges.findIndex((p) => !ok(p.start) || !ok(p.end) || p.start > p.end)];
  return bad === undefined ? "" : "“" + bad + "” is no port: write 443, or 8000-8100.";
}

function ruleBody(r: RuleDraft, name: string) {
  const end = (groups: string[], resource?: ResourceRef) => (resource?.id && !groups.length ? { resource } : { groups });
  const from = end(r.sources, r.sourceResource), to = end(r.destinations, r.destinationResource);
  const { ports, port_ranges } = takesPorts(r) ? splitPorts(r.ports) : { ports: [], port_ranges: [] };
  return {
    ...r.kept, name: r.kept.name || name, enabled: r.kept.enabled ?? true, action: r.action, protocol: r.protocol, bidirectional: r.bidirectional,
    ...(ports.length && { ports }), ...(port_ranges.length && { port_ranges }),
    ...(from.resource ? { sourceResource: from.resource } : { sources: from.groups }),
    ...(to.resource ? { destinationResource: to.resource } : { destinations: to.groups }),
  };
}

export function bodyOfDraft(d: PolicyDraft) {
  return {
    name: d.name.trim(), description: d.description, enabled: d.enabled, source_posture_checks: d.postures,
    rules: d.rules.map((r) => ruleBody(r, d.name.trim())),
  };
}

export const bodyOf = (p: Policy) => bodyOfDraft(draftOf(p));

const hasEnd = (groups: string[], resource?: ResourceRef) => groups.length > 0 || !!resource?.id;

/** Whether there is enough to ask what it would do; "" or what is missing. */
export function missing(d: PolicyDraft): string {
  if (!d.name.trim()) return "A name is needed.";
  for (const r of d.rules) {
    if (!hasEnd(r.sources, r.sourceResource)) return "Say who: a source is needed.";
    if (!hasEnd(r.destinations, r.destinationResource)) return "Say whom: a destination is needed.";
    const problem = portsProblem(r);
    if (problem) return problem;
  }
  return "";
}
