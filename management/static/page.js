// The sign-in page. The session is an HttpOnly cookie; this script never sees a token of it.
"use strict";

const $ = (id) => document.getElementById(id);
let csrf = "";
let givenPassword = "";

async function call(method, path, body) {
  const headers = {};
  if (csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const data = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  return { ok: answer.ok, status: answer.status, data, wait: answer.headers.get("Retry-After") };
}

function show(section) {
  for (const id of ["sign-in", "change", "home"]) $(id).hidden = id !== section;
  const field = { "sign-in": "username", change: "new-password" }[section];
  if (field) $(field).focus();
}

function say(text, isError) {
  $("message").textContent = text;
  $("message").classList.toggle("error", Boolean(isError));
  $("message").hidden = !text;
}

function reason({ status, data, wait }) {
  if (status === 429) return `Too many attempts. Try again in ${wait} seconds.`;
  return data.detail ? data.detail[0].toUpperCase() + data.detail.slice(1) + "." : "Something went wrong.";
}

async function home() {
  const me = await call("GET", "/v1/me");
  if (!me.ok) return show("sign-in");
  csrf = me.data.csrf_token || "";
  $("home-title").textContent = me.data.display_name;
  $("identity").textContent =
    `${me.data.id} · ${me.data.principals.map((p) => p.id).join(", ")}` +
    (me.data.administrator ? " · administrator" : "");
  const clusters = await call("GET", "/v1/clusters");
  const items = (clusters.data.items || []).map(card);
  $("clusters").replaceChildren(...items);
  $("no-clusters").hidden = items.length > 0;
  show("home");
}

function card(cluster) {
  const item = document.createElement("li");
  const name = document.createElement("strong");
  name.textContent = cluster.name;
  const button = document.createElement("button");
  button.className = "quiet";
  button.type = "button";
  button.textContent = "Kubeconfig";
  button.setAttribute("aria-label", `Download a kubeconfig for ${cluster.name}`);
  button.addEventListener("click", () => download(cluster));
  item.append(name, button);
  return item;
}

async function download(cluster) {
  const answer = await fetch(`/v1/clusters/${encodeURIComponent(cluster.id)}/kubeconfig`, {
    method: "POST",
    headers: { "X-CSRF-Token": csrf },
  });
  if (!answer.ok) return say("The kubeconfig could not be made.", true);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = `${cluster.name}.kubeconfig`;
  link.click();
  URL.revokeObjectURL(link.href);
  say(`${cluster.name}.kubeconfig holds a token of yours: keep it to yourself.`);
}

function onSubmit(form, action) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    say("");
    try {
      await action(new FormData(form));
    } catch {
      say("Sekisho can't be reached.", true);
    } finally {
      button.disabled = false;
    }
  });
}

onSubmit($("sign-in-form"), async (form) => {
  const answer = await call("POST", `/v1/login/${encodeURIComponent(form.get("provider"))}`, {
    username: form.get("username"),
    password: form.get("password"),
    session: true,
  });
  if (!answer.ok) return say(reason(answer), true);
  givenPassword = answer.data.must_change_password ? form.get("password") : "";
  $("sign-in-form").reset();
  await home();
  if (givenPassword) show("change");
});

onSubmit($("change-form"), async (form) => {
  const answer = await call("POST", "/v1/me/password", {
    current_password: givenPassword,
    new_password: form.get("new-password"),
  });
  if (!answer.ok) return say(reason(answer), true);
  givenPassword = "";
  $("change-form").reset();
  say("Your password has been changed.");
  await home();
});

$("sign-out").addEventListener("click", async () => {
  await call("POST", "/v1/logout");
  csrf = "";
  say("You are signed out.");
  show("sign-in");
});

home().catch(() => say("Sekisho can't be reached.", true));
