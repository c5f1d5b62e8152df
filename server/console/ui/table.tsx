// SPDX-License-Identifier: BSD-3-Clause
/*
 * A list of any length. Only the rows in sight are in the page, so ten thousand scroll like ten.
 * Columns say how they read as text (search, sorting, export) and may draw something better.
 */
import { setQuery, usePlace } from "../core/router";
import { Child, h, pure, useEffect, useMemo, useRef, useState } from "../view/view";
import { useNarrow } from "../view/store";
import { count } from "../core/format";
import { Icon } from "./icons";
import { Pending } from "./basics";
import { download, toCsv } from "./export";
import { Menu } from "./menu";

export interface Column<T> {
  title: string;
  text: (row: T) => string;
  cell?: (row: T) => Child;
  order?: (row: T) => string | number; // else text
  width?: string; // of a CSS grid track
  wideOnly?: boolean; // not on phones
  thin?: boolean; // too thin for its title, which is read and exported only
}

interface TableProps<T> {
  name: string; // of the list, for screen readers and files: "peers"
  one: string; // "peer"
  rows: T[] | undefined; // undefined: not there yet
  error?: string;
  columns: Column<T>[];
  rowKey: (row: T) => string;
  href?: (row: T) => string; // where a row leads
  onOpen?: (row: T) => void; // or what a click does
  actions?: (row: T) => Child; // at the end of each row
  tools?: Child; // beside the search field
  empty: Child; // without any rows
  below?: Child; // behind the last row
}

const ROW = 56;
const AROUND = 6; // rows above and below those in sight

interface Sort {
  column: number;
  down: boolean;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function compare(a: string | number, b: string | number): number {
  return typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
}

export function filterRows<T>(rows: T[], columns: Column<T>[], text: string): T[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return rows;
  return rows.filter((r) => {
    const all = columns.map((c) => c.text(r)).join("\n").toLowerCase();
    return words.every((w) => all.includes(w));
  });
}

function sortRows<T>(rows: T[], columns: Column<T>[], sort: Sort): T[] {
  const c = columns[sort.column];
  const keyed = rows.map((row) => ({ row, key: c.order ? c.order(row) : c.text(row) }));
  keyed.sort((a, b) => (sort.down ? compare(b.key, a.key) : compare(a.key, b.key)));
  return keyed.map((k) => k.row);
}

/* The rows in sight of a scrolling element, or of the window where that scrolls. */
function useSight(length: number) {
  const scroller = useRef<HTMLElement | null>(null);
  const [first, setFirst] = useState(0);
  const [height, setHeight] = useState(900);
  useEffect(() => {
    const el = scroller.current;
    if (!el) return;
    const look = () => {
      const inside = el.scrollHeight > el.clientHeight + 1;
      const top = inside ? el.scrollTop : Math.max(0, -el.getBoundingClientRect().top);
      setFirst(Math.max(0, Math.floor(top / ROW) - AROUND));
      setHeight(Math.min(inside ? el.clientHeight : window.innerHeight, 4000));
    };
    look();
    el.addEventListener("scroll", look, { passive: true });
    window.addEventListener("scroll", look, { passive: true });
    window.addEventListener("resize", look);
    return () => {
      el.removeEventListener("scroll", look);
      window.removeEventListener("scroll", look);
      window.removeEventListener("resize", look);
    };
  }, [length]);
  return { scroller, first, last: first + Math.ceil(height / ROW) + 2 * AROUND };
}

function Head<T>({ columns, sort, setSort, tracks, actions }: { columns: Column<T>[]; sort: Sort; setSort: (s: Sort) => void; tracks: string; actions: boolean }) {
  return (
    <div class="list-row list-head" role="row" style={{ "grid-template-columns": tracks }} aria-rowindex="1">
      {columns.map((c, i) => (
        <div class="cell" role="columnheader" aria-sort={sort.column !== i ? "none" : sort.down ? "descending" : "ascending"}>
          <button type="button" onClick={() => setSort({ column: i, down: sort.column === i && !sort.down })}>
            {c.thin ? <span class="hidden-text">{c.title}</span> : c.title}
            {sort.column === i && <Icon name={sort.down ? "down" : "up"} />}
          </button>
        </div>
      ))}
      {actions && (
        <div class="cell" role="columnheader">
          <span class="hidden-text">Actions</span>
        </div>
      )}
    </div>
  );
}

interface RowProps<T> extends Pick<TableProps<T>, "rowKey" | "href" | "onOpen" | "actions"> {
  row: T;
  at: number; // from 0
  columns: Column<T>[];
  tracks: string;
}

/* Pure: of the rows in sight, scrolling draws those that come in, alone. */
const Row = pure(({ row, at, columns, tracks, rowKey, href, onOpen, actions }: RowProps<any>) => {
  const open = (e: MouseEvent) => {
    if ((e.target as Element).closest("a, button, input")) return;
    href ? (location.hash = href(row)) : onOpen?.(row);
  };
  return (
    <div
      data-key={rowKey(row)} class={"list-row" + (href || onOpen ? " link" : "")} role="row" aria-rowindex={at + 2}
      style={{ "grid-template-columns": tracks, top: at * ROW + "px" }} onClick={href || onOpen ? open : undefined}
    >
      {columns.map((c) => (
        <div class="cell" role="cell">
          {c.cell ? c.cell(row) : <span class="clip">{c.text(row)}</span>}
        </div>
      ))}
      {actions && (
        <div class="cell" role="cell">
          {actions(row)}
        </div>
      )}
    </div>
  );
});

export function Table<T>(p: TableProps<T>) {
  const narrow = useNarrow();
  const text = usePlace().query.get("q") ?? "";
  const [sort, setSort] = useState<Sort>({ column: 0, down: false });
  const columns = useMemo(() => (narrow ? p.columns.filter((c) => !c.wideOnly) : p.columns), [p.columns, narrow]);
  const rows = useMemo(
    () => sortRows(filterRows(p.rows ?? [], p.columns, text), p.columns, sort),
    [p.rows, text, sort],
  );
  const { scroller, first, last } = useSight(rows.length);
  if (!p.rows) return <Pending error={p.error ?? ""} />;
  if (!p.rows.length) return <div class="list">{p.empty}</div>;
  const tracks = columns.map((c) => c.width ?? "minmax(0, 1fr)").join(" ") + (p.actions ? " 36px" : "");
  return (
    <div class="stack" style={{ gap: "12px" }}>
      <div class="list-tools">
        <div class="search">
          <Icon name="search" />
          <input class="input" type="search" placeholder="Search" aria-label={"Search " + p.name} value={text} onInput={(e: any) => setQuery("q", e.target.value)} />
        </div>
        {p.tools}
        <Menu label={"Export " + p.name} icon="down" actions={[
          { title: "Export as CSV", run: () => download(p.name + ".csv", "text/csv", toCsv(rows, p.columns)) },
          { title: "Export as JSON", run: () => download(p.name + ".json", "application/json", JSON.stringify(rows, null, 2)) },
        ]} />
        <span class="count" role="status">
          {text ? rows.length.toLocaleString() + " of " : ""}
          {count(p.rows.length, p.one, p.name)}
        </span>
      </div>
      <div class="list">
        <div class="list-scroll" ref={scroller} role="table" aria-label={p.name} aria-rowcount={rows.length + 1} tabindex="0">
          <div role="rowgroup">
            <Head columns={columns} sort={sort} setSort={setSort} tracks={tracks} actions={!!p.actions} />
          </div>
          <div class="list-body" role="rowgroup" style={{ height: rows.length * ROW + "px" }}>
            {rows.slice(first, last).map((row, i) => (
              <Row
                key={(first + i) % (last - first)} row={row} at={first + i} columns={columns} tracks={tracks}
                rowKey={p.rowKey} href={p.href} onOpen={p.onOpen} actions={p.actions}
              />
            ))}
          </div>
        </div>
      </div>
      {!rows.length && <p class="soft">Nothing matches “{text}”.</p>}
      {p.below}
    </div>
  );
}
