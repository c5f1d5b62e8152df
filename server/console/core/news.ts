// SPDX-License-Identifier: BSD-3-Clause
/*
 * /api/x/changes: one connection on which the server tells that something changed. (EventSource would
 * put the token into the address.) It comes again after a break, later each time.
 */
import { online } from "./api";
import { accessToken, phase } from "./session";

export type News = "change" | "presence" | "reset";

const AGAIN_MS = 1000;
const AGAIN_MAX_MS = 30000;

let listening = false;
let broke = false; // since the last time that it listened
let place = ""; // Last-Event-ID: where to go on
let stop: AbortController | null = null;
let tell: (what: News) => void = () => {};

export const following = (): boolean => listening;

/* One event: lines of "name: value" (WHATWG HTML 9.2). */
function heard(event: string) {
  const lines = event.split("\n").map((l) => l.split(/: ?(.*)/s));
  const value = (name: string) => lines.find((l) => l[0] === name)?.[1] ?? "";
  if (value("id")) place = value("id");
  const what = value("event");
  if (what === "ready") {
    listening = true;
    if (broke) tell("reset"); // who knows what the server is now
    broke = false;
  }
  if (what === "reset") place = "";
  if (what === "change" || what === "presence" || what === "reset") tell(what);
}

async function listen(signal: AbortSignal) {
  const headers: Record<string, string> = { Accept: "text/event-stream", Authorization: "Bearer " + accessToken() };
  if (place) headers["Last-Event-ID"] = place;
  const r = await fetch("/api/x/changes", { headers, signal });
  if (!r.ok || !r.body) throw new Error("status " + r.status);
  const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (text + value).replace(/\r/g, "").split("\n\n");
    text = events.pop() ?? "";
    online.set(true);
    events.forEach(heard);
  }
}

async function run() {
  let wait = AGAIN_MS;
  while (phase.get() === "in" && !document.hidden) {
    stop = new AbortController();
    try {
      await listen(stop.signal);
      wait = AGAIN_MS;
    } catch {
      wait = Math.min(2 * wait, AGAIN_MAX_MS);
    }
    listening = false;
    broke = true;
    await new Promise((go) => setTimeout(go, wait));
  }
  stop = null;
}

function look() {
  const wanted = phase.get() === "in" && !document.hidden;
  if (wanted && !stop) void run();
  if (!wanted) stop?.abort();
}

/** Call fn for all news from now on, while the page is looked at. */
export function follow(fn: (what: News) => void) {
  tell = fn;
  phase.watch(look);
  document.addEventListener("visibilitychange", look);
  look();
}
