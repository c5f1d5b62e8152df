// SPDX-License-Identifier: BSD-3-Clause
/*
 * Forms in a side sheet. A page gives the first values, the fields and what saving does:
 *
 *   const form = useForm({ name: "", groups: [] as string[] });
 *   <FormSheet title="New key" form={form} action="Create" onSave={async (v) => …} onClose={close}>
 *     <TextField label="Name" {...form.at("name")} required />
 *   </FormSheet>
 *
 * A failure is shown beside the buttons, always in sight, and nothing typed is lost; closing asks when something was typed.
 */
import { messageOf } from "../core/api";
import { Child, h, useRef, useState } from "../view/view";
import { Button, Problem } from "./basics";
import { confirm, Frame } from "./dialogs";

export interface Bound<T> {
  value: T;
  onChange: (next: T) => void;
}

export interface Form<V> {
  values: V;
  dirty: boolean;
  set: (part: Partial<V>) => void;
  at: <K extends keyof V>(name: K) => Bound<V[K]>;
}

export function useForm<V extends object>(first: V): Form<V> {
  const start = useRef(first);
  const [values, setValues] = useState(first);
  const set = (part: Partial<V>) => setValues((now) => ({ ...now, ...part }));
  return {
    values,
    dirty: JSON.stringify(values) !== JSON.stringify(start.current),
    set,
    at: (name) => ({ value: values[name], onChange: (next) => set({ [name]: next } as any) }),
  };
}

interface SheetProps<V> {
  title: string;
  form: Form<V>;
  action: string;
  wide?: boolean;
  check?: (values: V) => string; // "" when it can be saved, else what is missing
  onSave: (values: V) => Promise<void>; // closes by itself when it is done
  onClose: () => void;
  extra?: Child; // beside the buttons
  below?: Child; // stays in sight: what the change does
  children?: Child;
}

export function FormSheet<V extends object>(p: SheetProps<V>) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const save = async () => {
    const missing = p.check?.(p.form.values) ?? "";
    setProblem(missing);
    if (busy || missing) return;
    setBusy(true);
    try {
      await p.onSave(p.form.values);
    } catch (e) {
      setProblem(messageOf(e));
    }
    setBusy(false);
  };
  const close = async () => {
    const lost = { title: "Discard what you typed?", text: "Nothing was saved yet.", action: "Discard", danger: true };
    if (!p.form.dirty || (await confirm(lost))) p.onClose();
  };
  const foot = [
    p.extra,
    <Button onClick={close}>Cancel</Button>,
    <Button type="submit" kind="main" disabled={busy}>
      {busy ? "Saving…" : p.action}
    </Button>,
  ];
  return (
    <Frame kind="sheet" wide={p.wide} title={p.title} onClose={close} onSubmit={save} foot={foot}
      below={problem || p.below ? <div class="stack"><Problem text={problem} />{p.below}</div> : undefined}>
      {p.children}
    </Frame>
  );
}

/* ---- fields */

let ids = 0;
export function useId(): string {
  return useRef("f" + ids++).current;
}

interface FieldProps {
  label: string;
  hint?: Child;
}

interface TextProps extends FieldProps, Bound<string> {
  type?: string;
  placeholder?: string;
  autocomplete?: string;
  required?: boolean;
  rows?: number; // several lines
  disabled?: boolean;
}

export function TextField({ label, hint, value, onChange, rows, ...rest }: TextProps) {
  const id = useId();
  const props = { id, class: "input", value, onInput: (e: any) => onChange(e.target.value), "aria-describedby": hint ? id + "h" : undefined, ...rest };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {rows ? <textarea rows={rows} {...props} /> : <input {...props} />}
      {hint && (
        <span class="hint" id={id + "h"}>
          {hint}
        </span>
      )}
    </div>
  );
}

interface NumberProps extends FieldProps, Bound<number> {
  min?: number;
  max?: number;
}

export function NumberField({ label, hint, value, onChange, min, max }: NumberProps) {
  const change = (text: string) => onChange(text === "" ? 0 : Math.trunc(Number(text)));
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} class="input" type="number" value={String(value)} min={min} max={max} aria-describedby={hint ? id + "h" : undefined} onInput={(e: any) => change(e.target.value)} />
      {hint && (
        <span class="hint" id={id + "h"}>
          {hint}
        </span>
      )}
    </div>
  );
}

interface SelectProps extends FieldProps, Bound<string> {
  options: [value: string, title: string][];
  disabled?: boolean;
}

export function SelectField({ label, hint, value, onChange, options, disabled }: SelectProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} class="input" disabled={disabled} value={value} aria-describedby={hint ? id + "h" : undefined} onChange={(e: any) => onChange(e.target.value)}>
        {options.map(([v, title]) => (
          <option value={v} selected={v === value}>
            {title}
          </option>
        ))}
      </select>
      {hint && (
        <span class="hint" id={id + "h"}>
          {hint}
        </span>
      )}
    </div>
  );
}

export function CheckField({ label, hint, value, onChange, disabled }: FieldProps & Bound<boolean> & { disabled?: boolean }) {
  const id = useId();
  return (
    <div class="check">
      <input id={id} type="checkbox" checked={value} disabled={disabled} aria-describedby={hint ? id + "h" : undefined} onChange={(e: any) => onChange(e.target.checked)} />
      <div>
        <label for={id}>{label}</label>
        {hint && (
          <div class="hint" id={id + "h"}>
            {hint}
          </div>
        )}
      </div>
    </div>
  );
}
