// SPDX-License-Identifier: BSD-3-Clause
/* Posture checks: what a machine must be like before a policy lets it through. */
import { Names } from "../ui/basics";
import { Collection, Kind } from "../ui/collection";
import { SelectField, TextField } from "../ui/form";
import { h } from "../view/view";

interface Version {
  min_version: string;
}

interface Checks {
  nb_version_check?: Version;
  os_version_check?: { android?: Version; darwin?: Version; ios?: Version; linux?: { min_kernel_version: string }; windows?: { min_kernel_version: string } };
  geo_location_check?: { locations: { country_code: string; city_name?: string }[]; action: string };
  peer_network_range_check?: { ranges: string[]; action: string };
  process_check?: { processes: { linux_path?: string; mac_path?: string; windows_path?: string }[] };
}

interface Posture {
  id: string;
  name: string;
  description?: string;
  checks: Checks;
}

interface Draft {
  name: string;
  description: string;
  agent: string;
  linux: string;
  windows: string;
  darwin: string;
  ios: string;
  android: string;
  places: string;
  placesAction: string;
  ranges: string;
  rangesAction: string;
  linuxPath: string;
  macPath: string;
  windowsPath: string;
}

const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);
const NAMES: Record<string, string> = { nb_version_check: "agent", os_version_check: "system", geo_location_check: "place", peer_network_range_check: "network", process_check: "process" };
const named = (p: Posture) => Object.keys(p.checks ?? {}).map((c) => NAMES[c] ?? c);
const place = (l: { country_code: string; city_name?: string }) => l.country_code + (l.city_name ? ":" + l.city_name.replace(/ /g, "_") : "");

function draftOf(p: Posture | null): Draft {
  const c: Checks = p?.checks ?? {};
  const first = c.process_check?.processes[0] ?? {};
  return {
    name: p?.name ?? "", description: p?.description ?? "", agent: c.nb_version_check?.min_version ?? "",
    linux: c.os_version_check?.linux?.min_kernel_version ?? "", windows: c.os_version_check?.windows?.min_kernel_version ?? "",
    darwin: c.os_version_check?.darwin?.min_version ?? "", ios: c.os_version_check?.ios?.min_version ?? "", android: c.os_version_check?.android?.min_version ?? "",
    places: (c.geo_location_check?.locations ?? []).map(place).join(", "), placesAction: c.geo_location_check?.action ?? "allow",
    ranges: (c.peer_network_range_check?.ranges ?? []).join(", "), rangesAction: c.peer_network_range_check?.action ?? "allow",
    linuxPath: first.linux_path ?? "", macPath: first.mac_path ?? "", windowsPath: first.windows_path ?? "",
  };
}

function checksOf(d: Draft, before?: Checks): Checks {
  const system = {
    ...(d.linux && { linux: { min_kernel_version: d.linux } }), ...(d.windows && { windows: { min_kernel_version: d.windows } }),
    ...(d.darwin && { darwin: { min_version: d.darwin } }), ...(d.ios && { ios: { min_version: d.ios } }), ...(d.android && { android: { min_version: d.android } }),
  };
  const locations = words(d.places).map((w) => {
    const [country_code, city] = w.split(":");
    return { country_code: country_code.toUpperCase(), ...(city && { city_name: city.replace(/_/g, " ") }) };
  });
  const process = { ...(d.linuxPath && { linux_path: d.linuxPath }), ...(d.macPath && { mac_path: d.macPath }), ...(d.windowsPath && { windows_path: d.windowsPath }) };
  const others = before?.process_check?.processes.slice(1) ?? [];
  return {
    ...(d.agent && { nb_version_check: { min_version: d.agent } }),
    ...(Object.keys(system).length && { os_version_check: system }),
    ...(locations.length && { geo_location_check: { locations, action: d.placesAction } }),
    ...(words(d.ranges).length && { peer_network_range_check: { ranges: words(d.ranges), action: d.rangesAction } }),
    ...(Object.keys(process).length && { process_check: { processes: [process, ...others] } }),
  };
}

const ACTIONS: [string, string][] = [["allow", "only from there"], ["deny", "not from there"]];

const POSTURES: Kind<Posture, Draft> = {
  path: "/posture-checks", module: "policies", many: "posture checks", one: "posture check", icon: "check",
  about: "A policy can ask more of its sources: a recent agent, a patched system, a place, a running program.",
  nameOf: (p) => p.name, draft: draftOf,
  useColumns: () => [
    { title: "Name", text: (p) => p.name + " " + (p.description ?? ""), cell: (p) => <div class="two"><strong>{p.name}</strong><span>{p.description}</span></div> },
    { title: "Looks at", text: (p) => named(p).join(" "), cell: (p) => <Names names={named(p)} most={5} /> },
  ],
  body: (d, p) => ({ name: d.name.trim(), description: d.description, checks: checksOf(d, p?.checks) }),
  missing: (d) => (!d.name.trim() ? "A name is needed." : Object.keys(checksOf(d)).length ? "" : "Fill in at least one check."),
  Fields: ({ form }) => (
    <div class="stack">
      <TextField label="Name" {...form.at("name")} />
      <TextField label="Description" {...form.at("description")} />
      <TextField label="Agent, at least" placeholder="0.70.0" {...form.at("agent")} />
      <div class="row">
        <TextField label="Linux kernel, at least" placeholder="6.1" {...form.at("linux")} />
        <TextField label="Windows, at least" placeholder="10.0.19045" {...form.at("windows")} />
        <TextField label="macOS, at least" placeholder="14.0" {...form.at("darwin")} />
        <TextField label="iOS, at least" {...form.at("ios")} />
        <TextField label="Android, at least" {...form.at("android")} />
      </div>
      <div class="row">
        <TextField label="Places" placeholder="DE, FR:Paris" {...form.at("places")} hint="Country codes, also with a city: US:New_York" />
        <SelectField label="Connections" {...form.at("placesAction")} options={ACTIONS} />
      </div>
      <div class="row">
        <TextField label="Networks" placeholder="192.168.0.0/16" {...form.at("ranges")} />
        <SelectField label="Machines" {...form.at("rangesAction")} options={ACTIONS} />
      </div>
      <div class="row">
        <TextField label="Program on Linux" placeholder="/usr/bin/clamd" {...form.at("linuxPath")} />
        <TextField label="on macOS" {...form.at("macPath")} />
        <TextField label="on Windows" {...form.at("windowsPath")} />
      </div>
    </div>
  ),
};

export const Postures = () => <Collection kind={POSTURES} title="Posture checks" about="What machines must be like before a policy lets them through." />;
