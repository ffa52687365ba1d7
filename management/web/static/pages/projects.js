// The projects that the reader may see, and new ones.

import { call, every, holds, isImported } from "../frame/api.js";
import { enc, h } from "../frame/dom.js";
import { form } from "../frame/form.js";
import { watch } from "../frame/live.js";
import { navigate, refuse } from "../frame/router.js";
import { table } from "../frame/table.js";
import { badge, empty, heading, linkButton, panel, say } from "../frame/ui.js";
import { amountsText, projectFields } from "./quota.js";

const places = async () => (await every("/v1/clusters")).filter(isImported).filter((one) => holds(one, "projects.create") || holds(one, "cluster.projects"));

export default async function projects(view) {
  const create = (await places()).length > 0 && linkButton("Create project", "/projects/new", "");
  const list = table({ caption: "projects", view, sort: "Name", columns: [
    { label: "Name", cell: (one) => h("a", { href: `/projects/${enc(one.id)}` }, one.name), sort: (one) => one.name, text: (one) => `${one.name} ${one.id}` },
    { label: "Cluster", cell: (one) => h("a", { href: `/clusters/${enc(one.cluster)}` }, one.cluster_name), sort: (one) => one.cluster_name, text: (one) => one.cluster_name },
    { label: "Namespaces", cell: (one) => one.namespaces.length > 4 ? `${one.namespaces.slice(0, 4).join(", ")} and ${one.namespaces.length - 4} more` : one.namespaces.join(", "), sort: (one) => one.namespaces.length, text: (one) => one.namespaces.join(" ") },
    { label: "Quota", cell: (one) => amountsText(one.quota) },
    { label: "Isolation", cell: (one) => one.isolated && badge("good", "Isolated"), sort: (one) => String(one.isolated) },
    { label: "Description", cell: (one) => one.description, text: (one) => one.description },
  ], empty: empty("No projects that you may see.", "A project gives people the same rights in several namespaces of a cluster, with a quota for all of them.", create && linkButton("Create project", "/projects/new", "")) });
  watch("/v1/projects", list.update, view);
  return [heading("Projects", { actions: [create] }), list.element];
}

export async function newProject(view) {
  const clusters = await places();
  const wanted = view.query.get("cluster");
  const place = wanted ? clusters.find((one) => one.id === wanted) : clusters[0];
  if (!place) refuse(`the permission projects.create in ${wanted ? "the" : "a"} cluster: ask its owner for it`);
  const head = heading("Create a project", { trail: [["Projects", "/projects"]] });
  const { fields, read } = projectFields({ quota: {}, namespace_quota: {}, container_limits: {} });
  const cluster = { name: "cluster", label: "Cluster", type: "select", value: place.id, options: clusters.map((one) => [one.id, one.name]) };
  return [head, panel("Project", form({
    fields: [cluster, ...fields],
    submit: "Create project",
    action: async (values, { key }) => {
      const { data } = await call("POST", "/v1/projects", { cluster: values.cluster, ...read(values) }, { key });
      await navigate(`/projects/${data.id}`);
      say(`${data.name} is created. Next: add namespaces and members.`);
    },
  }))];
}

