// SPDX-License-Identifier: BSD-3-Clause
/* Before anybody is signed in: the way to the provider, or an access token. */
import { api, messageOf } from "../core/api";
import { base, config, home } from "../core/config";
import { giveUp, signIn, signInBeside, usePasted } from "../core/session";
import { Button, Problem } from "../ui/basics";
import { Frame } from "../ui/dialogs";
import { TextField } from "../ui/form";
import { h, useState } from "../view/view";

export function Brand() {
  return (
    <div class="brand">
      <span class="mark" />
      {config.name}
    </div>
  );
}

function WithToken() {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const use = async (e: Event) => {
    e.preventDefault();
    const r = await fetch("/api/users/current", { headers: { Authorization: "Bearer " + token.trim() } });
    r.ok ? usePasted(token.trim()) : setProblem("The server does not take this token.");
  };
  return (
    <form class="stack" onSubmit={use}>
      <Problem text={problem} />
      <TextField label="Access token" type="password" autocomplete="off" value={token} onChange={setToken} hint="It is kept until this tab is closed." />
      <Button type="submit">Use the token</Button>
    </form>
  );
}

export function SignIn({ problem }: { problem: string }) {
  const [token, setToken] = useState(!config.issuer);
  const elsewhere = config.issuer && location.origin !== base;
  return (
    <main class="center">
      <div class="panel">
        <Brand />
        <h1>Sign in</h1>
        <Problem text={problem} />
        {elsewhere && (
          <p>
            This server signs people in at <a href={base + home() + location.hash}>{base}</a>; here only an access token is taken.
          </p>
        )}
        {config.issuer && !elsewhere && (
          <Button kind="main" onClick={() => signIn()}>
            Sign in
          </Button>
        )}
        {token || elsewhere ? <WithToken /> : <Button kind="quiet" onClick={() => setToken(true)}>Use an access token instead</Button>}
      </div>
    </main>
  );
}

/** Over the page, when the session has ended: what was typed stays. */
export function SessionEnded() {
  const [problem, setProblem] = useState("");
  const again = async () => {
    try {
      await signInBeside();
    } catch (e) {
      setProblem(messageOf(e));
    }
  };
  return (
    <Frame title="Your session has ended" onClose={giveUp} onSubmit={again} foot={[
      <Button onClick={giveUp}>Leave this page</Button>,
      config.issuer && <Button kind="main" type="submit">Sign in again</Button>,
    ]}>
      <p>Sign in again in a small window; this page waits with everything on it.</p>
      <Problem text={problem} />
    </Frame>
  );
}

/** Nothing of the account may be seen: blocked, or waiting for approval. */
export function NotLetIn({ text }: { text: string }) {
  return (
    <main class="center">
      <div class="panel">
        <Brand />
        <h1>Not let in</h1>
        <p>{text}</p>
        <Button onClick={() => void api.get("/users/current").then(() => location.reload())}>Try again</Button>
        <Button kind="quiet" onClick={giveUp}>Sign in as somebody else</Button>
      </div>
    </main>
  );
}
