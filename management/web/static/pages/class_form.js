// Fields of a form from the variables of a class, which have OpenAPI schemas of its author. An object
// with known properties becomes a group of fields; what has no simpler field is entered as JSON.
//
// A value that equals its default is not sent, so that the class decides it.

import { h } from "../frame/dom.js";
import { copy, drop, mergePatch, put } from "./merge_patch.js";

const DEEPEST = 3;
const MOST_FIELDS = 60;
const MOST_OPTIONS = 200;

// variables: [{ name, required, schema }]; prefix: the path of the variables in a request, for errors;
// present: the values that an order has.
export function variableFields(variables, prefix, present = {}) {
  const leaves = variables.flatMap(({ name, required, schema }) => safeLeaves(name, schema || {}, required, Object.hasOwn(present, name) ? present[name] : undefined));
  const defaults = new Map(variables.map(({ name, schema }) => [name, schema?.default]));
  const entered = (leaf, values) => values[`${prefix}.${leaf.path.join(".")}`];
  // Fields that the reader left alone keep the values that the default of the whole object has.
  const set = (target, leaf, value) => {
    const [name, field] = leaf.path;
    if (field !== undefined && !Object.hasOwn(target, name) && defaults.get(name)) target[name] = copy(defaults.get(name));
    put(target, leaf.path, leaf.kind.parse(value));
  };
  const made = {
    fields: leaves.map((leaf) => ({ ...leaf.kind.attributes, name: `${prefix}.${leaf.path.join(".")}`, label: leaf.path.join("."), type: leaf.kind.type, options: leaf.kind.options, value: leaf.shown, required: leaf.required && leaf.kind.type !== "checkbox", hint: leaf.hint })),
    // The values of a form that differ from the defaults, as one object.
    read(values) {
      const found = Object.create(null);
      for (const leaf of leaves) {
        const value = entered(leaf, values);
        if (value === "" || (value === leaf.shown && !leaf.sent)) continue;
        set(found, leaf, value);
      }
      return found;
    },
    // The merge patch of what the reader changed. An empty field leaves the variable to the class.
    changes(values) {
      const after = copy(present);
      for (const leaf of leaves) {
        const value = entered(leaf, values);
        if (value === leaf.shown) continue;
        if (value === "") drop(after, leaf.path);
        else set(after, leaf, value);
      }
      return mergePatch(present, after);
    },
    // Move optional fields of a form into one <details>, and fields of an object into one <fieldset>.
    arrange(form) {
      const boxes = new Map(made.fields.map((one, i) => [leaves[i], form.querySelector(`[name="${CSS.escape(one.name)}"]`).closest(".field")]));
      const groups = new Map();
      const optional = [];
      const last = boxes.size && [...boxes.values()].at(-1).nextSibling;
      for (const [leaf, box] of boxes) {
        const [name] = leaf.path;
        if (leaf.path.length > 1 && !groups.has(name)) {
          groups.set(name, h("fieldset", { class: "rule" }, h("legend", null, name), leaf.group && h("p", { class: "hint" }, leaf.group)));
          if (leaf.needed) box.before(groups.get(name));
          else optional.push(groups.get(name));
        }
        if (leaf.path.length > 1) groups.get(name).append(box);
        else if (!leaf.needed) optional.push(box);
      }
      if (optional.length) last.before(h("details", { open: Object.keys(present).length > 0 }, h("summary", null, "More variables"), optional));
    },
  };
  return made;
}

// A schema comes from the management cluster. One that is malformed or very large gets one field.
function safeLeaves(name, schema, required, now) {
  try {
    const found = leavesOf([name], schema, required, now);
    if (found.length <= MOST_FIELDS) return found;
  } catch (error) {
    console.warn(error);
  }
  return leavesOf([name], { description: String(schema.description || "") }, required && schema.default === undefined, now);
}

// The fields that a schema needs. `now`: the present value, if there is one. `needed`: the variable is
// required, and has no default.
function leavesOf(path, schema, required, now, outer = {}) {
  const needed = outer.needed ?? Boolean(required && schema.default === undefined);
  const group = outer.group ?? schema.description;
  const inner = Object.entries(schema.properties || {});
  if (inner.length && path.length < DEEPEST) {
    if (now !== undefined) mustBe(now, "object");
    return inner.flatMap(([name, one]) => {
      const fallback = Object.hasOwn(schema.default || {}, name) ? schema.default[name] : undefined;
      const property = one.default === undefined && fallback !== undefined ? { ...one, default: fallback } : one;
      const value = Object.hasOwn(now || {}, name) ? now[name] : undefined;
      return leavesOf([...path, name], property, required && schema.required?.includes(name), value, { needed, group });
    });
  }
  const must = Boolean(required && schema.default === undefined);
  if (now !== undefined && schema.type) mustBe(now, schema.type, schema);
  const kind = kindOf(schema, must, now);
  return [{ path, kind, needed, group, required: must, sent: must && kind.type === "checkbox", shown: kind.show(now ?? schema.default ?? null), hint: hintOf(schema) }];
}

// A value of another type than the schema's, or one that its field would alter, is entered as JSON.
function mustBe(value, type, { items, additionalProperties } = {}) {
  const kind = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
  if (kind !== (type === "integer" ? "number" : type)) throw new TypeError(`is ${kind}, not ${type}`);
  const inner = kind === "array" ? items?.type : kind === "object" && additionalProperties?.type;
  for (const one of inner ? Object.values(value) : []) {
    mustBe(one, inner);
    if (inner === "string" && one.includes("\n")) throw new TypeError("has several lines");
  }
}

const hintOf = (schema) => [schema.description, schema.example !== undefined && `Example: ${text(schema.example)}.`].filter(Boolean).join(" ");
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

const same = (value) => value;
const lines = (all) => all.split("\n").map((one) => one.trim()).filter(Boolean);
const json = (value) => (value === null ? "" : JSON.stringify(value, null, 1));

function kindOf(schema, must, now) {
  const { type, items } = schema;
  if (schema.enum?.length <= MOST_OPTIONS) {
    const unlisted = now !== undefined && !schema.enum.includes(now);
    return choice(unlisted ? schema.enum.concat([now]) : schema.enum, must, schema.default);
  }
  if (type === "boolean") {
    return must || schema.default !== undefined ? { type: "checkbox", show: Boolean, parse: same } : { ...choice([true, false], false), options: [["", "–"], ["true", "yes"], ["false", "no"]] };
  }
  if (type === "integer" || type === "number") {
    return { type: "number", attributes: { min: schema.minimum, max: schema.maximum, step: type === "integer" ? 1 : "any" }, show: (one) => String(one ?? ""), parse: Number };
  }
  if (type === "string" && typeof now === "string" && now.includes("\n")) return { type: "textarea", attributes: { rows: 3 }, show: same, parse: same };
  if (type === "string") return { type: schema.format === "password" ? "password" : "text", attributes: { maxlength: schema.maxLength, spellcheck: "false", autocapitalize: "none", autocomplete: schema.format === "password" ? "new-password" : "off" }, show: (one) => one ?? "", parse: same };
  if (type === "array" && ["string", "integer", "number"].includes(items?.type)) {
    return { type: "textarea", attributes: { rows: 3, placeholder: "One in a line" }, show: (all) => (all || []).map(String).join("\n"), parse: (all) => lines(all).map(items.type === "string" ? same : numeric) };
  }
  if (type === "object" && schema.additionalProperties?.type === "string") {
    return { type: "textarea", attributes: { rows: 3, placeholder: "key=value" }, show: (all) => Object.entries(all || {}).map((one) => one.join("=")).join("\n"), parse: pairs };
  }
  return { type: "textarea", attributes: { rows: 3, placeholder: "JSON" }, show: json, parse: parsed };
}

// A list of values, each with its text. Without a default, the reader has to choose.
function choice(values, must, fallback) {
  const options = values.map((one) => [text(one), text(one)]);
  return { type: "select", options: fallback === undefined ? [["", must ? "Choose …" : "–"], ...options] : options, show: (one) => (one === null ? "" : text(one)), parse: (entered) => values.find((one) => text(one) === entered) };
}

const numeric = (entered) => (Number.isNaN(Number(entered)) ? entered : Number(entered));
const pairs = (all) => Object.fromEntries(lines(all).map((one) => one.split(/=(.*)/s, 2)).map(([key, value = ""]) => [key.trim(), value.trim()]));

// What is no JSON is sent as it is: the API says what it expects there.
function parsed(entered) {
  try {
    return JSON.parse(entered);
  } catch {
    return entered;
  }
}
