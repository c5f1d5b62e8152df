// SPDX-License-Identifier: BSD-3-Clause
/*
 * Lists of the API that are longer than one answer, newest first. The first page keeps up with the server;
 * older ones are asked for. Rows that were seen stay: new ones move the borders of pages, and nothing falls between.
 */
import { useMemo, useRef, useState } from "../view/view";
import { api, messageOf } from "./api";
import { useData } from "./live";

export const PAGE = 500;

export interface Pages<T> {
  rows: T[] | undefined;
  error: string;
  older?: () => void; // asks for one page more; not there behind the last
  busy: boolean;
}

/** rowsOf: where the rows stand in an answer that is no list. */
export function usePages<T, A = T[]>(path: string, key: (row: T) => string, rowsOf: (answer: A) => T[] = (a) => a as unknown as T[]): Pages<T> {
  const kept = useRef(new Map<string, T>()).current;
  const at = (page: number) => path + "?page_size=" + PAGE + "&page=" + page;
  const answer = useData<A>(at(1));
  const first = useMemo(() => answer.data && rowsOf(answer.data), [answer.data]);
  const [s, set] = useState({ pages: 1, ended: false, busy: false, error: "" });
  for (const row of first ?? []) kept.set(key(row), row);
  const rows = useMemo(() => first && [...kept.values()], [first, s.pages]);
  const ask = async () => {
    set({ ...s, busy: true, error: "" });
    try {
      const more = rowsOf(await api.get<A>(at(s.pages + 1)));
      for (const row of more) kept.set(key(row), row);
      set({ pages: s.pages + 1, ended: more.length < PAGE, busy: false, error: "" });
    } catch (e) {
      set({ ...s, busy: false, error: messageOf(e) });
    }
  };
  const last = s.ended || (s.pages === 1 && (first?.length ?? 0) < PAGE);
  return { rows, error: answer.error || s.error, older: last ? undefined : () => void ask(), busy: s.busy };
}
