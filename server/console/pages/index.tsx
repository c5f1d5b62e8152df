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
import { Dns } from "./dns";
import { HealthPage } from "./health";
import { Groups } from "./groups";
import { History } from "./history";
import { Network } from "./network";
import { Networks } from "./networks";
import { PeerPage } from "./peer";
import { Peers } from "./peers";
import { Policies } from "./policies";
import { Postures } from "./posture";
import { Providers } from "./providers";
import { Routes } from "./routes";
import { SettingsPage } from "./settings";
import { SetupKeys } from "./setup-keys";
import { Traffic } from "./traffic";
import { Users } from "./users";

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
    items: [
      { path: "policies", title: "Policies", icon: "shield", module: "policies", draw: () => <Policies /> },
      { path: "groups", title: "Groups", icon: "group", module: "groups", draw: () => <Groups /> },
      { path: "posture-checks", title: "Posture checks", icon: "check", module: "policies", draw: () => <Postures /> },
    ],
  },
  {
    title: "Networks",
    items: [
      { path: "networks", title: "Networks", icon: "cloud", module: "networks", draw: ([id]) => <Networks key={id} id={id} /> },
      { path: "routes", title: "Routes", icon: "route", module: "routes", draw: () => <Routes /> },
      { path: "dns", title: "DNS", icon: "dns", module: "nameservers", draw: (rest) => <Dns rest={rest} /> },
    ],
  },
  {
    title: "People",
    items: [
      { path: "users", title: "Users", icon: "person", module: "users", draw: ([tab]) => <Users tab={tab ?? ""} /> },
      { path: "identity-providers", title: "Identity providers", icon: "door", module: "identity_providers", draw: () => <Providers /> },
    ],
  },
  {
    title: "Server",
    items: [
      { path: "activity", title: "Activity", icon: "clock", module: "events", draw: ([tab]) => <History tab={tab ?? ""} /> },
      { path: "traffic", title: "Traffic", icon: "traffic", module: "events", draw: () => <Traffic /> },
      { path: "settings", title: "Settings", icon: "gear", module: "settings", draw: () => <SettingsPage /> },
      { path: "server", title: "Server", icon: "pulse", module: "settings", draw: () => <HealthPage /> },
    ],
  },
];

export const ITEMS = NAV.flatMap((s) => s.items);

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
