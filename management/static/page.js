// The page: signing in, and what there is for those who have.

import { showAccounts, startAccounts } from "./accounts.js";
import { call, reason, setCsrf } from "./api.js";
import { showClusters } from "./clusters.js";
import { $, onSubmit, say, show } from "./dom.js";
import { forgetNewToken, showTokens, startTokens } from "./tokens.js";

const CAME_BACK = {
  refused: "The sign-in was refused. You may not sign in here, or it was cancelled.",
  unavailable: "The provider can't be reached now. Try again in a while.",
  again: "The sign-in took too long, or began in another window. Please start again.",
  taken: "Somebody is known by that account already: unlink it there first.",
};

let givenPassword = "";
let current = "";

async function home() {
  const me = await call("GET", "/v1/me");
  if (!me.ok) return show("sign-in");
  setCsrf(me.data.csrf_token);
  current = me.data.token;
  $("home-title").textContent = me.data.display_name;
  $("identity").textContent = me.data.id + (me.data.administrator ? " · administrator" : "");
  showAccounts(me.data.principals, home);
  await Promise.all([showClusters(), showTokens(current)]);
  show("home");
}

// What a sign-in elsewhere came to is in the address, and doesn't stay there.
function tellHowItWent() {
  const query = new URLSearchParams(location.search);
  const why = query.get("signin");
  const linked = query.get("linked");
  if (why && Object.hasOwn(CAME_BACK, why)) {
    const id = query.get("request") || "";
    say(CAME_BACK[why] + (/^[\w.-]{8,64}$/.test(id) ? ` (Request ${id})` : ""), true);
  } else if (linked) {
    say("The account is linked.");
  }
  if (location.search) history.replaceState(null, "", "/");
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
  setCsrf("");
  forgetNewToken();
  say("You are signed out.");
  show("sign-in");
});

startTokens(() => current);
startAccounts();
tellHowItWent();
home().catch(() => say("Sekisho can't be reached.", true));
