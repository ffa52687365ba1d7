// The sign-in form and the change of a one-time password. Both are in the page's HTML, so that
// password managers find them.

import { call, session } from "./api.js";
import { $, enc } from "./dom.js";
import { fail, hush, say } from "./ui.js";

const ERRORS = {
  refused: "The sign-in was rejected or cancelled. If you expect access, ask an administrator.",
  unavailable: "The provider cannot be reached. Try again later.",
  again: "The sign-in took too long, or began in another window. Start again.",
  taken: "Another user has this account. Unlink it from that user first.",
};

// `beside`: in a new tab, so that this page stays; passwords are asked for here in any case.
export function showSignIn(beside = false) {
  for (const one of $("ways")?.querySelectorAll("a") || []) one.target = beside ? "_blank" : "";
  document.body.dataset.state = "out";
  document.title = "Sign in · Sekisho";
  ($("username") || $("ways")?.querySelector("a"))?.focus();
}

export function showPasswordChange() {
  document.body.dataset.state = "change";
  document.title = "Choose a password · Sekisho";
  $($("given-password").value ? "new-password" : "given-password").focus();
}

// The result of a provider's sign-in is in the query; show it and remove it from the address.
function showResult() {
  const query = new URLSearchParams(location.search);
  const why = query.get("signin");
  const linked = query.get("linked");
  if (why && Object.hasOwn(ERRORS, why)) {
    const id = query.get("request") || "";
    say(ERRORS[why] + (/^[\w.-]{8,64}$/.test(id) ? ` (Request ${id})` : ""), true);
  } else if (linked) {
    say("The account is linked.");
  }
  if (location.pathname === "/" && location.search) history.replaceState(null, "", "/");
}

function onSubmit(form, action) {
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    if (button.disabled) return;
    button.disabled = true;
    hush();
    try {
      await action(new FormData(form));
    } catch (error) {
      fail(error);
    } finally {
      button.disabled = false;
    }
  });
}

export function startSignIn({ signedIn, signOut, leaving }) {
  onSubmit($("sign-in-form"), async (form) => {
    const { data } = await call("POST", `/v1/login/${enc(form.get("provider"))}`, {
      username: form.get("username"),
      password: form.get("password"),
      session: true,
    });
    if (data.must_change_password) $("given-password").value = form.get("password");
    $("sign-in-form").reset();
    await signedIn();
  });
  onSubmit($("change-form"), async (form) => {
    await call("POST", "/v1/me/password", { current_password: form.get("given-password"), new_password: form.get("new-password") });
    $("change-form").reset();
    session.me = null;
    await signedIn();
    say("Your password has been changed.");
  });
  $("change-sign-out").addEventListener("click", () => ($("change-form").reset(), signOut()));
  $("ways")?.addEventListener("click", leaving);
  showResult();
}
