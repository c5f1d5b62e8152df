// SPDX-License-Identifier: BSD-3-Clause
/* Below a list that comes in pages. */
import type { Pages } from "../core/pages";
import { h } from "../view/view";
import { Button, Problem } from "./basics";

export function Older({ of }: { of: Pages<any> }) {
  if (!of.rows) return null;
  return (
    <div class="stack">
      <Problem text={of.error} />
      {of.older && <p><Button onClick={of.older} disabled={of.busy}>Show older ones</Button> <span class="soft small">Search and export take what is shown.</span></p>}
    </div>
  );
}
