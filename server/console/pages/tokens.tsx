// SPDX-License-Identifier: BSD-3-Clause
/* Access tokens of a service user, or of oneself. */
import { api, messageOf } from "../core/api";
import { refresh, useData } from "../core/live";
import type { User } from "../core/types";
import { Button, Copy, Pending, Problem, Time } from "../ui/basics";
import { confirm, Frame, open } from "../ui/dialogs";
import { NumberField, TextField } from "../ui/form";
import { h, useState } from "../view/view";

interface Token {
  id: string;
  name: string;
  expiration_date: string;
  last_used?: string;
}

function Tokens({ u, close }: { u: User; close: () => void }) {
  const path = "/users/" + encodeURIComponent(u.id) + "/tokens";
  const { data, error } = useData<Token[]>(path);
  const [name, setName] = useState("");
  const [days, setDays] = useState(90);
  const [plain, setPlain] = useState("");
  const [problem, setProblem] = useState("");
  const attempt = (run: () => Promise<void>) => run().then(() => setProblem(""), (e) => setProblem(messageOf(e))).then(() => refresh(path));
  const make = () => void attempt(async () => {
    setPlain((await api.post<{ plain_token: string }>(path, { name: name.trim(), expires_in: days })).plain_token);
    setName("");
  });
  const remove = async (t: Token) => {
    if (await confirm({ title: "Delete " + t.name + "?", text: "What uses it is refused at once.", action: "Delete", danger: true })) await attempt(async () => void (await api.remove(path + "/" + t.id)));
  };
  return (
    <Frame kind="sheet" title={"Tokens of " + (u.name || u.email)} onClose={close} onSubmit={make} foot={<Button type="submit" kind="main" disabled={!name.trim()}>Make a token</Button>}>
      <Problem text={problem} />
      {plain && (
        <div class="note stack">
          <p>The token is shown now and never again.</p>
          <Copy text={plain} what="the token" />
        </div>
      )}
      <div class="row">
        <TextField label="Name" value={name} onChange={setName} />
        <NumberField label="Days it is valid" min={1} max={365} value={days} onChange={setDays} />
      </div>
      {!data && <Pending error={error} />}
      <ul class="members">
        {data?.map((t) => (
          <li key={t.id}>
            <strong class="clip">{t.name}</strong>
            <span class="soft small">used <Time at={t.last_used} />, ends <Time at={t.expiration_date} /></span>
            <Button kind="quiet" icon="trash" label={"Delete " + t.name} onClick={() => void remove(t)} />
          </li>
        ))}
      </ul>
    </Frame>
  );
}

export function showTokens(u: User) {
  open((close) => <Tokens u={u} close={close} />);
}
