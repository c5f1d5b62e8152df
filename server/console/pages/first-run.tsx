// SPDX-License-Identifier: BSD-3-Clause
/* A new server: its owner, the first setup key, the first machine. */
import { messageOf, openCall } from "../core/api";
import { usePasted, signIn } from "../core/session";
import { loadMe } from "../core/me";
import type { SetupKey } from "../core/types";
import { Button, Problem } from "../ui/basics";
import { TextField, useForm } from "../ui/form";
import { h, useEffect, useState } from "../view/view";
import { createKey, JoinLines, WaitForMachine } from "./add-machine";
import { Brand } from "./sign-in";

function Steps({ at }: { at: number }) {
  return (
    <ol class="steps" aria-label={"Step " + at + " of 2"}>
      {[1, 2].map((n) => (
        <li class={n <= at ? "done" : ""} />
      ))}
    </ol>
  );
}

interface Owner {
  token: string;
  name: string;
  email: string;
  password: string;
}

const missing = (o: Owner) => (!o.email.includes("@") ? "An e-mail address is needed: the owner signs in with it." : o.password ? "" : "A password is needed.");

async function setUp(o: Owner): Promise<boolean> {
  const body = { email: o.email.trim(), name: o.name.trim(), password: o.password, create_pat: true, pat_expire_in: 1 };
  const done = await openCall<{ personal_access_token?: string }>("POST", "/setup", body, o.token ? { "X-Setup-Token": o.token.trim() } : {});
  if (!done.personal_access_token) return false;
  usePasted(done.personal_access_token);
  await loadMe();
  return true;
}

function OwnerForm({ token, onDone }: { token: string; onDone: () => void }) {
  const form = useForm<Owner>({ token, name: "", email: "", password: "" });
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event) => {
    e.preventDefault();
    const needed = missing(form.values);
    setProblem(needed);
    if (busy || needed) return;
    setBusy(true);
    try {
      (await setUp(form.values)) ? onDone() : signIn(); // without a token of setting up they sign in
    } catch (err) {
      setProblem(messageOf(err));
    }
    setBusy(false);
  };
  return (
    <form class="stack" onSubmit={submit} novalidate>
      <TextField label="Setup token" autocomplete="off" {...form.at("token")}
        hint={<span>It stands in the file <code>setup-token</code> in the server's data folder. Not needed where setup is open.</span>} />
      <TextField label="Your name" autocomplete="name" {...form.at("name")} />
      <TextField label="E-mail" type="email" autocomplete="username" {...form.at("email")} />
      <TextField label="Password" type="password" autocomplete="new-password" {...form.at("password")}
        hint="At least 8 characters, with a capital, a digit and a special character." />
      <Problem text={problem} />
      <Button type="submit" kind="main" disabled={busy}>
        {busy ? "Setting up…" : "Create the owner"}
      </Button>
    </form>
  );
}

function FirstMachine({ onEnd }: { onEnd: () => void }) {
  const [key, setKey] = useState<SetupKey | null>(null);
  const [problem, setProblem] = useState("");
  const [here, setHere] = useState(false);
  useEffect(() => {
    createKey("First machines").then(setKey, (e) => setProblem(messageOf(e)));
  }, []);
  return (
    <div class="stack">
      <p>Your network is ready. Paste one of these lines on a machine; the agent must be installed there.</p>
      <Problem text={problem} />
      {key && <JoinLines k={key} />}
      {key && <WaitForMachine onHere={() => setHere(true)} />}
      <Button kind={here ? "main" : undefined} onClick={onEnd}>
        {here ? "Go to the network" : "Skip this"}
      </Button>
    </div>
  );
}

export function FirstRun({ token, onEnd }: { token: string; onEnd: () => void }) {
  const [owned, setOwned] = useState(false);
  return (
    <main class="center">
      <div class={"panel" + (owned ? " wide" : "")}>
        <Brand />
        <Steps at={owned ? 2 : 1} />
        <h1>{owned ? "Bring in the first machine" : "Set up this server"}</h1>
        {!owned && <p>Nobody owns this server yet. The owner may do everything, and invites the others.</p>}
        {owned ? <FirstMachine onEnd={onEnd} /> : <OwnerForm token={token} onDone={() => setOwned(true)} />}
      </div>
    </main>
  );
}
