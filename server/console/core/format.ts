// SPDX-License-Identifier: BSD-3-Clause
/* Values as people read them: times in the zone and language of the browser. */

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60],
];

/** The API writes "0001-01-01…" where there is no time. */
export function isTime(text: string | undefined): text is string {
  return !!text && !text.startsWith("0001-") && !Number.isNaN(Date.parse(text));
}

export function fullTime(text: string): string {
  return full.format(new Date(text));
}

export function ago(text: string, now = Date.now()): string {
  const s = (Date.parse(text) - now) / 1000;
  for (const [unit, size] of STEPS) if (Math.abs(s) >= size) return relative.format(s > 0 ? Math.round(s / size) : Math.trunc(s / size), unit);
  return s > 0 ? "in a moment" : "just now";
}

export function count(n: number, one: string, many = one + "s"): string {
  return n.toLocaleString() + " " + (n === 1 ? one : many);
}

export function bytes(n: number): string {
  const [unit, name] = n >= 2 ** 30 ? [30, " GB"] : n >= 2 ** 20 ? [20, " MB"] : n >= 2 ** 10 ? [10, " kB"] : [0, " B"];
  return (n / 2 ** (unit as number)).toLocaleString(undefined, { maximumFractionDigits: 1 }) + name;
}

export function list(words: string[], most = 3): string {
  const shown = words.slice(0, most).join(", ");
  return words.length > most ? shown + " and " + (words.length - most) + " more" : shown;
}
