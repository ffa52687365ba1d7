// Roles: list, read, make, change. Sekisho checks that no one makes a role of more than they hold.

import { call, every, get, may } from "../frame/api.js";
import { enc, h, plural, put } from "../frame/dom.js";
import { confirm, form } from "../frame/form.js";
import { watch } from "../frame/live.js";
import { navigate } from "../frame/router.js";
import { table } from "../frame/table.js";
import { button, denied, empty, facts, heading, linkButton, panel, say } from "../frame/ui.js";
import { rulesTable, ruleText } from "./chains.js";
import { labelsField, pairs, replacing } from "./quota.js";

const SCOPES = [["global", "In Sekisho", "Permissions of Sekisho only."], ["cluster", "In a cluster", "Held by members of a cluster."], ["project", "In a project", "Held by members of a project, in its namespaces."]];
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

export default async function roles(view) {
  const list = table({ caption: "roles", view, sort: "Scope", columns: [
    { label: "Name", cell: (one) => [h("a", { href: `/roles/${enc(one.id)}` }, one.name), one.built_in && h("small", null, "built in")], sort: (one) => one.name, text: (one) => `${one.name} ${one.id}` },
    { label: "Scope", cell: (one) => scopeName(one), sort: (one) => scopeName(one), text: (one) => one.scope },
    { label: "Description", cell: (one) => one.description, text: (one) => one.description },
    { label: "Grants", cell: ({ effective: all }) => [plural(all.permissions.length, "permission"), all.rules.length && plural(all.rules.length, "rule"), ...all.cluster_roles].filter(Boolean).join(", ") },
  ], empty: empty("No roles.") });
  watch("/v1/roles", list.update, view);
  return [heading("Roles", { actions: [may("roles.manage") && linkButton("Create role", "/roles/new", "")] }), list.element];
}

const scopeName = (one) => SCOPES.find(([scope]) => scope === one.scope)[1];

export async function role(view) {
  const path = `/v1/roles/${enc(view.params.role)}`;
  const { data, etag } = await call("GET", path);
  const all = data.effective;
  const known = new Map((await get("/v1/permissions")).items.map((one) => [one.name, one.description]));
  const inherited = data.inherits.length > 0 && (await every("/v1/roles")).filter((one) => data.inherits.includes(one.id));
  const edit = !data.denied;
  return [
    heading(data.name, { trail: [["Roles", "/roles"]], note: `${data.id} · ${scopeName(data)}${data.built_in ? " · built in" : ""}`, actions: [edit && button("Delete", () => remove(data, path, etag), { kind: "quiet danger" })] }),
    data.description && h("p", null, data.description),
    !data.built_in && may("roles.manage") && denied(data),
    panel("Grants", facts(
      ["Permissions", all.permissions.length > 0 && all.permissions.map((one) => h("div", null, h("code", null, one), " ", h("small", null, known.get(one))))],
      ["Roles of clusters", all.cluster_roles.length > 0 && all.cluster_roles.join(", ")],
      ["Inherits", inherited && inherited.map((one) => h("div", null, h("a", { href: `/roles/${enc(one.id)}` }, one.name)))],
    ), all.rules.length > 0 && rulesTable(all.rules)),
    edit && panel("Change", await roleForm(view, data, (body, dry) => call("PATCH", path + dry, body, { etag }), async () => {
      await view.refresh();
      say("The role is saved, for all who hold it.");
    })),
  ];
}

export async function newRole(view) {
  const [asked] = SCOPES.find(([one]) => one === view.query.get("scope")) || SCOPES[2];
  const first = { scope: asked, permissions: [], rules: [], cluster_roles: [], inherits: [] };
  const choice = h("div", { class: "actions" }, SCOPES.map(([one, label]) => h("a", { class: "button quiet", href: `/roles/new?scope=${one}`, "aria-current": one === first.scope && "true" }, label)));
  return [
    heading("Create a role", { trail: [["Roles", "/roles"]] }), choice,
    panel(scopeName(first), await roleForm(view, first, (body, dry, key) => call("POST", `/v1/roles${dry}`, { ...body, scope: first.scope }, { key }), async ({ data }) => {
      await navigate(`/roles/${enc(data.id)}`);
      say(`${data.name} is created. Next: give it to people or groups.`);
    })),
  ];
}

// `send(body, "?dry_run=true" or "", key)` calls the API; `done(answer)` is called after a change.
async function roleForm(view, role, send, done) {
  const [permissions, others] = await Promise.all([every(`/v1/permissions?scope=${role.scope}`), every(`/v1/roles?scope=${role.scope}&grantable_in=everywhere`)]);
  const check = (value, on, text, more, disabled) => h("label", { class: "choice" }, h("input", { type: "checkbox", value, checked: on, disabled }), h("span", null, text, more && h("small", null, more)));
  const allowed = h("fieldset", null, h("legend", null, "Permissions of Sekisho"), permissions.map((one) => check(one.name, role.permissions.includes(one.name), one.name, [one.description, !one.grantable && " You do not hold it everywhere."], !one.grantable)));
  const inherits = h("fieldset", null, h("legend", null, "Has all of"), others.filter((one) => one.id !== role.id).map((one) => check(one.id, role.inherits.includes(one.id), one.name, one.description)));
  const rules = h("div");
  const ruled = role.scope !== "global";
  let number = 0;
  const rule = (one = { verbs: [], api_groups: [], resources: [], resource_names: [], non_resource_urls: [] }) => {
    const part = (name, label, hint, value = one[name].join(", ")) => h("label", null, label, h("input", { name, value, autocomplete: "off", spellcheck: "false", placeholder: hint }));
    const box = h("fieldset", { class: "rule" }, h("legend", null, `Rule ${++number}`), h("div", { class: "amounts" },
      part("verbs", "Verbs", "get, list, watch"), part("resources", "Resources", "pods, pods/log"), part("api_groups", "API groups (core: \"\")", '"", apps', one.api_groups.map((group) => group || '""').join(", ")),
      part("resource_names", "Only these names", "any"), part("non_resource_urls", "Or URLs", "/metrics")), button("Remove rule", () => box.remove(), { label: `Remove rule ${number}` }));
    rules.append(box);
    return box;
  };
  if (ruled) role.rules.forEach(rule);
  const result = h("div", { role: "status" });
  const checked = (box) => [...box.querySelectorAll("input:checked")].map((one) => one.value);
  const body = ({ name, description, labels, cluster_roles }) => ({
    name, description, labels: replacing(role.labels, pairs(labels)), permissions: checked(allowed), inherits: checked(inherits), cluster_roles: words(cluster_roles || ""),
    rules: [...rules.children].map((box) => {
      const found = Object.fromEntries([...box.querySelectorAll("input")].map((one) => [one.name, words(one.value).map((word) => (word === '""' ? "" : word))]));
      if (!found.non_resource_urls.length && found.resources.length && !found.api_groups.length) found.api_groups = [""];
      return found;
    }),
  });
  let dry = false;
  const element = form({
    fields: [
      { name: "name", label: "Name", value: role.name, required: true, maxlength: 64 },
      { name: "description", label: "Description", value: role.description, maxlength: 256 },
      labelsField(role.labels),
      allowed,
      ruled && { name: "cluster_roles", label: "Roles of the clusters, by name", value: role.cluster_roles.join(", "), hint: "Such as view, edit, or one of your own ClusterRoles." },
      ruled && h("fieldset", null, h("legend", null, "Rules of Kubernetes RBAC"), rules, button("Add a rule", () => rule().querySelector("input").focus())),
      inherits,
    ],
    submit: "Save", reload: view.refresh,
    action: async (values, { key }) => {
      put(result);
      const only = dry;
      dry = false;
      const answer = await send(body(values), only ? "?dry_run=true" : "", only ? undefined : key);
      if (!only) return done(answer);
      const { permissions: names, rules: lines, cluster_roles: roles } = answer.data.effective;
      put(result, h("p", null, "You may make this role. With what it inherits, it grants:"), h("ul", null, [...names, ...roles.map((one) => `the clusters' role ${one}`), ...lines.map(ruleText)].map((one) => h("li", null, one))));
    },
  });
  element.querySelector(".actions:last-child").append(button("Check only", () => {
    dry = true;
    element.requestSubmit();
  }));
  element.append(result);
  return element;
}

function remove(role, path, etag) {
  confirm({
    title: `Delete role ${role.name}`,
    lost: ["The role, with its permissions and rules. A role that is held or inherited cannot be deleted."],
    submit: "Delete role",
    action: async () => {
      await call("DELETE", path, undefined, { etag });
      await navigate("/roles");
      say(`${role.name} is deleted.`);
    },
  });
}
