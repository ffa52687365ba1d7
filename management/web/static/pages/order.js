// An order of a cluster: its steps in the engine's own words, its machines, and changes of it.

import { call, every, get, holds, isChangeable } from "../frame/api.js";
import { enc, h, plural, put, upper, when } from "../frame/dom.js";
import { confirm, formDialog } from "../frame/form.js";
import { live } from "../frame/live.js";
import { navigate } from "../frame/router.js";
import { table } from "../frame/table.js";
import { badge, button, empty, facts, panel, say } from "../frame/ui.js";
import { atField, atFields, managementField } from "./order_fields.js";

const STEPS = [
  ["ordered", "Ordered"],
  ["accepted", "Accepted by the engine"],
  ["provisioning", "Machines are made"],
  ["initialized", "Control plane responds"],
  ["importing", "Sekisho imports it"],
  ["ready", "Ready"],
];

// The panel of an order. update(cluster) shows a newer state; what did not change stays in place.
export function orderPanel(view, first) {
  const bar = h("progress", { max: STEPS.length - 1 });
  const list = h("ol", { class: "steps" });
  const words = h("p", { role: "status" });
  const rest = h("div");
  const actions = h("div", { class: "actions" });
  let known = "";

  function steps(order) {
    const at = STEPS.findIndex(([state]) => state === order.state);
    bar.hidden = list.hidden = at < 0 || order.state === "ready";
    if (!bar.hidden) {
      bar.value = at;
      bar.setAttribute("aria-label", `Step ${at + 1} of ${STEPS.length}: ${STEPS[at][1]}`);
      put(list, STEPS.map(([, label], i) => h("li", { class: i < at && "done", "aria-current": i === at && "step" }, label)));
    }
    put(words, h("strong", null, stateWord(order)), order.message);
  }
  function more(cluster) {
    put(rest, details(cluster.provision));
    put(actions, changes(cluster));
  }
  async function update(cluster) {
    const text = JSON.stringify([cluster.provision, cluster.permissions]);
    if (text === known) return;
    known = text;
    steps(cluster.provision);
    // Lists leave out what is wanted, and the conditions of the engine.
    const full = await get(pathOf(cluster), { signal: view.signal }).catch(() => null);
    if (full?.provision && known === text) more(full);
  }
  steps(first.provision);
  more(first);
  return { element: panel("Order", bar, list, words, rest, actions), update };
}

const stateWord = ({ state, slow, engine_away }) =>
  `${upper(state)}${slow ? ", slower than usual" : ""}${engine_away ? ", the engine does not respond" : ""}: `;

function details(order) {
  const conditions = (order.conditions || []).filter((one) => one.message);
  return [
    facts(
      ["In this state", when(order.since)],
      ["Class", order.class],
      ["Kubernetes", order.version],
      ["Machines", order.ready?.of > 0 && `${order.ready.machines} of ${order.ready.of} ready`],
      ["Pools", order.wanted?.pools?.map((one) => h("div", null, `${one.name}: ${plural(one.replicas, "machine")} of ${one.class}`))],
    ),
    conditions.length > 0 && h("details", null, h("summary", null, "What the engine reports"), conditionTable(conditions)),
  ];
}

function conditionTable(found) {
  const list = table({ caption: "conditions of the engine", key: "type", search: false, columns: [
    { label: "Condition", cell: (one) => one.type },
    { label: "State", cell: (one) => one.status },
    { label: "Reason", cell: (one) => [one.reason, h("div", { class: "faint" }, one.message)] },
    { label: "Since", cell: (one) => when(one.since) },
  ] });
  list.update(found);
  return list.element;
}

// What the reader may do with an order. Adopted clusters are changed where they were made. A Cluster that
// is not where the order looks for it can be somewhere else.
function changes(cluster) {
  const order = cluster.provision;
  if (!holds(cluster, "cluster.edit") || order.infrastructure) return [];
  return [
    isChangeable(order) && button("Scale", () => scale(cluster), { label: `Scale ${cluster.name}` }),
    isChangeable(order) && button("Upgrade", () => upgrade(cluster), { label: `Upgrade ${cluster.name}` }),
    (order.state === "foreign" || order.engine_away) && button("Reattach", () => reattach(cluster), { label: `Reattach ${cluster.name}` }),
    button("Delete", () => remove(cluster), { label: `Delete ${cluster.name}`, kind: "danger" }),
  ];
}

const pathOf = ({ id }) => `/v1/clusters/${enc(id)}`;

// The order as it is now, with the ETag for a change.
async function present(cluster, failed = atFields) {
  const { data, etag } = await call("GET", pathOf(cluster));
  return { order: data.provision, patch: (provision) => call("PATCH", pathOf(cluster), { provision }, { etag }).catch(failed) };
}

async function scale(cluster) {
  const { order, patch } = await present(cluster);
  const { pools } = order.wanted;
  formDialog(`Pools of ${cluster.name}`, {
    before: h("p", { class: "faint" }, "A pool with fewer machines loses the data on those that are deleted."),
    fields: pools.map((one, i) => ({ name: `pools.${i}`, label: `Machines in ${one.name}`, type: "number", min: 0, required: true, value: one.replicas })),
    submit: "Scale",
    action: async (values) => {
      await patch({ pools: pools.map(({ name, class: of }, i) => ({ name, class: of, replicas: Number(values[`pools.${i}`]) })) });
      say(`${cluster.name} is being scaled.`);
    },
  });
}

async function upgrade(cluster) {
  const { order, patch } = await present(cluster);
  const classes = await every("/v1/provisioning/classes");
  const found = classes.find((one) => one.management === order.management && one.name === order.class);
  const versions = (found?.versions || []).filter((one) => compare(one, order.wanted.version) > 0);
  formDialog(`Upgrade ${cluster.name}`, {
    before: h("p", { class: "faint" }, `It has ${order.version}. The engine replaces machines one after the other, and refuses versions that do not follow.`),
    fields: [versions.length
      ? { name: "version", label: "Version", type: "select", value: versions[0], options: versions.map((one) => [one, one]) }
      : { name: "version", label: "Version", required: true, placeholder: "v1.37.0", spellcheck: "false" }],
    submit: "Upgrade",
    action: async (values) => {
      await patch({ version: values.version });
      say(`${cluster.name} is being upgraded to ${values.version}.`);
    },
  });
}

const compare = (a, b) => a.localeCompare(b, "en", { numeric: true });

async function reattach(cluster) {
  const { order, patch } = await present(cluster, atField(() => "management"));
  const management = await managementField(undefined, order.management);
  confirm({
    title: `Reattach cluster ${cluster.name}`,
    lost: [
      "Sekisho follows the Cluster of this name in the chosen management cluster, if it has the order's label: after a move there, or after a restored backup.",
      "Sekisho reads its kubeconfig there, and no longer reads one in the former management cluster.",
      "Members, projects, and kubeconfigs stay. So do its version, its sizes, and its variables.",
    ],
    submit: "Reattach",
    fields: [{ ...management, hint: "Where the Cluster is now." }],
    action: async ({ management: where }) => {
      await patch({ management: where });
      say(`${cluster.name} is attached to its Cluster.`);
    },
  });
}

const ENDS = [
  ["delete", "Delete the machines", "The engine deletes them with all data on them. They cost nothing afterwards."],
  ["keep", "Keep the machines", "They continue, and cost what they cost. Sekisho forgets the order, and never imports the cluster again."],
];

export async function remove(cluster) {
  const { etag } = await call("GET", pathOf(cluster));
  confirm({
    title: `Delete cluster ${cluster.name}`,
    lost: [
      "Its projects and memberships, in Sekisho.",
      "Kubeconfigs and tokens for this cluster stop working.",
    ],
    typed: cluster.name,
    submit: "Delete cluster",
    fields: [{ name: "infrastructure", label: "What happens to its machines", type: "radio", required: true, options: cluster.provision.adopted ? ENDS.slice(1) : ENDS }],
    action: async ({ infrastructure }) => {
      await call("DELETE", `${pathOf(cluster)}?infrastructure=${infrastructure}`, undefined, { etag });
      await navigate("/clusters");
      say(infrastructure === "delete" ? `${cluster.name} is being deleted. It is listed until its machines are gone.` : `${cluster.name} is removed. Its machines continue.`);
    },
  });
}

export async function machines(view, cluster) {
  const list = table({ caption: "machines", view, key: "name", sort: "Name", columns: [
    { label: "Name", cell: (one) => one.name, sort: (one) => one.name, text: (one) => one.name },
    { label: "Pool", cell: (one) => one.pool || "control plane", sort: (one) => one.pool || "", text: (one) => one.pool },
    { label: "State", cell: (one) => [badge(one.ready ? "good" : "warn", one.deleting ? "Deleting" : one.ready ? "Ready" : one.phase || "Not ready"), one.message && h("div", { class: "faint" }, one.message)], sort: (one) => one.phase, text: (one) => `${one.phase} ${one.message}` },
    { label: "Version", cell: (one) => one.version, sort: (one) => one.version },
    { label: "Node", cell: (one) => one.node, text: (one) => one.node },
  ], empty: empty("No machines yet.", "They appear when the engine makes them.") });
  await live(`${pathOf(cluster)}/machines`, ({ items }) => list.update(items), { ...view, stream: false });
  return panel("Machines", list.element);
}
