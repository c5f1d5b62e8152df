// SPDX-License-Identifier: BSD-3-Clause
/* Settings that stand on the page itself: what a change does is shown before it is saved. */
import { api, messageOf } from "../core/api";
import { refresh } from "../core/live";
import { Child, h, useState } from "../view/view";
import { Button, Problem } from "./basics";
import { toast } from "./dialogs";
import { Effect, useTrial } from "./effect";

interface Props {
  path: string; // of the API
  body: unknown;
  dirty: boolean;
  edits: boolean; // else it is only shown
  what: string; // "The settings"
  children?: Child;
}

export function SavedForm({ path, body, dirty, edits, what, children }: Props) {
  const [problem, setProblem] = useState("");
  const trial = useTrial("PUT", path, edits && dirty ? body : null);
  const save = async (e: Event) => {
    e.preventDefault();
    try {
      await api.put(path, body);
      toast(what + " were saved.");
      setProblem("");
      refresh();
    } catch (err) {
      setProblem(messageOf(err));
    }
  };
  return (
    <form class="stack" onSubmit={save}>
      {children}
      <Problem text={problem || trial.problem} />
      {dirty && trial.review && <section class="card"><h2>What this does</h2><Effect review={trial.review} /></section>}
      {edits && <div><Button type="submit" kind="main" disabled={!dirty}>Save</Button></div>}
    </form>
  );
}
