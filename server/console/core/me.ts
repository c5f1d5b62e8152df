// SPDX-License-Identifier: BSD-3-Clause
/* Who is signed in, and what they may do. */
import { store } from "../view/store";
import { api } from "./api";
import { phase } from "./session";
import type { User, Verb } from "./types";

export const me = store<User | null>(null);

export async function loadMe() {
  me.set(await api.get<User>("/users/current"));
}

phase.watch(() => {
  if (phase.get() === "out") me.set(null);
});

/** Modules are those of /api/users/current: peers, groups, policies, setup_keys, … */
export function can(module: string, verb: Verb): boolean {
  return me.get()?.permissions?.modules?.[module]?.[verb] ?? false;
}
