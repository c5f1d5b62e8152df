// SPDX-License-Identifier: BSD-3-Clause
/* A button that opens a short list of actions (menu button pattern of WAI-ARIA). */
import { h, useEffect, useRef } from "../view/view";
import { Button } from "./basics";
import { open } from "./dialogs";
import { Icon, IconName } from "./icons";

export interface Action {
  title: string;
  icon?: IconName;
  danger?: boolean;
  run: () => void;
}

const WIDTH = 200;

function placeOf(button: Element, n: number) {
  const at = button.getBoundingClientRect();
  const height = 36 * n + 12;
  const top = at.bottom + height > window.innerHeight ? at.top - height - 4 : at.bottom + 4;
  return { top: top + "px", left: Math.max(8, at.right - WIDTH) + "px", width: WIDTH + "px" };
}

function Items({ actions, button, close }: { actions: Action[]; button: Element; close: () => void }) {
  const place = useRef<HTMLElement | null>(null);
  useEffect(() => {
    place.current?.querySelector("button")?.focus();
    const away = (e: Event) => {
      if (!place.current?.contains(e.target as Node)) close();
    };
    document.addEventListener("pointerdown", away, true);
    window.addEventListener("scroll", close, true);
    return () => {
      document.removeEventListener("pointerdown", away, true);
      window.removeEventListener("scroll", close, true);
    };
  }, []);
  const onKey = (e: KeyboardEvent) => {
    const all = [...(place.current?.querySelectorAll("button") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const step: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    if (e.key === "Escape" || e.key === "Tab") close();
    if (!step[e.key]) return;
    e.preventDefault();
    all[(at + step[e.key] + all.length) % all.length].focus();
  };
  return (
    <div class="menu" role="menu" ref={place} style={placeOf(button, actions.length)} onKeydown={onKey}>
      {actions.map((a) => (
        <button type="button" role="menuitem" class={a.danger ? "danger" : ""} onClick={() => { close(); a.run(); }}>
          {a.icon && <Icon name={a.icon} />}
          {a.title}
        </button>
      ))}
    </div>
  );
}

export function Menu({ label, actions, icon = "more" }: { label: string; actions: Action[]; icon?: IconName }) {
  const place = useRef<HTMLElement | null>(null);
  const show = () => {
    const button = place.current?.querySelector("button");
    if (!button) return;
    open((close) => (
      <Items
        actions={actions}
        button={button}
        close={() => {
          close();
          button.focus();
        }}
      />
    ));
  };
  if (!actions.length) return null;
  return (
    <span ref={place}>
      <Button kind="quiet" icon={icon} label={label} onClick={show} />
    </span>
  );
}
