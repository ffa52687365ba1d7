// What the controllers read in a cluster: events, usage, and deprecated APIs in use.

import { cores, enc, gib, h, put, quantity, when } from "../frame/dom.js";
import { live, watch } from "../frame/live.js";
import { table } from "../frame/table.js";
import { badge, empty, panel } from "../frame/ui.js";

export function events(view, { id }) {
  const list = table({ caption: "events", view, sort: "-Last", columns: [
    { label: "Type", cell: (one) => badge(one.type === "Normal" ? "plain" : "warn", one.type || "Unknown"), sort: (one) => one.type, text: (one) => one.type },
    { label: "Reason", cell: (one) => one.reason, sort: (one) => one.reason, text: (one) => one.reason },
    { label: "Object", cell: objectOf, sort: objectOf, text: objectOf },
    { label: "Message", cell: (one) => one.message, text: (one) => one.message },
    { label: "Count", cell: (one) => one.count, sort: (one) => one.count },
    { label: "Last", cell: (one) => when(one.last_at), sort: (one) => one.last_at },
  ], empty: empty("No events are known.", "The newest warnings of the cluster appear here.") });
  watch(`/v1/clusters/${enc(id)}/events`, list.update, view);
  return panel("Newest events", list.element);
}

export const objectOf = (one) => `${one.kind} ${one.namespace ? `${one.namespace}/` : ""}${one.name}`;

export async function usage(view, { id }) {
  const note = h("div");
  const columns = (...more) => [
    { label: "Name", cell: (one) => one.name, sort: (one) => one.name, text: (one) => one.name },
    ...more,
    { label: "CPU", cell: (one) => cores(one.cpu), sort: (one) => quantity(one.cpu) },
    { label: "Memory", cell: (one) => `${gib(one.memory)} GiB`, sort: (one) => quantity(one.memory) },
  ];
  const none = () => empty("Nothing is known of the usage.", "Sekisho reads it from metrics-server once a minute.");
  const nodes = table({ caption: "usage of nodes", key: "name", sort: "Name", columns: columns(), empty: none() });
  const namespaces = table({ caption: "usage of namespaces", key: "name", sort: "Name", columns: columns({ label: "Pods", cell: (one) => one.pods, sort: (one) => one.pods }), empty: none() });
  const show = (now) => {
    put(note, now.read_at && h("p", { class: "faint" }, "Read ", when(now.read_at), "."), now.problems.map((one) => h("p", null, badge("warn", one.reason), " ", one.message)));
    nodes.update(now.nodes || []);
    namespaces.update(now.namespaces || []);
  };
  await live(`/v1/clusters/${enc(id)}/usage`, show, view);
  return [note, panel("Namespaces", namespaces.element), panel("Nodes", nodes.element)];
}

// APIs that clients use and a later Kubernetes does not have; nothing if there are none.
export async function deprecations(view, { id, status }) {
  const place = h("div");
  const list = table({ caption: "deprecated APIs", search: false, columns: [
    { label: "API", cell: (one) => h("code", null, one.id) },
    { label: "Removed in", cell: (one) => one.removed_release ? badge(one.removed_next ? "bad" : "warn", one.removed_release) : "not decided" },
    { label: "Last seen", cell: (one) => when(one.seen_at) },
  ] });
  if (status) {
    await live(`/v1/clusters/${enc(id)}/deprecations`, ({ items }) => {
      list.update(items);
      put(place, items.length > 0 && panel("Deprecated APIs in use", list.element));
    }, { ...view, stream: false });
  }
  return place;
}
