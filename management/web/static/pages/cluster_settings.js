// Settings of a cluster: its name and how the proxy enters it, its credential, its removal.

import { call } from "../frame/api.js";
import { enc, h, plural } from "../frame/dom.js";
import { confirm, form } from "../frame/form.js";
import { navigate } from "../frame/router.js";
import { button, panel, say } from "../frame/ui.js";
import { agent } from "./cluster_agent.js";

export const MAPPINGS = [
  ["id", "Sekisho's id of the user", "Never used twice, and kept when a user is renamed."],
  ["principal", "The principal at the provider", "Such as ldap_corp_user://cn=alice,…"],
  ["username", "The username", "For rules in the cluster that name users. A username may be used again for another person."],
];
const MODES = [
  ["shared", "One account for all users", "Sekisho's account in the cluster may impersonate all users."],
  ["per_user", "One account for each user", "A stolen account reaches one user only; costs an object for each."],
];

export async function settings(view, { id }) {
  const path = `/v1/clusters/${enc(id)}`;
  const { data: cluster, etag } = await call("GET", path);
  const labels = Object.entries(cluster.labels);
  const patch = async (body, options = {}) => {
    await call("PATCH", path, body, { etag, ...options });
    await view.refresh();
  };
  return [
    panel("Access", form({
      fields: [
        { name: "name", label: "Name", value: cluster.name, required: true, maxlength: 63, hint: "Kubeconfigs use the id, so they stay valid." },
        { name: "labels", label: "Labels", type: "textarea", rows: 3, value: labels.map((one) => one.join("=")).join("\n"), hint: "One key=value in a line, such as env=prod." },
        { name: "username_mapping", label: "The cluster knows users by", type: "radio", value: cluster.username_mapping, options: MAPPINGS },
        { name: "impersonator", label: "Sekisho enters the cluster with", type: "radio", value: cluster.impersonator, options: MODES },
      ],
      submit: "Save",
      reload: view.refresh,
      action: async (values) => {
        const removed = Object.fromEntries(labels.map(([key]) => [key, null]));
        const given = values.labels.split("\n").map((one) => one.trim()).filter(Boolean).map((one) => one.split(/\s*=\s*/, 2));
        await patch({ ...values, labels: { ...removed, ...Object.fromEntries(given.map(([key, value = ""]) => [key, value])) } });
        say("The settings are saved.");
      },
    })),
    panel("Connection",
      h("p", { class: "faint" }, "New tokens for Sekisho, or another address or CA of the same cluster: paste a kubeconfig of an administrator of the cluster. It is used once and not stored. Members and their kubeconfigs stay."),
      form({
        fields: [
          { name: "servers", label: "API servers", type: "textarea", rows: 2, value: cluster.servers.join("\n"), hint: "One URL in a line." },
          { name: "tls_server_name", label: "Name in the certificates of the API servers", value: cluster.tls_server_name || "", hint: "Empty: the host of each URL." },
          { name: "kubeconfig", label: "Kubeconfig of an administrator", type: "textarea", rows: 5, required: true, placeholder: "kubectl config view --flatten --minify --raw" },
        ],
        submit: "Replace credentials",
        reload: view.refresh,
        action: async ({ servers, tls_server_name, kubeconfig }) => {
          const given = servers.split(/\s+/).filter(Boolean);
          await patch({
            kubeconfig,
            ...(String(given) !== String(cluster.servers) && { servers: given }),
            ...(tls_server_name !== (cluster.tls_server_name || "") && { tls_server_name: tls_server_name || null }),
          });
          say("Sekisho has new tokens for the cluster.");
        },
      })),
    !cluster.pending_until && agent(cluster, path, patch),
    // An ordered cluster is deleted on its overview, with the choice about its machines.
    !cluster.provision && panel("Remove", h("p", null, "Users lose access immediately. Workloads in the cluster continue."),
      button("Remove cluster", () => remove(cluster, path, etag), { kind: "danger" })),
  ];
}

async function remove(cluster, path, etag) {
  const count = async (list) => (await call("GET", list).catch(() => ({ data: { items: [] } }))).data.items.length;
  const [members, projects] = await Promise.all([count(`${path}/members`), count(`/v1/projects?cluster=${enc(cluster.id)}`)]);
  confirm({
    title: `Remove cluster ${cluster.name}`,
    lost: [
      `${plural(members, "membership")} and ${plural(projects, "project")} with quotas and members are deleted.`,
      "Kubeconfigs and tokens for this cluster stop working.",
      "Sekisho's accounts, roles, and bindings are removed from the cluster.",
    ],
    typed: cluster.name,
    submit: "Remove cluster",
    fields: [{ name: "keep", label: "The cluster will not be back: leave Sekisho's objects in it", type: "checkbox" }],
    action: async ({ keep }) => {
      const { status, data } = await call("DELETE", `${path}${keep ? "?keep_cluster_objects=true" : ""}`, undefined, { etag });
      await navigate("/clusters");
      say(status === 202 ? `${cluster.name} is being removed: ${data.removal_pending}. Sekisho repeats the removal of its objects until it succeeds.` : `${cluster.name} is removed.`);
      // What is left is for the reader to delete: it stays shown until it is closed.
      for (const one of data?.left || []) say(one, true);
    },
  });
}
