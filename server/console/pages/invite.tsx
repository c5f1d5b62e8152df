// SPDX-License-Identifier: BSD-3-Clause
/* Where the link of an invitation leads: a password, and then signing in. */
import { messageOf, openCall } from "../core/api";
import { signIn } from "../core/session";
import { Button, Loading, Problem } from "../ui/basics";
import { TextField } from "../ui/form";
import { h, useEffect, useState } from "../view/view";
import { Brand } from "./sign-in";

interface Invitation {
  email: string;
  name: string;
  valid: boolean;
  invited_by: string;
}

export function Accept({ token }: { token: string }) {
  const path = "/users/invites/" + encodeURIComponent(token);
  const [who, setWho] = useState<Invitation | null>(null);
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  useEffect(() => {
    openCall<Invitation>("GET", path).then(setWho, (e) => setProblem(messageOf(e)));
  }, [path]);
  const accept = async (e: Event) => {
    e.preventDefault();
    try {
      await openCall("POST", path + "/accept", { password });
      signIn("login", "#/");
    } catch (err) {
      setProblem(messageOf(err));
    }
  };
  return (
    <main class="center">
      <form class="panel" onSubmit={accept}>
        <Brand />
        <h1>You are invited</h1>
        <Problem text={who && !who.valid ? "The invitation has ended. Ask for another." : problem} />
        {!who && !problem && <Loading />}
        {who?.valid && <p>{who.invited_by} invites {who.name} ({who.email}). Choose a password.</p>}
        {who?.valid && <input type="email" autocomplete="username" value={who.email} hidden readonly />}
        {who?.valid && <TextField label="Password" type="password" autocomplete="new-password" value={password} onChange={setPassword} hint="At least 8 characters, with a capital, a digit and a special character." />}
        {who?.valid && <Button kind="main" type="submit">Join</Button>}
      </form>
    </main>
  );
}
