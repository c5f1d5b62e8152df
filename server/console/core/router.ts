// SPDX-License-Identifier: BSD-3-Clause
/* Which page is shown: #/peers/ID?q=web. Everything behind the hash stays in the browser, so each page
 * has a link, whatever proxy stands before the server. */
import { store, useStore } from "../view/store";

export interface Place {
  path: string[]; // decoded segments
  query: URLSearchParams;
}

function read(): Place {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query ?? "") };
}

const place = store(read());
window.addEventListener("hashchange", () => place.set(read()));

export const usePlace = (): Place => useStore(place);

/** "#/peers/a%2Fb" of "peers", "a/b". */
export function link(...path: string[]): string {
  return "#/" + path.map(encodeURIComponent).join("/");
}

export function go(to: string) {
  if (location.hash !== to) location.hash = to;
}

/** Change the query of this page without a step back for each letter typed. */
export function setQuery(name: string, value: string) {
  const now = read();
  value ? now.query.set(name, value) : now.query.delete(name);
  const query = now.query.toString();
  history.replaceState(null, "", link(...now.path) + (query ? "?" + query : ""));
  place.set(read());
}
