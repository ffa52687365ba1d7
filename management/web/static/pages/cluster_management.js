// A management cluster: whether clusters can be ordered in it, from which classes, and how many.

import { call, every } from "../frame/api.js";
import { enc, h, when } from "../frame/dom.js";
import { confirm, form } from "../frame/form.js";
import { button, facts, panel, say } from "../frame/ui.js";

const LIMITS = [
  ["clusters_per_user", "Clusters that a user may order"],
  ["workers_per_cluster", "Workers of one cluster"],
  ["workers", "Workers of all clusters together"],
];

export async function management(view, cluster) {
  const path = `/v1/clusters/${enc(cluster.id)}/provisioning`;
  const { data: known, etag } = await call("GET", path).catch((error) => {
    if (error.status === 404) return { data: null };
    throw error;
  });
  const roles = await every("/v1/roles?scope=global", view.signal);
  return [
    panel("Management cluster",
      h("p", { class: "faint" }, known
        ? "Users with the permission clusters.provision order clusters here. Cluster API makes them."
        : "If Cluster API runs in this cluster, users can order clusters here. Sekisho makes an account with the rights to do so in one namespace, and nothing else."),
      known && facts(["Namespace", h("code", null, known.namespace)], ["Token of Sekisho's account ends", when(known.token_expires_at)], ["Problem", known.unreadable]),
      settings(view, path, etag, known, roles)),
    known && panel("End", h("p", null, "Afterwards, no cluster can be ordered here. It must have no ordered clusters."),
      button("Disable provisioning", () => disable(view, cluster, path, etag), { kind: "danger" })),
  ];
}

function settings(view, path, etag, known, roles) {
  const names = new Map(roles.map((one) => [one.id, one.name]));
  return form({
    fields: [
      { name: "namespace", label: "Namespace", required: true, value: known?.namespace || "", maxlength: 63, spellcheck: "false", autocapitalize: "none", hint: "It has the classes, and the objects of ordered clusters." },
      { name: "classes", label: "Classes", type: "textarea", rows: 4, value: (known?.classes || []).map((one) => classLine(one, names)).join("\n"), hint: ["Empty: every class in the namespace. One in a line: ", h("code", null, "gke"), ", or ", h("code", null, "gke: buyer, operator; 5"), " for those who have one of these global roles, and for five clusters at most."] },
      ...LIMITS.map(([name, label]) => ({ name: `limits.${name}`, label, type: "number", min: 0, value: known?.limits[name] ?? "", hint: "Empty: the limit of the server's settings." })),
    ],
    submit: known ? "Save" : "Enable provisioning",
    reload: view.refresh,
    action: async (values) => {
      const limits = Object.fromEntries(LIMITS.map(([name]) => [name, values[`limits.${name}`] === "" ? null : Number(values[`limits.${name}`])]));
      await call("PUT", path, { namespace: values.namespace, classes: values.classes.split("\n").map(parsed).filter(Boolean), limits }, { etag });
      await view.refresh();
      say(known ? "The settings are saved." : "Clusters can be ordered here.");
    },
  });
}

const classLine = ({ name, roles, clusters }, names) =>
  name + (roles.length || clusters !== null ? `: ${roles.map((one) => names.get(one) || one).join(", ")}` : "") + (clusters !== null ? `; ${clusters}` : "");

function parsed(line) {
  const [name, rest = ""] = line.split(/:(.*)/s).map((one) => one.trim());
  if (!name) return null;
  const [roles, limit = ""] = rest.split(";").map((one) => one.trim());
  return { name, roles: roles.split(",").map((one) => one.trim()).filter(Boolean), ...(limit && { clusters: Number.isNaN(Number(limit)) ? limit : Number(limit) }) };
}

function disable(view, cluster, path, etag) {
  confirm({
    title: `Disable provisioning in ${cluster.name}`,
    lost: ["No cluster can be ordered here.", "Sekisho's account for orders is removed from the cluster, and the cluster stays imported."],
    typed: cluster.name,
    submit: "Disable provisioning",
    action: async () => {
      await call("DELETE", path, undefined, { etag });
      await view.refresh();
      say(`${cluster.name} is an ordinary cluster.`);
    },
  });
}
