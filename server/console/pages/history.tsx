// SPDX-License-Identifier: BSD-3-Clause
/* What was changed, by whom, and taking one change back. */
import { api, messageOf } from "../core/api";
import { count, fullTime, list } from "../core/format";
import { refresh, useData } from "../core/live";
import { usePages } from "../core/pages";
import { can } from "../core/me";
import type { AuditEvent, HistoryEntry, Review } from "../core/types";
import { Badge, Button, Empty, PageHead, Pending, Time, Tone } from "../ui/basics";
import { Frame, open, toast } from "../ui/dialogs";
import { confirmChange, Effect } from "../ui/effect";
import { TextField } from "../ui/form";
import { Older } from "../ui/older";
import { Column, Table } from "../ui/table";
import { Tabs } from "../ui/tabs";
import { h, useEffect, useMemo, useState } from "../view/view";

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
/* A sign-in changes when the last one was, and nothing that anybody decided. */
const SIGN_IN = new Set(["last_login", "login_expired"]);
const isSignIn = (e: HistoryEntry) => e.op === "update" && (e.fields ?? []).length > 0 && (e.fields ?? []).every((f) => SIGN_IN.has(f));
const TOGETHER = 40; // named in a question
/* The journal names fields as their columns are called. */
const fields = (e: HistoryEntry) => (e.op === "update" ? list((e.fields ?? []).map((f) => f.replace(/_/g, " ")), 4) : "");

/* What is taken back is all that was changed at once; each object is named. */
async function undo(e: HistoryEntry, together: HistoryEntry[]) {
  const path = "/x/history/" + e.entry + "/undo";
  const text = (
    <div class="stack">
      <span>By {e.actor.name || "the server"}, {fullTime(e.time)}:</span>
      <ul class="members">
        {together.slice(0, TOGETHER).map((x) => <li><Badge tone={OPS[x.op].tone}>{OPS[x.op].word}</Badge><span class="clip">{kind(x.kind)} <strong>{what(x)}</strong></span></li>)}
      </ul>
      {together.length > TOGETHER && <span class="soft small">And {(together.length - TOGETHER).toLocaleString()} more.</span>}
    </div>
  );
  const q = { title: "Take this back?", text, action: "Take it back" };
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

const FEW = 20; // changes shown without asking for older ones

function Changes({ edits }: { edits: boolean }) {
  const all = usePages<HistoryEntry>("/x/history", (e) => String(e.entry));
  const [signIns, setSignIns] = useState(false);
  const forGood = new Set(all.rows?.filter((e) => FOR_GOOD.includes(e.kind)).map((e) => e.change));
  const rows = useMemo(() => (signIns ? all.rows : all.rows?.filter((e) => !isSignIn(e))), [all.rows, signIns]);
  const hidden = (all.rows?.length ?? 0) - (rows?.length ?? 0);
  const together = (e: HistoryEntry) => all.rows?.filter((x) => x.change === e.change) ?? [e];
  useEffect(() => {
    if (rows && rows.length < FEW && !all.busy && !all.error) all.older?.(); // a page of nothing but sign-ins
  }, [rows?.length, all.busy]);
  return (
    <Table
      name="changes" one="change" rows={rows} error={all.error} below={<Older of={all} />} columns={COLUMNS} rowKey={(e) => String(e.entry)}
      tools={(hidden > 0 || signIns) && <Button kind="quiet" onClick={() => setSignIns(!signIns)}>{signIns ? "Hide sign-ins" : "Show " + count(hidden, "sign-in")}</Button>}
      actions={edits ? (e) => !forGood.has(e.change) && <Button kind="quiet" icon="undo" label={"Undo " + what(e)} onClick={() => void undo(e, together(e))} /> : undefined}
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
        <Tabs page="activity" at={tab} tabs={[["", "Changes"], ["events", "Events"]]} />
        <Button icon="clock" onClick={() => open((close) => <Compare close={close} />)}>Compare</Button>
      </PageHead>
      {events ? <Events /> : <Changes edits={can("policies", "update")} />}
    </div>
  );
}
