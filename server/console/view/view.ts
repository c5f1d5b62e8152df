// SPDX-License-Identifier: BSD-3-Clause
/*
 * The view layer: descriptions of elements (h, JSX) become DOM, and components with hooks are drawn
 * again when their state changes. Each description stands for exactly one DOM node (nothing is an
 * empty text node), so a component can be replaced by itself. Text is only ever text: there is no way
 * to put HTML in.
 *
 *   render(<App />, root)   a component: (props) => description or null
 *   hooks                   useState useRef useMemo useEffect (after drawing) useStore (store.ts)
 *   lists                   children with a `key` keep their DOM node when the order changes
 *   pure(component)         not drawn again by what is around it while its props are the same
 */

export type Child = VNode | string | number | boolean | null | undefined | Child[];
export interface Component<P = any> {
  (props: P): VNode | null;
  pure?: boolean;
}

export interface VNode {
  type: string | Component;
  props: Record<string, any>;
  key: string | number | undefined;
  children: VNode[];
  dom: Node | null;
  inst: Instance | null;
  placed: boolean; // among the children of something
}

interface Instance {
  vnode: VNode;
  drawn: VNode;
  hooks: any[];
  depth: number;
  svg: boolean;
  dirty: boolean;
  alive: boolean;
}

interface Effect {
  deps: unknown[] | undefined;
  run: (() => void | (() => void)) | null;
  undo: (() => void) | null;
}

const TEXT = "#text";
const SVG = "http://www.w3.org/2000/svg";

export function Fragment(): null {
  return null; // only a name: h() puts its children in the place
}

function text(value: string): VNode {
  return { type: TEXT, props: { text: value }, key: undefined, children: [], dom: null, inst: null, placed: true };
}

/* A description stands for one node: the same one in a second place, or drawn again, is another. */
function fresh(v: VNode): VNode {
  const children = v.children.map((c) => (c.placed ? fresh(c) : c));
  return { ...v, children, dom: null, inst: null, placed: true };
}

function place(v: VNode): VNode {
  if (v.placed) return fresh(v);
  v.placed = true;
  return v;
}

function flatten(from: Child, to: VNode[]): VNode[] {
  if (Array.isArray(from)) for (const c of from) flatten(c, to);
  else if (from === null || from === undefined || typeof from === "boolean") to.push(text(""));
  else if (typeof from === "object") (from.type as unknown) === Fragment ? flatten(from.children, to) : to.push(place(from));
  else to.push(text(String(from)));
  return to;
}

export function h(type: string | Component, props: Record<string, any> | null, ...children: Child[]): VNode {
  const { key, ...rest } = props ?? {};
  const own = typeof type === "string" || (type as unknown) === Fragment;
  if (!own && children.length) rest.children = children.length === 1 ? children[0] : children;
  return { type, props: rest, key, children: own ? flatten(children, []) : [], dom: null, inst: null, placed: false };
}

/* ---- attributes */

function setStyle(el: HTMLElement, value: Record<string, string>, before: Record<string, string> = {}) {
  for (const name in before) if (!(name in value)) el.style.removeProperty(name);
  for (const name in value) if (before[name] !== value[name]) el.style.setProperty(name, value[name]);
}

function listen(this: any, e: Event) {
  return this.handlers[e.type](e);
}

function setHandler(el: any, type: string, fn: unknown) {
  el.handlers ??= {};
  if (fn && !el.handlers[type]) el.addEventListener(type, listen);
  if (!fn && el.handlers[type]) el.removeEventListener(type, listen);
  el.handlers[type] = fn;
}

const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "indeterminate", "readOnly", "multiple"]);

function setProp(el: any, name: string, value: any, before: any) {
  if (name === "ref" || name === "children") return;
  if (name.startsWith("on")) setHandler(el, name.slice(2).toLowerCase(), value);
  else if (name === "style") setStyle(el, value ?? {}, before);
  else if (PROPERTIES.has(name)) {
    if (el[name] !== value) el[name] = value ?? "";
  } else if (value === null || value === undefined || (value === false && !name.startsWith("aria-"))) el.removeAttribute(name);
  else el.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
}

function setProps(el: any, next: Record<string, any>, before: Record<string, any>) {
  for (const name in before) if (!(name in next)) setProp(el, name, undefined, before[name]);
  for (const name in next)
    if (next[name] !== before[name] || name === "value" || name === "checked") setProp(el, name, next[name], before[name]);
}

function setRef(v: VNode, el: Node | null) {
  const ref = v.props.ref;
  if (typeof ref === "function") ref(el);
  else if (ref) ref.current = el;
}

/* ---- components */

let current: Instance | null = null;
let hookAt = 0;
let effects: Effect[] = [];

function draw(inst: Instance): VNode {
  const before = current;
  current = inst;
  hookAt = 0;
  inst.dirty = false;
  try {
    return flatten((inst.vnode.type as Component)(inst.vnode.props), [])[0];
  } catch (e) {
    console.error(e);
    return h("p", { class: "crash", role: "alert" }, "This part of the page failed: " + (e instanceof Error ? e.message : e));
  } finally {
    current = before;
  }
}

export function useState<T>(first: T | (() => T)): [T, (next: T | ((now: T) => T)) => void] {
  const inst = current as Instance;
  const at = hookAt++;
  const slot = (inst.hooks[at] ??= (() => {
    const made: any = { value: typeof first === "function" ? (first as () => T)() : first };
    made.set = (next: any) => {
      const value = typeof next === "function" ? next(made.value) : next;
      if (Object.is(value, made.value)) return;
      made.value = value;
      schedule(inst);
    };
    return made;
  })());
  return [slot.value, slot.set];
}

export function useRef<T>(first: T): { current: T } {
  const inst = current as Instance;
  return (inst.hooks[hookAt++] ??= { current: first });
}

function same(a: unknown[] | undefined, b: unknown[] | undefined): boolean {
  return !!a && !!b && a.length === b.length && a.every((v, i) => Object.is(v, b[i]));
}

export function useMemo<T>(make: () => T, deps: unknown[]): T {
  const inst = current as Instance;
  const slot = (inst.hooks[hookAt++] ??= { deps: undefined, value: undefined });
  if (!same(slot.deps, deps)) {
    slot.value = make();
    slot.deps = deps;
  }
  return slot.value;
}

/** After the page was drawn, when deps have changed; what it returns runs before the next and at the end. */
export function useEffect(run: () => void | (() => void), deps?: unknown[]) {
  const inst = current as Instance;
  const slot: Effect = (inst.hooks[hookAt++] ??= { deps: undefined, run: null, undo: null });
  if (same(slot.deps, deps)) return;
  slot.deps = deps;
  slot.run = run;
  effects.push(slot);
}

function runEffects() {
  while (effects.length) {
    const now = effects;
    effects = [];
    for (const e of now) {
      if (!e.run) continue;
      e.undo?.();
      const run = e.run;
      e.run = null;
      e.undo = run() || null;
    }
  }
}

/* ---- from descriptions to DOM */

/** Its drawing depends on nothing but its props and hooks. */
export function pure<P>(component: Component<P>): Component<P> {
  component.pure = true;
  return component;
}

function equal(a: Record<string, any>, b: Record<string, any>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((n) => n in b && Object.is(a[n], b[n]));
}

function domOf(v: VNode): Node {
  return v.inst ? domOf(v.inst.drawn) : (v.dom as Node);
}

function create(v: VNode, svg: boolean, depth: number): Node {
  if (v.type === TEXT) return (v.dom = document.createTextNode(v.props.text));
  if (typeof v.type !== "string") {
    const inst: Instance = { vnode: v, drawn: v, hooks: [], depth, svg, dirty: false, alive: true };
    v.inst = inst;
    inst.drawn = draw(inst);
    return create(inst.drawn, svg, depth + 1);
  }
  const inside = svg || v.type === "svg";
  const el: any = inside ? document.createElementNS(SVG, v.type) : document.createElement(v.type);
  v.dom = el;
  for (const c of v.children) el.append(create(c, inside, depth + 1));
  setProps(el, v.props, {});
  setRef(v, el);
  return el;
}

function unmount(v: VNode) {
  if (v.inst) {
    v.inst.alive = false;
    for (const slot of v.inst.hooks) {
      slot?.undo?.();
      if (slot) slot.run = null;
    }
    unmount(v.inst.drawn);
    return;
  }
  for (const c of v.children) unmount(c);
  setRef(v, null);
}

function replace(before: VNode, next: VNode, svg: boolean, depth: number) {
  const old = domOf(before);
  const parent = old.parentNode;
  unmount(before);
  const dom = create(next, svg, depth);
  parent?.replaceChild(dom, old);
}

function patch(before: VNode, next: VNode, svg: boolean, depth: number) {
  if (before.type !== next.type || before.key !== next.key) return replace(before, next, svg, depth);
  if (before.inst) {
    const inst = (next.inst = before.inst);
    inst.vnode = next;
    if (!(next.type as Component).pure || inst.dirty || !equal(before.props, next.props)) redraw(inst);
    return;
  }
  next.dom = before.dom;
  if (next.type === TEXT) {
    if (before.props.text !== next.props.text) (next.dom as Text).data = next.props.text;
    return;
  }
  const inside = svg || next.type === "svg";
  patchChildren(next.dom as Element, before.children, next.children, inside, depth + 1);
  setProps(next.dom, next.props, before.props);
  if (before.props.ref !== next.props.ref) setRef(next, next.dom);
}

/* Which of the old children each new one continues: by key, or by order among those without. */
function matches(before: VNode[], next: VNode[]): (VNode | undefined)[] {
  const keyed = new Map<unknown, VNode>();
  const plain: VNode[] = [];
  for (const b of before) b.key === undefined ? plain.push(b) : keyed.set(b.key, b);
  let at = 0;
  return next.map((n) => {
    const b = n.key === undefined ? plain[at++] : keyed.get(n.key);
    if (b && n.key !== undefined) keyed.delete(n.key);
    return b && b.type === n.type ? b : undefined;
  });
}

/* Of places in the old order (-1: new), the most that are in order already: these need not move. */
function inOrder(places: number[]): Set<number> {
  const ends: number[] = []; // of the runs of each length, the one that ends lowest
  const link: number[] = [];
  places.forEach((p, i) => {
    if (p < 0) return;
    let low = 0;
    for (let high = ends.length; low < high; ) {
      const mid = (low + high) >> 1;
      places[ends[mid]] < p ? (low = mid + 1) : (high = mid);
    }
    link[i] = low ? ends[low - 1] : -1;
    ends[low] = i;
  });
  const stay = new Set<number>();
  for (let i = ends.length ? ends[ends.length - 1] : -1; i >= 0; i = link[i]) stay.add(i);
  return stay;
}

function patchChildren(el: Element, before: VNode[], next: VNode[], svg: boolean, depth: number) {
  const found = matches(before, next);
  const kept = new Set(found);
  const places = new Map(before.map((b, i) => [b, i]));
  const stay = inOrder(found.map((b) => (b ? (places.get(b) as number) : -1)));
  for (const b of before)
    if (!kept.has(b)) {
      el.removeChild(domOf(b));
      unmount(b);
    }
  next.forEach((n, i) => {
    const b = found[i];
    b ? patch(b, n, svg, depth) : create(n, svg, depth);
  });
  let behind: Node | null = null;
  for (let i = next.length - 1; i >= 0; i--) {
    const dom = domOf(next[i]);
    if (!stay.has(i)) el.insertBefore(dom, behind);
    behind = dom;
  }
}

function redraw(inst: Instance) {
  const before = inst.drawn;
  inst.drawn = draw(inst);
  patch(before, inst.drawn, inst.svg, inst.depth + 1);
}

/* ---- when */

const queue = new Set<Instance>();

export function schedule(inst: Instance) {
  inst.dirty = true;
  if (!queue.size) queueMicrotask(flush);
  queue.add(inst);
}

function flush() {
  while (queue.size) {
    const all = [...queue].sort((a, b) => a.depth - b.depth);
    queue.clear();
    for (const inst of all) if (inst.alive && inst.dirty) redraw(inst);
    runEffects();
  }
}

/** Draw the component that is being drawn again, later: for stores. */
export function useRedraw(): () => void {
  const inst = current as Instance;
  return () => inst.alive && schedule(inst);
}

export function render(v: VNode, root: Element) {
  root.replaceChildren(create(v, false, 0));
  runEffects();
}
