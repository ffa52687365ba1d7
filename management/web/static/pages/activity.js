// Activity: the audit events that the reader may see, newest first.

import { every, get } from "../frame/api.js";
import { h, put, when } from "../frame/dom.js";
import { dialog, form } from "../frame/form.js";
import { follow } from "../frame/live.js";
import { table } from "../frame/table.js";
import { badge, button, empty, facts, heading } from "../frame/ui.js";

const OUTCOMES = [["", "Any"], ["success", "Success"], ["refused", "Refused"], ["limited", "Limited"], ["error", "Error"]];
const MOST = 5000; // Events on one page.
const TIMES = [["", "Any time"], ["15m", "15 minutes"], ["1h", "Hour"], ["24h", "Day"], ["7d", "7 days"], ["30d", "30 days"]];

export default async function activity(view) {
  const clusters = await every("/v1/clusters");
  const text = (name, label, placeholder) => ({ name, label, placeholder, value: view.query.get(name) || "", spellcheck: "false", autocapitalize: "none" });
  const choice = (name, label, options) => ({ name, label, type: "select", options, value: view.query.get(name) || "" });
  const asked = form({
    inline: true,
    fields: [
      text("user", "Who", "Name, id, or principal"), choice("cluster", "Cluster", [["", "Any"], ...clusters.map((one) => [one.name, one.name])]), text("namespace", "Namespace"),
      text("verb", "Verbs", "delete, patch"), text("resource", "Resource", "secrets"), text("name", "Name"), text("path", "Path", "/v1/users*"),
      text("token", "Token", "Its name"),
      choice("outcome", "Outcome", OUTCOMES), choice("since", "Within", TIMES), text("request_id", "Request"),
    ],
    submit: "Search",
    action: async (values) => {
      view.keep(values);
      await begin();
    },
  });
  const list = table({ caption: "events", search: false, key: "key", columns: [
    { label: "When", cell: (one) => when(one.time) },
    { label: "Who", cell: (one) => [one.username || one.user || "Anonymous", one.impersonated && h("small", null, `as ${one.impersonated}`)] },
    { label: "What", cell: (one) => [h("strong", null, one.verb), ` ${what(one)}`] },
    { label: "Where", cell: (one) => [one.cluster_name, one.namespace].filter(Boolean).join(" / ") },
    { label: "Outcome", cell: (one) => [badge({ success: "good", error: "bad" }[one.outcome] || "warn", `${one.code} ${one.outcome}`), one.reason && h("small", null, one.reason)] },
    { label: "", narrow: true, cell: (one) => button("Details", () => details(one), { label: `Details of ${one.verb} ${what(one)}, ${one.request_id}` }) },
  ], empty: empty("No events match.", "Events are kept as the configuration's audit.search says. The log's files have all of them.") });
  const older = h("div", { class: "actions" });
  let items = [];
  let more = "";

  const wanted = () => new URLSearchParams([...new URLSearchParams(location.search)].filter(([name, value]) => value && asked.elements[name]));
  async function page(after) {
    const query = wanted();
    query.set("limit", 100);
    if (after) query.set("continue", after);
    return get(`/v1/audit?${query}`, { signal: view.signal });
  }
  function show() {
    list.update(items.map((one, at) => ({ ...one, key: `${id(one)} ${items.length - at}` })));
    put(older, more && button("Older events", async () => {
      const next = await page(more);
      items = [...items, ...next.items];
      more = next.continue;
      show();
    }));
  }
  function fill(found) {
    items = found.items;
    more = found.continue;
    show();
  }
  const first = async () => fill(await page());
  // New events come first. What is stored before the stream is open is read then.
  let following = new AbortController();
  view.signal.addEventListener("abort", () => following.abort());
  async function begin() {
    following.abort();
    following = new AbortController();
    await first();
    const stream = wanted();
    stream.delete("since"); // A stream would begin with these.
    follow(`/v1/audit?${stream}`, { signal: following.signal, read: newer, begin: () => {
      const read = newer().catch(() => {});
      return (event, one) => {
        if (event === "added") read.then(() => add(one));
        return true;
      };
    } });
  }
  const known = (one) => items.slice(0, 200).some((other) => id(other) === id(one));
  async function newer() {
    const found = await page();
    if (found.items.some(known)) found.items.reverse().forEach(add);
    else fill(found);
  }
  let planned = 0;
  function add(one) {
    if (known(one)) return;
    items = [one, ...items];
    planned ||= setTimeout(() => {
      planned = 0;
      if (items.length > MOST) first();
      else show();
    }, 100);
  }
  await begin();
  return [heading("Activity", { note: "Who did what, where, and how it ended. New events appear by themselves." }), h("section", { class: "panel", "aria-label": "Search" }, asked), list.element, older];
}

const id = (one) => `${one.time} ${one.request_id} ${one.stage}`;
const what = (one) => one.resource ? `${one.resource}${one.subresource && `/${one.subresource}`} ${one.name}` : one.path;

function details({ key, ...event }) {
  dialog("Event", facts(...Object.entries(event).filter(([, value]) => value !== "").map(([name, value]) =>
    [name.replaceAll("_", " "), typeof value === "object" ? h("pre", null, JSON.stringify(value, null, 1)) : String(value)])));
}
