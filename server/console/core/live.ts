// SPDX-License-Identifier: BSD-3-Clause
/*
 * Lists and objects of the API that keep up with the server. useData(path) draws what is known at once
 * and asks again when /api/x/changes tells of something (news.ts), or from time to time where that is
 * not to be had; all users of a path share one answer.
 */
import { store, Store, useStore } from "../view/store";
import { useEffect } from "../view/view";
import { api, ApiError, messageOf } from "./api";
import { follow, following } from "./news";
import { phase } from "./session";

export interface Answer<T> {
  data: T | undefined;
  error: string; // of the last time; data may still be there
  status: number; // HTTP, with error
  at: number; // when data came
}

interface Entry {
  answer: Store<Answer<any>>;
  users: number;
  asking: boolean;
  again: boolean; // something changed while asking
  tookMs: number;
}

const POLL_MS = 5000; // without news
const SLOW_POLL_MS = 120000; // with them: for what happens by time alone
const GATHER_MS = 250; // several news, one question
const SHARE = 20; // a list that takes long is asked for more rarely: a twentieth of the time
const entries = new Map<string, Entry>();

function entryOf(path: string): Entry {
  let e = entries.get(path);
  if (!e) {
    e = { answer: store<Answer<any>>({ data: undefined, error: "", status: 0, at: 0 }), users: 0, asking: false, again: false, tookMs: 0 };
    entries.set(path, e);
  }
  return e;
}

async function load(path: string) {
  const e = entryOf(path);
  if (e.asking) {
    e.again = true;
    return;
  }
  e.asking = true;
  const start = performance.now();
  try {
    e.answer.set({ data: await api.get(path), error: "", status: 200, at: Date.now() });
  } catch (err) {
    e.answer.set({ ...e.answer.get(), error: messageOf(err), status: err instanceof ApiError ? err.status : 0 });
  }
  e.tookMs = performance.now() - start;
  e.asking = false;
  if (e.again) {
    e.again = false;
    void load(path);
  }
}

/** Ask again for all that is shown and begins so: after a change of ours. */
export function refresh(...paths: string[]) {
  for (const [path, e] of entries)
    if (!paths.length || paths.some((p) => path.startsWith(p))) e.users ? void load(path) : entries.delete(path);
}

/** "" as path: nothing is asked. */
export function useData<T>(path: string): Answer<T> & { reload: () => void } {
  const e = entryOf(path);
  const answer = useStore(e.answer);
  useEffect(() => {
    if (!path) return;
    e.users++;
    void load(path);
    return () => {
      e.users--;
    };
  }, [path]);
  return { ...answer, reload: () => void load(path) };
}

/* Every few seconds, while somebody looks. */
function tick() {
  if (document.hidden || phase.get() !== "in") return;
  const now = Date.now();
  const every = following() ? SLOW_POLL_MS : POLL_MS;
  for (const [path, e] of entries)
    if (e.users && path && now - e.answer.get().at >= Math.max(every, SHARE * e.tookMs)) void load(path);
}
setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);

/* What the news are about; everything that is shown, or the machines alone. */
let due = new Set<string>();

function gather() {
  const prefixes = [...due];
  due = new Set();
  for (const [path, e] of entries) {
    if (!e.users || !path || !prefixes.some((p) => path.startsWith(p))) continue;
    const wait = e.answer.get().at + SHARE * e.tookMs - Date.now();
    wait > 0 ? setTimeout(() => void load(path), wait) : void load(path);
  }
}

follow((what) => {
  if (!due.size) setTimeout(gather, GATHER_MS);
  due.add(what === "presence" ? "/peers" : "/");
});

phase.watch(() => {
  if (phase.get() === "out") entries.clear();
});
