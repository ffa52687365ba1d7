// Pages by path. A page module exports a function that gets the view and returns its nodes:
//
//   export default async function clusters(view) { return [heading("Clusters"), …]; }
//
// view.params: the parts of the path; view.query: URLSearchParams; view.signal: aborted when the
// reader leaves the page; view.refresh(): render the page again; view.keep({ search: "x" }): write
// into the query without rendering. The first h1 is the title and gets the focus.

import { Problem, away, may, on, session } from "./api.js";
import { $, h, put } from "./dom.js";

let routes = [];
let leave = new AbortController();
let shown = "";
let failures = 0;

// Routes are [path, load, permission]: "/clusters/:cluster/:tab?" has two parameters, the last is optional.
export function start(table) {
  routes = table.map(([path, load, needs]) => ({
    names: [...path.matchAll(/:(\w+)/g)].map((one) => one[1]),
    pattern: new RegExp(`^${path.replace(/\/:\w+\?/g, "(?:/([^/]+))?").replace(/:\w+/g, "([^/]+)")}/?$`),
    load, needs,
  }));
  addEventListener("popstate", (event) => render(event.state?.y || 0));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='/']");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const url = new URL(link.href);
    if (link.target || link.hasAttribute("download") || !find(url.pathname)) return;
    event.preventDefault();
    navigate(url.pathname + url.search);
  });
}

export function navigate(path, { replace = false } = {}) {
  if (!replace) history.replaceState({ y: scrollY }, "");
  history[replace ? "replaceState" : "pushState"](null, "", path);
  return render(0);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Nothing has such a name.
  }
}

function find(path) {
  for (const one of routes) {
    const found = one.pattern.exec(path);
    if (found) return { ...one, params: Object.fromEntries(one.names.map((name, i) => [name, found[i + 1] && decoded(found[i + 1])])) };
  }
  return null;
}

// Render the page of the address. Without a session nothing happens: sign-in renders afterwards.
export async function render(y = scrollY) {
  if (!session.me) return;
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const main = $("content");
  const path = location.pathname;
  const first = !shown;
  const moved = shown !== path;
  shown = path;
  if (moved && !first) {
    session.visit += 1;
    for (const one of document.querySelectorAll("dialog")) one.remove();
  }
  document.body.classList.remove("menu-open");
  $("menu").setAttribute("aria-expanded", "false");
  for (const one of document.querySelectorAll("#sections a")) {
    const here = [one.getAttribute("href"), one.dataset.also].some((own) => path === own || (own !== "/" && path.startsWith(`${own}/`)));
    if (here) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  main.setAttribute("aria-busy", "true");
  let nodes;
  try {
    const found = find(path);
    if (!found) throw new Problem(404, { detail: "nothing exists at this address" });
    if (found.needs && !may(found.needs)) refuse(`the permission ${found.needs}: ask an administrator for it`);
    const page = (await found.load().catch(unloaded)).default;
    const query = new URLSearchParams(location.search);
    nodes = await page({ params: found.params, query, signal, refresh: () => render(), keep });
    failures = 0;
  } catch (error) {
    if (signal.aborted) return;
    nodes = problemPage(error);
    // The page continues when the network, the session, or the server is back; what always fails is not tried for ever.
    if (error.status === 401 || (error.status === 0 && ++failures < 5)) on("online", () => render(), signal);
    if (error.status === 503 && ++failures < 5) setTimeout(() => signal.aborted || render(), 2000 * failures);
  }
  if (signal.aborted) return;
  put(main, nodes);
  main.removeAttribute("aria-busy");
  const title = retitle();
  if (moved && !first && title) {
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
  }
  scrollTo(0, y);
}

// Throw the problem of a reader who lacks something, such as "the permission roles.manage".
export function refuse(lacking) {
  throw new Problem(403, { detail: `this needs ${lacking}` });
}

// The tab that the address names, of [label, path, …]. lacks(tab): what its reader lacks, if anything.
export function tabOf(all, wanted = "", lacks = () => "") {
  const found = all.find(([, path]) => path === wanted);
  if (!found) throw new Problem(404, { detail: "nothing exists at this address" });
  const lacking = lacks(found);
  return lacking ? refuse(lacking) : found;
}

// Write the heading of the page into the window's title, and return it.
export function retitle() {
  const title = $("content").querySelector("h1");
  document.title = `${title ? title.textContent : "Sekisho"} · Sekisho`;
  return title;
}

export function forget() {
  leave.abort();
  shown = "";
}

function keep(values) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  history.replaceState(history.state, "", url);
}

function unloaded(error) {
  console.error(error);
  away();
  throw Object.assign(new Problem(0, { detail: "this page could not be loaded; check your connection and try again" }), { reload: true });
}

function problemPage(error) {
  const known = error instanceof Problem;
  if (!known) console.error(error);
  const titles = { 0: "Connection lost", 403: "Not allowed", 404: "Not found" };
  return [
    h("h1", null, (known && titles[error.status]) || "This page cannot be shown"),
    h("p", { role: "alert" }, known ? error.message : "The page could not be loaded. Load it again."),
    known && error.id && h("p", { class: "faint" }, `Request ${error.id}`),
    h("p", null, h("button", { type: "button", class: "quiet", onclick: () => (known && !error.reload ? render() : location.reload()) }, "Try again")),
  ];
}
