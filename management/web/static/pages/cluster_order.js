// The order of a cluster: a form made from the variables of a class.

import { call, get } from "../frame/api.js";
import { h, put } from "../frame/dom.js";
import { form } from "../frame/form.js";
import { navigate } from "../frame/router.js";
import { button, empty, heading, panel, say } from "../frame/ui.js";
import { variableFields } from "./class_form.js";
import { REACH, atFields } from "./order_fields.js";

const CLASSES = "/v1/provisioning/classes";
const NAME = { name: "name", label: "Name", required: true, maxlength: 40, pattern: "[a-z]([a-z0-9\\-]*[a-z0-9])?", title: "lower-case letters, digits, and hyphens", autocapitalize: "none", spellcheck: "false", hint: "As users will see it, such as shop-eu." };

export default async function orderCluster(view) {
  const found = await get(`${CLASSES}?limit=1000`, view);
  const classes = found.items.filter((one) => one.orderable);
  const away = found.away.map((one) => h("p", { role: "alert" }, h("strong", null, `The classes of ${one.management} are not known. `), one.problem));
  const title = heading("Order a cluster", { trail: [["Clusters", "/clusters"]] });
  if (!classes.length) return [title, away, empty("There is no class that you may order from.", "An administrator makes an imported cluster a management cluster, and allows classes in it.")];
  const place = h("div", { class: "order" });
  const name = { ...NAME };
  const show = (one) => {
    view.keep({ class: one.id });
    put(place, orderForm(one, name));
  };
  const wanted = classes.find((one) => one.id === view.query.get("class")) || classes[0];
  const chooser = h("select", { id: "class", onchange: () => {
    name.value = place.querySelector("[name=name]").value;
    show(classes.find((one) => one.id === chooser.value));
  } }, classes.map((one) => h("option", { value: one.id, selected: one === wanted }, `${one.name} (in ${one.management_name})`)));
  show(wanted);
  return [title, away, panel("What to order", h("div", { class: "field order" }, h("label", { for: "class" }, "Class"), chooser), place)];
}

function orderForm(found, name) {
  const variables = variableFields(found.variables, "variables");
  const result = h("div", { role: "status" });
  const pools = poolsField(found.workers);
  let dry = false;
  const element = form({
    fields: [
      name,
      found.versions.length
        ? { name: "version", label: "Kubernetes", type: "select", value: found.versions.at(-1), options: found.versions.map((one) => [one, one]) }
        : { name: "version", label: "Kubernetes", required: true, placeholder: "v1.36.3", spellcheck: "false", hint: "A version for which the class has images." },
      { name: "control_plane", label: "Machines of the control plane", type: "number", min: 1, max: 7, hint: "Empty: as the class says. Use 1, 3, or 5." },
      pools,
      ...variables.fields,
      REACH,
    ],
    submit: "Order cluster",
    action: async (values, { key }) => {
      const check = dry;
      dry = false;
      put(result);
      const body = { name: values.name, provision: bodyOf(found, values, variables) };
      const { data } = await call("POST", `/v1/clusters${check ? "?dry_run=true" : ""}`, body, { key }).catch(atFields);
      if (check) return put(result, h("p", null, "The engine would accept this order. Nothing was ordered."));
      await navigate(`/clusters/${data.id}`);
      say(`${data.name} is ordered. You become its owner.`);
    },
  });
  variables.arrange(element);
  element.querySelector(":scope > .actions").append(button("Check only", () => {
    dry = element.reportValidity();
    if (dry) element.requestSubmit();
  }));
  element.append(result);
  return [
    found.problem && h("p", { role: "alert" }, h("strong", null, "The engine cannot use the class now: "), found.problem),
    element,
  ];
}

function bodyOf(found, values, variables) {
  const replicas = values.control_plane;
  return {
    class: found.name,
    management: found.management,
    version: values.version,
    ...(replicas && { control_plane: { replicas: Number(replicas) } }),
    pools: values.pools,
    variables: variables.read(values),
    reach: values.reach,
  };
}

// Pools as rows of a name, a class, and a size.
function poolsField(workers) {
  const rows = h("div");
  const add = (name, count) => {
    const labelled = (label, element) => h("label", null, h("small", null, label), element);
    const input = (label, props) => labelled(label, h("input", { "aria-label": label, autocomplete: "off", required: true, ...props }));
    const row = h("div", { class: "pool" },
      input("Name of the pool", { value: name, maxlength: 40, spellcheck: "false" }),
      labelled("Class of workers", h("select", { "aria-label": "Class of workers" }, workers.map((one) => h("option", { value: one.name }, one.name)))),
      input("Number of workers", { type: "number", min: 0, value: count }),
      button("Remove", () => row.remove(), { label: "Remove the pool" }));
    rows.append(row);
    return row;
  };
  if (workers.length) add("workers", 2);
  const element = h("fieldset", null, h("legend", null, "Pools of workers"), rows,
    !workers.length ? h("p", { class: "hint" }, "The class has no workers.") : button("Add a pool", () => add("", 1).querySelector("input").focus()));
  return {
    name: "pools", element, label: "",
    read: () => [...rows.children].map((row) => {
      const [name, count] = row.querySelectorAll("input");
      return { name: name.value.trim(), class: row.querySelector("select").value, replicas: Number(count.value) };
    }),
  };
}
