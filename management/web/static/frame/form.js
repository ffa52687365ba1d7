// Forms and dialogs. A form is sent once: its button is off meanwhile, and a repeated request after
// a lost response has the same Idempotency-Key, so nothing is created twice.

import { Problem } from "./api.js";
import { h, put } from "./dom.js";
import { button, describe, isLeft } from "./ui.js";

let numbers = 0;

// A field is { name, label, type, value, hint, required, options, … } or { element, name, label, read }.
// Types: those of <input>, "select" and "radio" (options: [value, label]), "textarea", "checkbox".
// Further properties (maxlength, pattern, autocomplete, rows, min) are attributes.
function build(field) {
  const { name, label, type = "text", value, hint, options = [], element, read, show, ...rest } = field;
  const id = `f-${name}-${++numbers}`;
  const error = h("p", { class: "field-error", id: `${id}-error`, hidden: true });
  const help = hint && h("p", { class: "hint", id: `${id}-hint` }, hint);
  const described = `${id}-error${help ? ` ${id}-hint` : ""}`;
  const common = { id, name, "aria-describedby": described, ...rest };
  let input = element;
  if (type === "radio") {
    input = h("fieldset", { "aria-describedby": described }, h("legend", null, label),
      options.map(([one, text, more]) => h("label", { class: "choice" },
        h("input", { type: "radio", name, value: one, checked: one === value, required: rest.required }), h("span", null, text, more && h("small", null, more)))));
  } else if (type === "select") {
    input = h("select", common, options.map(([one, text]) => h("option", { value: one, selected: one === value }, text)));
  } else if (type === "textarea") {
    input = h("textarea", { rows: 4, spellcheck: "false", ...common, value });
  } else if (type === "checkbox") {
    input = h("input", { ...common, type, checked: value });
  } else if (!input) {
    input = h("input", { autocomplete: "off", ...common, type, value });
  }
  const box = h("div", { class: `field ${type}` },
    type === "checkbox" ? h("label", { class: "choice" }, input, h("span", null, label))
      : type !== "radio" && h("label", { for: element ? element.dataset.input : id }, label), type !== "checkbox" && input, help, error);
  const target = element ? element.querySelector("input") || element : input;
  return {
    name, box, target,
    read: read || (() => type === "checkbox" ? input.checked : type === "radio" ? input.querySelector("input:checked")?.value : input.value),
    fail(text) {
      error.textContent = text || "";
      error.hidden = !text;
      if (text) target.setAttribute("aria-invalid", "true");
      else target.removeAttribute("aria-invalid");
    },
  };
}

// Browsers neither show nor name what is wrong in a closed <details>.
function reveal(element) {
  for (let one = element; one; one = one.parentElement) if (one.matches("details")) one.open = true;
}

// form({ fields, submit: "Save", action: async (values, { key }) => …, cancel: f, reload: f, danger })
// `values` are by name. Problems are shown at their fields, else above the button; a field's name may be
// a path in the request, such as "limits.workers". For 412, "changed meanwhile", the form offers `reload`.
// The result is the <form>; form.set(name, text) shows an error.
export function form({ fields, submit, action, cancel, reload, danger = false, inline = false }) {
  const built = fields.filter(Boolean).map((one) => (one instanceof Node ? { box: one } : build(one)));
  const named = built.filter((one) => one.name);
  const trouble = h("div", { class: "form-error", role: "alert" });
  const send = h("button", { type: "submit", class: danger ? "danger" : "" }, submit);
  const row = h("div", { class: "actions" }, send, cancel && button("Cancel", cancel));
  const element = h("form", { class: inline ? "inline" : null }, built.map((one) => one.box), trouble, row);
  let sent = "";
  let key = "";

  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.disabled) return;
    send.disabled = true;
    element.setAttribute("aria-busy", "true");
    put(trouble);
    for (const one of named) one.fail("");
    const values = Object.fromEntries(named.map((one) => [one.name, one.read()]));
    const now = JSON.stringify(values);
    if (now !== sent) [sent, key] = [now, crypto.randomUUID()];
    try {
      await action(values, { key });
      sent = "";
    } catch (error) {
      show(error);
    } finally {
      send.disabled = false;
      element.removeAttribute("aria-busy");
    }
  });

  function show(error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Problem)) console.error(error);
    if (error.status === 401) return put(trouble, h("p", null, "This was not sent, because your session had ended. Send it again."));
    let first = null;
    for (const { field, message } of error.errors || []) {
      const [one] = named.filter((other) => `${field}.`.startsWith(`${other.name}.`)).sort((a, b) => b.name.length - a.name.length);
      if (one) {
        one.fail(message);
        first ||= one;
      }
    }
    if (first) {
      reveal(first.box);
      return (first.target.querySelector("input, select, textarea") || first.target).focus();
    }
    if (error.status === 412) {
      put(trouble, h("p", null, "This was changed meanwhile, by another tab or person."), reload && button("Load the current state", reload));
    } else {
      put(trouble, h("p", null, error instanceof Problem ? describe(error) : error.message || "An unknown error occurred."));
    }
  }
  element.addEventListener("invalid", (event) => reveal(event.target), true);
  element.setError = (name, text) => named.find((one) => one.name === name)?.fail(text);
  return element;
}

// A modal dialog. It closes with Escape, and the focus returns to where it was. `data-kept`: it is
// hidden during a sign-in, and shown again.
export function dialog(title, ...children) {
  if (isLeft()) throw new DOMException("the page was left", "AbortError");
  const id = `d-${++numbers}`;
  const close = h("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  const element = h("dialog", { "aria-labelledby": id },
    h("div", { class: "panel-head" }, h("h2", { id }, title), close), children);
  close.addEventListener("click", () => element.close());
  element.addEventListener("close", () => element.dataset.kept || element.remove());
  document.body.append(element);
  element.showModal();
  (element.querySelector("form input, form select, form textarea, .secret input, .secret textarea") || close).focus();
  return element;
}

// Ask before something is lost. `lost`: sentences or nodes that name what. `typed`: the name to type.
export function confirm({ title, lost = [], typed, action, submit, fields = [] }) {
  const check = typed && { name: "typed", label: `Type ${typed} to confirm`, required: true, spellcheck: "false", autocapitalize: "none" };
  const asked = form({
    fields: [...fields, check],
    submit: submit || title,
    danger: true,
    cancel: () => box.close(),
    action: async (values, sent) => {
      if (typed && values.typed.trim() !== typed) return asked.setError("typed", `This is not ${typed}.`);
      await action(values, sent);
      box.close();
    },
  });
  const box = dialog(title, lost.length > 0 && h("ul", { class: "lost" }, lost.map((one) => h("li", null, one))), asked);
  return box;
}

// Ask whether to go on with a form that is kept: true or false. `what`: sentences that name what happens.
export function agreed(title, what, submit) {
  return new Promise((resolve) => {
    let sure = false;
    const end = (value) => ((sure = value), box.close());
    const box = dialog(title, h("ul", { class: "lost" }, what.map((one) => h("li", null, one))),
      h("div", { class: "actions" }, button(submit, () => end(true), { kind: "" }), button("Cancel", () => end(false))));
    box.addEventListener("close", () => box.dataset.kept || resolve(sure));
  });
}

// A dialog with a form, which closes when the action succeeds.
export function formDialog(title, { before, action, ...rest }) {
  const box = dialog(title, before, form({ ...rest, cancel: () => box.close(), action: async (values, sent) => {
    await action(values, sent);
    box.close();
  } }));
  return box;
}
