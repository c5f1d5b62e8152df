// SPDX-License-Identifier: BSD-3-Clause
/* A value that many components look at, and that draws them again when it changes. */
import { useEffect, useRedraw } from "./view";

export interface Store<T> {
  get(): T;
  set(next: T): void;
  watch(fn: () => void): () => void;
}

export function store<T>(first: T): Store<T> {
  let value = first;
  const watchers = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(value, next)) return;
      value = next;
      for (const fn of [...watchers]) fn();
    },
    watch(fn) {
      watchers.add(fn);
      return () => watchers.delete(fn);
    },
  };
}

export function useStore<T>(s: Store<T>): T {
  const redraw = useRedraw();
  const seen = s.get();
  useEffect(() => {
    if (!Object.is(s.get(), seen)) redraw(); // it changed between drawing and now
    return s.watch(redraw);
  }, [s]);
  return seen;
}

/** Whether the window is as narrow as a phone. */
const query = window.matchMedia("(max-width: 719px)");
const narrow = store(query.matches);
query.addEventListener("change", () => narrow.set(query.matches));

export function useNarrow(): boolean {
  return useStore(narrow);
}
