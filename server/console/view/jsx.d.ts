// SPDX-License-Identifier: BSD-3-Clause
/* What TypeScript must know of h(): elements take any attribute, components their own props. */
declare namespace JSX {
  type Element = import("./view").VNode;
  interface ElementChildrenAttribute {
    children: unknown;
  }
  interface IntrinsicAttributes {
    key?: string | number;
  }
  interface IntrinsicElements {
    [name: string]: any;
  }
}
