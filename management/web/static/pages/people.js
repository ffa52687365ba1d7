// Users, groups, and who holds global roles.

import { call, every, may } from "../frame/api.js";
import { enc, h, when } from "../frame/dom.js";
import { confirm, formDialog } from "../frame/form.js";
import { watch } from "../frame/live.js";
import { principalField } from "./principal_field.js";
import { navigate } from "../frame/router.js";
import { table } from "../frame/table.js";
import { badge, button, empty, heading, say, tabs } from "../frame/ui.js";

const head = (path, actions) => [
  heading("People and groups", { actions }),
  tabs("People and groups", [["People", "/people", "users.read"], ["Groups", "/groups"], ["Global roles", "/people/roles", "bindings.read"]].filter(([, , needs]) => !needs || may(needs)).map(([label, one]) => [label, one, one === path])),
];

export default async function people(view) {
  const list = table({ caption: "people", view, remote: () => "/v1/users", columns: personColumns, empty: empty("No people yet.", "They appear when they first sign in.") });
  return [head("/people", [may("users.manage") && button("Create user", create, { kind: "" })]), list.element];
}

export const state = (one) => [
  one.enabled ? one.principals.some((other) => other.refresh === "failing") ? badge("warn", "Not confirmed by the provider") : badge("good", "Enabled") : badge("bad", "Disabled"),
  one.administrator && h("div", { class: "faint" }, "Administrator"),
];

export const personColumns = [
  { label: "Name", name: "display_name", cell: (one) => h("a", { href: `/people/${enc(one.id)}` }, one.display_name) },
  { label: "Username", name: "username", cell: (one) => one.username },
  { label: "Provider", cell: (one) => [...new Set(one.principals.map((other) => other.provider))].join(", ") },
  { label: "State", cell: (one) => state(one) },
  { label: "Created", name: "created_at", cell: (one) => when(one.created_at) },
];

function create() {
  formDialog("Create a local user", {
    before: h("p", null, "People of a directory or an issuer are created when they first sign in."),
    fields: [
      { name: "username", label: "Username", required: true, maxlength: 128, autocapitalize: "none", spellcheck: "false" },
      { name: "display_name", label: "Display name", maxlength: 64 },
      { name: "password", label: "First password", type: "password", autocomplete: "new-password", hint: "It must be changed at the first sign-in, within 24 hours. Empty: the user cannot sign in yet." },
    ],
    submit: "Create user",
    action: async ({ password, ...values }, { key }) => {
      const { data } = await call("POST", "/v1/users", password ? { ...values, password } : values, { key });
      await navigate(`/people/${enc(data.id)}`);
      say(`${data.username} is created. Next: give a role.`);
    },
  });
}

export async function groups(view) {
  const list = table({ caption: "groups", view, sort: "Name", columns: [
    { label: "Name", cell: (one) => [h("a", { href: `/groups/${enc(one.id)}` }, one.name), h("small", null, one.id)], sort: (one) => one.name, text: (one) => `${one.name} ${one.id}` },
    { label: "Provider", cell: (one) => one.provider, sort: (one) => one.provider, text: (one) => one.provider },
    { label: "Known members", cell: (one) => one.members, sort: (one) => one.members ?? 0 },
    { label: "", narrow: true, cell: (one) => may("bindings.manage") && button("Give a role", () => give({ group: one.id, name: one.name }, one.name), { label: `Give ${one.name} a global role` }) },
  ], empty: empty("No groups are known yet.", "They appear with the first sign-in of a member, or when a role is given to them.") });
  watch("/v1/groups", list.update, view);
  return [head("/groups"), h("p", { class: "faint" }, "Groups belong to their providers. Give them roles here, in a cluster, or in a project."), list.element];
}

export async function globalRoles(view) {
  const list = table({ caption: "global roles", view, sort: "Name", columns: [
    { label: "Name", cell: (one) => h("a", { href: one.user ? `/people/${enc(one.user)}` : `/groups/${enc(one.group)}` }, one.name), sort: (one) => one.name, text: (one) => `${one.name} ${one.user || one.group}` },
    { label: "Kind", cell: (one) => one.kind === "group" ? "Group" : "Person", sort: (one) => one.kind },
    { label: "Provider", cell: (one) => one.provider, text: (one) => one.provider },
    { label: "Role", cell: (one) => h("a", { href: `/roles/${enc(one.role_id)}` }, one.role), sort: (one) => one.role, text: (one) => one.role },
    { label: "Since", cell: (one) => when(one.created_at), sort: (one) => one.created_at },
    { label: "", narrow: true, cell: takeAway },
  ], empty: empty("No one holds a global role.", "An administrator manages Sekisho itself.") });
  watch("/v1/bindings", list.update, view);
  return [head("/people/roles", [may("bindings.manage") && button("Give a global role", () => give(), { kind: "" })]), list.element];
}

// A dialog that gives a global role to `who`, { user } or { group, name }, or to a person to choose.
export async function give(who, name) {
  const roles = (await every("/v1/roles?scope=global&grantable_in=everywhere")).filter((one) => one.id !== "user-base");
  formDialog(name ? `Give ${name} a global role` : "Give a global role", {
    fields: [!who && principalField(), { name: "role", label: "Role", type: "radio", value: roles[0]?.id, options: roles.map((one) => [one.id, one.name, one.description]) }],
    submit: "Give role",
    action: async ({ user, role }, { key }) => {
      const { data } = await call("POST", "/v1/bindings", { ...(who || user), role }, { key });
      say(`${data.name} is ${data.role}.`);
    },
  });
}

export const takeAway = (one) => !one.denied && button("Take away", () => confirm({
  title: `Take ${one.role} away from ${one.name}`,
  lost: [`All that ${one.role} grants, everywhere. Running requests that need it end.`],
  submit: "Take away",
  action: async () => {
    await call("DELETE", `/v1/bindings/${enc(one.id)}`);
    say(`${one.name} is no longer ${one.role}.`);
  },
}), { label: `Take away ${one.role} from ${one.name}` });
