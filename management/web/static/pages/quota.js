// Amounts of resources: as text, as fields of a form, and as meters of what is used.

import { h, quantity } from "../frame/dom.js";
import { meter } from "../frame/ui.js";

const QUOTA = [["requests.cpu", "CPU requests"], ["limits.cpu", "CPU limits"], ["requests.memory", "Memory requests"], ["limits.memory", "Memory limits"], ["pods", "Pods"], ["requests.storage", "Storage"]];
const CONTAINER = [["cpu", "CPU"], ["memory", "Memory"]];
const NAMES = new Map([...QUOTA, ...CONTAINER]);

export const amountsText = (amounts) => Object.entries(amounts || {}).map(([name, one]) => `${one} ${NAMES.get(name) || name}`).join(", ");

// "key = value" in each line, as an object and back; replacing(before, now): a merge patch of it.
export const pairs = (text) => Object.fromEntries(text.split("\n").map((line) => line.split("=").map((one) => one.trim())).filter(([key]) => key).map(([key, ...value]) => [key, value.join("=")]));
export const replacing = (before, now) => ({ ...Object.fromEntries(Object.keys(before || {}).map((key) => [key, null])), ...now });
export const labelsField = (labels = {}, name = "labels", label = "Labels") => ({ name, label, type: "textarea", rows: Math.max(Object.keys(labels).length, 1), value: Object.entries(labels).map((one) => one.join("=")).join("\n"), placeholder: "team=shop", hint: "One key=value in a line." });

// Fields for amounts: the usual resources, and a line for each other one. read() returns them.
export function amounts(legend, value = {}, { usual = QUOTA, hint, others = true } = {}) {
  const inputs = usual.map(([name, label]) => [name, label, h("input", { value: value[name] || "", autocomplete: "off", spellcheck: "false", maxlength: 64 })]);
  const rest = Object.entries(value).filter(([name]) => !usual.some(([one]) => one === name));
  const more = h("textarea", { rows: Math.max(rest.length, 1), spellcheck: "false", placeholder: "count/jobs.batch = 10", value: rest.map(([name, one]) => `${name} = ${one}`).join("\n") });
  const node = h("fieldset", null, h("legend", null, legend), hint && h("p", { class: "hint" }, hint),
    h("div", { class: "amounts" }, inputs.map(([, label, input]) => h("label", null, label, input))),
    others && h("label", { class: "others" }, "Others, one in a line", more));
  const read = () => Object.fromEntries([
    ...inputs.map(([name, , input]) => [name, input.value.trim()]),
    ...Object.entries(pairs(more.value)),
  ].filter(([name, one]) => name && one));
  return { node, read };
}

// The fields of a project, and what they mean.
export function projectFields(project) {
  const limits = project.container_limits;
  const quota = amounts("Quota of the whole project", project.quota, { hint: "Such as 4, 500m, or 8Gi. Empty: no limit." });
  const each = amounts("A namespace gets by default", project.namespace_quota, { hint: "Without it, namespaces share what is left of the quota equally." });
  const most = amounts("Limits of containers that declare none", limits.default, { usual: CONTAINER, others: false });
  const least = amounts("Requests of containers that declare none", limits.default_request, { usual: CONTAINER, others: false });
  return {
    fields: [
      { name: "name", label: "Name", value: project.name, required: true, maxlength: 64 },
      { name: "description", label: "Description", value: project.description, maxlength: 256 },
      labelsField(project.labels),
      { name: "isolated", label: "Isolated: pods accept connections from pods of this project only", type: "checkbox", value: project.isolated, hint: "Also from namespaces labelled sekisho.io/reaches-projects. The cluster's network plug-in must support NetworkPolicy." },
      quota.node, each.node, most.node, least.node,
    ],
    read: ({ name, description, labels, isolated }) => ({
      name, description, labels: pairs(labels), isolated, quota: quota.read(), namespace_quota: each.read(),
      container_limits: { default: most.read(), default_request: least.read() },
    }),
  };
}

export const meters = (used, hard) => Object.entries(hard).map(([name, most]) =>
  meter(NAMES.get(name) || name, quantity(used[name] || "0"), quantity(most), `${used[name] || 0} of ${most}`));
