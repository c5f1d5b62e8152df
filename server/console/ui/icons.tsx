// SPDX-License-Identifier: BSD-3-Clause
/* Icons, drawn for 24 units; each is the paths of one line. */
import { h } from "../view/view";

const PATHS = {
  network: "M12 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM5 22a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM19 22a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM10.5 7.6l-4 8.8M13.5 7.6l4 8.8M8 19h8",
  machine: "M4 5h16v11H4zM9 20h6M12 16v4",
  key: "M14.5 13.5a4.5 4.5 0 1 0-4-4L3 17v4h4l1-1v-2h2l1.5-1.5M16 8h.01",
  group: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.6-3.6 3-5.5 6.5-5.5s5.9 1.9 6.5 5.500M16 4.500a3.3 3.3 0 0 1 0 6.300M18 14.800c2 .8 3.2 2.5 3.5 5.2",
  shield: "M12 2.500l8 3v6c0 5-3.4 8.5-8 10-4.6-1.5-8-5-8-10v-6z",
  check: "M4 12.500l5 5 11-11",
  route: "M6 19a2.5 2.5 0 1 0 0-.01M18 7.500a2.5 2.5 0 1 0 0-.01M8.5 19H15a3.5 3.5 0 0 0 0-7H9a3.5 3.5 0 0 1 0-7h6.5",
  cloud: "M7 19a5 5 0 0 1-.6-9.96 6 6 0 0 1 11.3 1.500A4.3 4.3 0 0 1 17 19z",
  dns: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18",
  person: "M12 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c.7-4.5 3.6-6.5 8-6.500s7.3 2 8 6.5",
  robot: "M5 9h14v10H5zM12 9V5M9 14h.01M15 14h.01M12 5a1 1 0 1 0 0-.01M2 13v3M22 13v3",
  door: "M14 3H5v18h9M10 12h11M17 8l4 4-4 4",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3.5 2",
  gear: "M12 15.500a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM12 2.500v3M12 18.500v3M2.5 12h3M18.5 12h3M5.3 5.300l2.1 2.100M16.6 16.600l2.1 2.100M5.3 18.700l2.1-2.100M16.6 7.400l2.1-2.1",
  pulse: "M3 12h4l3-8 4 16 3-8h4",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.500L21 21",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  more: "M12 5.5v1M12 11.5v1M12 17.5v1",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  back: "M15 5l-7 7 7 7",
  up: "M6 15l6-6 6 6",
  down: "M6 9l6 6 6-6",
  menu: "M4 7h16M4 12h16M4 17h16",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  undo: "M8 5L4 9l4 4M4 9h10a6 6 0 0 1 0 12h-3",
  traffic: "M4 8h13M13 4l4 4-4 4M20 16H7M11 12l-4 4 4 4",
  alert: "M12 3L2 20h20zM12 10v4M12 17h.01",
};

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
