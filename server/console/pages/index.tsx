// SPDX-License-Identifier: BSD-3-Clause
/*
 * All pages: one row each in NAV for the sidebar, and pageOf() draws them. `module` is the permission
 * that reading needs (as in /api/users/current); without it everybody sees the page.
 */
import { can } from "../core/me";
import { Place } from "../core/router";
import { Empty } from "../ui/basics";
import type { IconName } from "../ui/icons";
import { h, VNode } from "../view/view";
import { HealthPage } from "./health";
import { History } from "./history";
import { Network } from "./network";
import { PeerPage } from "./peer";
import { Peers } from "./peers";
import { Policies } from "./policies";
import { SetupKeys } from "./setup-keys";

interface Item {
  path: string; // first segment of the address
  title: string;
  icon: IconName;
  module?: string;
  draw: (rest: string[]) => VNode; // rest: the segments behind
}

export const NAV: { title: string; items: Item[] }[] = [
  {
    title: "",
    items: [{ path: "network", title: "Network", icon: "network", module: "policies", draw: () => <Network /> }],
  },
  {
    title: "Machines",
    items: [
      { path: "peers", title: "Peers", icon: "machine", draw: ([id]) => (id ? <PeerPage id={id} /> : <Peers />) },
      { path: "setup-keys", title: "Setup keys", icon: "key", module: "setup_keys", draw: () => <SetupKeys /> },
    ],
  },
  {
    title: "Access",
    items: [{ path: "policies", title: "Policies", icon: "shield", module: "policies", draw: () => <Policies /> }],
  },
  {
    title: "Server",
    items: [
      { path: "activity", title: "Activity", icon: "clock", module: "events", draw: ([tab]) => <History tab={tab ?? ""} /> },
      { path: "server", title: "Server", icon: "pulse", module: "settings", draw: () => <HealthPage /> },
    ],
  },
];

const ITEMS = NAV.flatMap((s) => s.items);

function NotFound() {
  return (
    <div class="page">
      <Empty icon="search" title="There is no such page" action={<a class="button" href="#/">To the start</a>}>
        The link may be of another version of this server.
      </Empty>
    </div>
  );
}

export function pageOf(place: Place): { title: string; draw: () => VNode } {
  const item = place.path.length ? ITEMS.find((i) => i.path === place.path[0]) : ITEMS.find((i) => !i.module || can(i.module, "read"));
  return item ? { title: item.title, draw: () => item.draw(place.path.slice(1)) } : { title: "Not found", draw: () => <NotFound /> };
}
