// Tables with search, order, and pages, over items in memory (`update`) or over pages of the API
// (`remote`). On a phone each row becomes a card.
//
//   const list = table({ caption: "Clusters", view, columns: [
//     { label: "Name", cell: (one) => link, sort: (one) => one.name, text: (one) => one.name } ],
//     empty: empty("No clusters yet", "…"), key: "id" });
//   watch("/v1/clusters", list.update, view);

import { breakable, h, plural, put } from "./dom.js";
import { live } from "./live.js";
import { fail } from "./ui.js";

const PAGE = 50;
const WAIT = 250;
const COLUMN = { scope: "col", role: "columnheader" };

// Columns: label, cell(item), and optionally sort(item), text(item) for the search, narrow, name
// (the API's field for order, with `remote`). `remote()`: the path of a list; the server then
// searches and sorts. `view` keeps search, order, and page in the address; `search: false` hides
// the field. `filters`: fields beside the search field; after one of them changed, call `begin`.
// `noted(page)` gets each page; `failed(problem)` is called if none can be read. `streamed`: see live.js.
export function table({ caption, columns, view, empty, remote, key = "id", search = true, filters = [], sort, noted = () => {}, failed = fail, streamed = false }) {
  const query = view?.query;
  const state = { search: query?.get("search") || "", sort: query?.get("sort") || sort || "", page: Number(query?.get("page")) || 0 };
  let items = null;
  let cursors = [""];
  let rows = new Map();
  const field = h("input", { type: "search", placeholder: "Search", "aria-label": `Search ${caption}`, value: state.search, autocomplete: "off" });
  const count = h("p", { class: "faint count", role: "status" }, "Loading …");
  // The roles remain where the style makes cards of the rows, on a phone or in a large font.
  const head = h("tr", { role: "row" });
  const body = h("tbody", { role: "rowgroup" });
  const pages = h("div", { class: "actions pages" });
  const bar = h("div", { class: "table-bar" }, search && field, filters, count);
  const frame = h("table", { role: "table" }, h("caption", { class: "hidden" }, caption), h("thead", { role: "rowgroup" }, head), body);
  const nothing = h("div", { hidden: true }, empty);
  const element = h("div", { class: "table" }, bar, frame, pages, nothing);

  let timer;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(begin, remote ? WAIT : 50);
  });

  function begin() {
    Object.assign(state, { search: field.value.trim(), page: 0 });
    cursors = [""];
    changed();
  }

  function changed() {
    view?.keep({ search: state.search, sort: state.sort === sort ? "" : state.sort, page: remote ? 0 : state.page });
    return remote ? load() : draw();
  }

  function drawHead() {
    put(head, columns.map((one) => {
      const name = one.name || one.label;
      if (!one.sort && !(remote && one.name)) return h("th", { ...COLUMN, class: one.narrow && "narrow" }, one.label || h("span", { class: "hidden" }, "Actions"));
      const up = state.sort === name;
      const down = state.sort === `-${name}`;
      const order = h("button", { type: "button", onclick: () => {
        Object.assign(state, { sort: up ? `-${name}` : name, page: 0 });
        cursors = [""];
        changed();
        head.querySelectorAll("th")[columns.indexOf(one)].querySelector("button").focus();
      } }, one.label, h("span", { "aria-hidden": "true" }, up ? "\u00a0↑" : down ? "\u00a0↓" : ""));
      return h("th", { ...COLUMN, class: one.narrow && "narrow", "aria-sort": up ? "ascending" : down ? "descending" : null }, order);
    }));
  }

  function selected() {
    const wanted = state.search.toLocaleLowerCase();
    const found = items.filter((one) => !wanted || columns.some((column) => column.text && String(column.text(one) ?? "").toLocaleLowerCase().includes(wanted)));
    const by = columns.find((one) => (one.name || one.label) === state.sort.replace(/^-/, ""));
    if (by?.sort) {
      const back = state.sort.startsWith("-") ? -1 : 1;
      found.sort((a, b) => back * compare(by.sort(a), by.sort(b)));
    }
    return found;
  }

  function draw() {
    if (!items) return;
    const found = remote ? items : selected();
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    state.page = Math.min(state.page, last);
    show(remote ? found : found.slice(state.page * PAGE, (state.page + 1) * PAGE));
    const none = items.length === 0 && !state.search && !filters.some((one) => one.value) && (!remote || cursors.length === 1);
    nothing.hidden = !none;
    frame.hidden = none;
    bar.hidden = none;
    count.textContent = remote ? (found.length ? "" : "Nothing matches.")
      : state.search ? (found.length ? `${found.length.toLocaleString()} of ${items.length.toLocaleString()}` : "Nothing matches.") : "";
    const more = remote ? Boolean(state.next) : state.page < last;
    const turn = (text, by, on) => h("button", { type: "button", class: "quiet", disabled: !on, onclick: () => flip(by) }, text);
    const before = remote ? cursors.length > 1 : state.page > 0;
    put(pages, (before || more) && [turn("Previous", -1, before), h("span", { class: "faint" }, remote ? `Page ${cursors.length}` : `Page ${state.page + 1} of ${last + 1}, ${plural(found.length, "row")}`), turn("Next", 1, more)]);
    drawHead();
  }

  function flip(by) {
    if (!remote) state.page += by;
    else if (by > 0) cursors.push(state.next);
    else cursors.pop();
    changed();
  }

  // Unchanged rows stay the same elements, so that focus and selection survive an update.
  function show(some) {
    const next = new Map();
    for (const one of some) {
      const id = String(one[key]);
      const text = JSON.stringify(one);
      const old = rows.get(id);
      next.set(id, old?.text === text ? old : { text, row: row(one), old: old?.row });
    }
    const wanted = [...next.values()].map((one) => one.row);
    const current = [...body.children];
    if (wanted.length === current.length && wanted.every((one, i) => one === current[i] || [...next.values()][i].old === current[i])) {
      wanted.forEach((one, i) => one === current[i] || swap(current[i], one));
    } else {
      const focused = body.contains(document.activeElement) && spot(document.activeElement);
      put(body, wanted);
      if (focused) body.querySelector(focused)?.focus();
    }
    rows = next;
  }

  function swap(old, row) {
    const focused = old.contains(document.activeElement) && spot(document.activeElement);
    old.replaceWith(row);
    if (focused) row.querySelector(focused)?.focus();
  }

  const spot = (one) => {
    const label = one.getAttribute("aria-label") || one.getAttribute("href");
    return label && `[${one.hasAttribute("aria-label") ? "aria-label" : "href"}="${CSS.escape(label)}"]`;
  };

  const row = (one) =>
    h("tr", { role: "row" }, columns.map((column, i) => {
      const cell = breakable(h("div", null, column.cell(one)));
      return h(i ? "td" : "th", { scope: i ? null : "row", role: i ? "cell" : "rowheader", "data-label": column.label, class: column.narrow && "narrow" }, cell.hasChildNodes() && cell);
    }));

  let reading = new AbortController();
  function load() {
    reading.abort();
    reading = new AbortController();
    const sent = new URLSearchParams({ limit: PAGE });
    if (state.search) sent.set("search", state.search);
    if (state.sort) sent.set("sort", state.sort);
    if (cursors.at(-1)) sent.set("continue", cursors.at(-1));
    const shown = (page) => {
      noted(page);
      state.next = page.continue;
      items = page.items;
      draw();
    };
    const path = remote();
    live(`${path}${path.includes("?") ? "&" : "?"}${sent}`, shown, { signal: reading.signal, streamed }).catch((error) => {
      if (error.name === "AbortError") return;
      update.failed();
      failed(error);
    });
  }
  view?.signal.addEventListener("abort", () => reading.abort());
  drawHead();
  if (remote) load();
  const update = (found) => ((items = found), draw());
  update.failed = () => (count.textContent = "Not read.");
  return { element, begin, update };
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""), "en", { numeric: true });
}
