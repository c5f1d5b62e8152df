// SPDX-License-Identifier: BSD-3-Clause
/* Small parts of every page: heads, buttons, badges, times, texts to copy, empty places, failures. */
import { ago, fullTime, isTime } from "../core/format";
import { link } from "../core/router";
import { store, useStore } from "../view/store";
import { Child, h, useState } from "../view/view";
import { Icon, IconName } from "./icons";

interface HeadProps {
  title: string;
  about?: Child;
  back?: { to: string; title: string };
  children?: Child; // buttons
}

export function PageHead({ title, about, back, children }: HeadProps) {
  return (
    <header class="page-head">
      <div>
        {back && (
          <a class="crumb" href={link(back.to)}>
            <Icon name="back" /> {back.title}
          </a>
        )}
        <h1>{title}</h1>
        {about && <p>{about}</p>}
      </div>
      <div class="page-actions">{children}</div>
    </header>
  );
}

interface ButtonProps {
  onClick?: (e: MouseEvent) => void;
  kind?: "main" | "danger" | "quiet";
  icon?: IconName;
  label?: string; // instead of a text: the button shows the icon only
  type?: "button" | "submit";
  disabled?: boolean;
  children?: Child;
}

export function Button({ onClick, kind, icon, label, type = "button", disabled = false, children }: ButtonProps) {
  const style = "button" + (kind ? " " + kind : "") + (label ? " square" : "");
  return (
    <button class={style} type={type} onClick={onClick} disabled={disabled} aria-label={label} title={label}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export type Tone = "good" | "warn" | "bad" | "accent" | "";

export function Badge({ tone = "", children }: { tone?: Tone; children?: Child }) {
  return (
    <span class={"badge " + tone}>
      <span class="clip">{children}</span>
    </span>
  );
}

/** A few names as badges, and how many more there are. */
export function Names({ names, most = 2 }: { names: string[]; most?: number }) {
  if (!names.length) return <span class="soft">none</span>;
  return (
    <span class="badges" title={names.join(", ")}>
      {names.slice(0, most).map((n) => (
        <Badge>{n}</Badge>
      ))}
      {names.length > most && <Badge>+{names.length - most}</Badge>}
    </span>
  );
}

/* One clock for all times on the page. */
const minute = store(0);
setInterval(() => minute.set(minute.get() + 1), 30000);

export function Time({ at, none = "never" }: { at: string | undefined; none?: string }) {
  useStore(minute);
  if (!isTime(at)) return <span class="soft">{none}</span>;
  return (
    <time datetime={at} title={fullTime(at)}>
      {ago(at)}
    </time>
  );
}

async function toClipboard(text: string) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea"); // without TLS there is no navigator.clipboard
  field.value = text;
  document.body.append(field);
  field.select();
  const ok = document.execCommand("copy");
  field.remove();
  if (!ok) throw new Error("the browser does not copy");
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await toClipboard(text);
    setDone(true);
    setTimeout(() => setDone(false), 1600);
  };
  return <Button kind="quiet" icon={done ? "check" : "copy"} label={done ? "Copied" : "Copy " + what} onClick={copy} />;
}

export function Copy({ text, what }: { text: string; what: string }) {
  return (
    <div class="copy">
      <code tabindex="0">{text}</code>
      <CopyButton text={text} what={what} />
    </div>
  );
}

export function Empty({ icon, title, children, action }: { icon: IconName; title: string; children?: Child; action?: Child }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      <p>{children}</p>
      {action}
    </div>
  );
}

export function Problem({ text }: { text: string }) {
  return text ? (
    <div class="problem" role="alert">
      {text}
    </div>
  ) : null;
}

export function Loading() {
  return (
    <div class="empty" role="status">
      <span class="spinner" />
      <span class="hidden-text">Loading</span>
    </div>
  );
}

/** What stands in the place of data that is not there yet. */
export function Pending({ error }: { error: string }) {
  return error ? <Problem text={error} /> : <Loading />;
}
