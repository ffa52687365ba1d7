// Fields of a form from a JSON schema of settings, as the API describes provider types.

import { h, upper } from "../frame/dom.js";

// The fields for `value`; read(changes): what was entered, or only what differs from `value`;
// more(form): the settings that are not required, in one <details>.
export function schemaFields(schema, value) {
  const required = schema.required || [];
  const names = Object.keys(schema.properties).sort((a, b) => required.includes(b) - required.includes(a));
  const kinds = new Map(names.map((name) => [name, kindOf(schema.properties[name], schema.secrets.includes(name))]));
  const fields = names.map((name) => {
    const one = schema.properties[name];
    const { type, options, show } = kinds.get(name);
    const stored = value[name];
    const secret = type === "password";
    const field = {
      name: `s-${name}`, label: upper(name.replaceAll("_", " ")), type, options, required: type !== "checkbox" && required.includes(name) && !(secret && stored),
      value: secret ? "" : show(stored ?? one.default ?? null), hint: [one.description, secret && stored && " Empty: unchanged."].filter(Boolean).join(""),
    };
    if (secret) Object.assign(field, { autocomplete: "new-password" });
    if (type === "textarea") field.rows = Math.min(Math.max(String(field.value).split("\n").length, 1), 8);
    return field;
  });
  const made = {
    fields,
    element: null,
    read(changes = false) {
      const result = {};
      for (const name of names) {
        const input = made.element.elements[`s-${name}`];
        const { type, parse, show } = kinds.get(name);
        const text = type === "checkbox" ? input.checked : input.value;
        const before = value[name] ?? schema.properties[name].default ?? null;
        if (type === "password" ? !text : text === show(before) && (changes || !required.includes(name))) continue;
        result[name] = text === "" ? null : parse(text);
      }
      return Object.fromEntries(Object.entries(result).filter(([, one]) => changes || one !== null));
    },
    more(element) {
      made.element = element;
      const optional = names.filter((name) => !required.includes(name)).map((name) => element.elements[`s-${name}`].closest(".field"));
      return optional.length > 0 && h("details", null, h("summary", null, "More settings"), optional);
    },
  };
  return made;
}

const lines = (text) => text.split("\n").map((one) => one.trim()).filter(Boolean);
const same = (text) => text;
const plain = (one) => one ?? "";
const json = (one) => (one === null ? "" : JSON.stringify(one, null, 1));

function kindOf(property, secret) {
  const one = property.anyOf?.find((other) => other.type !== "null") || property;
  if (secret) return { type: "password", show: plain, parse: same };
  if (one.type === "boolean") return { type: "checkbox", show: Boolean, parse: same };
  if (one.enum) return { type: "select", options: [...(property.anyOf ? [["", "–"]] : []), ...one.enum.map((text) => [text, text])], show: plain, parse: same };
  if (one.type === "integer" || one.type === "number") return { type: "number", show: (number) => String(number ?? ""), parse: Number };
  if (one.type === "array" && one.items?.type === "string") return { type: "textarea", show: (all) => (all || []).join("\n"), parse: lines };
  if (one.type === "string") return { type: /pem/i.test(property.title) ? "textarea" : "text", show: plain, parse: same };
  return { type: "textarea", show: json, parse: (text) => parseJson(text) };
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text; // The API says what it expects there.
  }
}
