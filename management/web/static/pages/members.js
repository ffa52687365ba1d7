// Members of a cluster or a project: add, change the role, remove.

import { call, every } from "../frame/api.js";
import { enc, h, when } from "../frame/dom.js";
import { confirm, formDialog } from "../frame/form.js";
import { watch } from "../frame/live.js";
import { principalField } from "./principal_field.js";
import { table } from "../frame/table.js";
import { button, empty, panel, say } from "../frame/ui.js";

// base: "/v1/clusters/x" or "/v1/projects/x"; id: x; scope: the scope of its roles; place: its name for
// sentences; edit: whether the reader may change members.
export async function members(view, { base, id, scope, place, edit = true }) {
  const roles = edit ? await every(`/v1/roles?scope=${scope}&grantable_in=${enc(id)}`) : [];
  const list = table({ caption: "members", view, sort: "Name", columns: [
    { label: "Name", cell: (one) => [one.display_name, h("small", null, one.username || one.group || one.user)], sort: (one) => one.display_name, text: (one) => `${one.display_name} ${one.username || ""} ${one.group || ""}` },
    { label: "Kind", cell: (one) => one.kind === "group" ? "Group" : "Person", sort: (one) => one.kind },
    { label: "Provider", cell: (one) => one.provider, text: (one) => one.provider },
    { label: "Role", cell: (one) => one.role, sort: (one) => one.role, text: (one) => one.role },
    { label: "Since", cell: (one) => when(one.created_at), sort: (one) => one.created_at },
    { label: "", narrow: true, cell: (one) => !one.denied && h("div", { class: "actions" },
      button("Change", () => change(one), { label: `Change the role of ${one.display_name}` }),
      button("Remove", () => remove(one), { label: `Remove ${one.display_name}` })) },
  ], empty: empty("No members yet.", "Add a person or a group; administrators may enter in any case.", edit && button("Add member", add, { kind: "" })) });
  watch(`${base}/members`, list.update, view);

  const role = (value) => ({ name: "role", label: "Role", type: "radio", value, options: roles.map((one) => [one.id, one.name, one.description]) });
  const granted = (name, { bound, pending }) => say(bound || !pending ? `${name} is a member of ${place}.` : `${name} is a member of ${place}. ${pending}`);

  function add() {
    formDialog(`Add a member to ${place}`, {
      fields: [principalField(), role(roles.find((one) => one.name === "member")?.id)],
      submit: "Add member",
      action: async ({ user, role: wanted }, { key }) => {
        const { data } = await call("POST", `${base}/members`, { ...user, role: wanted }, { key });
        granted(data.display_name, data);
      },
    });
  }

  function change(one) {
    formDialog(`Role of ${one.display_name}`, {
      fields: [role(one.role_id)],
      submit: "Change role",
      action: async ({ role: wanted }) => {
        const { data } = await call("PUT", `${base}/members/${enc(one.user || one.group)}`, { role: wanted });
        granted(one.display_name, data);
      },
    });
  }

  function remove(one) {
    confirm({
      title: `Remove ${one.display_name} from ${place}`,
      submit: `Remove ${one.display_name}`,
      lost: [`${one.display_name} loses every role in ${place}, and running requests that need them end.`, one.kind === "group" && "This concerns each person of the group who has no other role."].filter(Boolean),
      action: async () => {
        await call("DELETE", `${base}/members/${enc(one.user || one.group)}`);
        say(`${one.display_name} is no longer a member of ${place}.`);
      },
    });
  }

  return panel("Members", list.element, { actions: [edit && button("Add member", add, { kind: "" })] });
}
