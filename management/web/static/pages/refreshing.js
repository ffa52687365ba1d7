// Read again every ten seconds while the page is visible, for what the API does not stream.

import { on } from "../frame/api.js";

export function refreshing({ signal }, read) {
  const again = () => document.hidden || signal.aborted || read().catch(() => {});
  const timer = setInterval(again, 10000);
  document.addEventListener("visibilitychange", again, { signal });
  on("online", again);
  signal.addEventListener("abort", () => clearInterval(timer));
}
