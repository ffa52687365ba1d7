// The reader's clusters with their health, and kubeconfigs for them.

import { call, isImported } from "../frame/api.js";
import { enc, h, upper } from "../frame/dom.js";
import { dialog, formDialog } from "../frame/form.js";
import { watch } from "../frame/live.js";
import { table } from "../frame/table.js";
import { badge, button, empty, panel, secret } from "../frame/ui.js";

// The health of a cluster as [kind, word, reason]; unknown for readers who may not see it.
export function health(cluster) {
  const order = cluster.provision;
  if (order && order.state !== "ready") return [ORDER_KINDS[order.state] || "plain", upper(order.state) + (order.slow ? ", slow" : ""), order.message];
  if (cluster.removing_since) return ["warn", "Being removed"];
  if (cluster.pending_until) return ["warn", "Not registered yet", "The manifest has not been applied, or its Job and agent are not ready."];
  const conditions = cluster.status?.conditions;
  if (!conditions) return ["plain", "Unknown"];
  const failed = conditions.filter((one) => one.status !== "True");
  const bad = failed.find((one) => !MILD.includes(one.type)) || failed[0];
  if (!bad) return conditions.length ? ["good", "Healthy"] : ["plain", "Not seen yet"];
  return [MILD.includes(bad.type) ? "warn" : "bad", WORDS[bad.type] || bad.type, bad.message || bad.reason];
}
const ORDER_KINDS = { refused: "bad", foreign: "bad", degraded: "bad", paused: "warn", deleting: "warn", released: "warn" };
const MILD = ["RBACReady", "CollectionsSynced", "AgentReady"];
export const WORDS = { AgentReady: "Agent needs attention", Reachable: "Unreachable", Authenticated: "Credential rejected", RBACReady: "Not in sync", CollectionsSynced: "Not in sync", CredentialReadable: "Credential unreadable" };

// An auditor sees a cluster, and may not enter it.
export const canEnter = (cluster) => cluster.role !== "auditor" && isImported(cluster);

export const healthBadge = (cluster) => badge(...health(cluster).slice(0, 2));

export async function myClusters(view) {
  const list = table({
    caption: "clusters",
    view,
    sort: "Name",
    columns: [
      { label: "Name", cell: (one) => h("a", { href: `/clusters/${one.id}` }, one.name), sort: (one) => one.name, text: (one) => `${one.name} ${one.id}` },
      { label: "Health", cell: healthBadge, sort: (one) => health(one)[1], text: (one) => health(one)[1] },
      { label: "Your role", cell: (one) => one.role, sort: (one) => one.role, text: (one) => one.role },
      { label: "", narrow: true, cell: (one) => canEnter(one) && button("Kubeconfig", () => getKubeconfig(one), { label: `Get a kubeconfig for ${one.name}` }) },
    ],
    empty: empty("You may not enter any cluster yet.", "Ask an administrator or the owner of a cluster to add you as a member."),
  });
  watch("/v1/clusters", list.update, view);
  return panel("My clusters", list.element, { actions: [button("Kubeconfig for all", () => getKubeconfig(null), { kind: "" })] });
}

// Ask for the kind of kubeconfig, for one cluster or (null) for all, and show it.
export function getKubeconfig(cluster) {
  const name = cluster ? cluster.name : "all clusters";
  const box = formDialog(`Kubeconfig for ${name}`, {
    fields: [
      { name: "kind", label: "How kubectl signs in", type: "radio", value: "exec", options: [
        ["exec", "With the sekisho command", "No secret in the file. kubectl runs sekisho, which signs you in when needed."],
        ["token", "With a token in the file", "For programs without the sekisho command. Keep the file private."],
      ] },
      { name: "scope", label: "Scope of the token", type: "radio", value: "", options: SCOPES },
      { name: "ttl", label: "Lifetime of the token", type: "select", value: "", options: [["", "The server's default"], ...LIFETIMES] },
    ],
    submit: "Get kubeconfig",
    action: async ({ kind, scope, ttl }, { key }) => {
      const path = cluster ? `/v1/clusters/${enc(cluster.id)}/kubeconfig` : "/v1/kubeconfig";
      const { text } = kind === "exec" ? await call("GET", path) : await call("POST", path, { ttl: ttl || null, read_only: scope !== "", proxy_read: scope === "proxy" }, { key });
      const file = `${cluster ? cluster.name : "sekisho"}.kubeconfig`;
      dialog(`Your kubeconfig for ${name}`,
        h("p", null, kind === "exec" ? "It contains no secret." : "It contains your token: do not share it. This is the only time that it is shown."),
        secret("Kubeconfig", text, { file, rows: 10 }),
        h("p", { class: "faint" }, "Use it with ", h("code", null, `kubectl --kubeconfig ${file} get pods`), "."));
    },
  });
  // Scope and lifetime are those of a token.
  const [kind, ...ofToken] = box.querySelectorAll(".field");
  const toggle = () => ofToken.forEach((one) => (one.hidden = kind.querySelector("input").checked));
  kind.addEventListener("change", toggle);
  toggle();
}

export const LIFETIMES = [["8h", "8 hours"], ["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"]];
export const SCOPES = [["", "All that you may do"], ["read", "Read-only", "No changes, no exec, no port-forward."], ["proxy", "Read-only, with proxy", "Also GET of what services and pods serve, such as dashboards."]];

// Show a token that was made: this is the only time.
export const newToken = ({ token }) => dialog("Your new token", h("p", null, "It is shown only once. Store it where only its user can read it."), secret("Token", token));
