// SPDX-License-Identifier: BSD-3-Clause
/* SHA-256 (FIPS 180-4) of short ASCII texts: the PKCE challenge. Browsers offer crypto.subtle only to
 * pages over TLS, and an own network may well be served without. */

const primes = (n: number): number[] => {
  const found: number[] = [];
  for (let k = 2; found.length < n; k++) if (found.every((p) => k % p)) found.push(k);
  return found;
};
const fraction = (x: number) => ((x - Math.floor(x)) * 2 ** 32) | 0;
const K = primes(64).map((p) => fraction(Math.cbrt(p)));
const START = primes(8).map((p) => fraction(Math.sqrt(p)));
const turn = (x: number, n: number) => (x >>> n) | (x << (32 - n));

function padded(ascii: string): DataView {
  const size = ((ascii.length + 8) >> 6 << 6) + 64;
  const bytes = new DataView(new ArrayBuffer(size));
  for (let i = 0; i < ascii.length; i++) bytes.setUint8(i, ascii.charCodeAt(i));
  bytes.setUint8(ascii.length, 0x80);
  bytes.setUint32(size - 4, ascii.length * 8);
  return bytes;
}

function block(state: number[], bytes: DataView, at: number) {
  const w: number[] = [];
  for (let i = 0; i < 64; i++) {
    if (i < 16) {
      w[i] = bytes.getInt32(at + 4 * i);
      continue;
    }
    const a = w[i - 15], b = w[i - 2];
    const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
    const s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const t1 = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const t2 = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((v, i) => (state[i] = (state[i] + v) | 0));
}

export function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** base64url of the digest of an ASCII text. */
export function sha256(ascii: string): string {
  const bytes = padded(ascii);
  const state = [...START];
  for (let at = 0; at < bytes.byteLength; at += 64) block(state, bytes, at);
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((v, i) => out.setInt32(4 * i, v));
  return base64url(new Uint8Array(out.buffer));
}
