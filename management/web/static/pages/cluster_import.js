// The import of a cluster: with a pasted kubeconfig, or with a manifest for kubectl apply.

import { call } from "../frame/api.js";
import { h, put } from "../frame/dom.js";
import { form } from "../frame/form.js";
import { watch } from "../frame/live.js";
import { navigate } from "../frame/router.js";
import { badge, heading, panel, say, secret, tabs } from "../frame/ui.js";
import { MAPPINGS } from "./cluster_settings.js";

const NAME = { name: "name", label: "Name", required: true, maxlength: 63, pattern: "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?", title: "lower-case letters, digits, and hyphens", autocapitalize: "none", spellcheck: "false", hint: "As users will see it, such as prod-eu." };
const MAPPING = { name: "username_mapping", label: "The cluster knows users by", type: "radio", value: "id", options: MAPPINGS };

export default async function importCluster(view) {
  const manifest = view.query.get("with") === "manifest";
  return [
    heading("Import a cluster", { trail: [["Clusters", "/clusters"]] }),
    tabs("Ways to import", [["With a kubeconfig", "/clusters/new", !manifest], ["With a manifest", "/clusters/new?with=manifest", manifest]]),
    manifest ? withManifest(view) : withKubeconfig(),
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
      { name: "image", label: "Image of Sekisho, as the cluster pulls it", hint: "Empty: the image of this version, from the cluster's default registry." },
      MAPPING,
    ],
    submit: "Create manifest",
    action: async ({ name, servers, image, username_mapping }, { key }) => {
      const body = { name, servers: servers.split(/\s+/).filter(Boolean), image: image || null, username_mapping };
      const { text } = await call("POST", "/v1/registrations", body, { key });
      asked.hidden = true;
      put(place, steps(view, name, text));
    },
  });
  return panel("With a manifest", h("p", { class: "faint" }, "No credential leaves the cluster's administrator: a Job in the cluster registers it. Sekisho must reach the API servers afterwards."), asked, place);
}

function steps(view, name, text) {
  const state = h("p", { role: "status" }, badge("plain", `Waiting for ${name} to register …`));
  watch(`/v1/clusters?name=${encodeURIComponent(name)}`, ([found]) => {
    if (found) put(state, badge("good", `${name} is registered.`), " ", h("a", { href: `/clusters/${found.id}` }, "Open it"));
  }, view);
  return [
    h("ol", null,
      h("li", null, secret("Save the manifest. It is valid for an hour, and once.", text, { file: `${name}-registration.yaml`, rows: 10 })),
      h("li", null, h("p", null, "Apply it with the rights of an administrator of the cluster: ", h("code", null, `kubectl apply -f ${name}-registration.yaml`))),
      h("li", null, state)),
  ];
}
