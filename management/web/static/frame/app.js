// The shell: who is signed in, the navigation, and the page of the address.

import { call, emit, get, may, on, session } from "./api.js";
import { $, h, put } from "./dom.js";
import { forget, navigate, render, start } from "./router.js";
import { ROUTES, SECTIONS } from "./routes.js";
import { showPasswordChange, showSignIn, startSignIn } from "./sign_in.js";
import { fail, hush, say } from "./ui.js";

const tabs = new BroadcastChannel("sekisho");
const NEXT = "sekisho.next";

// Read who is signed in, and show the page of the address, or the sign-in form in its place.
export async function enter() {
  let me;
  try {
    me = await get("/v1/me");
  } catch (error) {
    if (error.status !== 401) fail(error);
    return leave();
  }
  const before = session.me;
  session.me = me;
  session.csrf = me.csrf_token;
  if (me.must_change_password) return showPasswordChange();
  document.body.dataset.state = "in";
  $("account").textContent = me.display_name;
  put($("sections"), SECTIONS.filter((one) => one.show(me, may)).map((one) => h("li", null, h("a", { href: one.path, "data-also": one.also }, one.label))));
  const next = sessionStorage.getItem(NEXT);
  sessionStorage.removeItem(NEXT);
  if (next && next !== location.pathname + location.search) await navigate(next, { replace: true });
  else await render(0);
  if (!before) $("content").querySelector("h1")?.focus();
}

function leave(text) {
  session.me = null;
  session.csrf = "";
  forget();
  for (const one of document.querySelectorAll("dialog")) one.remove();
  put($("content"));
  showSignIn();
  if (text) say(text, true);
}

async function signOut() {
  await call("POST", "/v1/logout").catch((error) => error.status === 401 || fail(error));
  tabs.postMessage("out");
  leave();
  hush();
  say("You are signed out.");
  history.replaceState(null, "", "/");
}

// A provider's sign-in ends at "/": come back to the page that was wanted.
export const rememberAddress = () => {
  if (location.pathname !== "/") sessionStorage.setItem(NEXT, location.pathname + location.search);
};

on("signed-out", () => session.me && leave("Your session has ended. Sign in to continue here."));
on("changed-user", () => location.reload());
tabs.onmessage = ({ data }) => {
  if (data === "out" && session.me) leave("You signed out in another tab.");
  if (data === "in" && !session.me) enter();
  else if (data === "in") checkUser();
};

// The reader comes back to this tab: the session may have ended, or belong to another user.
async function checkUser() {
  if (document.hidden || !session.me) return;
  const me = await get("/v1/me").catch(() => null);
  if (!me || !session.me) return;
  if (me.id !== session.me.id) emit("changed-user");
  session.csrf = me.csrf_token;
}
document.addEventListener("visibilitychange", checkUser);

$("sign-out").addEventListener("click", signOut);
$("menu").addEventListener("click", () => {
  const open = document.body.classList.toggle("menu-open");
  $("menu").setAttribute("aria-expanded", String(open));
});
put($("start"), h("p", { class: "late", role: "status" }, "Loading …"));
start(ROUTES);
startSignIn({ signedIn: () => (tabs.postMessage("in"), enter()), signOut, leaving: rememberAddress });
enter();
