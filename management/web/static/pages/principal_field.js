// Type-ahead for a person or a group, over every provider: a combobox (WAI-ARIA 1.2) as a field.

import { get } from "../frame/api.js";
import { enc, h, put } from "../frame/dom.js";

const WAIT = 200;
let numbers = 0;

// A field for `form`. Its value is { user } or { group, name }, as members and bindings take it. A
// name that was typed and not chosen is a user's.
export function principalField({ name = "user", label = "Person or group", hint = "Type the beginning of a name." } = {}) {
  const id = `p-${++numbers}`;
  const list = h("ul", { role: "listbox", id: `${id}-list`, "aria-label": label, hidden: true });
  const note = h("p", { class: "hint", role: "status", id: `${id}-note` });
  const input = h("input", {
    id, role: "combobox", autocomplete: "off", autocapitalize: "none", spellcheck: "false", required: true,
    "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-describedby": `${id}-note`,
  });
  const element = h("div", { class: "combobox", "data-input": id }, input, list, note);
  let found = [];
  let chosen = null;
  let active = -1;
  let timer;
  let reading = new AbortController();

  input.addEventListener("input", () => {
    chosen = null;
    clearTimeout(timer);
    timer = setTimeout(search, WAIT);
  });
  input.addEventListener("blur", () => setTimeout(close, 150));
  input.addEventListener("keydown", (event) => {
    const { key } = event;
    if (list.hidden) return;
    if (key === "ArrowDown" || key === "ArrowUp") move(active + (key === "ArrowDown" ? 1 : -1));
    else if (key === "Enter" && active >= 0) choose(active);
    else if (key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  async function search() {
    reading.abort();
    reading = new AbortController();
    const text = input.value.trim();
    if (!text) return close();
    try {
      const { items, incomplete } = await get(`/v1/principals?search=${enc(text)}&limit=10`, { signal: reading.signal });
      found = items;
      put(list, items.map((one, i) => h("li", { role: "option", id: `${id}-${i}`, "aria-selected": "false", onmousedown: (event) => (event.preventDefault(), choose(i)) },
        h("span", null, one.display_name), h("small", null, `${one.kind === "group" ? "Group" : "Person"} at ${one.provider}`, one.name !== one.display_name && `, ${one.name}`))));
      list.hidden = items.length === 0;
      input.setAttribute("aria-expanded", String(items.length > 0));
      active = -1;
      note.textContent = (items.length ? `${items.length} found. ` : "No match. ") + (incomplete.length ? `${incomplete.join(", ")} did not respond.` : "");
    } catch (error) {
      if (error.name !== "AbortError") note.textContent = error.message;
    }
  }

  function move(to) {
    active = (to + found.length) % found.length;
    [...list.children].forEach((one, i) => one.setAttribute("aria-selected", String(i === active)));
    input.setAttribute("aria-activedescendant", `${id}-${active}`);
    list.children[active].scrollIntoView({ block: "nearest" });
  }

  function choose(i) {
    chosen = found[i];
    input.value = chosen.display_name;
    note.textContent = `${chosen.kind === "group" ? "Group" : "Person"} at ${chosen.provider}: ${chosen.id}`;
    close();
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  const read = () => {
    if (!chosen) return { user: input.value.trim() };
    return chosen.kind === "group" ? { group: chosen.id, name: chosen.display_name } : { user: chosen.id };
  };
  return { name, label, hint, element, read };
}
