// Who can do something in a cluster, by which chain; and who can reach what, as a picture.

import { every, get, isImported } from "../frame/api.js";
import { enc, h, plural, put, when } from "../frame/dom.js";
import { form } from "../frame/form.js";
import { table } from "../frame/table.js";
import { badge, empty, heading, panel } from "../frame/ui.js";
import { chainText } from "./chains.js";

export default async function access(view) {
  const clusters = (await every("/v1/clusters")).filter(isImported);
  const head = heading("Who can …?", { note: "From Sekisho's roles and the cluster's own, with the chain that gives it." });
  if (!clusters.length) return [head, empty("You may not enter any cluster yet.")];
  const given = (name, other = "") => view.query.get(name) || other;
  const result = h("div", { role: "status" });
  const word = (name, label, placeholder, required) => ({ name, label, placeholder, required, value: given(name), spellcheck: "false", autocapitalize: "none" });
  const show = async ({ cluster, ...question }) => {
    view.keep({ cluster, ...question });
    const query = new URLSearchParams(Object.entries(question).filter(([, value]) => value));
    const path = `/v1/clusters/${enc(cluster)}/who-can?${query}`;
    put(result, h("p", null, "Reading the cluster's roles …"));
    try {
      put(result, answer(await get(path, { signal: view.signal }), path));
    } catch (error) {
      put(result);
      throw error;
    }
  };
  const asked = form({
    inline: true,
    fields: [
      { name: "cluster", label: "Cluster", type: "select", value: given("cluster"), options: clusters.map((one) => [one.id, one.name]) },
      word("verb", "Verb", "get", true), word("resource", "Resource", "secrets", true), word("namespace", "Namespace", "the whole cluster"), word("name", "Name", "any"),
    ],
    submit: "Ask",
    action: show,
  });
  if (given("verb") && given("resource")) setTimeout(() => view.signal.aborted || asked.requestSubmit());
  return [head, h("section", { class: "panel", "aria-label": "Question" }, asked), result, panel("Who can reach what", ...reach(view, clusters))];
}

function answer(found, path) {
  const list = table({ caption: "people and groups", key: "key", search: found.subjects.length > 10, columns: [
    { label: "Who", cell: (one) => [one.name, h("small", null, [one.kind.replace("_", " "), one.place].filter(Boolean).join(" at "), one.members !== null && `, ${plural(one.members, "member")}`)], text: (one) => one.name },
    { label: "By", cell: (one) => [one.chains.map((chain) => h("div", null, chainText(chain.steps), chain.namespace && ` in ${chain.namespace}`)), one.more_chains > 0 && h("small", null, `and ${one.more_chains} more`)] },
    { label: "State", cell: (one) => one.blocked ? badge("warn", one.blocked) : badge("good", "Can") },
  ], empty: empty("No one that you may see.") });
  list.update(found.subjects.map((one) => ({ ...one, key: `${one.kind} ${one.id}` })));
  const notes = [found.more > 0 && `${plural(found.more, "more subject")}.`, found.hidden > 0 && `${plural(found.hidden, "subject")} you may not see.`, ...found.gaps, ...found.ways.map((one) => `${one.name} may get it: ${one.by.join(", ")}.`)].filter(Boolean);
  return panel(`Who can ${found.text}`, list.element, notes.length > 0 && h("ul", null, notes.map((one) => h("li", null, one))),
    found.subjects.length > 0 && picture(`${path}&format=svg`, "The same chains as a picture"),
    h("p", { class: "faint" }, found.read_at ? ["The cluster was read ", when(found.read_at), "."] : "The cluster did not respond: only what Sekisho's roles grant."));
}

const picture = (src, alt) => h("div", { class: "picture", tabindex: 0, role: "region", "aria-label": alt }, h("img", { src, alt: "" }));

function reach(view, clusters) {
  const may = clusters.filter((one) => one.permissions.includes("cluster.members.read"));
  if (!may.length) return [h("p", { class: "faint" }, "For those who manage the members of a cluster.")];
  const place = h("div");
  return [form({
    inline: true,
    fields: [{ name: "of", label: "Cluster", type: "select", options: may.map((one) => [one.id, one.name]) }],
    submit: "Draw",
    action: async ({ of }) => {
      const found = await get(`/v1/clusters/${enc(of)}/reach`, { signal: view.signal });
      const list = table({ caption: "reach", key: "key", columns: [
        { label: "Who", cell: (one) => one.subject.name, sort: (one) => one.subject.name, text: (one) => one.subject.name },
        { label: "Role", cell: (one) => one.role.name, sort: (one) => one.role.name, text: (one) => one.role.name },
        { label: "Where", cell: (one) => one.place.name, sort: (one) => one.place.name, text: (one) => `${one.place.name} ${one.namespaces.join(" ")}` },
        { label: "From", cell: (one) => one.source === "sekisho" ? "Sekisho" : "The cluster" },
      ] });
      list.update(found.items.map((one, key) => ({ ...one, key })));
      put(place, picture(`/v1/clusters/${enc(of)}/reach?format=svg`, "Who can reach what, as a picture of the table below"), list.element, found.gaps.map((one) => h("p", { class: "faint" }, one)));
    },
  }), place];
}
