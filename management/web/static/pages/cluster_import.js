// The import of a cluster: with a pasted kubeconfig, with a manifest for kubectl apply, of a Job or of an
// agent, or from a management cluster where others made it.

import { call } from "../frame/api.js";
import { h, put } from "../frame/dom.js";
import { agreed, form } from "../frame/form.js";
import { watch } from "../frame/live.js";
import { navigate, tabOf } from "../frame/router.js";
import { badge, heading, panel, say, secret, tabs } from "../frame/ui.js";
import { IMAGE, OPTIONS, optionsOf } from "./cluster_agent.js";
import { MAPPINGS } from "./cluster_settings.js";
import { REACH, atField, managementField } from "./order_fields.js";

const NAME = { name: "name", label: "Name", required: true, maxlength: 63, pattern: "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?", title: "lower-case letters, digits, and hyphens", autocapitalize: "none", spellcheck: "false", hint: "As users will see it, such as prod-eu." };
const MAPPING = { name: "username_mapping", label: "The cluster knows users by", type: "radio", value: "id", options: MAPPINGS };

const WAYS = [["With a kubeconfig", "", withKubeconfig], ["With a manifest", "manifest", withManifest], ["With an agent", "agent", withAgent], ["From a management cluster", "adopt", adoption]];

export default async function importCluster(view) {
  const [, way, part] = tabOf(WAYS, view.query.get("with") || "");
  return [
    heading("Import a cluster", { trail: [["Clusters", "/clusters"]] }),
    tabs("Ways to import", WAYS.map(([label, id]) => [label, id ? `/clusters/new?with=${id}` : "/clusters/new", way === id])),
    await part(view),
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

async function adoption(view) {
  const management = await managementField(view.signal);
  const made = form({
    fields: [
      NAME,
      { ...management, hint: "You need all that its owners hold." },
      { name: "cluster", label: "Cluster there", required: true, maxlength: 63, pattern: "[a-z0-9]([a-z0-9.\\-]*[a-z0-9])?", title: "lower-case letters, digits, hyphens, and dots", autocapitalize: "none", spellcheck: "false", hint: "The name of the Cluster of Cluster API, in the namespace of the management cluster." },
      REACH,
    ],
    submit: "Adopt cluster",
    action: async ({ name, ...adopt }, { key }) => {
      const where = management.options.find(([id]) => id === adopt.management)[1];
      const sure = await agreed(`Adopt ${adopt.cluster} of ${where}`, [
        `Sekisho reads the kubeconfig of ${adopt.cluster} in ${where}, and imports the cluster as ${name}: it creates its accounts, roles, and bindings in it.`,
        "You become its owner.",
        "Sekisho only reads the Cluster: it is scaled, upgraded, and deleted where it was made.",
      ], "Adopt");
      if (!sure) return;
      const { data } = await call("POST", "/v1/clusters", { name, adopt }, { key }).catch(atField(({ status, message }) =>
        status === 403 || status === 503 ? "management" : /^The name/.test(message) ? "name" : "cluster"));
      await navigate(`/clusters/${data.id}`);
      say(`${data.name} is being imported. You become its owner.`);
    },
  });
  return panel("From a management cluster", h("p", { class: "faint" }, "For a cluster that others made with Cluster API. No credential is pasted: the engine has stored one."), made);
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
