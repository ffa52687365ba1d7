// The overview: numbers, problems, and what ends soon, as far as the reader may see them.

import { may } from "../frame/api.js";
import { enc, h, plural, put, when } from "../frame/dom.js";
import { live } from "../frame/live.js";
import { badge, empty, heading, linkButton, panel } from "../frame/ui.js";
import { WORDS } from "./kubeconfig.js";

export default async function overview(view) {
  const place = h("div");
  await live("/v1/overview", (found) => put(place, parts(found)), view);
  return [heading("Overview"), place];
}

function parts({ clusters, projects, users, tokens, ending, providers, overload }) {
  if (!clusters.total && may("clusters.create")) {
    return empty("Sekisho is ready.", "Import the first cluster. Then add its members, or give them projects in it.", linkButton("Import cluster", "/clusters/new", ""));
  }
  const healthy = ["healthy", "degraded", "unreachable", "removing", "unknown"].filter((one) => clusters[one]).map((one) => `${clusters[one].toLocaleString()} ${one}`);
  const down = providers?.filter((one) => one.enabled && !one.up) || [];
  return [
    h("ul", { class: "tiles" },
      tile("/clusters", clusters.total, "cluster", healthy.join(", ")),
      tile("/projects", projects.total, "project", plural(projects.namespaces, "namespace") + (projects.pending ? `, ${projects.pending} pending` : "")),
      users && tile("/people", users.total, "user", [plural(users.administrators, "administrator"), users.disabled && `${users.disabled} disabled`].filter(Boolean).join(", ")),
      tile("/me/tokens", tokens.tokens + tokens.kubeconfigs, tokens.of === "own" ? "token of yours" : "token", `${plural(tokens.sessions, "session")}, ${tokens.used_today.toLocaleString()} used today`, tokens.of === "own" ? "tokens of yours" : "tokens")),
    overload?.overloaded && h("p", { class: "message error", role: "alert" }, `Sekisho is overloaded: requests wait ${overload.lag_seconds} s, and the largest consumers are refused. Add workers or replicas.`),
    panel("Problems", clusters.problems.length + down.length ? h("ul", { class: "rows" },
      clusters.problems.map((one) => row(badge("bad", WORDS[one.condition] || one.condition), h("a", { href: `/clusters/${enc(one.id)}` }, one.name), one.message || one.reason, one.since && when(one.since))),
      down.map((one) => row(badge("bad", "Provider down"), h("a", { href: `/providers/${enc(one.name)}` }, one.name), one.error)))
      : clusters.unknown ? badge("plain", `No problems are known. The state of ${plural(clusters.unknown, "cluster")} is unknown.`) : badge("good", "No problems are known.")),
    panel("Ends soon", ending.length ? h("ul", { class: "rows" }, ending.map((one) => row(badge(new Date(one.ends_at) < Date.now() ? "bad" : "warn", KINDS[one.kind]),
      one.kind === "token" ? h("a", { href: one.user ? "/me/tokens" : "/people" }, one.name) : one.id ? h("a", { href: `/clusters/${enc(one.id)}/settings` }, one.name) : one.name, one.user && `of ${one.user}`, when(one.ends_at))))
      : h("p", { class: "faint" }, "No certificate ends within 30 days, and no token within 14.")),
  ];
}

const KINDS = { server_certificate: "Certificate of this server", api_server_certificate: "Certificate of a cluster's API server", cluster_certificate: "CA of a cluster", cluster_token: "Sekisho's token", token: "Token" };
const tile = (path, count, one, note, many) => h("li", null, h("a", { href: path }, h("strong", null, count.toLocaleString()), ` ${count === 1 ? one : many || `${one}s`}`), h("small", null, note));
const row = (sign, name, text, time) => h("li", null, sign, " ", name, text && h("span", { class: "faint" }, ` ${text}`), time && h("small", null, " · ", time));
