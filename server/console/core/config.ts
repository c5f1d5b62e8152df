// SPDX-License-Identifier: BSD-3-Clause
/* What the server wrote into the page. */
const data = (document.querySelector("meta[name=rookery]") as HTMLElement).dataset;

export const config = {
  issuer: data.issuer ?? "", // of the embedded provider; "" where there is none
  client: data.client ?? "",
  name: data.name || "Rookery",
  version: data.version ?? "",
};

/** Where the server is: browsers are sent back to the issuer's address only. */
export const base = config.issuer ? new URL(config.issuer).origin : location.origin;

/** Where this page is below it: a proxy may have another dashboard at "/". */
export function home(): string {
  return location.pathname.startsWith("/console") ? "/console/" : "/";
}
