// SPDX-License-Identifier: BSD-3-Clause
/* Ctrl-K: to any page, machine or group by typing. */
import { can } from "../core/me";
import { useData } from "../core/live";
import { link } from "../core/router";
import type { Peer } from "../core/types";
import { h, useEffect, useState } from "../view/view";
import { Frame, open } from "./dialogs";

interface Target {
  title: string;
  about: string;
  to: string;
}

const MOST = 12;

function Palette({ pages, close }: { pages: Target[]; close: () => void }) {
  const peers = useData<Peer[]>("/peers").data ?? [];
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (t: Target) => words.every((w) => (t.title + " " + t.about).toLowerCase().includes(w));
  const machines = words.length ? peers.map((p) => ({ title: p.name, about: "machine " + p.ip, to: link("peers", p.id) })) : [];
  const found = [...pages, ...machines].filter(fits).slice(0, MOST);
  const go = (t: Target | undefined) => {
    if (!t) return;
    close();
    location.hash = t.to;
  };
  const onKey = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!step) return;
    e.preventDefault();
    setAt(Math.max(0, Math.min(found.length - 1, at + step)));
  };
  useEffect(() => document.getElementById("palette")?.focus(), []);
  return (
    <Frame title="Go to" onClose={close} onSubmit={() => go(found[at])}>
      <input id="palette" class="input" role="combobox" aria-expanded="true" aria-controls="palette-found" aria-activedescendant={found.length ? "palette-" + at : undefined}
        aria-label="Page or machine" placeholder="A page or a machine" autocomplete="off" value={text} onInput={(e: any) => { setText(e.target.value); setAt(0); }} onKeydown={onKey} />
      <ul class="palette" id="palette-found" role="listbox" aria-label="Found">
        {found.map((t, i) => (
          <li id={"palette-" + i} role="option" aria-selected={i === at} onClick={() => go(t)}>
            <span class="clip">{t.title}</span>
            <span class="soft small">{t.about}</span>
          </li>
        ))}
      </ul>
    </Frame>
  );
}

/** Listens for the key from now on. */
export function usePalette(pages: { path: string; title: string; module?: string }[]) {
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (!(e.ctrlKey || e.metaKey) || e.key.toLowerCase() !== "k") return;
      e.preventDefault();
      if (document.getElementById("palette")) return;
      const shown = pages.filter((p) => !p.module || can(p.module, "read")).map((p) => ({ title: p.title, about: "page", to: link(p.path) }));
      open((close) => <Palette pages={shown} close={close} />);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
