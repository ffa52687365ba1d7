// The agent of a cluster: the options of its manifest, its token, and whether Sekisho reaches the cluster through it.

import { call } from "../frame/api.js";
import { h } from "../frame/dom.js";
import { confirm, dialog, formDialog } from "../frame/form.js";
import { button, panel, say, secret } from "../frame/ui.js";

export const IMAGE = { name: "image", label: "Image of Sekisho, as the cluster pulls it", hint: "Empty: the image that the server is set up with." };
export const OPTIONS = [
  IMAGE,
  { name: "image_pull_secrets", label: "Secrets for the image's registry", hint: "Names in the namespace sekisho-system, separated by spaces." },
  { name: "https_proxy", label: "HTTP proxy on the way to Sekisho", placeholder: "http://10.0.0.1:3128", hint: "Empty: none. It may contain a user and a password." },
  { name: "no_proxy", label: "Without the proxy", placeholder: "10.0.0.0/8,.example.com", hint: "Hosts, domains, and networks, separated by commas." },
  { name: "node_selector", label: "Nodes of the agent", placeholder: "kubernetes.io/os=linux", hint: "Labels that they have: key=value, separated by spaces. Empty: all nodes." },
  { name: "replicas", label: "Pods of the agent", type: "number", min: 1, max: 8, value: 2, required: true },
  { name: "network_policy", label: "Deny all connections to the pods of the agent with a NetworkPolicy", type: "checkbox" },
];

// The fields of a request for the values of OPTIONS.
export const optionsOf = ({ image, image_pull_secrets, https_proxy, no_proxy, node_selector, replicas, network_policy }) => ({
  image: image || null,
  image_pull_secrets: words(image_pull_secrets),
  https_proxy: https_proxy || null,
  no_proxy: no_proxy || null,
  node_selector: Object.fromEntries(words(node_selector).map((one) => one.split("=", 2)).map(([key, value = ""]) => [key, value])),
  replicas: Number(replicas),
  network_policy,
});
const words = (text) => text.split(/\s+/).filter(Boolean);

// `patch` changes the cluster.
export function agent(cluster, path, patch) {
  const through = cluster.reach === "agent";
  return panel("Agent",
    h("p", { class: "faint" }, through
      ? "Sekisho reaches the cluster through its agent."
      : "Sekisho reaches the cluster directly. For a cluster that it can no longer reach: create a manifest of an agent, apply it, and switch to the agent when its pods are ready."),
    h("div", { class: "actions" },
      button("Create a manifest of the agent", () => manifest(cluster, path)),
      through ? [
        button("Rotate the agent's token", () => rotate(cluster, path)),
        button("Switch to a direct connection", () => toDirect(cluster, patch)),
      ] : button("Switch to the agent", () => toAgent(cluster, patch))));
}

function manifest(cluster, path) {
  formDialog(`Manifest of the agent of ${cluster.name}`, {
    before: h("p", { class: "faint" }, "It has a new token, and replaces all options of an agent that runs already. The command sekisho cluster agent has further options."),
    fields: OPTIONS,
    submit: "Create manifest",
    action: async (values, { key }) => {
      const { text } = await call("POST", `${path}/agent`, optionsOf(values), { key });
      const file = `${cluster.name}-agent.yaml`;
      dialog(`Your manifest of the agent of ${cluster.name}`,
        h("p", null, "It contains the token of the agent: do not share it. This is the only time that it is shown."),
        secret("Manifest", text, { file, rows: 10 }),
        h("p", null, "Apply it with the rights of an administrator of the cluster: ", h("code", null, `kubectl apply -f ${file}`)),
        h("p", { class: "faint" }, "A former token is revoked when the new one has been used for ten minutes."));
    },
  });
}

function rotate(cluster, path) {
  confirm({
    title: `Rotate the token of the agent of ${cluster.name}`,
    lost: [
      "The pods of the agent restart one by one, with the new token.",
      "The former token is revoked when the new one has been used for ten minutes. Manifests that contain it stop working then.",
    ],
    submit: "Rotate token",
    action: async (_, { key }) => {
      await call("POST", `${path}/agent/token`, undefined, { key });
      say("The agent has a new token.");
    },
  });
}

function toAgent(cluster, patch) {
  confirm({
    title: `Switch ${cluster.name} to its agent`,
    lost: [
      `Sekisho forgets the addresses ${cluster.servers.join(", ")}. A direct connection needs a kubeconfig of an administrator again.`,
      "Members and their kubeconfigs stay.",
    ],
    submit: "Switch to the agent",
    fields: [{ name: "kubeconfig", label: "Kubeconfig of an administrator, inside the cluster", type: "textarea", rows: 4, maxlength: 60000, hint: "Only if the API server has another CA inside the cluster. It is used once and not stored." }],
    action: async ({ kubeconfig }) => {
      await patch({ reach: "agent", ...(kubeconfig && { kubeconfig }) });
      say(`${cluster.name} is reached through its agent.`);
    },
  });
}

function toDirect(cluster, patch) {
  confirm({
    title: `Switch ${cluster.name} to a direct connection`,
    lost: [
      "The token of the agent is revoked, and the agent is removed from the cluster.",
      "Members and their kubeconfigs stay.",
    ],
    submit: "Switch to a direct connection",
    fields: [
      { name: "kubeconfig", label: "Kubeconfig of an administrator of the cluster", type: "textarea", rows: 6, required: true, maxlength: 60000, placeholder: "kubectl config view --flatten --minify --raw", hint: "It is used once and not stored." },
      { name: "servers", label: "API servers, as Sekisho reaches them", type: "textarea", rows: 2, placeholder: "https://10.0.0.1:6443", hint: "One URL in a line. Empty: the address in the kubeconfig." },
    ],
    action: async ({ kubeconfig, servers }) => {
      const given = words(servers);
      await patch({ reach: "direct", kubeconfig, ...(given.length && { servers: given }) });
      say(`${cluster.name} is reached directly. Its agent is removed.`);
    },
  });
}
