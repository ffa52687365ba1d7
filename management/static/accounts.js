// My accounts: the principals that I am known by.

import { call, reason } from "./api.js";
import { $, button, card, say } from "./dom.js";

export function showAccounts(principals, reload) {
  const items = principals.map((one) => {
    const unlink = button("Unlink", `Unlink ${one.display_name} at ${one.provider}`, async () => {
      const answer = await call("DELETE", `/v1/me/principals/${encodeURIComponent(one.id)}`);
      say(answer.ok ? `${one.display_name} at ${one.provider} is unlinked.` : reason(answer), !answer.ok);
      await reload();
    });
    return card(`${one.display_name} at ${one.provider}`, one.id, ...(principals.length > 1 ? [unlink] : []));
  });
  $("accounts").replaceChildren(...items);
}

export function startAccounts() {
  for (const link of document.querySelectorAll(".link-account")) {
    link.setAttribute("aria-label", `Link an account at ${link.dataset.provider}`);
    link.addEventListener("click", async () => {
      const answer = await call("POST", "/v1/me/principals", { provider: link.dataset.provider });
      if (!answer.ok) return say(reason(answer), true);
      location.assign(answer.data.url);
    });
  }
}
