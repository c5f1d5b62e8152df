// SPDX-License-Identifier: BSD-3-Clause
/* Who talked to whom, as the machines report it (server.x.flow). */
import { bytes, fullTime } from "../core/format";
import { useData } from "../core/live";
import { can } from "../core/me";
import { link } from "../core/router";
import { usePages } from "../core/pages";
import { Badge, Empty, PageHead, Pending, Time } from "../ui/basics";
import { Older } from "../ui/older";
import { Column, Table } from "../ui/table";
import { h } from "../view/view";
import type { Account } from "./settings";

interface TrafficEnd {
  id: string;
  type: string;
  name: string;
  address: string;
}

interface Flow {
  id: string;
  flow_id: string;
  reporter_id: string;
  source: TrafficEnd;
  destination: TrafficEnd;
  user: { id: string; email: string; name: string };
  policy: { id: string; name: string };
  protocol: number;
  direction: string;
  rx_bytes: number;
  tx_bytes: number;
  num_of_drops: number;
  receive_timestamp: string;
  window_start: string;
  events: { type: string; timestamp: string }[];
}

const PROTOCOLS: Record<number, string> = { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP" };
const protocol = (f: Flow) => PROTOCOLS[f.protocol] ?? "protocol " + f.protocol;
const at = (f: Flow) => f.events[0]?.timestamp ?? f.window_start;
const refused = (f: Flow) => f.num_of_drops > 0;
const who = (e: TrafficEnd) => (e.name ? e.name + " " : "") + e.address;

function End({ e }: { e: TrafficEnd }) {
  const name = e.name || e.address;
  return (
    <div class="two">
      {e.type === "PEER" && e.id ? <a class="name" href={link("peers", e.id)}>{name}</a> : <strong>{name}</strong>}
      <span class="mono">{e.address}</span>
    </div>
  );
}

const COLUMNS: Column<Flow>[] = [
  { title: "When", text: (f) => fullTime(at(f)), order: (f) => -Date.parse(at(f)), width: "130px", wideOnly: true, cell: (f) => <Time at={at(f)} /> },
  { title: "From", text: (f) => who(f.source), cell: (f) => <End e={f.source} /> },
  { title: "To", text: (f) => who(f.destination), cell: (f) => <End e={f.destination} /> },
  { title: "Traffic", text: (f) => protocol(f) + (refused(f) ? " refused" : ""), width: "110px", cell: (f) => (refused(f) ? <Badge tone="bad">{protocol(f)} refused</Badge> : <span>{protocol(f)}</span>) },
  { title: "Sent", text: (f) => String(f.tx_bytes), order: (f) => f.tx_bytes, width: "100px", wideOnly: true, cell: (f) => <span>{bytes(f.tx_bytes)}</span> },
  { title: "Received", text: (f) => String(f.rx_bytes), order: (f) => f.rx_bytes, width: "100px", wideOnly: true, cell: (f) => <span>{bytes(f.rx_bytes)}</span> },
  { title: "Policy", text: (f) => f.policy.name, width: "minmax(0, 0.8fr)", wideOnly: true },
  { title: "User", text: (f) => f.user.name || f.user.email, width: "minmax(0, 0.7fr)", wideOnly: true },
];

/* Kept by the server, recorded by the machines: each of the two can be off. */
function Off({ kept, recorded }: { kept: boolean; recorded: boolean }) {
  if (!kept)
    return (
      <Empty icon="pulse" title="This server keeps no traffic events">
        Whoever runs it sets “server.x.flow: true” in its configuration and starts it again; then the settings say whose traffic is recorded.
      </Empty>
    );
  if (!recorded)
    return (
      <Empty icon="pulse" title="Machines record no traffic" action={can("settings", "read") && <a class="button main" href={link("settings")}>To the settings</a>}>
        Switch traffic events on in the settings, for all machines or for some groups.
      </Empty>
    );
  return <Empty icon="pulse" title="Nothing was reported yet">Machines tell of connections some seconds after they began, and of their end.</Empty>;
}

export function Traffic() {
  const asks = can("settings", "read");
  const health = useData<{ traffic_events: boolean }>(asks ? "/x/health" : "");
  const account = useData<Account[]>(asks ? "/accounts" : "");
  const all = usePages<Flow, { data: Flow[] }>("/events/network-traffic", (f) => f.id, (a) => a.data);
  if (asks && !(health.data && account.data)) return <div class="page"><PageHead title="Traffic" /><Pending error={health.error || account.error} /></div>;
  const kept = health.data?.traffic_events ?? true, recorded = !!(account.data?.[0].settings.extra?.network_traffic_logs_enabled ?? true);
  return (
    <div class="page">
      <PageHead title="Traffic" about="Who talked to whom, as the machines report it." />
      <Table
        name="flows" one="flow" rows={all.rows} error={all.error} below={<Older of={all} />} columns={COLUMNS} rowKey={(f) => f.id}
        empty={<Off kept={kept} recorded={recorded} />}
      />
    </div>
  );
}
