// SPDX-License-Identifier: BSD-3-Clause
/*
 * The REST API. Failures are ApiErrors whose message can be shown; a session that has ended is renewed
 * and the request sent again, and while the server does not answer `online` is false.
 */
import { store } from "../view/store";
import { accessToken, renewed } from "./session";

export class ApiError extends Error {
  constructor(readonly status: number, message: string, readonly request = "") {
    super(message);
  }
}

export const online = store(true);

type Method = "GET" | "POST" | "PUT" | "DELETE";

/* Names of fields and paths stay as they are written. */
function sentence(text: string): string {
  const named = /^[a-z]*[_/:.][a-z]/.test(text);
  return (named ? text : text.charAt(0).toUpperCase() + text.slice(1)) + (/[.!?]$/.test(text) ? "" : ".");
}

async function failure(r: Response): Promise<ApiError> {
  let message = r.statusText || "status " + r.status;
  try {
    message = (await r.json()).message ?? message;
  } catch {
    /* no JSON: a proxy's page */
  }
  return new ApiError(r.status, sentence(message), r.headers.get("X-Request-Id") ?? "");
}

async function once(method: Method, path: string, body: unknown, token: string, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (token) headers.Authorization = "Bearer " + token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const r = await fetch("/api" + path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    online.set(r.status !== 502 && r.status !== 504);
    return r;
  } catch (e) {
    if (signal?.aborted) throw e;
    online.set(false);
    throw new ApiError(0, "The server does not answer.");
  }
}

async function send<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  for (;;) {
    const token = accessToken();
    const r = await once(method, path, body, token, signal);
    if (r.status === 401 && token && (await renewed(token))) continue;
    if (!r.ok) throw await failure(r);
    return r.status === 204 ? (undefined as T) : r.json();
  }
}

export const api = {
  get: <T>(path: string, signal?: AbortSignal) => send<T>("GET", path, undefined, signal),
  post: <T>(path: string, body: unknown = {}) => send<T>("POST", path, body),
  put: <T>(path: string, body: unknown) => send<T>("PUT", path, body),
  remove: <T = {}>(path: string) => send<T>("DELETE", path),
  /** What a change would do, without doing it. */
  tryout: <T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown) =>
    send<T>(method, path + (path.includes("?") ? "&" : "?") + "dry_run=true", body),
};

export function messageOf(e: unknown): string {
  return sentence(e instanceof Error ? e.message : String(e));
}

/** One request without a session, with headers of its own: setting up. */
export async function openCall<T>(method: Method, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  let r: Response;
  try {
    r = await fetch("/api" + path, {
      method, headers: { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, "The server does not answer.");
  }
  if (!r.ok) throw await failure(r);
  return r.json();
}
