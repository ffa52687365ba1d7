// One project, in tabs: namespaces, workloads, what is used of the quota, members, settings.

import { call, every, get, holds } from "../frame/api.js";
import { enc, h, put, when } from "../frame/dom.js";
import { confirm, form, formDialog } from "../frame/form.js";
import { live, watch } from "../frame/live.js";
import { navigate, tabOf } from "../frame/router.js";
import { table } from "../frame/table.js";
import { badge, button, empty, facts, heading, linkButton, panel, say, tabs } from "../frame/ui.js";
import { LIFETIMES, SCOPES, newToken } from "./kubeconfig.js";
import { members } from "./members.js";
import { amounts, amountsText, labelsField, meters, pairs, projectFields, replacing } from "./quota.js";

const TABS = [["Namespaces", "", namespaces], ["Workloads", "workloads", workloads], ["Usage", "usage", usage], ["Members", "members", people], ["Settings", "settings", settings]];

export default async function project(view) {
  const { project: id, tab = "" } = view.params;
  const path = `/v1/projects/${enc(id)}`;
  const { data, etag } = await call("GET", path);
  const cluster = await get(`/v1/clusters/${enc(data.cluster)}`);
  const found = { ...data, path, etag, place: cluster.name, may: (permission) => holds(data, permission) };
  const enters = cluster.role !== "auditor";
  const lacks = ([, one]) =>
    one === "settings" && !found.may("project.edit") ? "the permission project.edit in the project: ask its owner for it"
      : one === "workloads" && !enters && "a role that enters the cluster: ask its owner for one";
  const [, , part] = tabOf(TABS, tab, lacks);
  const shown = TABS.filter((one) => !lacks(one));
  const base = `/projects/${enc(id)}`;
  return [
    heading(data.name, { trail: [["Projects", "/projects"]], note: [`${id} in `, h("a", { href: `/clusters/${enc(data.cluster)}` }, cluster.name), data.description && `: ${data.description}`], actions: [enters && button("Create token", () => token(data))] }),
    tabs(data.name, shown.map(([label, one]) => [label, one ? `${base}/${one}` : base, one === tab])),
    await part(view, found),
  ];
}

function token({ id, name }) {
  formDialog(`Token for ${name}`, {
    before: h("p", null, `It acts as you, in the namespaces of ${name} only.`),
    fields: [
      { name: "description", label: "Description", required: true, maxlength: 256 },
      { name: "ttl", label: "Lifetime", type: "select", value: "30d", options: LIFETIMES },
      { name: "scope", label: "Scope", type: "radio", value: "", options: SCOPES },
    ],
    submit: "Create token",
    action: async ({ description, ttl, scope }, { key }) => {
      const { data } = await call("POST", "/v1/tokens", { description, ttl, projects: [id], read_only: scope !== "", proxy_read: scope === "proxy" }, { key });
      newToken(data);
    },
  });
}

async function workloads(view, { id, cluster }) {
  return (await import("./workloads.js")).workloads(view, { cluster, project: id });
}

function people(view, { id, path, name, may }) {
  return members(view, { base: path, id, scope: "project", place: name, edit: may("project.members") });
}

async function namespaces(view, project) {
  const edit = project.may("project.namespaces");
  const list = table({ caption: "namespaces", view, key: "name", sort: "Name", columns: [
    { label: "Name", cell: (one) => one.name, sort: (one) => one.name, text: (one) => one.name },
    { label: "State", cell: (one) => one.pending ? [badge("warn", "Pending"), h("div", { class: "faint" }, one.pending)] : badge("good", "In the project") },
    { label: "Requests", cell: (one) => amountsText(one.quota) },
    { label: "Gets", cell: (one) => amountsText(one.hard) },
    { label: "", narrow: true, cell: (one) => h("div", { class: "actions" },
      project.may("project.edit") && button("Quota", () => ask(one), { label: `Change the quota of ${one.name}` }),
      !one.denied && button("Move", () => move(one), { label: `Move ${one.name}` }),
      !one.denied && button("Delete", () => remove(one), { label: `Delete ${one.name}`, kind: "quiet danger" })) },
  ], empty: empty("No namespaces yet.", "Members of the project may work in its namespaces, and nowhere else.", edit && button("Create namespace", create, { kind: "" })) });
  watch(`${project.path}/namespaces`, list.update, { ...view, key: "name" });
  const one = (name) => `${project.path}/namespaces/${enc(name)}`;

  function create() {
    const quota = amounts("Quota", {}, { hint: "Empty: the project's default." });
    formDialog("Create a namespace", {
      fields: [NAMESPACE, quota.node, labelsField(), labelsField({}, "annotations", "Annotations")],
      submit: "Create namespace",
      action: async ({ name, labels, annotations }, { key }) =>
        placed(await call("POST", `${project.path}/namespaces`, { name, quota: quota.read(), labels: pairs(labels), annotations: pairs(annotations) }, { key })),
    });
  }
  function take() {
    formDialog("Move a namespace here", {
      before: h("p", null, `It exists in ${project.place}. Who has access to it by its present project loses that access.`),
      fields: [NAMESPACE],
      submit: "Move namespace",
      action: async ({ name }, { key }) => placed(await call("POST", `${project.path}/namespaces`, { name, existing: true }, { key })),
    });
  }
  function placed({ data }) {
    say(data.pending ? `${data.name} is pending: ${data.pending}.` : `${data.name} is in ${project.name}.`);
  }
  function ask({ name, quota }) {
    const wanted = amounts("Quota", quota, { hint: "Empty: the project's default." });
    formDialog(`Quota of ${name}`, { fields: [wanted.node], submit: "Save", action: async () => {
      await call("PATCH", one(name), { quota: replacing(quota, wanted.read()) });
      say("The quota is saved.");
    } });
  }
  async function move({ name }) {
    const others = (await every(`/v1/projects?cluster=${enc(project.cluster)}`)).filter((other) => other.id !== project.id && holds(other, "project.namespaces"));
    confirm({
      title: `Move namespace ${name}`,
      lost: [`Access to ${name} by this project ends.`],
      fields: [{ name: "to", label: "To", type: "select", options: [...others.map((other) => [other.id, other.name]), ["", "No project"]] }],
      action: async ({ to }) => {
        await (to ? call("POST", `/v1/projects/${enc(to)}/namespaces`, { name, existing: true }) : call("DELETE", one(name)));
        say(`${name} is moved.`);
      },
    });
  }
  function remove({ name }) {
    confirm({
      title: `Delete namespace ${name}`,
      lost: [`The namespace ${name} is deleted in ${project.place}, with all that is in it: workloads, secrets, and volumes.`],
      typed: name,
      action: async () => {
        await call("DELETE", `${one(name)}?delete=true`);
        say(`${name} is being deleted.`);
      },
    });
  }
  return panel("Namespaces", list.element, { actions: edit ? [button("Move one here", take), button("Create namespace", create, { kind: "" })] : [] });
}

const NAMESPACE = { name: "name", label: "Name", required: true, maxlength: 63, pattern: "[a-z0-9]([a-z0-9\\-]*[a-z0-9])?", title: "lower-case letters, digits, and hyphens", autocapitalize: "none", spellcheck: "false" };

async function usage(view, project) {
  const place = h("div");
  const show = (found) => {
    const list = table({ caption: "usage", key: "name", search: false, columns: [
      { label: "Namespace", cell: (one) => one.name },
      { label: "Used", cell: (one) => one.counted ? meters(one.used, one.hard) : amountsText(one.hard) && "Not counted yet" },
    ] });
    list.update(found.namespaces);
    const any = Object.keys(found.hard).length > 0;
    put(place, any ? panel("Of the project's quota", meters(found.used, found.hard))
      : empty("The project has no quota.", "With a quota, its namespaces together never get more than the whole.", project.may("project.edit") && linkButton("Set a quota", `/projects/${enc(project.id)}/settings`, "")),
    found.namespaces.length > 0 && panel("By namespace", list.element));
  };
  await live(`${project.path}/usage`, show, { ...view, stream: false }); // The cluster counts it.
  return place;
}

function settings(view, project) {
  const { fields, read } = projectFields(project);
  const inside = project.namespaces.length;
  return [
    panel("Settings", facts(["Created", when(project.created_at)]), form({
      fields,
      submit: "Save",
      reload: view.refresh,
      action: async (values) => {
        const wanted = read(values);
        const { default: most, default_request: least } = wanted.container_limits;
        const limits = project.container_limits;
        await call("PATCH", project.path, {
          ...wanted, labels: replacing(project.labels, wanted.labels), quota: replacing(project.quota, wanted.quota), namespace_quota: replacing(project.namespace_quota, wanted.namespace_quota),
          container_limits: { default: replacing(limits.default, most), default_request: replacing(limits.default_request, least) },
        }, { etag: project.etag });
        await view.refresh();
        say("The settings are saved.");
      },
    })),
    panel("Delete", h("p", null, inside ? "Move or delete its namespaces first." : "Its members lose the roles that they hold in it."),
      !inside && button("Delete project", () => confirm({
        title: `Delete project ${project.name}`,
        lost: ["Every membership of the project, and tokens that are limited to it."],
        typed: project.name,
        submit: "Delete project",
        action: async () => {
          await call("DELETE", project.path, undefined, { etag: project.etag });
          await navigate("/projects");
          say(`${project.name} is deleted.`);
        },
      }), { kind: "danger" })),
  ];
}
