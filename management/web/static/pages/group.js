// One group: its known members, and the roles that it gives to each of them.

import { may } from "../frame/api.js";
import { enc, h, put } from "../frame/dom.js";
import { live } from "../frame/live.js";
import { tabOf } from "../frame/router.js";
import { table } from "../frame/table.js";
import { button, empty, heading, panel, tabs } from "../frame/ui.js";
import { heldRoles } from "./held.js";
import { give, personColumns } from "./people.js";

export default async function group(view) {
  const { group: id, tab } = view.params;
  tabOf([["Roles", ""], ["Known members", "members"]], tab, ([, one]) => one && !may("users.read") && "the permission users.read: ask an administrator for it");
  const path = `/v1/groups/${enc(id)}`;
  const base = `/groups/${enc(id)}`;
  const place = h("div");
  const head = h("div");
  await live(`${path}/access`, (found) => {
    const { name, provider, members } = found.group;
    put(head, heading(name, { trail: [["Groups", "/groups"]], note: [provider, id].filter(Boolean).join(" · ") }),
      may("users.read") && tabs(name, [["Roles", base, tab !== "members"], [`Known members (${members})`, `${base}/members`, tab === "members"]]));
    put(place, panel("Roles everywhere", ...heldRoles(found, empty("No roles.", "Give a global role here, or make the group a member of a cluster or project.")),
      { actions: [may("bindings.manage") && button("Give a global role", () => give({ group: id, name }, name), { kind: "" })] }));
  }, view);
  return [head, tab === "members" ? members(view, path) : place];
}

function members(view, path) {
  const list = table({ caption: "members", view, remote: () => `${path}/members`, columns: personColumns,
    empty: empty("No known members.", "A person is known after the first sign-in.") });
  return panel("Known members", h("p", { class: "faint" }, "Those who have signed in, as the provider named their groups last."), list.element);
}
