// SPDX-License-Identifier: BSD-3-Clause
/* What was changed, by whom, and taking one change back. */
import { api, messageOf } from "../core/api";
import { count, fullTime, list } from "../core/format";
import { refresh, useData } from "../core/live";
import { Pages, usePages } from "../core/pages";
import { can } from "../core/me";
import { link } from "../core/router";
import type { AuditEvent, HistoryEntry, Review } from "../core/types";
import { Badge, Button, Empty, PageHead, Pending, Problem, Time, Tone } from "../ui/basics";
import { Frame, open, toast } from "../ui/dialogs";
import { confirmChange, Effect } from "../ui/effect";
import { TextField } from "../ui/form";
import { Column, Table } from "../ui/table";
import { h, useState } from "../view/view";

const OPS: Record<HistoryEntry["op"], { word: string; tone: Tone }> = {
  create: { word: "made", tone: "good" },
  update: { word: "changed", tone: "" },
  delete: { word: "removed", tone: "bad" },
};

const KINDS: Record<string, string> = { group_peer: "member", setup_key: "setup key", posture: "posture check", ns_group: "nameservers", dns_settings: "DNS settings", pat: "token" };
const kind = (k: string) => KINDS[k] ?? k.replace(/_/g, " ");
const ONLY: Record<string, string> = { account: "Account", settings: "Settings", dns_settings: "DNS settings" }; // one of an account, named by its id
const what = (e: HistoryEntry) => ONLY[e.kind] ?? (e.kind === "group_peer" ? e.peer + " in " + e.name : e.name || e.id);
/* The server takes back what is network, and nothing that was changed together with something else. */
const FOR_GOOD = ["account", "user", "pat", "setup_key", "job"];
/* The journal names fields as their columns are called. */
const fields = (e: HistoryEntry) => (e.op === "update" ? list((e.fields ?? []).map((f) => f.replace(/_/g, " ")), 4) : "");

async function undo(e: HistoryEntry) {
  const path = "/x/history/" + e.entry + "/undo";
  const q = { title: "Take this back?", text: `The ${kind(e.kind)} ${what(e)} was ${OPS[e.op].word} by ${e.actor.name || "the server"} at ${fullTime(e.time)}.`, action: "Take it back" };
  if (!(await confirmChange("POST", path, {}, q))) return;
  await api.post(path).then(() => toast("It was taken back."), (err) => toast(messageOf(err)));
  refresh();
}

const COLUMNS: Column<HistoryEntry>[] = [
  { title: "When", text: (e) => fullTime(e.time), order: (e) => -e.entry, width: "130px", cell: (e) => <Time at={e.time} /> },
  { title: "What", text: (e) => kind(e.kind) + " " + what(e), width: "minmax(0, 1.5fr)", cell: (e) => (
    <div class="two">
      <strong>{what(e)}</strong>
      <span>
        {kind(e.kind)}
        <span class="on-phones">, {OPS[e.op].word}</span>
      </span>
    </div>
  ) },
  { title: "How", text: (e) => OPS[e.op].word, width: "96px", wideOnly: true, cell: (e) => <Badge tone={OPS[e.op].tone}>{OPS[e.op].word}</Badge> },
  { title: "Fields", text: fields, wideOnly: true },
  { title: "By", text: (e) => e.actor.name || e.actor.id || "the server", wideOnly: true, width: "minmax(0, 0.8fr)" },
];

function Older({ of }: { of: Pages<any> }) {
  if (!of.rows) return null;
  return (
    <div class="stack">
      <Problem text={of.error} />
      {of.older && <p><Button onClick={of.older} disabled={of.busy}>Show older ones</Button> <span class="soft small">Search and export take what is shown.</span></p>}
    </div>
  );
}

function Changes({ edits }: { edits: boolean }) {
  const all = usePages<HistoryEntry>("/x/history", (e) => String(e.entry));
  const forGood = new Set(all.rows?.filter((e) => FOR_GOOD.includes(e.kind)).map((e) => e.change));
  return (
    <Table
      name="changes" one="change" rows={all.rows} error={all.error} below={<Older of={all} />} columns={COLUMNS} rowKey={(e) => String(e.entry)}
      actions={edits ? (e) => !forGood.has(e.change) && <Button kind="quiet" icon="undo" label={"Undo " + what(e)} onClick={() => void undo(e)} /> : undefined}
      empty={<Empty icon="clock" title="Nothing was changed yet">Every change is kept here; those of the network can be taken back.</Empty>}
    />
  );
}

/* ---- events */

const about = (e: AuditEvent) => e.meta?.name ?? e.meta?.fqdn ?? e.meta?.email ?? e.target_id;

const EVENTS: Column<AuditEvent>[] = [
  { title: "When", text: (e) => fullTime(e.timestamp), order: (e) => -Number(e.id), width: "130px", cell: (e) => <Time at={e.timestamp} /> },
  { title: "What", text: (e) => e.activity + " " + e.activity_code, width: "minmax(0, 1.3fr)", cell: (e) => <span>{e.activity}</span> },
  { title: "About", text: about, wideOnly: true },
  { title: "By", text: (e) => e.initiator_name || e.initiator_email || e.initiator_id, wideOnly: true, width: "minmax(0, 0.8fr)" },
];

function Events() {
  const all = usePages<AuditEvent>("/events/audit", (e) => e.id);
  return (
    <Table
      name="events" one="event" rows={all.rows} error={all.error} below={<Older of={all} />} columns={EVENTS} rowKey={(e) => e.id}
      empty={<Empty icon="clock" title="Nothing happened yet">Sign-ins, machines and changes appear here.</Empty>}
    />
  );
}

/* ---- two moments */

function Compare({ close }: { close: () => void }) {
  const [from, setFrom] = useState("yesterday");
  const [to, setTo] = useState("now");
  const [asked, setAsked] = useState("");
  const { data, error } = useData<Review & { from: string; to: string }>(asked);
  const ask = () => setAsked("/x/diff?" + new URLSearchParams({ from, to }));
  return (
    <Frame kind="sheet" wide title="Compare two moments" onClose={close} onSubmit={ask} foot={<Button type="submit" kind="main">Compare</Button>}>
      <div class="row">
        <TextField label="From" value={from} onChange={setFrom} hint="yesterday, 2h, 2026-03-01, 2026-03-01T12:00" />
        <TextField label="To" value={to} onChange={setTo} />
      </div>
      {asked && !data && <Pending error={error} />}
      {data && (
        <div class="stack">
          <p class="soft">{fullTime(data.from)} – {fullTime(data.to)}: {count(data.changes.length, "object")} differ.</p>
          <div class="badges">
            {data.changes.slice(0, 40).map((c) => (
              <Badge tone={OPS[c.op].tone}>{kind(c.kind)} {c.name} {OPS[c.op].word}</Badge>
            ))}
          </div>
          <Effect review={data} />
        </div>
      )}
    </Frame>
  );
}

export function History({ tab }: { tab: string }) {
  const events = tab === "events";
  return (
    <div class="page">
      <PageHead title="Activity" about={events ? "What happened: sign-ins, machines, changes." : "Who changed what. Changes of the network can be taken back, with all that was changed together with them."}>
        <div class="segmented">
          <button type="button" aria-pressed={!events} onClick={() => (location.hash = link("activity"))}>Changes</button>
          <button type="button" aria-pressed={events} onClick={() => (location.hash = link("activity", "events"))}>Events</button>
        </div>
        <Button icon="clock" onClick={() => open((close) => <Compare close={close} />)}>Compare</Button>
      </PageHead>
      {events ? <Events /> : <Changes edits={can("policies", "update")} />}
    </div>
  );
}
