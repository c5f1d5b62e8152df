// SPDX-License-Identifier: BSD-3-Clause
/* What stands around every page: navigation, who is signed in, and what is wrong at the moment. */
import { online } from "./core/api";
import { config } from "./core/config";
import { can, me } from "./core/me";
import { link, usePlace } from "./core/router";
import { signOut } from "./core/session";
import { ITEMS, NAV, pageOf } from "./pages";
import { Button } from "./ui/basics";
import { Icon } from "./ui/icons";
import { usePalette } from "./ui/palette";
import { useStore } from "./view/store";
import { h, useEffect, useState } from "./view/view";

function Brand() {
  return (
    <a class="brand" href="#/">
      <span class="mark" />
      <span class="clip">{config.name}</span>
    </a>
  );
}

function Nav() {
  const at = usePlace().path[0] ?? "";
  return (
    <div class="nav">
      {NAV.map((section) => {
        const items = section.items.filter((i) => !i.module || can(i.module, "read"));
        return (
          <div>
            {section.title && items.length > 0 && <h2>{section.title}</h2>}
            {items.map((i) => (
              <a href={link(i.path)} aria-current={at === i.path ? "page" : undefined}>
                <Icon name={i.icon} />
                {i.title}
              </a>
            ))}
          </div>
        );
      })}
    </div>
  );
}

function WhoAmI() {
  const user = useStore(me);
  return (
    <div class="whoami">
      <div>
        <div class="clip">{user?.name || user?.email}</div>
        <div class="clip soft small">{user?.role}</div>
      </div>
      <Button kind="quiet" icon="door" label="Sign out" onClick={signOut} />
    </div>
  );
}

export function Shell() {
  const place = usePlace();
  const [open, setOpen] = useState(false);
  const connected = useStore(online);
  const page = pageOf(place);
  usePalette(ITEMS);
  useEffect(() => {
    setOpen(false);
    document.title = page.title + " · " + config.name;
    window.scrollTo(0, 0);
  }, [place.path.join("/")]);
  return (
    <div>
      <a class="skip" href="#main" onClick={(e: Event) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>
        Skip to the page
      </a>
      {!connected && (
        <div class="banner" role="alert">
          The server does not answer. What you see is what was last known; nothing is lost, and this goes on by itself.
        </div>
      )}
      <header class="topbar">
        <Button kind="quiet" icon={open ? "close" : "menu"} label={open ? "Close the menu" : "Menu"} onClick={() => setOpen(!open)} />
        <Brand />
      </header>
      <div class="shell">
        <nav class={"sidebar" + (open ? " open" : "")} aria-label="Pages">
          {open && <Button kind="quiet" icon="close" label="Close the menu" onClick={() => setOpen(false)} />}
          <Brand />
          <Nav />
          <WhoAmI />
        </nav>
        <main id="main" tabindex="-1" key={place.path.join("/")}>
          {page.draw()}
        </main>
      </div>
    </div>
  );
}
