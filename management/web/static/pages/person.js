// One person: what they may do and by what, their sessions and tokens, their account.

import { call, every, get, isImported, may, session } from "../frame/api.js";
import { enc, h, plural, put, when } from "../frame/dom.js";
import { confirm, form, formDialog } from "../frame/form.js";
import { live, watch } from "../frame/live.js";
import { navigate, tabOf } from "../frame/router.js";
import { table } from "../frame/table.js";
import { badge, button, denied, empty, facts, heading, panel, say, tabs } from "../frame/ui.js";
import { chainText, rulesTable } from "./chains.js";
import { heldRoles } from "./held.js";
import { give, state, takeAway } from "./people.js";
import { labelsField, pairs, replacing } from "./quota.js";

const TABS = [["Roles", "", roles], ["Sessions and tokens", "tokens", tokens], ["Account", "account", account]];

export default async function person(view) {
  const { user: id, tab = "" } = view.params;
  const path = `/v1/users/${enc(id)}`;
  const { data: user, etag } = await call("GET", path);
  const lacks = ([, one]) => one === "tokens" && user.id !== session.me.id && !may("tokens.read") && user.denied && `the permission tokens.read${may("users.manage") ? ", or every grant that the user holds" : ""}: ask an administrator for it`;
  const [, , part] = tabOf(TABS, tab, lacks);
  const base = `/people/${enc(id)}`;
  return [
    heading(user.display_name, { trail: [["People", "/people"]], note: [user.username, " · ", user.id, " ", state(user)] }),
    tabs(user.display_name, TABS.filter((one) => !lacks(one)).map(([label, one]) => [label, one ? `${base}/${one}` : base, one === tab])),
    await part(view, { ...user, path, etag, mine: user.id === session.me.id }),
  ];
}

async function roles(view, user) {
  const place = h("div");
  await live(`${user.path}/access`, async (found) => put(place, await held(found)), view);
  return [place, panel("By the roles of a cluster itself", await inCluster(view, user))];

  async function held(found) {
    const own = may("bindings.manage") ? await every(`/v1/bindings?user=${enc(user.id)}`) : [];
    const last = (one) => own.filter((other) => one.where === "Sekisho" && other.role_id === one.role.id).map(takeAway);
    const nothing = empty("No roles.", "Without a role, a person may sign in and do nothing else. Give a global role here, or make the person a member of a cluster or project.");
    return panel("Roles everywhere", ...heldRoles(found, nothing, last),
      { actions: [may("bindings.manage") && button("Give a global role", () => give({ user: user.id }, user.display_name), { kind: "" })] });
  }
}

async function inCluster(view, user) {
  const clusters = (await every("/v1/clusters")).filter(isImported).filter((one) => one.permissions.includes("cluster.members.read"));
  const place = h("div", { role: "status" });
  if (!clusters.length) return h("p", { class: "faint" }, "You manage the members of no cluster.");
  return [form({
    inline: true,
    fields: [{ name: "cluster", label: "Cluster", type: "select", options: clusters.map((one) => [one.id, one.name]) }],
    submit: "Show",
    action: async ({ cluster }) => {
      const { rbac } = await get(`${user.path}/access?cluster=${enc(cluster)}`, { signal: view.signal });
      put(place, rbac?.roles.length ? rbac.roles.map((one) => h("details", null, h("summary", null, chainText(one.steps), one.namespace && ` in ${one.namespace}`), rulesTable(one.rules)))
        : h("p", null, "No role or binding in the cluster names this person or their groups."), rbac?.gaps.map((one) => h("p", { class: "faint" }, one)));
    },
  }), place];
}

function tokens(view, user) {
  const list = table({ caption: "sessions and tokens", view, key: "name", columns: [
    { label: "Kind", cell: (one) => [KINDS[one.kind] || one.kind, h("small", null, one.description || one.name)], sort: (one) => one.kind, text: (one) => `${one.kind} ${one.description} ${one.name}` },
    { label: "Account", cell: (one) => one.principal, text: (one) => one.principal },
    { label: "Scope", cell: (one) => [one.read_only ? "Read-only" : "All that the person may do", one.clusters.length > 0 && ` in ${plural(one.clusters.length, "cluster")}`] },
    { label: "Created", cell: (one) => when(one.created_at), sort: (one) => one.created_at },
    { label: "Last used", cell: (one) => when(one.last_used_at), sort: (one) => one.last_used_at },
    { label: "Ends", cell: (one) => when(one.expires_at), sort: (one) => one.expires_at },
    { label: "", narrow: true, cell: (one) => (user.mine || !user.denied) && button("Revoke", async () => {
      await call("DELETE", `/v1/tokens/${enc(one.name)}`);
      say(`${one.name} is revoked.`);
      await again();
    }, { label: `Revoke ${one.name}` }) },
  ], empty: empty("No sessions and no tokens.", "The person is signed in nowhere.") });
  const again = watch(`/v1/tokens?user=${enc(user.id)}&expired=false`, list.update, { ...view, key: "name" });
  return panel("Sessions and tokens", list.element, { actions: [!user.denied && button("Revoke all", () => confirm({
    title: `Revoke all tokens and sessions of ${user.display_name}`,
    lost: ["Every session in a browser or command line ends.", "Every token and kubeconfig with a token stops working, pipelines included."],
    submit: "Revoke all",
    action: async () => {
      say(`${(await call("DELETE", `${user.path}/tokens`)).data.revoked} revoked.`);
      await again();
    },
  }), { kind: "quiet danger" })] });
}
const KINDS = { session: "Session", token: "Token", kubeconfig: "Kubeconfig" };

function account(view, user) {
  const edit = !user.denied;
  const change = async (body) => {
    await call("PATCH", user.path, body, { etag: user.etag });
    await view.refresh();
  };
  const local = user.principals.some((one) => one.provider === "local");
  const refresh = button("Refresh now", async () => {
    const { data } = await call("POST", `${user.path}/refresh`);
    await view.refresh();
    say(data.items.map((one) => `${one.principal}: ${one.result.replaceAll("_", " ")}.`).join(" "));
  });
  return [
    panel("Accounts", user.principals.map((one) => facts([one.provider, [one.display_name, h("div", { class: "faint" }, one.id)]], ["State", one.refresh === "ok" ? badge("good", "Current") : badge("warn", one.refresh === "failing" ? "The provider does not confirm it" : "Must sign in again")])),
      facts(["Created", when(user.created_at)]), may("users.manage") && denied(user), { actions: [edit && refresh] }),
    edit && panel("Change", form({
      fields: [{ name: "display_name", label: "Display name", value: user.display_name, required: true, maxlength: 64 }, labelsField(user.labels)],
      submit: "Save", reload: view.refresh,
      action: async ({ display_name, labels }) => {
        await change({ display_name, labels: replacing(user.labels, pairs(labels)) });
        say("The account is saved.");
      },
    }), { actions: [
      local && button("Reset password", () => reset(user)),
      user.enabled ? !user.mine && button("Disable", () => confirm({
        title: `Disable user ${user.display_name}`, submit: "Disable",
        lost: ["Sessions and running requests end immediately, and no token works while the user is disabled.", "Roles and tokens stay, for when the user is enabled again."],
        action: async () => {
          await change({ enabled: false });
          say(`${user.display_name} is disabled.`);
        },
      }), { kind: "quiet danger" }) : button("Enable", () => change({ enabled: true })),
      !user.mine && button("Delete", () => confirm({
        title: `Delete user ${user.display_name}`, typed: user.username, submit: "Delete user",
        lost: ["All tokens, sessions, roles, and memberships of the user.", "What the user created in clusters stays. If a provider still admits the person, the next sign-in creates a new user without roles."],
        action: async () => {
          await call("DELETE", user.path, undefined, { etag: user.etag });
          await navigate("/people");
          say(`${user.display_name} is deleted.`);
        },
      }), { kind: "quiet danger" })] }),
  ];
}

function reset(user) {
  formDialog(`New password for ${user.display_name}`, {
    before: h("p", null, "The user must change it at the next sign-in, within 24 hours. Sessions end."),
    fields: [
      { name: "new_password", label: "New password", type: "password", autocomplete: "new-password", required: true },
      { name: "revoke_tokens", label: "Also revoke tokens and kubeconfigs", type: "checkbox" },
    ],
    submit: "Set password",
    action: async (values) => {
      await call("POST", `${user.path}/password`, values);
      say(`${user.display_name} has a new password.`);
    },
  });
}
