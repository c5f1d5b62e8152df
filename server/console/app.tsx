// SPDX-License-Identifier: BSD-3-Clause
/* The console: what is shown first depends on the server (set up?) and the session. */
import { ApiError, messageOf, openCall } from "./core/api";
import { base, config } from "./core/config";
import { loadMe, me } from "./core/me";
import { finish, phase, signIn } from "./core/session";
import { usePlace } from "./core/router";
import { FirstRun } from "./pages/first-run";
import { Accept } from "./pages/invite";
import { NotLetIn, SessionEnded, SignIn } from "./pages/sign-in";
import { Shell } from "./shell";
import { Loading } from "./ui/basics";
import { Dialogs } from "./ui/dialogs";
import { useStore } from "./view/store";
import { h, render, useEffect, useState } from "./view/view";

/* What the person sees before they are somebody. */
type Start = "asking" | "first-run" | "sign-in" | "ready";

function refusal(e: unknown): string {
  return e instanceof ApiError && e.status === 403 ? e.message : "";
}

function Who() {
  const user = useStore(me);
  const [problem, setProblem] = useState("");
  const [refused, setRefused] = useState("");
  useEffect(() => {
    if (!user) loadMe().catch((e) => (refusal(e) ? setRefused(refusal(e)) : setProblem(messageOf(e))));
  }, [user]);
  if (refused) return <NotLetIn text={refused} />;
  if (problem) return <SignIn problem={problem} />;
  return user ? <Shell /> : <Loading />;
}

function App({ problem }: { problem: string }) {
  const now = useStore(phase);
  const place = usePlace();
  const [start, setStart] = useState<Start>(now === "in" ? "ready" : "asking");
  const asked = place.path[0] === "sign-in" || place.path[0] === "setup" || place.path[0] === "invite";
  useEffect(() => {
    if (start !== "asking") return;
    openCall<{ setup_required: boolean }>("GET", "/instance")
      .then((i) => setStart(i.setup_required ? "first-run" : "sign-in"))
      .catch(() => setStart("sign-in"));
  }, [start]);
  useEffect(() => {
    if (now === "out" && start === "ready") setStart("sign-in");
    if (now === "in" && start === "sign-in") setStart("ready");
    if (start === "sign-in" && now === "out" && !asked && !problem && config.issuer && location.origin === base) signIn();
  }, [now, start]);
  const end = () => {
    location.hash = "#/";
    setStart("ready");
  };
  const shown = {
    asking: () => <Loading />,
    "first-run": () => <FirstRun token={place.query.get("token") ?? ""} onEnd={end} />,
    "sign-in": () => <SignIn problem={problem} />,
    ready: () => <Who />,
  }[start]();
  return (
    <div>
      {place.path[0] === "invite" ? <Accept token={place.path[1] ?? ""} /> : shown}
      {now === "ended" && <SessionEnded />}
      <Dialogs />
    </div>
  );
}

async function main() {
  let problem = "";
  if (location.pathname === "/console/signed-in") await finish().catch((e) => (problem = messageOf(e)));
  const root = document.getElementById("app") as HTMLElement;
  root.removeAttribute("aria-busy");
  render(<App problem={problem} />, root);
}

void main();
