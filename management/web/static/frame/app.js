// The shell: who is signed in, the navigation, and the page of the address.

import { call, emit, get, may, on, session } from "./api.js";
import { $, h, put } from "./dom.js";
import { forget, navigate, render, retitle, start } from "./router.js";
import { ROUTES, SECTIONS } from "./routes.js";
import { showPasswordChange, showSignIn, startSignIn } from "./sign_in.js";
import { button, fail, hush, say } from "./ui.js";

const tabs = new BroadcastChannel("sekisho");
const NEXT = "sekisho.next";
const state = () => document.body.dataset.state;

// What is hidden while a person signs in again: { id, dialogs, focus, y }. The page itself stays in the
// document, with what was typed, and nowhere else.
let kept = null;
let tries = 0;
let timer;

// Read who is signed in, and show the page of the address, or the sign-in form in its place.
export async function enter() {
  let me;
  clearTimeout(timer);
  try {
    me = await get("/v1/me");
  } catch (error) {
    if (error.status !== 401) return unavailable(error);
    if (!kept) return leave();
    return state() === "out" || showSignIn(true);
  }
  tries = 0;
  if (kept && kept.id !== me.id) return restart();
  const before = session.me;
  session.me = me;
  session.csrf = me.csrf_token;
  if (state() === "in") return;
  if (me.must_change_password) return showPasswordChange();
  document.body.dataset.state = "in";
  if (!before || kept) tabs.postMessage("in");
  $("account").textContent = me.display_name;
  put($("sections"), SECTIONS.filter((one) => one.show(me, may)).map((one) => h("li", null, h("a", { href: one.path, "data-also": one.also }, one.label))));
  if (kept) return resume();
  const next = sessionStorage.getItem(NEXT);
  sessionStorage.removeItem(NEXT);
  if (next && next !== location.pathname + location.search) await navigate(next, { replace: true });
  else await render(0);
  if (!before) $("content").querySelector("h1")?.focus();
}

// The server does not say who is signed in: say so, and ask again until it does.
function unavailable(error) {
  if (state() !== "start" || !$("unavailable")) {
    document.body.dataset.state = "start";
    document.title = "Not available · Sekisho";
    put($("start"), h("h1", null, "Sekisho is not available"), h("p", { id: "unavailable", role: "alert" }), h("p", { class: "faint" }, "This page opens when it is back."), button("Try again", enter));
  }
  if ($("unavailable").textContent !== error.message) $("unavailable").textContent = error.message;
  timer = setTimeout(enter, Math.min(1000 * 2 ** tries++, 15000));
}

// The session has ended: hide the page, until the same person has signed in again.
function pause() {
  const dialogs = [...document.querySelectorAll("dialog[open]")];
  kept = { id: session.me.id, dialogs, focus: document.activeElement, y: scrollY };
  session.csrf = "";
  for (const one of dialogs) {
    one.dataset.kept = "yes";
    one.close();
  }
  hush();
  showSignIn(true);
  say(`Your session has ended. Sign in again as ${session.me.username}: this page is kept, with what you typed.${$("ways") ? " A provider opens in a new tab; come back here then." : ""}`, true);
}

function resume() {
  const { dialogs, focus, y } = kept;
  kept = null;
  hush();
  for (const one of dialogs.filter((other) => other.isConnected)) {
    delete one.dataset.kept;
    one.showModal();
  }
  retitle();
  scrollTo(0, y);
  (focus?.isConnected && focus !== document.body ? focus : $("content")).focus({ preventScroll: true });
  say("You are signed in again.");
  emit("online");
}

// Another person has signed in: nothing of the first one stays, nor what is in the query.
const restart = () => location.replace(location.pathname);

function leave(text) {
  kept = null;
  session.me = null;
  session.csrf = "";
  forget();
  for (const one of document.querySelectorAll("dialog")) one.remove();
  put($("content"));
  showSignIn();
  if (text) say(text, true);
}

async function signOut() {
  try {
    await call("POST", "/v1/logout");
  } catch (error) {
    if (error.status !== 401) return fail(error); // The session continues.
  }
  tabs.postMessage("out");
  leave();
  hush();
  say("You are signed out.");
  history.replaceState(null, "", "/");
}

// A provider's sign-in ends at "/": come back to the page that was wanted.
export const rememberAddress = () => {
  if (!kept && location.pathname !== "/") sessionStorage.setItem(NEXT, location.pathname + location.search);
};

on("signed-out", () => {
  if (!session.me || kept) return;
  if (state() === "in") pause();
  else leave("Your session has ended. Sign in to continue here.");
});
on("refused", () => checkUser());
on("changed-user", restart);
tabs.onmessage = ({ data }) => {
  if (data === "out" && session.me) {
    leave("You signed out in another tab.");
    history.replaceState(null, "", location.pathname);
  }
  if (data === "in" && state() !== "in") enter();
  else if (data === "in") checkUser();
};

// The session may have ended, or belong to another user: when the reader comes back to this tab, too.
async function checkUser() {
  if (state() !== "in") return;
  const me = await get("/v1/me").catch(() => null);
  if (!me || !session.me) return;
  if (me.id !== session.me.id) return emit("changed-user");
  session.csrf = me.csrf_token;
}
document.addEventListener("visibilitychange", () => document.hidden || checkUser());

$("sign-out").addEventListener("click", signOut);
$("menu").addEventListener("click", () => {
  const open = document.body.classList.toggle("menu-open");
  $("menu").setAttribute("aria-expanded", String(open));
});
put($("start"), h("p", { class: "late", role: "status" }, "Loading …"));
start(ROUTES);
startSignIn({ signedIn: enter, signOut, leaving: rememberAddress });
enter();
