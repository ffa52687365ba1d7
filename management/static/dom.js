// Elements of the page.

export const $ = (id) => document.getElementById(id);

export function show(section) {
  for (const id of ["sign-in", "change", "home"]) $(id).hidden = id !== section;
  const first = { "sign-in": ["username", "ways"], change: ["new-password"], home: ["home-title"] };
  const field = first[section].map($).find(Boolean);
  if (field) (field.querySelector("a") || field).focus();
}

export function say(text, isError) {
  $("message").textContent = text;
  $("message").classList.toggle("error", Boolean(isError));
  $("message").hidden = !text;
}

export function button(text, label, action) {
  const made = document.createElement("button");
  made.className = "quiet";
  made.type = "button";
  made.textContent = text;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await action();
    } catch {
      say("Sekisho can't be reached.", true);
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

export function card(title, detail, ...buttons) {
  const item = document.createElement("li");
  const words = document.createElement("div");
  const name = document.createElement("strong");
  name.textContent = title;
  const more = document.createElement("div");
  more.className = "faint small";
  more.textContent = detail;
  words.append(name, more);
  const row = document.createElement("div");
  row.className = "buttons";
  row.append(...buttons);
  item.append(words, row);
  return item;
}

export function onSubmit(form, action) {
  if (!form) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const submit = form.querySelector("button");
    submit.disabled = true;
    say("");
    try {
      await action(new FormData(form));
    } catch {
      say("Sekisho can't be reached.", true);
    } finally {
      submit.disabled = false;
    }
  });
}

export function when(text) {
  return text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "never";
}
