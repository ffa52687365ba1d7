// The workloads of a cluster, or of a project in it, as far as the cluster lets the reader see them.

import { enc, h, plural, put, when } from "../frame/dom.js";
import { table } from "../frame/table.js";
import { badge, button, describe, empty, panel } from "../frame/ui.js";

export const KINDS = { deployment: "Deployment", statefulset: "StatefulSet", daemonset: "DaemonSet", job: "Job", cronjob: "CronJob", pod: "Pod" };
const STATES = { ready: "good", complete: "good", running: "good", progressing: "warn", paused: "warn", terminating: "warn", failed: "bad", stopped: "plain", suspended: "plain" };

export const workloadPath = (cluster, { namespace, kind, name }) => `/clusters/${enc(cluster)}/workloads/${[namespace, kind, name].map(enc).join("/")}`;
export const stateBadge = (state) => badge(STATES[state] || "plain", state[0].toUpperCase() + state.slice(1));

// How many pods are ready, and how many have the newest template.
export function counts({ kind, desired, ready, updated }) {
  if (ready === null) return "";
  if (kind === "cronjob") return plural(ready, "job runs", "jobs run");
  const of = desired === null ? `${ready}` : `${ready} of ${desired}`;
  return [kind === "job" ? `${of} complete` : `${of} ready`, updated !== null && updated !== desired && h("div", { class: "faint" }, `${updated} updated`)];
}

// Conditions that need attention: these are problems when True, all others when False.
const BAD = ["Failed", "ReplicaFailure", "Suspended", "DisruptionTarget", "FailureTarget"];
export const troubles = ({ conditions }) => conditions.filter(({ type, status }) => status === (BAD.includes(type) ? "True" : "False"));

// What could not be read, and why. The list without it is shown all the same.
export const gaps = (incomplete) => incomplete.length > 0 && panel("Not shown", h("ul", { class: "rows" }, incomplete.map((one) =>
  h("li", null, badge(one.reason === "NotFound" ? "plain" : "warn", KINDS[one.kind] ? `${KINDS[one.kind]}s` : one.kind), " ", one.message, one.namespaces.length > 0 && h("div", { class: "faint" }, one.namespaces.join(", "))))));

export function workloads(view, { cluster, project }) {
  const note = h("div");
  const choice = (name, label, options) => h("select", { "aria-label": label, name, onchange: narrowed }, [["", label], ...options].map(([value, text]) => h("option", { value, selected: view.query.get(name) === value }, text)));
  const chosen = [
    choice("kind", "All kinds", Object.entries(KINDS)),
    choice("state", "All states", Object.keys(STATES).map((one) => [one, one])),
    h("input", { name: "namespace", "aria-label": "Namespace", placeholder: "Namespace", value: view.query.get("namespace") || "", autocomplete: "off", autocapitalize: "none", spellcheck: "false", onchange: narrowed }),
  ];
  const values = () => chosen.map((one) => [one.name, one.value.trim()]);
  function narrowed() {
    view.keep(Object.fromEntries(values()));
    list.begin();
  }
  const list = table({
    caption: "workloads", view, key: "uid", sort: "name", filters: chosen, streamed: true, // The cluster is read once.
    remote: () => `/v1/clusters/${enc(cluster)}/workloads?${new URLSearchParams([["project", project || ""], ...values()].filter(([, value]) => value))}`,
    noted: ({ incomplete }) => put(note, gaps(incomplete)),
    failed: (problem) => put(note, panel("Not read", h("p", { role: "alert" }, describe(problem)), button("Try again", () => list.begin()))),
    columns: [
      { label: "Name", name: "name", cell: (one) => h("a", { href: workloadPath(cluster, one) }, one.name) },
      { label: "Namespace", name: "namespace", cell: (one) => [one.namespace, !project && one.project && h("small", null, h("a", { href: `/projects/${enc(one.project)}` }, one.project_name))] },
      { label: "Kind", name: "kind", cell: (one) => KINDS[one.kind] },
      { label: "State", name: "state", cell: (one) => [stateBadge(one.state), troubles(one).map((trouble) => h("small", null, trouble.reason || trouble.type))] },
      { label: "Pods", cell: counts },
      { label: "Images", cell: (one) => one.images.map((image) => h("small", null, image)) },
      { label: "Age", name: "created_at", cell: (one) => when(one.created_at) },
    ],
    empty: empty("No workloads here that you may see.", "Deployments, StatefulSets, DaemonSets, Jobs, CronJobs, and pods of their own appear here."),
  });
  return [panel("Workloads", list.element), note];
}
