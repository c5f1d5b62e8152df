// SPDX-License-Identifier: BSD-3-Clause
/* The lines that bring a machine in, and the wait until it is there. */
import { base } from "../core/config";
import { fullTime, isTime } from "../core/format";
import { link } from "../core/router";
import { useData } from "../core/live";
import { api } from "../core/api";
import type { Peer, SetupKey } from "../core/types";
import { Copy, Problem } from "../ui/basics";
import { Frame, open } from "../ui/dialogs";
import { Icon } from "../ui/icons";
import { Button } from "../ui/basics";
import { h, useEffect, useRef, useState } from "../view/view";
import { messageOf } from "../core/api";

const DAY_S = 86400;

export function createKey(name: string): Promise<SetupKey> {
  return api.post<SetupKey>("/setup-keys", {
    name, type: "reusable", expires_in: 7 * DAY_S, auto_groups: [], usage_limit: 0, ephemeral: false, allow_extra_dns_labels: false,
  });
}

function line(program: string, key: string): string {
  return `sudo ${program} up --management-url ${base} --setup-key ${key}`;
}

export function JoinLines({ k }: { k: SetupKey }) {
  return (
    <div class="stack">
      <div class="field">
        <span class="legend">With Rookery's agent</span>
        <Copy text={line("rook", k.key)} what="the line for rook" />
      </div>
      <div class="field">
        <span class="legend">With the official NetBird client</span>
        <Copy text={line("netbird", k.key)} what="the line for netbird" />
      </div>
      <p class="soft small">
        The key is shown now and never again. It {isTime(k.expires) ? "works until " + fullTime(k.expires) : "does not expire"}.
      </p>
    </div>
  );
}

const LOOK_MS = 1500;

/** Machines that were not there when this was first drawn. */
export function WaitForMachine({ onHere }: { onHere?: (p: Peer) => void }) {
  const peers = useData<Peer[]>("/peers");
  const known = useRef<Set<string> | null>(null);
  useEffect(() => {
    const timer = setInterval(peers.reload, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  if (peers.data && !known.current) known.current = new Set(peers.data.map((p) => p.id));
  const here = peers.data?.find((p) => !known.current?.has(p.id));
  useEffect(() => {
    if (here) onHere?.(here);
  }, [here?.id]);
  return (
    <div class={"waiting" + (here ? " here" : "")} role="status">
      {here ? <Icon name="check" /> : <span class="spinner" />}
      {here ? (
        <span>
          <a href={link("peers", here.id)}>{here.name}</a> is in your network as <code>{here.ip}</code>
          {here.connected ? " and connected." : "."}
        </span>
      ) : (
        <span class="soft">Waiting for the machine. It appears here by itself.</span>
      )}
    </div>
  );
}

function AddMachine({ close }: { close: () => void }) {
  const [key, setKey] = useState<SetupKey | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    createKey("Added in the console").then(setKey, (e) => setProblem(messageOf(e)));
  }, []);
  return (
    <Frame title="Add a machine" wide onClose={close} foot={<Button onClick={close}>Done</Button>}>
      <p>Install the agent on the machine, then paste one of these lines there.</p>
      <Problem text={problem} />
      {key && <JoinLines k={key} />}
      {key && <WaitForMachine />}
    </Frame>
  );
}

export function addMachine() {
  open((close) => <AddMachine close={close} />);
}
