// SPDX-License-Identifier: BSD-3-Clause
/* Several of many, by typing: groups, peers, and such (the combobox pattern of WAI-ARIA). */
import { Child, h, useState } from "../view/view";
import { useData } from "../core/live";
import type { Group } from "../core/types";
import { count } from "../core/format";
import { Bound, useId } from "./form";

export interface Option {
  id: string;
  name: string;
  about?: string;
}

interface PickProps extends Bound<string[]> {
  label: string;
  hint?: Child;
  options: Option[];
  single?: boolean;
  placeholder?: string;
  onNew?: (name: string) => void; // offers to make what is not there
}

const MOST = 50; // options shown at a time

function find(options: Option[], chosen: string[], text: string): Option[] {
  const wanted = text.trim().toLowerCase();
  return options.filter((o) => !chosen.includes(o.id) && o.name.toLowerCase().includes(wanted)).slice(0, MOST);
}

export function Picker({ label, hint, value, onChange, options, single, placeholder, onNew }: PickProps) {
  const id = useId();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [shown, setShown] = useState(false);
  const found = find(options, value, text);
  const makes = onNew && text.trim() && !options.some((o) => o.name === text.trim());
  const last = found.length - (makes ? 0 : 1);
  const name = (v: string) => options.find((o) => o.id === v)?.name ?? v;
  const choose = (o: Option | undefined) => {
    if (o) onChange(single ? [o.id] : [...value, o.id]);
    else if (makes) onNew(text.trim());
    setText("");
    setAt(0);
    if (single) setShown(false);
  };
  const onKey = (e: KeyboardEvent) => {
    const moves: Record<string, () => void> = {
      ArrowDown: () => (shown ? setAt(Math.min(at + 1, last)) : setShown(true)),
      ArrowUp: () => setAt(Math.max(at - 1, 0)),
      Enter: () => shown && last >= 0 && choose(found[at]),
    };
    if (e.key === "Backspace" && !text && value.length) onChange(value.slice(0, -1));
    if (e.key === "Escape" && shown) {
      e.preventDefault(); // the dialog stays
      e.stopPropagation();
      setShown(false);
    }
    if (!moves[e.key]) return;
    e.preventDefault();
    moves[e.key]();
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="chips">
        {value.map((v) => (
          <span class="chip" key={v}>
            {name(v)}
            <button type="button" aria-label={"Remove " + name(v)} onClick={() => onChange(value.filter((x) => x !== v))}>
              ×
            </button>
          </span>
        ))}
        <input
          id={id} role="combobox" autocomplete="off" aria-expanded={shown} aria-controls={id + "o"} value={text}
          placeholder={value.length ? "" : placeholder ?? "Type to search"} aria-describedby={hint ? id + "h" : undefined}
          aria-activedescendant={shown && last >= 0 ? id + "-" + at : undefined}
          onInput={(e: any) => { setText(e.target.value); setAt(0); setShown(true); }}
          onFocus={() => setShown(true)} onClick={() => setShown(true)} onBlur={() => setShown(false)} onKeydown={onKey}
        />
        <ul class="options" id={id + "o"} role="listbox" aria-label={label} hidden={!shown || last < 0}>
          {found.map((o, i) => (
            <li id={id + "-" + i} role="option" aria-selected={i === at} onMousedown={(e: Event) => { e.preventDefault(); choose(o); }}>
              <span class="clip">{o.name}</span>
              {o.about && <span class="soft small nowrap">{o.about}</span>}
            </li>
          ))}
          {makes && (
            <li id={id + "-" + found.length} role="option" aria-selected={at === found.length} onMousedown={(e: Event) => { e.preventDefault(); choose(undefined); }}>
              New group “{text.trim()}”
            </li>
          )}
        </ul>
      </div>
      {hint && (
        <span class="hint" id={id + "h"}>
          {hint}
        </span>
      )}
    </div>
  );
}

/** Groups by id. The group All has every machine anyway, so it is offered only to who wants it. */
export function GroupPicker({ withAll, ...p }: Omit<PickProps, "options"> & { withAll?: boolean }) {
  const groups = (useData<Group[]>("/groups").data ?? []).filter((g) => withAll || g.name !== "All");
  return <Picker {...p} options={groups.map((g) => ({ id: g.id, name: g.name, about: count(g.peers_count, "peer") }))} placeholder={p.placeholder ?? "Type to search groups"} />;
}
