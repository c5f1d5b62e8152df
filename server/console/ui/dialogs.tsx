// SPDX-License-Identifier: BSD-3-Clause
/*
 * What stands before the page: dialogs and side sheets (the browser's <dialog>, which keeps the focus
 * inside), questions, and messages that pass.
 *
 *   open((close) => <FormSheet … onDone={close} />)    anything, from anywhere
 *   await confirm({ title, text, action, typed })      true: yes
 *   toast("Saved", { label: "Undo", run })
 */
import { store, useStore } from "../view/store";
import { Child, h, useEffect, useRef, useState, VNode } from "../view/view";
import { Button } from "./basics";

type Make = (close: () => void) => VNode;

const shown = store<{ id: number; make: Make }[]>([]);
let nextId = 0;

export function open(make: Make): () => void {
  const id = nextId++;
  shown.set([...shown.get(), { id, make }]);
  return () => closeOne(id);
}

function closeOne(id: number) {
  shown.set(shown.get().filter((d) => d.id !== id));
}

interface FrameProps {
  title: string;
  kind?: "dialog" | "sheet";
  wide?: boolean;
  onClose: () => void; // Escape and the button; it may ask first
  onSubmit?: () => void;
  below?: Child; // stays in sight below what scrolls
  foot?: Child;
  children?: Child;
}

export function Frame({ title, kind = "dialog", wide, onClose, onSubmit, below, foot, children }: FrameProps) {
  const place = useRef<HTMLDialogElement | null>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    place.current?.showModal(); // puts the focus on the first button, which closes
    place.current?.querySelector<HTMLElement>("#palette, .dialog-body input:not([role=combobox]), .dialog-body textarea")?.focus();
    return () => before?.focus?.();
  }, []);
  const cancel = (e: Event) => {
    e.preventDefault();
    onClose();
  };
  const submit = (e: Event) => {
    e.preventDefault();
    onSubmit?.();
  };
  return (
    <dialog ref={place} class={kind + (wide ? " wide" : "")} aria-label={title} onCancel={cancel}>
      <form class="dialog-form" onSubmit={submit} novalidate>
        <div class="dialog-head">
          <h2>{title}</h2>
          <Button kind="quiet" icon="close" label="Close" onClick={onClose} />
        </div>
        <div class="dialog-body">{children}</div>
        {below && <div class="dialog-below">{below}</div>}
        {foot && <div class="dialog-foot">{foot}</div>}
      </form>
    </dialog>
  );
}

export interface Question {
  title: string;
  text: Child;
  action: string; // the verb on the button
  danger?: boolean;
  typed?: string; // what must be typed first: for what cannot be undone
  wide?: boolean;
  only?: boolean; // there is nothing to choose
}

function Confirm({ q, answer }: { q: Question; answer: (yes: boolean) => void }) {
  const [typed, setTyped] = useState("");
  const ready = !q.typed || typed.trim() === q.typed;
  const foot = (
    <div class="page-actions">
      {!q.only && <Button onClick={() => answer(false)}>Cancel</Button>}
      <Button type="submit" kind={q.danger ? "danger" : "main"} disabled={!ready}>
        {q.action}
      </Button>
    </div>
  );
  return (
    <Frame title={q.title} wide={q.wide} onClose={() => answer(false)} onSubmit={() => ready && answer(true)} foot={foot}>
      <div>{q.text}</div>
      {q.typed && (
        <div class="field">
          <label for="confirm-typed">
            Type <code>{q.typed}</code> to confirm
          </label>
          <input id="confirm-typed" class="input" autocomplete="off" value={typed} onInput={(e: any) => setTyped(e.target.value)} />
        </div>
      )}
    </Frame>
  );
}

export function confirm(q: Question): Promise<boolean> {
  return new Promise((done) => {
    open((close) => (
      <Confirm
        q={q}
        answer={(yes) => {
          close();
          done(yes);
        }}
      />
    ));
  });
}

/* ---- messages */

interface Message {
  id: number;
  text: string;
  action?: { label: string; run: () => void };
}

const TOAST_MS = 5000;
const messages = store<Message[]>([]);

function drop(id: number) {
  messages.set(messages.get().filter((m) => m.id !== id));
}

export function toast(text: string, action?: Message["action"]) {
  const id = nextId++;
  messages.set([...messages.get().slice(-1), { id, text, action }]);
  setTimeout(() => drop(id), TOAST_MS);
}

function Toast({ m }: { m: Message }) {
  const act = () => {
    drop(m.id);
    m.action?.run();
  };
  return (
    <div class="toast">
      <span>{m.text}</span>
      {m.action && (
        <button type="button" onClick={act}>
          {m.action.label}
        </button>
      )}
    </div>
  );
}

/** The place of all of these; once, at the end of the page. */
export function Dialogs() {
  return (
    <div>
      <div>
        {useStore(shown).map((d) => (
          <div key={d.id}>{d.make(() => closeOne(d.id))}</div>
        ))}
      </div>
      <div class="toasts" role="status" aria-live="polite">
        {useStore(messages).map((m) => (
          <Toast key={m.id} m={m} />
        ))}
      </div>
    </div>
  );
}
