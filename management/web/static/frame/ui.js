// Small parts that pages share: headings, badges, facts, tabs, meters, messages, copies, downloads.

import { Problem, session } from "./api.js";
import { $, h, put, upper } from "./dom.js";

// The page's h1, with actions beside it. `trail` are [label, path] of the pages above.
export const heading = (title, { actions = [], trail = [], note } = {}) =>
  h("div", { class: "heading" },
    h("div", null,
      trail.length > 0 && h("nav", { "aria-label": "Above", class: "trail" }, trail.map(([label, path]) => [h("a", { href: path }, label), " / "])),
      h("h1", null, title),
      note && h("p", { class: "faint" }, note)),
    h("div", { class: "actions" }, actions));

// A section with a title (h2).
export const panel = (title, ...children) => {
  const last = children[children.length - 1];
  const actions = last?.actions ? children.pop().actions : [];
  return h("section", { class: "panel", "aria-label": title },
    h("div", { class: "panel-head" }, h("h2", null, title), h("div", { class: "actions" }, actions)), children);
};

// kind: good, bad, warn, or plain. The sign differs as well as the color.
export const badge = (kind, text) => h("span", { class: `badge ${kind}` }, text);

// Pairs of a term and its value; pairs without a value are left out.
export const facts = (...pairs) =>
  h("dl", { class: "facts" }, pairs.filter(([, value]) => (value || value === 0) && value.length !== 0).map(([term, value]) => h("div", null, h("dt", null, term), h("dd", null, value))));

// Why the reader may not change what the page shows, in place of the controls: `denied` of the API.
export const denied = (one) => one.denied && h("p", { class: "faint" }, upper(one.denied), ".");

// What there is to do first, when there is nothing to show.
export const empty = (title, text, ...actions) =>
  h("div", { class: "empty" }, h("p", null, h("strong", null, title)), text && h("p", null, text), actions);

// [label, path, current] as links.
export const tabs = (label, items) =>
  h("nav", { class: "tabs", "aria-label": label }, items.map(([text, path, here]) => h("a", { href: path, "aria-current": here && "page" }, text)));

// A share as a bar with words: meter("CPU", 3, 8, "3 of 8 cores").
export const meter = (label, used, whole, text) =>
  h("div", { class: "meter" }, h("span", null, label), h("span", { class: "faint" }, text),
    whole > 0 && h("meter", { min: 0, max: 1, high: 0.85, optimum: 0, value: Math.min(used / whole, 1), "aria-label": `${label}: ${text}` }));

// Buttons whose actions run, with the visits in which they began. A dialog that a slow action opens
// later does not belong to the page that is shown then.
const running = new Set();
export const isLeft = () => running.size > 0 && [...running].every(({ visit }) => visit !== session.visit);

// A button that is off while its action runs. A Problem is shown as a message.
export function button(text, action, { label, kind = "quiet" } = {}) {
  const element = h("button", { type: "button", class: kind, "aria-label": label }, text);
  element.addEventListener("click", async () => {
    if (element.disabled) return;
    element.disabled = true;
    const one = { visit: session.visit };
    running.add(one);
    try {
      await action();
    } catch (error) {
      fail(error);
    } finally {
      running.delete(one);
      element.disabled = false;
    }
  });
  return element;
}
export const linkButton = (text, path, kind = "quiet") => h("a", { class: `button ${kind}`, href: path }, text);

// Show a message in the live region. Errors stay until they are closed.
export function say(text, isError = false) {
  const box = $("messages");
  const close = h("button", { type: "button", class: "close", "aria-label": "Close the message", onclick: () => item.remove() }, "×");
  const item = h("div", { class: isError ? "message error" : "message", role: isError ? "alert" : null }, h("span", null, text), close);
  box.append(item);
  while (box.children.length > 4) box.firstChild.remove();
  if (!isError) setTimeout(() => item.remove(), 8000);
}
export const hush = () => put($("messages"));

// Show an error of an action: a Problem's sentence, with the request id.
export function fail(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof Problem)) console.error(error);
  say(error instanceof Problem ? describe(error) : "An unknown error occurred. Load the page again.", true);
}
export const describe = (problem) => problem.message + (problem.id ? ` (Request ${problem.id})` : "");

export function download(name, text, type = "application/yaml") {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export async function copy(text, said = "Copied.") {
  await navigator.clipboard.writeText(text);
  say(said);
}

// A text that is shown once, such as a new token: selected, with buttons to copy or save it.
export function secret(label, text, { file, rows = 1 } = {}) {
  const id = `secret-${Math.random().toString(36).slice(2)}`;
  const field = rows > 1
    ? h("textarea", { id, readonly: true, rows, spellcheck: "false", autocomplete: "off" }, text)
    : h("input", { id, readonly: true, value: text, spellcheck: "false", autocomplete: "off" });
  field.addEventListener("focus", () => field.select());
  return h("div", { class: "secret" }, h("label", { for: id }, label), field,
    h("div", { class: "actions" }, button("Copy", () => copy(text, "Copied. Do not share it.")), file && button("Download", () => download(file, text))));
}
