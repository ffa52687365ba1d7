// My tokens: seen, made, revoked.

import { call, reason } from "./api.js";
import { $, button, card, onSubmit, say, when } from "./dom.js";

export async function showTokens(current) {
  const answer = await call("GET", "/v1/tokens");
  const mine = (answer.data.items || []).filter((one) => !one.expired);
  $("tokens").replaceChildren(...mine.map((one) => tokenCard(one, current)));
}

function tokenCard(token, current) {
  const here = token.name === current;
  const title = here ? "This session" : token.description || token.kind;
  const detail = `${token.name} · last used ${when(token.last_used_at)} · ends ${when(token.expires_at)}` +
    (token.read_only ? " · read-only" : "");
  const revoke = button("Revoke", `Revoke ${title}, ${token.name}`, async () => {
    const answer = await call("DELETE", `/v1/tokens/${encodeURIComponent(token.name)}`);
    say(answer.ok ? `${token.name} is revoked.` : reason(answer), !answer.ok);
    await showTokens(current);
  });
  return card(title, detail, ...(here ? [] : [revoke]));
}

export function forgetNewToken() {
  $("token-value").value = "";
  $("new-token").hidden = true;
}

export function startTokens(currentToken) {
  onSubmit($("token-form"), async (form) => {
    const answer = await call("POST", "/v1/tokens", { description: form.get("description"), ttl: form.get("ttl") });
    if (!answer.ok) return say(reason(answer), true);
    $("token-form").reset();
    $("token-value").value = answer.data.token;
    $("new-token").hidden = false;
    $("token-value").focus();
    $("token-value").select();
    await showTokens(currentToken());
  });
  $("copy-token").addEventListener("click", async () => {
    await navigator.clipboard.writeText($("token-value").value);
    say("Copied. Keep it to yourself.");
  });
  $("revoke-all").addEventListener("click", async () => {
    const answer = await call("DELETE", "/v1/me/tokens");
    say(answer.ok ? `${answer.data.revoked} ended. This session goes on.` : reason(answer), !answer.ok);
    forgetNewToken();
    await showTokens(currentToken());
  });
}
