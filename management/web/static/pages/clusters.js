// The clusters that the reader may enter, with their health.

import { may } from "../frame/api.js";
import { cores, gib, h, quantity } from "../frame/dom.js";
import { watch } from "../frame/live.js";
import { table } from "../frame/table.js";
import { button, empty, heading, linkButton, meter } from "../frame/ui.js";
import { canEnter, getKubeconfig, health, healthBadge } from "./kubeconfig.js";

export default async function clusters(view) {
  const order = may("clusters.provision") && linkButton("Order cluster", "/clusters/order", "");
  const create = may("clusters.create") && linkButton("Import cluster", "/clusters/new", order ? "quiet" : "");
  const list = table({
    caption: "clusters",
    view,
    sort: "Name",
    columns: [
      { label: "Name", cell: (one) => h("a", { href: `/clusters/${one.id}` }, one.name), sort: (one) => one.name, text: (one) => `${one.name} ${one.id} ${Object.entries(one.labels).map((pair) => pair.join("="))}` },
      { label: "Health", cell: healthCell, sort: (one) => health(one)[1], text: (one) => health(one)[1] },
      { label: "Version", cell: version, sort: version, text: (one) => `${version(one)} ${one.status?.provider}` },
      { label: "Nodes", cell: nodes, sort: (one) => one.status?.nodes?.total ?? -1 },
      { label: "CPU and memory", cell: usage },
      { label: "Warnings", cell: (one) => one.status?.warnings?.total, sort: (one) => one.status?.warnings?.total ?? -1 },
      { label: "Your role", cell: (one) => one.role, sort: (one) => one.role, text: (one) => one.role },
      { label: "", narrow: true, cell: (one) => canEnter(one) && button("Kubeconfig", () => getKubeconfig(one), { label: `Get a kubeconfig for ${one.name}` }) },
    ],
    empty: may("clusters.create")
      ? empty("No clusters yet.", "Import the first one: Sekisho then signs users in to it.", linkButton("Import cluster", "/clusters/new", ""))
      : empty("You may not enter any cluster yet.", "Ask an administrator or the owner of a cluster to add you as a member."),
  });
  watch("/v1/clusters", list.update, view);
  return [heading("Clusters", { actions: [button("Kubeconfig for all", () => getKubeconfig(null)), create, order] }), list.element];
}

const version = (one) => one.status?.version || one.provision?.version;
const healthCell = (one) => [healthBadge(one), health(one)[2] && h("small", null, health(one)[2])];

function nodes({ status }) {
  const found = status?.nodes;
  if (!found) return null;
  return found.ready === found.total ? `${found.total}` : `${found.ready} of ${found.total} ready`;
}

// Meters of what is used of the nodes' capacity; without metrics, the capacity.
export function usage({ status }) {
  const whole = status?.nodes?.allocatable;
  if (!whole?.cpu) return null;
  const { usage: used } = status;
  if (!used) return h("span", null, `${cores(whole.cpu)} CPU, ${gib(whole.memory)} GiB`);
  return [
    meter("CPU", quantity(used.cpu), quantity(whole.cpu), `${cores(used.cpu)} of ${cores(whole.cpu)}`),
    meter("Memory", quantity(used.memory), quantity(whole.memory), `${gib(used.memory)} of ${gib(whole.memory)} GiB`),
  ];
}
