// SPDX-License-Identifier: BSD-3-Clause
/* What a change does, before it is made: which machines get a new map, who may reach what more, and
 * who no longer. Asked of the server with ?dry_run=true. */
import { api, messageOf } from "../core/api";
import { count } from "../core/format";
import type { Review } from "../core/types";
import { Badge, Problem, Tone } from "./basics";
import { confirm, Question } from "./dialogs";
import { h, useEffect, useState } from "../view/view";

const TYPING_MS = 400;
const MOST = 60;

export interface Trial {
  review: Review | null;
  problem: string;
  asking: boolean;
}

/** Again whenever the body changes; null: there is nothing to ask yet. */
export function useTrial(method: "POST" | "PUT" | "DELETE", path: string, body: unknown): Trial {
  const [trial, setTrial] = useState<Trial>({ review: null, problem: "", asking: false });
  const text = JSON.stringify(body);
  useEffect(() => {
    if (body === null) return;
    let wanted = true;
    setTrial((t) => ({ ...t, asking: true }));
    const timer = setTimeout(() => {
      api.tryout<Review>(method, path, body).then(
        (review) => wanted && setTrial({ review, problem: "", asking: false }),
        (e) => wanted && setTrial({ review: null, problem: messageOf(e), asking: false }),
      );
    }, TYPING_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [method, path, text]);
  return trial;
}

type Flow = Review["flows"]["list"][number];

function sign(f: Flow): { tone: Tone; word: string } {
  if (f.before === "none") return { tone: "good", word: "gains" };
  return f.after !== "none" ? { tone: "warn", word: "changes" } : { tone: "bad", word: "loses" };
}

function FlowRow({ f }: { f: Flow }) {
  const { tone, word } = sign(f);
  return (
    <li>
      <Badge tone={tone}>{word}</Badge>
      <span class="clip">
        {f.from.name} → {f.to.name}
        {f.route && <span class="soft"> behind {f.route.name}</span>}
      </span>
      <code class="soft clip">{word === "changes" ? f.before + " → " + f.after : word === "gains" ? f.after : f.before}</code>
    </li>
  );
}

/** A review for people. */
export function Effect({ review }: { review: Review }) {
  const { gained, lost, changed, list, complete } = review.flows;
  const none = gained + lost + changed === 0;
  return (
    <div class="stack effect">
      <div class="badges">
        <Badge tone={gained ? "good" : ""}>{count(gained, "way")} gained</Badge>
        <Badge tone={lost ? "bad" : ""}>{count(lost, "way")} lost</Badge>
        {changed > 0 && <Badge tone="warn">{count(changed, "way")} changed</Badge>}
        <Badge>{count(review.machines, "machine")} told</Badge>
        {!complete && <Badge tone="warn">and more</Badge>}
      </div>
      {none ? (
        <p class="soft">Nobody can reach more or less than now.</p>
      ) : (
        <ul class="flows">
          {list.slice(0, MOST).map((f) => (
            <FlowRow f={f} />
          ))}
        </ul>
      )}
      {gained + lost + changed > MOST && <p class="soft small">The first {MOST} of {(gained + lost + changed).toLocaleString()}.</p>}
    </div>
  );
}

export function TrialPanel({ trial }: { trial: Trial }) {
  return (
    <section class="trial" aria-label="What this does" aria-live="polite" aria-busy={trial.asking}>
      <div class="card-head">
        <h2>What this does</h2>
        {trial.asking && <span class="spinner" />}
      </div>
      <Problem text={trial.problem} />
      {trial.review && <Effect review={trial.review} />}
      {!trial.review && !trial.problem && <p class="soft">Shown here before anything is saved.</p>}
    </section>
  );
}

/** A question with the effect of the change in it. False too when the server refuses the change. */
export async function confirmChange(method: "POST" | "PUT" | "DELETE", path: string, body: unknown, q: Question): Promise<boolean> {
  try {
    const review = await api.tryout<Review>(method, path, body);
    return confirm({ ...q, wide: true, text: <div class="stack"><div>{q.text}</div><Effect review={review} /></div> });
  } catch (e) {
    await confirm({ title: "This cannot be done", text: messageOf(e), action: "Close", only: true });
    return false;
  }
}
