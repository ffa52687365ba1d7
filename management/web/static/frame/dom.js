// Elements, words, and times. Text becomes text nodes only: no module parses markup.

export const $ = (id) => document.getElementById(id);

// h("a", { class: "x", href: "/me", onclick: f }, "text", node, [more]): an element.
// Properties that are null or false are left out; `on…` are listeners.
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const svg = (tag, props, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...kept(children));
  return element;
}

const kept = (children) => children.flat(Infinity).filter((one) => one || one === 0);

// Let long names break after punctuation, and elsewhere only in a part that is longer than words are.
export function breakable(element) {
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const long = [];
  while (texts.nextNode()) if (/\S{17}/.test(texts.currentNode.data)) long.push(texts.currentNode);
  for (const text of long) {
    text.replaceWith(...text.data.split(/(?<=\S[-./:@_=,])(?=\S)|(?<=\s)/).flatMap((part) => [part.trim().length > 16 ? h("span", { class: "long" }, part) : part, h("wbr")]));
  }
  return element;
}

// Replace what is in an element.
export const put = (element, ...children) => (element.replaceChildren(...kept(children)), element);

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;
export const upper = (text) => text && text[0].toUpperCase() + text.slice(1);
export const enc = encodeURIComponent;

const UNITS = [["year", 31536e3], ["month", 2592e3], ["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function words(date) {
  const seconds = (date - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, one]) => Math.abs(seconds) >= one) || [];
  return unit ? relative.format(Math.round(seconds / size), unit) : seconds > 0 ? "in a moment" : "just now";
}

// A time in words, such as "3 days ago", with the exact time as its title. The words stay current.
export function when(text, none = "never") {
  if (!text) return none;
  const date = new Date(text);
  const exact = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return h("time", { datetime: date.toISOString(), title: exact }, words(date));
}
setInterval(() => {
  for (const one of document.querySelectorAll("time[datetime]")) {
    const now = words(new Date(one.dateTime));
    if (one.textContent !== now) one.textContent = now;
  }
}, 20000);

const SUFFIXES = { m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, n: 1e-9, u: 1e-6 };
// The number that a Kubernetes quantity means, such as 250m or 4Gi.
export function quantity(text) {
  const [, number, suffix] = /^([\d.eE+-]+)([A-Za-z]*)$/.exec(text || "") || [];
  return Number(number) * (SUFFIXES[suffix] || 1);
}
export const cores = (text) => quantity(text).toLocaleString("en", { maximumFractionDigits: 1 });
export const gib = (text) => (quantity(text) / 2 ** 30).toLocaleString("en", { maximumFractionDigits: 1 });
