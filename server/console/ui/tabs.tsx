// SPDX-License-Identifier: BSD-3-Clause
/* The parts of one page, each with an address of its own. */
import { link } from "../core/router";
import { h } from "../view/view";

/** path: segments behind the page's; "" for the first. */
export function Tabs({ page, at, tabs }: { page: string; at: string; tabs: [path: string, title: string][] }) {
  return (
    <nav class="segmented" aria-label="Parts of this page">
      {tabs.map(([path, title]) => (
        <a href={path ? link(page, path) : link(page)} aria-current={at === path ? "page" : undefined}>{title}</a>
      ))}
    </nav>
  );
}
