// SPDX-License-Identifier: BSD-3-Clause
/* One machine. */
import { useData } from "../core/live";
import { can } from "../core/me";
import { go, link } from "../core/router";
import type { Peer } from "../core/types";
import { Button, Names, PageHead, Pending, Time } from "../ui/basics";
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
            ["Kernel", p.kernel_version],
            ["Agent", p.version],
            ["Joined", <Time at={p.created_at} />],
            ["Last login", <Time at={p.last_login} />],
          ]} />
        </section>
      </div>
    </div>
  );
}
