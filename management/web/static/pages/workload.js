// One workload, in tabs: its state with pods, revisions, and events; and the logs of its containers.

import { get } from "../frame/api.js";
import { enc, h, put, when } from "../frame/dom.js";
import { live } from "../frame/live.js";
import { tabOf } from "../frame/router.js";
import { table } from "../frame/table.js";
import { badge, button, facts, heading, panel, tabs } from "../frame/ui.js";
import { actionButtons, rollBack } from "./workload_changes.js";
import { KINDS, counts, gaps, stateBadge, workloadPath } from "./workloads.js";

const TABS = [["Overview", "", overview], ["Logs", "logs", logs]];

export default async function workload(view) {
  const { cluster, tab = "" } = view.params;
  const base = workloadPath(cluster, view.params);
  const path = `/v1${base}`;
  const [place, first] = await Promise.all([get(`/v1/clusters/${enc(cluster)}`), get(path)]);
  const { actions } = await get(`${path}/actions`).catch(() => ({ actions: [] }));
  const target = { ...first, first, path, base, place, may: (action) => actions.includes(action) };
  const lacks = ([, one]) => one && !target.may(one) && "the right to read the logs of its pods, which the cluster's roles give: ask its owner for it";
  const [, , part] = tabOf(TABS, tab, lacks);
  const shown = TABS.filter((one) => !lacks(one));
  const buttons = h("div", { class: "actions" });
  const parts = await part(view, target, (now) => put(buttons, actionButtons(target, now, () => target.read())));
  return [
    heading(first.name, {
      trail: [["Clusters", "/clusters"], [place.name, `/clusters/${enc(cluster)}`], ["Workloads", `/clusters/${enc(cluster)}/workloads`]],
      note: [`${KINDS[first.kind]} in ${first.namespace}`, first.project && [" of ", h("a", { href: `/projects/${enc(first.project)}/workloads` }, first.project_name)]],
      actions: [buttons],
    }),
    tabs(first.name, shown.map(([label, one]) => [label, one ? `${base}/${one}` : base, one === tab])),
    parts,
  ];
}

async function logs(view, target) {
  return (await import("./workload_log.js")).log(view, target);
}

async function overview(view, target, changed) {
  const summary = h("div");
  const tables = [conditions(), pods(target), revisions(target, () => target.read()), jobs(target), events()];
  const rest = h("div");
  // Unchanged tables stay, so that what has the focus keeps it.
  target.read = await live(target.path, (now) => {
    changed(now);
    put(summary, state(now));
    for (const one of tables) one.show(now);
    put(rest, gaps(now.incomplete));
  }, { ...view, stream: false, first: target.first });
  // The list is streamed: when the row changes, all of the workload is read again.
  const row = new URLSearchParams({ namespace: target.first.namespace, kind: target.first.kind, search: target.first.name, limit: 20 });
  live(`/v1/clusters/${enc(target.place.id)}/workloads?${row}`, latest(() => target.read()), { ...view, streamed: true }).catch(() => {});
  return [summary, tables.map((one) => one.element), rest];
}

// Call read() one call at a time, and once more for calls that come meanwhile.
function latest(read) {
  let running = null;
  let wanted = false;
  const run = async () => {
    while (wanted) {
      wanted = false;
      await read().catch(() => {});
    }
    running = null;
  };
  return () => {
    wanted = true;
    running ||= run();
  };
}

const state = (now) => h("div", { class: "grid" },
  panel("State", facts(
    ["State", stateBadge(now.state)],
    ["Pods", counts(now)],
    ["Available", now.available],
    ["Schedule", now.schedule && h("code", null, now.schedule)],
    ["Last scheduled", now.last_scheduled_at && when(now.last_scheduled_at)],
    ["Revision", now.revision],
    ["Created", when(now.created_at)],
    ["Labels", Object.entries(now.labels).map(([key, value]) => h("code", { class: "label" }, `${key}=${value}`))],
  )),
  panel("Containers", h("ul", { class: "rows" }, now.containers.map((one) => h("li", null, h("strong", null, one.name), one.init && " (init)", h("div", null, h("code", null, one.image)),
    h("div", { class: "faint" }, [one.ports.length && `ports ${one.ports.join(", ")}`, amounts("requests", one.requests), amounts("limits", one.limits)].filter(Boolean).join("; ")))))));

const amounts = (word, found) => Object.keys(found).length > 0 && `${word} ${Object.entries(found).map(([name, one]) => `${one} ${name}`).join(", ")}`;

// A table with a title, which is hidden while it has no rows. `pick(now)` returns these.
function section(title, pick, options) {
  const list = table({ search: false, caption: title.toLowerCase(), ...options });
  const element = panel(title, list.element);
  return { element, show(now) {
    const rows = pick(now);
    element.hidden = rows.length === 0;
    list.update(rows);
  } };
}

const conditions = () => section("Conditions", (now) => now.conditions, { key: "type", columns: [
  { label: "Condition", cell: (one) => one.type },
  { label: "State", cell: (one) => one.status },
  { label: "Reason", cell: (one) => [one.reason, one.message && h("div", { class: "faint" }, one.message)] },
] });

const pods = ({ base, may, kind }) => section("Pods", (now) => now.pods, { key: "uid", columns: [
  { label: "Name", cell: (one) => one.name },
  { label: "State", cell: (one) => [stateBadge(one.state), one.reason && h("small", null, one.reason), one.message && h("div", { class: "faint" }, one.message)] },
  { label: "Containers", cell: (one) => one.containers.map((each) => h("div", null, each.name, h("small", null, [each.state || "not started", each.reason, each.exit_code !== null && `exit code ${each.exit_code}`, each.message].filter(Boolean).join(", ")))) },
  { label: "Restarts", cell: (one) => one.restarts },
  { label: "Node", cell: (one) => one.node },
  { label: "Age", cell: (one) => when(one.created_at) },
  { label: "", narrow: true, cell: (one) => may("logs") && h("a", { class: "button quiet", href: kind === "pod" ? `${base}/logs` : `${base}/logs?pod=${enc(one.name)}`, "aria-label": `Logs of ${one.name}` }, "Logs") },
] });

const revisions = (target, read) => section("Revisions", (now) => now.revisions, { key: "uid", columns: [
  { label: "Revision", cell: (one) => one.revision },
  { label: "State", cell: (one) => one.current && badge("good", "Current") },
  { label: "Images", cell: (one) => one.images.map((image) => h("small", null, image)) },
  { label: "Pods", cell: (one) => one.ready !== null && `${one.ready} of ${one.desired} ready` },
  { label: "Cause", cell: (one) => one.change_cause },
  { label: "Age", cell: (one) => when(one.created_at) },
  { label: "", narrow: true, cell: (one) => !one.current && target.may("rollback") && button("Roll back", () => rollBack(target, one, read), { label: `Roll back to revision ${one.revision}` }) },
] });

const jobs = ({ place }) => section("Jobs", (now) => now.jobs, { key: "uid", columns: [
  { label: "Name", cell: (one) => h("a", { href: workloadPath(place.id, one) }, one.name) },
  { label: "State", cell: (one) => stateBadge(one.state) },
  { label: "Pods", cell: counts },
  { label: "Age", cell: (one) => when(one.created_at) },
] });

const events = () => section("Events", (now) => now.events.map((one, id) => ({ ...one, id })), { columns: [
  { label: "Type", cell: (one) => badge(one.type === "Normal" ? "plain" : "warn", one.type || "Unknown") },
  { label: "Reason", cell: (one) => one.reason },
  { label: "Object", cell: (one) => `${one.object.kind} ${one.object.name}` },
  { label: "Message", cell: (one) => one.message },
  { label: "Count", cell: (one) => one.count },
  { label: "Last", cell: (one) => when(one.last_seen) },
] });
