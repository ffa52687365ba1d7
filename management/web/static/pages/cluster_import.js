// The import of a cluster: with a pasted kubeconfig, or with a manifest for kubectl apply, of a Job or of an agent.

import { call } from "../frame/api.js";
import { h, put } from "../frame/dom.js";
import { form } from "../frame/form.js";
import { watch } from "../frame/live.js";
import { navigate } from "../frame/router.js";
import { badge, heading, panel, say, secret, tabs } from "../frame/ui.js";
import { IMAGE, OPTIONS, optionsOf } from "./cluster_agent.js";
import { MAPPINGS } from "./cluster_settings.js";

const NAME = { name: "name", label: "Name", required: true, maxlength: 63, pattern: "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?", title: "lower-case letters, digits, and hyphens", autocapitalize: "none", spellcheck: "false", hint: "As users will see it, such as prod-eu." };
const MAPPING = { name: "username_mapping", label: "The cluster knows users by", type: "radio", value: "id", options: MAPPINGS };

const WAYS = [[null, "With a kubeconfig"], ["manifest", "With a manifest"], ["agent", "With an agent"]];

export default async function importCluster(view) {
  const way = view.query.get("with");
  return [
    heading("Import a cluster", { trail: [["Clusters", "/clusters"]] }),
    tabs("Ways to import", WAYS.map(([id, label]) => [label, id ? `/clusters/new?with=${id}` : "/clusters/new", way === id])),
    way === "agent" ? withAgent(view) : way === "manifest" ? withManifest(view) : withKubeconfig(),
  ];
}

function withKubeconfig() {
  return panel("With a kubeconfig",
    h("p", { class: "faint" }, "Sekisho must reach the cluster's API servers. It uses the kubeconfig once, creates its own accounts in the cluster, and does not store the kubeconfig."),
    form({
      fields: [
        NAME,
        { name: "kubeconfig", label: "Kubeconfig of an administrator of the cluster", type: "textarea", rows: 10, required: true, maxlength: 60000, hint: ["Print it with ", h("code", null, "kubectl config view --flatten --minify --raw"), ". Programs (exec) and passwords in it are refused: use a token or a client certificate."] },
        { name: "context", label: "Context", hint: "Empty: the current context of the kubeconfig." },
        MAPPING,
      ],
      submit: "Import cluster",
      action: async ({ context, ...values }, { key }) => {
        const { data } = await call("POST", "/v1/clusters", { ...values, context: context || null }, { key });
        await navigate(`/clusters/${data.id}`);
        say(`${data.name} is imported. Next: add members.`);
      },
    }));
}

function withManifest(view) {
  const place = h("div");
  const asked = form({
    fields: [
      NAME,
      { name: "servers", label: "API servers, as Sekisho reaches them", type: "textarea", rows: 2, required: true, placeholder: "https://10.0.0.1:6443", hint: "One URL in a line." },
      IMAGE,
      MAPPING,
    ],
    submit: "Create manifest",
    action: ({ servers, ...values }, { key }) => register(view, asked, place, { ...values, servers: servers.split(/\s+/).filter(Boolean) }, key),
  });
  return panel("With a manifest", h("p", { class: "faint" }, "No credential leaves the cluster's administrator: a Job in the cluster registers it. Sekisho must reach the API servers afterwards."), asked, place);
}

function withAgent(view) {
  const place = h("div");
  const asked = form({
    fields: [
      NAME,
      ...OPTIONS,
      MAPPING,
    ],
    submit: "Create manifest",
    action: (values, { key }) => register(view, asked, place, { ...values, ...optionsOf(values), reach: "agent" }, key),
  });
  return panel("With an agent", h("p", { class: "faint" }, "For a cluster that Sekisho cannot reach: an agent in it connects to Sekisho. The agent has no rights in the cluster, and only needs an outbound connection. The name is reserved for an hour."), asked, place);
}

async function register(view, asked, place, body, key) {
  const { text } = await call("POST", "/v1/registrations", { ...body, image: body.image || null }, { key });
  asked.hidden = true;
  put(place, steps(view, body.name, text));
}

function steps(view, name, text) {
  const state = h("p", { role: "status" }, badge("plain", `Waiting for ${name} to register …`));
  watch(`/v1/clusters?name=${encodeURIComponent(name)}`, ([found]) => {
    if (found && !found.pending_until) put(state, badge("good", `${name} is registered.`), " ", h("a", { href: `/clusters/${found.id}` }, "Open it"));
  }, view);
  return [
    h("ol", null,
      h("li", null, secret("Save the manifest. It is valid for an hour, and once.", text, { file: `${name}-registration.yaml`, rows: 10 })),
      h("li", null, h("p", null, "Apply it with the rights of an administrator of the cluster: ", h("code", null, `kubectl apply -f ${name}-registration.yaml`))),
      h("li", null, state)),
  ];
}
