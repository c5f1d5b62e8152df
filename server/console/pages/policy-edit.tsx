// SPDX-License-Identifier: BSD-3-Clause
/* The editor of policies. What the change would do is shown while it is typed, before it is saved. */
import { api } from "../core/api";
import { refresh, useData } from "../core/live";
import { can } from "../core/me";
import type { End, Group, NetworkResource, Peer, Policy, ResourceRef } from "../core/types";
import { Button } from "../ui/basics";
import { open, toast } from "../ui/dialogs";
import { TrialPanel, useTrial } from "../ui/effect";
import { CheckField, FormSheet, SelectField, TextField, useForm } from "../ui/form";
import { Picker } from "../ui/picker";
import { h } from "../view/view";
import { bodyOfDraft, draftOf, missing, newRule, PolicyDraft, portsProblem, RuleDraft, takesPorts } from "./policy-body";

const PROTOCOLS: [string, string][] = [
  ["all", "everything"], ["tcp", "TCP"], ["udp", "UDP"], ["icmp", "ICMP (ping)"], ["netbird-ssh", "SSH of the agent"],
];

interface SideProps {
  label: string;
  groups: string[];
  resource?: ResourceRef;
  onChange: (groups: string[], resource?: ResourceRef) => void;
}

const idOf = (r: ResourceRef) => r.type + ":" + r.id;

/* Groups, or one machine or resource alone: what was chosen last decides. */
function Side({ label, groups, resource, onChange }: SideProps) {
  const all = useData<Group[]>("/groups").data ?? [], peers = useData<Peer[]>("/peers").data ?? [];
  const resources = useData<NetworkResource[]>(can("networks", "read") ? "/networks/resources" : "").data ?? [];
  const options = [
    ...all.map((g) => ({ id: g.id, name: g.name, about: "group" })),
    ...peers.map((p) => ({ id: "peer:" + p.id, name: p.name, about: p.ip })),
    ...resources.map((r) => ({ id: idOf(r), name: r.name, about: r.address })),
  ];
  const choose = (ids: string[]) => {
    const [type, id] = (ids[ids.length - 1] ?? "").split(":");
    id ? onChange([], { type: type as ResourceRef["type"], id }) : onChange(ids.filter((x) => !x.includes(":")));
  };
  const value = resource?.id && !groups.length ? [idOf(resource)] : groups;
  return <Picker label={label} options={options} value={value} onChange={choose} placeholder="Groups, or one machine or resource" />;
}

function RuleFields({ r, onChange, onRemove }: { r: RuleDraft; onChange: (part: Partial<RuleDraft>) => void; onRemove?: () => void }) {
  return (
    <fieldset class="card rule">
      <legend class="hidden-text">Rule</legend>
      <Side label="From" groups={r.sources} resource={r.sourceResource} onChange={(sources, sourceResource) => onChange({ sources, sourceResource })} />
      <Side label="To" groups={r.destinations} resource={r.destinationResource} onChange={(destinations, destinationResource) => onChange({ destinations, destinationResource })} />
      <div class="row">
        <SelectField label="Traffic" value={r.protocol} onChange={(v) => onChange({ protocol: v as RuleDraft["protocol"] })} options={PROTOCOLS} />
        {takesPorts(r) && <TextField label="Ports" placeholder="all" value={r.ports} onChange={(ports) => onChange({ ports })} hint={portsProblem(r) || "80, 443, 8000-8100"} />}
        <SelectField label="Then" value={r.action} onChange={(v) => onChange({ action: v as RuleDraft["action"] })} options={[["accept", "let it pass"], ["drop", "refuse it"]]} />
      </div>
      <CheckField label="Both ways" value={r.bidirectional} onChange={(bidirectional) => onChange({ bidirectional })} hint="The destinations may reach the sources as well." />
      {onRemove && <Button kind="quiet" icon="trash" onClick={onRemove}>Remove this rule</Button>}
    </fieldset>
  );
}

function EditPolicy({ p, close }: { p: Policy | null; close: () => void }) {
  const form = useForm<PolicyDraft>(draftOf(p));
  const postures = useData<End[]>("/posture-checks").data ?? [];
  const d = form.values;
  const method = p ? "PUT" : "POST", path = p ? "/policies/" + p.id : "/policies";
  const trial = useTrial(method, path, missing(d) || !form.dirty ? null : bodyOfDraft(d));
  const set = (key: number, part: Partial<RuleDraft>) => form.set({ rules: d.rules.map((r) => (r.key === key ? { ...r, ...part } : r)) });
  const save = async () => {
    await (p ? api.put(path, bodyOfDraft(d)) : api.post(path, bodyOfDraft(d)));
    refresh("/policies");
    toast(d.name + " was saved.");
    close();
  };
  return (
    <FormSheet wide title={p ? "Edit " + p.name : "New policy"} form={form} action="Save" check={missing} onSave={save} onClose={close} below={<TrialPanel trial={trial} />}>
      <TextField label="Name" placeholder="web to databases" {...form.at("name")} />
      {d.rules.map((r) => (
        <RuleFields key={r.key} r={r} onChange={(part) => set(r.key, part)} onRemove={d.rules.length > 1 ? () => form.set({ rules: d.rules.filter((x) => x !== r) }) : undefined} />
      ))}
      <div>
        <Button kind="quiet" icon="plus" onClick={() => form.set({ rules: [...d.rules, newRule()] })}>Another rule</Button>
      </div>
      {(postures.length > 0 || d.postures.length > 0) && (
        <Picker label="Posture checks" options={postures} {...form.at("postures")} hint="Sources that fail one of them are left out." />
      )}
      <TextField label="Description" {...form.at("description")} />
      <CheckField label="In force" {...form.at("enabled")} />
    </FormSheet>
  );
}

export function editPolicy(p: Policy | null) {
  open((close) => <EditPolicy p={p} close={close} />);
}
