// The reader's account, in tabs: clusters, tokens, sessions, and linked accounts.

import { call, every, get, session } from "../frame/api.js";
import { enc, h, upper, when } from "../frame/dom.js";
import { confirm, form, formDialog } from "../frame/form.js";
import { watch } from "../frame/live.js";
import { tabOf } from "../frame/router.js";
import { table } from "../frame/table.js";
import { badge, button, empty, heading, panel, say, tabs } from "../frame/ui.js";
import { LIFETIMES, SCOPES, myClusters, newToken } from "./kubeconfig.js";

const MANY = 8; // Choices that need no search.
const TABS = [["Clusters", "", myClusters], ["Tokens", "tokens", tokens], ["Sessions", "sessions", sessions], ["Account", "account", account]];

export default async function me(view) {
  const [, tab, part] = tabOf(TABS, view.params.tab);
  const { display_name, id, administrator } = session.me;
  return [
    heading(display_name, { note: id + (administrator ? " · administrator" : "") }),
    tabs("My account", TABS.map(([label, path]) => [label, path ? `/me/${path}` : "/me", path === tab])),
    await part(view),
  ];
}

// Tokens and sessions: one list of the API, split by kind.
let again;
function listed(view, caption, columns, wanted, nothing) {
  const list = table({ caption, view, key: "name", columns, empty: nothing });
  again = watch("/v1/tokens?expired=false", (all) => list.update(all.filter((one) => (one.kind === "session") === wanted)), { ...view, key: "name" });
  return list.element;
}

const scope = (one, clusters) => [
  one.proxy_read ? "Read-only, with proxy" : one.read_only ? "Read-only" : "All that you may do",
  one.clusters.length > 0 && h("small", null, `in ${one.clusters.map((id) => clusters.get(id) || id).join(", ")}`),
];

async function tokens(view) {
  const clusters = new Map((await every("/v1/clusters", view.signal)).map((one) => [one.id, one.name]));
  const columns = [
    { label: "Description", cell: (one) => [one.description || "No description", h("small", null, one.name)], sort: (one) => one.description, text: (one) => `${one.description} ${one.name}` },
    { label: "Scope", cell: (one) => scope(one, clusters) },
    { label: "Last used", cell: (one) => when(one.last_used_at), sort: (one) => one.last_used_at },
    { label: "Ends", cell: (one) => when(one.expires_at), sort: (one) => one.expires_at },
    { label: "", narrow: true, cell: (one) => revoke(one, "Revoke", `Revoke ${one.description || "token"}, ${one.name}`) },
  ];
  const create = button("Create token", () => createToken(clusters), { kind: "" });
  return panel("Tokens", h("p", { class: "faint" }, "A token acts as you, in scripts and pipelines. Give it the least scope and the earliest end that its work needs."),
    listed(view, "tokens", columns, false, empty("You have no tokens.", "For kubectl on this computer you need none: download a kubeconfig.")), { actions: [create] });
}

function createToken(clusters) {
  const choices = [...clusters].map(([id, name]) => h("label", { class: "choice" }, h("input", { type: "checkbox", value: id }), h("span", null, name)));
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search clusters", autocomplete: "off", oninput: () => choices.forEach((one) => {
    one.hidden = !one.textContent.toLowerCase().includes(search.value.trim().toLowerCase()) && !one.control.checked;
  }) });
  const picked = h("fieldset", null, h("legend", null, "Only in these clusters"), choices.length > MANY && search, h("div", { class: "choices" }, choices), h("p", { class: "hint" }, "None: all clusters, and this API. With clusters, the token is valid for these and their workloads only."));
  formDialog("Create token", {
    fields: [
      { name: "description", label: "Description", required: true, maxlength: 256, hint: "Where it is used, so that you know what ends when you revoke it." },
      { name: "ttl", label: "Lifetime", type: "select", value: "30d", options: LIFETIMES },
      { name: "scope", label: "Scope", type: "radio", value: "", options: SCOPES },
      choices.length > 0 && picked,
    ],
    submit: "Create token",
    action: async ({ description, ttl, scope: what }, { key }) => {
      const only = [...picked.querySelectorAll("input:checked")].map((one) => one.value);
      const { data } = await call("POST", "/v1/tokens", { description, ttl, clusters: only, read_only: what !== "", proxy_read: what === "proxy" }, { key });
      newToken(data);
      await again();
    },
  });
}

function revoke(one, text, label) {
  return button(text, async () => {
    await call("DELETE", `/v1/tokens/${enc(one.name)}`);
    say(`${one.name} is revoked.`);
    await again();
  }, { label });
}

async function sessions(view) {
  const here = session.me.token;
  const columns = [
    { label: "Session", cell: (one) => [upper(one.description), one.name === here && [" ", badge("good", "This session")], h("small", null, one.name)], sort: (one) => one.description, text: (one) => `${one.description} ${one.name}` },
    { label: "Account", cell: (one) => one.principal, text: (one) => one.principal },
    { label: "Began", cell: (one) => when(one.created_at), sort: (one) => one.created_at },
    { label: "Last used", cell: (one) => one.name === here ? "now" : when(one.last_used_at), sort: (one) => one.last_used_at },
    { label: "Ends", cell: (one) => when(one.expires_at), sort: (one) => one.expires_at },
    { label: "", narrow: true, cell: (one) => one.name !== here && revoke(one, "End", `End session ${one.name}`) },
  ];
  const all = button("End all others", () => confirm({
    title: "Revoke all other sessions and tokens",
    lost: ["Every other browser and command line is signed out.", "Every token and kubeconfig with a token stops working, pipelines included.", "This session continues."],
    submit: "Revoke all",
    action: async () => {
      say(`${(await call("DELETE", "/v1/me/tokens")).data.revoked} revoked. This session continues.`);
      await again();
    },
  }), { kind: "quiet danger" });
  return panel("Sessions", listed(view, "sessions", columns, true), { actions: [all] });
}

async function account(view) {
  const { principals } = session.me;
  const { items } = await get("/v1/providers");
  const reload = async () => {
    session.me = await get("/v1/me");
    await view.refresh();
  };
  const rows = table({ caption: "accounts", search: false, columns: [
    { label: "Account", cell: (one) => [one.display_name, h("small", null, one.id)] },
    { label: "Provider", cell: (one) => one.provider },
    { label: "State", cell: (one) => one.refresh === "ok" ? badge("good", "Current") : badge("warn", one.refresh === "failing" ? "The provider does not confirm it" : "Sign in again") },
    { label: "", narrow: true, cell: (one) => principals.length > 1 && button("Unlink", () => confirm({
      title: `Unlink ${one.display_name}`,
      lost: [`You can no longer sign in with ${one.id}.`, "Its tokens and sessions end, and what you hold through its groups."],
      action: async () => {
        await call("DELETE", `/v1/me/principals/${enc(one.id)}`);
        say(`${one.display_name} at ${one.provider} is unlinked.`);
        await reload();
      },
    }), { label: `Unlink ${one.display_name} at ${one.provider}` }) },
  ] });
  rows.update(principals);
  const links = items.filter((one) => one.methods.includes("browser")).map((one) => button(`Link an account at ${one.name}`, async () => {
    location.assign((await call("POST", "/v1/me/principals", { provider: one.name })).data.url);
  }));
  const local = principals.some((one) => one.provider === "local");
  return [
    panel("Accounts you sign in with", rows.element, links.length > 0 && h("p", { class: "actions" }, links)),
    session.me.groups.length > 0 && panel("Your groups", h("ul", null, session.me.groups.map((one) => h("li", null, one.display_name, " ", h("small", null, `at ${one.provider}`))))),
    local && panel("Password", passwordForm()),
  ];
}

function passwordForm() {
  const changed = form({
    fields: [
      h("input", { hidden: true, autocomplete: "username", value: session.me.username }),
      { name: "current_password", label: "Current password", type: "password", autocomplete: "current-password", required: true },
      { name: "new_password", label: "New password", type: "password", autocomplete: "new-password", required: true },
      { name: "revoke_tokens", label: "Also revoke my tokens and kubeconfigs", type: "checkbox" },
    ],
    submit: "Change password",
    action: async (values) => {
      await call("POST", "/v1/me/password", values);
      changed.reset();
      say("Your password has been changed. Your other sessions have ended.");
    },
  });
  return changed;
}
