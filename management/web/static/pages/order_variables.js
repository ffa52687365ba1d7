// The variables of an ordered cluster: the form of its class, with the values that the order has.

import { call, every } from "../frame/api.js";
import { enc, h, put } from "../frame/dom.js";
import { form } from "../frame/form.js";
import { navigate } from "../frame/router.js";
import { button, empty, panel, say } from "../frame/ui.js";
import { variableFields } from "./class_form.js";
import { atFields } from "./order_fields.js";

export async function variables(view, cluster) {
  const path = `/v1/clusters/${enc(cluster.id)}`;
  const [{ data, etag }, classes] = await Promise.all([
    call("GET", path, undefined, { signal: view.signal }),
    every("/v1/provisioning/classes", view.signal),
  ]);
  const order = data.provision;
  const found = classes.find((one) => one.management === order.management && one.name === order.class);
  if (!found) return panel("Variables", empty("The class of this cluster is not known now.", "Either its management cluster does not respond, or the class was removed there."));
  if (!found.variables.length) return panel("Variables", empty("The class of this cluster has no variables."));
  return panel("Variables",
    h("p", { class: "faint" }, "A change can replace machines. What is left empty is decided by the class."),
    changeForm(view, path, etag, variableFields(found.variables, "variables", order.wanted.variables)));
}

function changeForm(view, path, etag, made) {
  const result = h("div", { role: "status" });
  let dry = false;
  const element = form({
    fields: made.fields,
    submit: "Change variables",
    reload: view.refresh,
    action: async (values) => {
      const check = dry;
      dry = false;
      put(result);
      const changes = made.changes(values);
      const names = Object.keys(changes).join(", ");
      if (!names) return put(result, h("p", null, "Nothing differs from what the cluster has."));
      const { data } = await call("PATCH", `${path}${check ? "?dry_run=true" : ""}`, { provision: { variables: changes } }, { etag }).catch(atFields);
      if (check) return put(result, h("p", null, `The engine would accept the change of ${names}. Nothing was changed.`));
      await navigate(`/clusters/${enc(data.id)}`);
      say(`${data.name} is being changed.`);
    },
  });
  made.arrange(element);
  element.querySelector(":scope > .actions").append(button("Check only", () => {
    dry = element.reportValidity();
    if (dry) element.requestSubmit();
  }));
  element.append(result);
  return element;
}
