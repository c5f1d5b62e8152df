// SPDX-License-Identifier: BSD-3-Clause
/*
 * Who is signed in: authorization code with PKCE at the embedded provider, or an access token that
 * somebody pasted. Tokens are kept for this tab only.
 *
 * A session that ends is renewed by its refresh token, else in a second window beside the page, so
 * that nothing typed is lost; requests wait meanwhile (renewed()).
 */
import { store } from "../view/store";
import { base, config, home } from "./config";
import { base64url, sha256 } from "./sha256";

interface Tokens {
  access: string;
  refresh?: string;
  id?: string; // ID token, for signing out
  pasted?: boolean;
}

interface Attempt {
  state: string;
  verifier: string;
  back: string; // the page to go on with
}

export type Phase = "out" | "in" | "ended";

const KEPT = "rookery.session";
const ATTEMPT = "rookery.attempt";
const BACK = base + "/console/signed-in";

function kept<T>(key: string): T | null {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

let tokens = kept<Tokens>(KEPT);
export const phase = store<Phase>(tokens ? "in" : "out");
let renewal: Promise<boolean> | null = null;
let waiting: (() => void)[] = [];

export function accessToken(): string {
  return tokens?.access ?? "";
}

function keep(next: Tokens | null) {
  tokens = next;
  next ? sessionStorage.setItem(KEPT, JSON.stringify(next)) : sessionStorage.removeItem(KEPT);
  phase.set(next ? "in" : "out");
  if (!next) return;
  const now = waiting;
  waiting = [];
  for (const go of now) go();
}

/** An access token of the API, or the one that setting up gave. */
export function usePasted(token: string) {
  keep({ access: token, pasted: true });
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function begin(prompt?: string, hash = location.hash): { url: string; attempt: Attempt } {
  const attempt = { state: random(), verifier: random(), back: home() + hash };
  const ask = new URLSearchParams({
    client_id: config.client, redirect_uri: BACK, response_type: "code",
    scope: "openid profile email groups offline_access", state: attempt.state,
    code_challenge: sha256(attempt.verifier), code_challenge_method: "S256",
  });
  if (prompt) ask.set("prompt", prompt);
  return { url: config.issuer + "/auth?" + ask, attempt };
}

/** Leave this page for the provider's. */
export function signIn(prompt?: string, hash?: string) {
  const { url, attempt } = begin(prompt, hash);
  sessionStorage.setItem(ATTEMPT, JSON.stringify(attempt));
  location.assign(url);
}

async function ask(body: Record<string, string>): Promise<Tokens> {
  const r = await fetch(config.issuer + "/token", {
    method: "POST", body: new URLSearchParams({ client_id: config.client, ...body }),
  });
  const t = await r.json();
  if (!r.ok) throw new Error(t.error_description ?? t.error ?? "the provider refused");
  return { access: t.access_token, ...(t.refresh_token && { refresh: t.refresh_token }), ...(t.id_token && { id: t.id_token }) };
}

function redeem(code: string, verifier: string): Promise<Tokens> {
  return ask({ grant_type: "authorization_code", code, redirect_uri: BACK, code_verifier: verifier });
}

/** On /console/signed-in: the end of signing in. Throws what went wrong. */
export async function finish() {
  const answer = new URLSearchParams(location.search);
  if (window.opener && window.name === ATTEMPT) {
    window.opener.postMessage({ [ATTEMPT]: location.search }, base);
    window.close();
    return;
  }
  const attempt = kept<Attempt>(ATTEMPT);
  sessionStorage.removeItem(ATTEMPT);
  history.replaceState(null, "", attempt?.back ?? home());
  window.dispatchEvent(new HashChangeEvent("hashchange")); // replaceState tells nobody
  if (answer.get("error")) throw new Error(answer.get("error_description") ?? "the provider refused");
  if (!attempt || answer.get("state") !== attempt.state) throw new Error("this sign-in was begun elsewhere; please try again");
  keep(await redeem(answer.get("code") ?? "", attempt.verifier));
}

/** In a window of its own, while this page stays. Call it from a click, or browsers refuse. */
export function signInBeside(): Promise<void> {
  const { url, attempt } = begin();
  const opened = window.open(url, ATTEMPT, "popup,width=480,height=720");
  return new Promise((done, fail) => {
    if (!opened) return fail(new Error("the browser refused to open a window"));
    const heard = async (e: MessageEvent) => {
      const search = e.origin === location.origin && e.data?.[ATTEMPT];
      if (typeof search !== "string") return;
      window.removeEventListener("message", heard);
      const answer = new URLSearchParams(search);
      if (answer.get("state") !== attempt.state) return fail(new Error("the answer belongs to another sign-in"));
      try {
        keep(await redeem(answer.get("code") ?? "", attempt.verifier));
        done();
      } catch (e) {
        fail(e);
      }
    };
    window.addEventListener("message", heard);
  });
}

async function refresh(): Promise<boolean> {
  if (!tokens?.refresh) return false;
  try {
    keep({ ...tokens, ...(await ask({ grant_type: "refresh_token", refresh_token: tokens.refresh })) });
    return true;
  } catch {
    return false;
  }
}

/** The server did not take `used`: true when another token can be tried, now or after the person has
 *  signed in again. */
export async function renewed(used: string): Promise<boolean> {
  if (!tokens) return false;
  if (tokens.access !== used) return true; // somebody else renewed it
  renewal ??= refresh().finally(() => (renewal = null));
  if (await renewal) return true;
  phase.set("ended");
  await new Promise<void>((go) => waiting.push(go));
  return true;
}

export function signOut() {
  const hint = tokens?.id;
  if (!hint) {
    location.hash = "#/sign-in"; // else the provider would let them in again at once
    return keep(null);
  }
  sessionStorage.removeItem(KEPT); // the page stays as it is until the provider's comes
  location.assign(config.issuer + "/logout?" + new URLSearchParams({ id_token_hint: hint, post_logout_redirect_uri: base + home() }));
}

/** Forget an ended session without signing in again beside it. */
export function giveUp() {
  keep(null);
}
