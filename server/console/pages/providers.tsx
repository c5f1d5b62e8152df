// SPDX-License-Identifier: BSD-3-Clause
/* Identity providers: where else people may sign in. */
import { Badge } from "../ui/basics";
import { Collection, Kind } from "../ui/collection";
import { SelectField, TextField } from "../ui/form";
import { h } from "../view/view";

interface Provider {
  id?: string;
  type: string;
  name: string;
  issuer: string;
  client_id: string;
}

type Draft = Omit<Provider, "id"> & { client_secret: string };

const TYPES: [string, string][] = [
  ["oidc", "OpenID Connect"], ["google", "Google"], ["microsoft", "Microsoft account"], ["entra", "Microsoft Entra"], ["okta", "Okta"],
  ["keycloak", "Keycloak"], ["authentik", "authentik"], ["zitadel", "ZITADEL"], ["pocketid", "Pocket ID"], ["adfs", "AD FS"],
];
const KNOWN = ["google", "microsoft"]; // whose address needs no telling

const PROVIDERS: Kind<Provider, Draft> = {
  path: "/identity-providers", module: "identity_providers", many: "providers", one: "provider", icon: "door", untried: true,
  about: "With one, people sign in with the account that they have already.",
  nameOf: (p) => p.name,
  useColumns: () => [
    { title: "Name", text: (p) => p.name, cell: (p) => <strong class="clip">{p.name}</strong> },
    { title: "Kind", text: (p) => p.type, width: "130px", cell: (p) => <Badge>{TYPES.find(([t]) => t === p.type)?.[1] ?? p.type}</Badge> },
    { title: "Issuer", text: (p) => p.issuer, wideOnly: true, cell: (p) => <code class="clip">{p.issuer}</code> },
  ],
  draft: (p) => ({ type: p?.type ?? "oidc", name: p?.name ?? "", issuer: p?.issuer ?? "", client_id: p?.client_id ?? "", client_secret: "" }),
  body: (d) => d,
  missing: (d) => (!d.name.trim() ? "A name is needed." : d.client_id.trim() ? "" : "The client id is needed."),
  Fields: ({ form, row }) => (
    <div class="stack">
      <SelectField label="Kind" {...form.at("type")} options={TYPES} />
      <TextField label="Name" {...form.at("name")} hint="On the button of the sign-in page." />
      {!KNOWN.includes(form.values.type) && <TextField label="Issuer" placeholder="https://id.example.com" {...form.at("issuer")} />}
      <TextField label="Client id" autocomplete="off" {...form.at("client_id")} />
      <TextField label="Client secret" type="password" autocomplete="new-password" {...form.at("client_secret")} hint={row ? "Empty: the one that is stored stays." : undefined} />
    </div>
  ),
};

export const Providers = () => <Collection kind={PROVIDERS} title="Identity providers" about="Where people may sign in besides this server itself." />;
