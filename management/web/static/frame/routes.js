// The pages, and the sections of the navigation. A page is loaded when it is first shown.

// Sections: show(me, may) decides whether the signed-in person may use it. `also`: a path of its pages.
export const SECTIONS = [
  { path: "/", label: "Overview", show: () => true },
  { path: "/clusters", label: "Clusters", show: () => true },
  { path: "/projects", label: "Projects", show: () => true },
  { path: "/people", also: "/groups", label: "People and groups", show: (me, may) => may("users.read") },
  { path: "/roles", label: "Roles", show: () => true },
  { path: "/providers", label: "Providers", show: (me, may) => may("providers.read") },
  { path: "/access", label: "Who can …?", show: () => true },
  { path: "/activity", label: "Activity", show: () => true },
  { path: "/me", label: "My account", show: () => true },
];

// [path, load, permission]; "/clusters/:cluster/:tab?" has two parameters, the last is optional. The
// first that matches is shown, to readers who hold its global permission. The server knows the first segments too: management/web/pages.py.
export const ROUTES = [
  ["/", () => import("../pages/overview.js")],
  ["/me/:tab?", () => import("../pages/me.js")],
  ["/clusters", () => import("../pages/clusters.js")],
  ["/clusters/new", () => import("../pages/cluster_import.js"), "clusters.create"],
  ["/clusters/order", () => import("../pages/cluster_order.js"), "clusters.provision"],
  ["/clusters/:cluster/:tab?", () => import("../pages/cluster.js")],
  ["/clusters/:cluster/workloads/:namespace/:kind/:name/:tab?", () => import("../pages/workload.js")],
  ["/projects", () => import("../pages/projects.js")],
  ["/projects/new", () => part("newProject", import("../pages/projects.js"))],
  ["/projects/:project/:tab?", () => import("../pages/project.js")],
  ["/people", () => import("../pages/people.js"), "users.read"],
  ["/people/roles", () => part("globalRoles", import("../pages/people.js")), "bindings.read"],
  ["/groups", () => part("groups", import("../pages/people.js"))],
  ["/groups/:group/:tab?", () => import("../pages/group.js")],
  ["/people/:user/:tab?", () => import("../pages/person.js"), "users.read"],
  ["/roles", () => import("../pages/roles.js")],
  ["/roles/new", () => part("newRole", import("../pages/roles.js")), "roles.manage"],
  ["/roles/:role", () => part("role", import("../pages/roles.js"))],
  ["/providers", () => import("../pages/providers.js"), "providers.read"],
  ["/providers/new", () => part("newProvider", import("../pages/providers.js")), "providers.manage"],
  ["/providers/:name", () => part("provider", import("../pages/providers.js")), "providers.read"],
  ["/access", () => import("../pages/access.js")],
  ["/activity", () => import("../pages/activity.js")],
];

// A page that is not its module's default export.
async function part(name, module) {
  return { default: (await module)[name] };
}
