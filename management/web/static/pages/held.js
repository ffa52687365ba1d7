// The roles that a person or a group holds everywhere, as the API's "access" has them.

import { enc, h, plural } from "../frame/dom.js";
import { table } from "../frame/table.js";
import { chainText } from "./chains.js";

// last: the cell of a role's actions, if any. nothing: what is shown without roles.
export function heldRoles({ overall, clusters, hidden, more }, nothing, last) {
  const rows = [
    ...overall.via.map((steps) => ["Sekisho", "/people/roles", steps, overall.permissions]),
    ...clusters.flatMap((one) => [
      ...one.via.map((steps) => [one.name, `/clusters/${enc(one.id)}`, steps, one.permissions, one.cluster_roles]),
      ...one.projects.flatMap((project) => project.via.map((steps) => [`${one.name} / ${project.name}`, `/projects/${enc(project.id)}`, steps, project.permissions, project.cluster_roles])),
    ]),
  ].map(([where, link, steps, ...rest], id) => ({ id, where, link, steps, role: steps.at(-1), rest: rest.flat().filter(Boolean) }));
  const list = table({ caption: "roles", search: rows.length > 10, sort: "Where", columns: [
    { label: "Where", cell: (one) => h("a", { href: one.link }, one.where), sort: (one) => one.where, text: (one) => one.where },
    { label: "Role", cell: (one) => [h("a", { href: `/roles/${enc(one.role.id)}` }, one.role.name), h("small", null, one.rest.join(", "))], text: (one) => one.role.name },
    { label: "By", cell: (one) => chainText(one.steps), text: (one) => chainText(one.steps) },
    ...(last ? [{ label: "", narrow: true, cell: last }] : []),
  ], empty: nothing });
  list.update(rows);
  return [list.element, more > 0 && h("p", { class: "faint" }, `${plural(more, "more cluster")}.`),
    hidden > 0 && h("p", { class: "faint" }, `${plural(hidden, "more place")}, whose members you may not see.`)];
}
