// Chains from a person to a rule in words, and rules of RBAC as a table.

import { h } from "../frame/dom.js";
import { table } from "../frame/table.js";

const WORDS = { group: "group ", service_account: "service account ", sekisho_role: "role ", cluster_role: "cluster role ", role: "role " };

// The steps of a chain without bindings: "alice → group devs → role member".
export const chainText = (steps) =>
  steps.filter((one) => !one.kind.endsWith("binding")).map((one) => (WORDS[one.kind] || "") + one.name).join(" → ");

export const ruleText = (one) => one.non_resource_urls.length
  ? `${one.verbs.join(", ")} on ${one.non_resource_urls.join(", ")}`
  : `${one.verbs.join(", ")} on ${one.resources.join(", ")} of ${one.api_groups.map((group) => group || "the core group").join(", ")}${one.resource_names.length ? `, named ${one.resource_names.join(", ")}` : ""}`;

export function rulesTable(rules) {
  const list = table({ caption: "rules", search: rules.length > 20, columns: [
    { label: "Verbs", cell: (one) => one.verbs.join(", "), text: ruleText },
    { label: "Resources or URLs", cell: (one) => [...one.resources, ...one.non_resource_urls].join(", ") },
    { label: "API groups", cell: (one) => one.api_groups.map((group) => group || "core").join(", ") },
    { label: "Names", cell: (one) => one.resource_names.join(", ") },
  ] });
  list.update(rules.map((one, id) => ({ ...one, id })));
  return list.element;
}
