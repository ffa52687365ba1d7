// One cluster, in tabs: overview, machines, variables, workloads, nodes, events, usage, members, projects, settings.

import { get, holds, isChangeable, isImported, may } from "../frame/api.js";
import { cores, enc, gib, h, put, when } from "../frame/dom.js";
import { live, watch } from "../frame/live.js";
import { navigate, tabOf } from "../frame/router.js";
import { table } from "../frame/table.js";
import { badge, button, empty, facts, heading, linkButton, panel, say, tabs } from "../frame/ui.js";
import { deprecations, events, objectOf, usage } from "./cluster_reports.js";
import { usage as meters } from "./clusters.js";
import { canEnter, getKubeconfig, health, healthBadge } from "./kubeconfig.js";

// [label, path, permission, part(view, cluster), exists(cluster)]. Without `exists`: of imported clusters.
const TABS = [
  ["Overview", "", null, overview, () => true],
  ["Machines", "machines", null, async (view, one) => (await import("./order.js")).machines(view, one), (one) => one.provision],
  ["Variables", "variables", "cluster.edit", async (view, one) => (await import("./order_variables.js")).variables(view, one), ({ provision }) => provision && isChangeable(provision)],
  ["Workloads", "workloads", null, async (view, one) => (await import("./workloads.js")).workloads(view, { cluster: one.id })],
  ["Nodes", "nodes", "nodes.read", nodes],
  ["Events", "events", "nodes.read", events],
  ["Usage", "usage", "nodes.read", usage],
  ["Members", "members", "cluster.members.read", async (view, one) => (await import("./members.js")).members(view, { base: `/v1/clusters/${enc(one.id)}`, id: one.id, scope: "cluster", place: one.name, edit: holds(one, "cluster.members") })],
  ["Projects", "projects", null, projects],
  ["Provisioning", "provisioning", "clusters.manage", async (view, one) => (await import("./cluster_management.js")).management(view, one)],
  ["Settings", "settings", "cluster.edit", async (view, one) => (await import("./cluster_settings.js")).settings(view, one)],
];

export default async function cluster(view) {
  const { cluster: id, tab = "" } = view.params;
  const found = await get(`/v1/clusters/${enc(id)}`);
  const there = TABS.filter(([, , , , exists = isImported]) => exists(found));
  const lacks = ([, path, needs]) => {
    if (path === "workloads") return found.role === "auditor" && "a role that enters the cluster: ask its owner for one";
    return needs && !holds(found, needs) && !may(needs) && `the permission ${needs} in the cluster: ask its owner for it`;
  };
  const [, here, , part] = tabOf(there, tab, lacks);
  const shown = there.filter((one) => !lacks(one));
  const base = `/clusters/${enc(id)}`;
  return [
    heading(found.name, {
      trail: [["Clusters", "/clusters"]],
      note: `${found.id} · your role: ${found.role}`,
      actions: [canEnter(found) && button("Kubeconfig", () => getKubeconfig(found))],
    }),
    tabs(found.name, shown.map(([label, path]) => [label, path ? `${base}/${path}` : base, path === here])),
    await part(view, found),
  ];
}

async function overview(view, first) {
  const order = first.provision && (await import("./order.js")).orderPanel(view, first);
  const place = h("div");
  const show = (now) => {
    order?.update(now);
    if (isImported(now)) put(place, summary(now));
  };
  watch(`/v1/clusters?name=${enc(first.name)}`, ([now]) => {
    if (now && isImported(now) === isImported(first)) return show(now);
    if (now || !order) return view.refresh();
    navigate("/clusters", { replace: true }).then(() => say(`${first.name} is gone.`));
  }, view);
  show(first);
  return [order?.element, place, isImported(first) && (await deprecations(view, first)), first.agents && (await agents(view, first))];
}

async function agents(view, cluster) {
  const list = table({ caption: "agents", search: false, columns: [
    { label: "Pod", cell: (one) => one.pod },
    { label: "Node", cell: (one) => one.node },
    { label: "Version", cell: (one) => one.version },
    { label: "Since", cell: (one) => when(one.since) },
    { label: "State", cell: (one) => (one.trust === "verified" ? badge("good", "Verified") : [badge(one.trust === "refused" ? "bad" : "warn", one.trust === "refused" ? "Refused" : "Not verified"), one.reason && h("div", { class: "faint" }, one.reason)]) },
  ], empty: empty("No agent is connected.", "Look at the pods sekisho-agent in the namespace sekisho-system, and at their log.") });
  const show = (now) => list.update((now.agents || []).map((one, id) => ({ ...one, id })));
  await live(`/v1/clusters/${enc(cluster.id)}`, show, { ...view, stream: false }); // Not in the list's events.
  return panel("Agents", list.element);
}

function summary(cluster) {
  const { status } = cluster;
  const [, word, why] = health(cluster);
  // The panel of the capacity already says that there is no metrics-server.
  const unread = (status?.reports || []).filter((one) => one.status !== "True" && one.reason !== "NotInstalled");
  return [
    h("div", { class: "grid" },
      panel("Health", facts(
        ["State", [healthBadge(cluster), why && h("div", { class: "faint" }, why)]],
        ["Kubernetes", status?.version],
        ["Provider", status?.provider],
        ["Nodes", status?.nodes && `${status.nodes.ready} of ${status.nodes.total} ready`],
        ["Kubelets", Object.entries(status?.nodes?.versions || {}).map(([version, count]) => h("div", null, `${version} (${count})`))],
        ["Last response", status && when(status.last_seen_at)],
        ["Imported", when(cluster.created_at)],
        ["Labels", Object.entries(cluster.labels).map(([key, value]) => h("code", { class: "label" }, `${key}=${value}`))],
        ["Reserved until", cluster.pending_until && when(cluster.pending_until)],
        ["Address for kubectl", h("code", null, cluster.url)],
        ["Reached", cluster.reach && (cluster.reach === "agent" ? "through its agent" : "directly")],
        ["API servers", cluster.servers?.map((one) => h("div", null, h("code", null, one)))],
        ["Certificate of API servers ends", status?.certificate && when(status.certificate.ends_at)],
        ["Tokens of Sekisho end", cluster.tokens_expire_at && when(cluster.tokens_expire_at)],
      ), !status && word === "Unknown" && h("p", { class: "faint" }, holds(cluster, "nodes.read") ? "Sekisho has not read the state of this cluster yet." : "Your role does not include the state of this cluster.")),
      status?.nodes && panel("Capacity", meters(cluster), !status.usage && h("p", { class: "faint" }, "Install metrics-server in the cluster to see what is used."))),
    status?.conditions?.length > 0 && panel("Conditions", conditions(status.conditions)),
    unread.length > 0 && panel("Not read", conditions(unread)),
    status?.warnings && panel("Warnings in the last hour", warnings(status.warnings)),
  ];
}

function conditions(found) {
  const list = table({ caption: "conditions", key: "type", search: false, columns: [
    { label: "Condition", cell: (one) => one.type },
    { label: "State", cell: (one) => one.status === "True" ? badge("good", "Yes") : badge("bad", "No") },
    { label: "Reason", cell: (one) => [one.reason, one.message && h("div", { class: "faint" }, one.message)] },
    { label: "Since", cell: (one) => when(one.since) },
  ] });
  list.update(found);
  return list.element;
}

function warnings({ latest, total }) {
  if (!total) return h("p", { class: "faint" }, "None.");
  const list = table({ caption: "warnings", key: "id", search: false, columns: [
    { label: "Reason", cell: (one) => one.reason },
    { label: "Object", cell: objectOf },
    { label: "Message", cell: (one) => one.message },
    { label: "Count", cell: (one) => one.count },
    { label: "Last", cell: (one) => when(one.last_at) },
  ] });
  list.update(latest.map((one, id) => ({ ...one, id })));
  return list.element;
}

function nodes(view, { id }) {
  const list = table({ caption: "nodes", view, key: "uid", sort: "Name", columns: [
    { label: "Name", cell: (one) => one.name, sort: (one) => one.name, text: (one) => one.name },
    { label: "State", cell: nodeState, sort: (one) => String(one.ready) },
    { label: "Roles", cell: (one) => one.roles?.join(", "), text: (one) => one.roles?.join(" ") },
    { label: "Version", cell: (one) => one.version, sort: (one) => one.version, text: (one) => one.version },
    { label: "CPU", cell: (one) => one.allocatable?.cpu && cores(one.allocatable.cpu) },
    { label: "Memory", cell: (one) => one.allocatable?.memory && `${gib(one.allocatable.memory)} GiB` },
    { label: "System", cell: (one) => [one.os, one.architecture].filter(Boolean).join(", "), text: (one) => one.os },
    { label: "Since", cell: (one) => when(one.created_at || one.appeared_at), sort: (one) => one.appeared_at },
  ], empty: empty("No nodes are known.", "They appear when Sekisho has read them from the cluster.") });
  watch(`/v1/clusters/${enc(id)}/nodes`, list.update, { ...view, key: "uid" });
  return panel("Nodes", list.element);
}

function nodeState(one) {
  const pressed = (one.conditions || []).filter(({ type, status }) => type !== "Ready" && status === "True").map(({ type }) => type);
  if (!one.ready) return badge("bad", "Not ready");
  if (pressed.length) return badge("warn", pressed.join(", "));
  return one.unschedulable ? badge("warn", "Ready, no new pods") : badge("good", "Ready");
}

function projects(view, cluster) {
  const create = (holds(cluster, "projects.create") || holds(cluster, "cluster.projects")) && linkButton("Create project", `/projects/new?cluster=${enc(cluster.id)}`, "");
  const list = table({ caption: "projects", view, sort: "Name", columns: [
    { label: "Name", cell: (one) => h("a", { href: `/projects/${one.id}` }, one.name), sort: (one) => one.name, text: (one) => `${one.name} ${one.description}` },
    { label: "Description", cell: (one) => one.description },
    { label: "Namespaces", cell: (one) => one.namespaces.join(", "), text: (one) => one.namespaces.join(" ") },
    { label: "Created", cell: (one) => when(one.created_at), sort: (one) => one.created_at },
  ], empty: empty("No projects here that you may see.", "A project gives people the same rights in several namespaces, with a quota for all of them.") });
  watch(`/v1/projects?cluster=${enc(cluster.id)}`, list.update, view);
  return panel("Projects", list.element, { actions: [create] });
}
