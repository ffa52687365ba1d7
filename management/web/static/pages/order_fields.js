// What forms of orders and adoptions share: fields, and problems at the fields that cause them.

import { every, get, isImported } from "../frame/api.js";
import { refuse } from "../frame/router.js";

export const REACH = { name: "reach", label: "Sekisho reaches it", type: "radio", value: "direct", options: [
  ["direct", "Directly", "Sekisho connects to the address of its API server."],
  ["agent", "Through an agent", "For an address that only the management cluster reaches. Sekisho installs the agent."],
] };

// Fields have the names that they have in the order or the adoption.
export function atFields(error) {
  for (const one of error.errors || []) one.field = one.field.replace(/^(provision|adopt)\./, "");
  throw error;
}

// A problem without a field is shown at the one that `choose(problem)` names.
export const atField = (choose) => (error) => {
  const field = !error.errors?.length && [403, 409, 422, 503].includes(error.status) && choose(error);
  if (field) error.errors = [{ field, message: error.message }];
  atFields(error);
};

// The choice of a management cluster that the reader owns. Clusters that are known to have classes come
// first; whether another one is a management cluster, the API says when it is chosen.
export async function managementField(signal, value) {
  const [clusters, { items, away }] = await Promise.all([every("/v1/clusters", signal), get("/v1/provisioning/classes?limit=1000", { signal })]);
  const known = new Set([...items, ...away].map((one) => one.management));
  const rank = (one) => (known.has(one.id) || known.has(one.name) ? 0 : 1);
  const owned = clusters.filter((one) => isImported(one) && ["owner", "administrator"].includes(one.role) && !one.removing_since).sort((a, b) => rank(a) - rank(b));
  if (!owned.length) refuse("all that an owner of the management cluster holds: ask an administrator for it");
  return { name: "management", label: "Management cluster", type: "select", required: true, value: owned.some((one) => one.id === value) ? value : owned[0].id, options: owned.map((one) => [one.id, one.name]) };
}
