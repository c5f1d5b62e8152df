// SPDX-License-Identifier: BSD-3-Clause
/* Lists as files: CSV as the table reads, JSON as the API gave it. */
import type { Column } from "./table";

/* RFC 4180; a leading sign that spreadsheets would take for a formula is set in quotation marks. */
function csvField(text: string): string {
  const safe = /^[=+\-@\t]/.test(text) ? "'" + text : text;
  return /[",\n\r]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
}

export function toCsv<T>(rows: T[], columns: Column<T>[]): string {
  const named = columns.filter((c) => c.title);
  return [named.map((c) => c.title), ...rows.map((r) => named.map((c) => c.text(r).trim()))].map((line) => line.map(csvField).join(",")).join("\r\n") + "\r\n";
}

export function download(name: string, type: string, text: string) {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(new Blob([text], { type }));
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}
