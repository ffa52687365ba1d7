// Providers: their state, and their settings in forms that the types' own schemas describe.

import { call, get, may, session } from "../frame/api.js";
import { enc, h, put } from "../frame/dom.js";
import { confirm, form } from "../frame/form.js";
import { live, watch } from "../frame/live.js";
import { navigate } from "../frame/router.js";
import { table } from "../frame/table.js";
import { badge, button, empty, facts, heading, linkButton, panel, say } from "../frame/ui.js";
import { refreshing } from "./refreshing.js";
import { schemaFields } from "./schema.js";

const edit = () => may("providers.manage");
const MODES = [["unrestricted", "Everyone whom the provider accepts"], ["restricted", "Listed people and groups only"]];
const state = (one) => !one.enabled ? badge("plain", "Disabled") : one.up ? badge("good", "Up") : badge("bad", "Down");

export default async function providers(view) {
  const list = table({ caption: "providers", view, key: "name", sort: "Name", columns: [
    { label: "Name", cell: (one) => h("a", { href: `/providers/${enc(one.name)}` }, one.name), sort: (one) => one.name, text: (one) => one.name },
    { label: "Type", cell: (one) => one.type, sort: (one) => one.type, text: (one) => one.type },
    { label: "State", cell: (one) => [state(one), (one.error || one.warnings[0]) && h("div", { class: "faint" }, one.error || one.warnings[0])], sort: (one) => String(one.up) },
    { label: "Admits", cell: (one) => one.access_mode },
    { label: "Defined by", cell: (one) => one.origin === "config" ? "The configuration" : "This page" },
  ], empty: empty("No providers.") });
  const read = watch("/v1/provider-states", list.update, { ...view, key: "name" });
  refreshing(view, read);
  return [heading("Providers", { actions: [edit() && linkButton("Add provider", "/providers/new", "")] }), list.element];
}

export async function newProvider(view) {
  const { items } = await get("/v1/provider-types");
  const types = items.filter((one) => one.type !== "local");
  const type = types.find((one) => one.type === view.query.get("type"));
  const head = heading("Add a provider", { trail: [["Providers", "/providers"]] });
  const choice = h("div", { class: "actions" }, types.map((one) => h("a", { class: "button quiet", href: `/providers/new?type=${enc(one.type)}`, "aria-current": one === type && "true" }, one.type)));
  if (!type) return [head, panel("Type", h("p", { class: "faint" }, "Where do people sign in?"), choice)];
  if (!type.settings) return [head, choice, h("p", { role: "alert" }, type.error)];
  const made = schemaFields(type.settings, {});
  return [head, choice, panel(type.type, type.settings.description && h("p", { class: "faint" }, type.settings.description), editor({
    made,
    fields: [{ name: "name", label: "Name", required: true, maxlength: 32, pattern: "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?", title: "lower-case letters, digits, and hyphens", autocapitalize: "none", hint: "People see it when they sign in. It stays." }, ...access({})],
    submit: "Add provider",
    test: (values) => ["POST", `/v1/provider-types/${enc(type.type)}/test`, { settings: made.read(), ...admits(values) }],
    action: async (values, { key }) => {
      await call("POST", "/v1/providers", { name: values.name, type: type.type, settings: made.read(), ...admits(values) }, { key });
      await navigate(`/providers/${enc(values.name)}`);
      say(`${values.name} is added. People can sign in with it.`);
    },
  }))];
}

export async function provider(view) {
  const path = `/v1/providers/${enc(view.params.name)}`;
  const found = await get(path);
  const mine = found.origin === "store" && edit();
  const schema = mine && (await get("/v1/provider-types")).items.find((one) => one.type === found.type)?.settings;
  const place = h("div");
  const show = (one) => put(place, panel("State", facts(["State", state(one)], ["Error", one.error], ["Warnings", one.warnings.length > 0 && one.warnings.map((text) => h("div", null, text))], ["Type", one.type],
    ["Defined by", one.origin === "config" && "The configuration: change it there."]), { actions: [
    mine && button(one.enabled ? "Disable" : "Enable", () => one.enabled ? disable(one, path, view) : enable(path, view)),
    mine && button("Delete", () => remove(one, path), { kind: "quiet danger" })] }));
  await live(path, show, view);
  const made = mine && schema && schemaFields(schema, found.settings);
  return [
    heading(found.name, { trail: [["Providers", "/providers"]], note: `${found.type} provider` }),
    place,
    made ? panel("Settings", editor({
      made, fields: [...access(found), session.me.administrator && { name: "adopt_principals", label: "This is another server with the same people: keep the users", type: "checkbox" }],
      submit: "Save",
      test: () => ["POST", `${path}/test`, { settings: made.read(true) }],
      action: async (values) => {
        await call("PATCH", path, { settings: made.read(true), ...admits(values), adopt_principals: values.adopt_principals ?? false });
        await view.refresh();
        say("The settings are saved. People whom the provider no longer admits have lost access.");
      },
    })) : [
      Object.keys(found.settings).length > 0 && panel("Settings", facts(...Object.entries(found.settings).map(([name, value]) => [name, value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? "")]))),
      edit() && panel("Test", editor({ made: { fields: [] }, fields: [], test: () => ["POST", `${path}/test`, {}] })),
    ],
  ];
}

const access = ({ access_mode = "unrestricted", allowed_principals = [] }) => [
  { name: "access_mode", label: "Who may sign in", type: "radio", value: access_mode, options: MODES },
  { name: "allowed_principals", label: "People and groups who may sign in", type: "textarea", rows: 2, value: allowed_principals.join("\n"), hint: "With the second choice: principals, one in a line." },
];
const admits = (values) => ({ access_mode: values.access_mode, allowed_principals: values.allowed_principals.split(/\s*\n\s*/).filter(Boolean) });

// A form of settings with a trial beside it, which stores nothing.
function editor({ made, fields, submit, action, test }) {
  const username = h("input", { autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
  const password = h("input", { type: "password", autocomplete: "off" });
  const result = h("div", { role: "status" });
  let trying = !action;
  const element = form({
    fields: [...fields.slice(0, 1), ...made.fields, ...fields.slice(1),
      h("fieldset", { class: "trial" }, h("legend", null, "Try it"), h("p", { class: "hint" }, "Nothing is stored, and no one is signed in. With a username and password: whether that person may sign in."),
        h("div", { class: "amounts" }, h("label", null, "Username", username), h("label", null, "Password", password)), action && button("Try", () => {
          trying = true;
          element.requestSubmit();
        })), result],
    submit: submit || "Try",
    action: async (values, options) => {
      if (!trying) return action(values, options);
      trying = !action;
      put(result, "Trying …");
      const [method, path, body] = test(values);
      const who = username.value ? { username: username.value, password: password.value } : {};
      try {
        put(result, outcome((await call(method, path, { ...body, ...who })).data));
      } catch (error) {
        put(result);
        throw error;
      }
    },
  });
  const more = made.more?.(element);
  if (more) element.querySelector(".trial").before(more);
  return element;
}

function outcome({ outcome: word, reason, detail, username, principal, groups, warnings }) {
  const [kind, text] = { accepted: ["good", "May sign in"], reachable: ["good", "The server responds"], refused: ["warn", "May not sign in"], unavailable: ["bad", "Not usable"] }[word];
  return [badge(kind, text), facts(["Reason", [reason.replaceAll("_", " "), detail].filter(Boolean).join(": ")], ["User", username && `${username}, ${principal}`],
    ["Groups", groups?.length > 0 && groups.map((one) => h("div", null, one.display_name, " ", h("small", null, one.id)))], ["Warnings", warnings?.length > 0 && warnings.join(" ")])];
}

async function enable(path, view) {
  await call("PATCH", path, { enabled: true });
  await view.refresh();
}

const disable = (one, path, view) => confirm({
  title: `Disable provider ${one.name}`, submit: "Disable",
  lost: ["Its people can no longer sign in with it. Their sessions and tokens by it end.", "The users, their roles, and the settings stay."],
  action: async () => {
    await call("PATCH", path, { enabled: false });
    await view.refresh();
  },
});

const remove = (one, path) => confirm({
  title: `Delete provider ${one.name}`, typed: one.name, submit: "Delete provider",
  lost: ["Its settings and secrets.", "Sessions and tokens of its people end; the users stay, and cannot sign in with it."],
  action: async () => {
    await call("DELETE", path);
    await navigate("/providers");
    say(`${one.name} is deleted.`);
  },
});
