// Read again every ten seconds while the page is visible, for what the API does not stream.

import { get, on } from "../frame/api.js";

export function refreshing({ signal }, read) {
  const again = () => document.hidden || signal.aborted || read().catch(() => {});
  const timer = setInterval(again, 10000);
  document.addEventListener("visibilitychange", again, { signal });
  on("online", again);
  signal.addEventListener("abort", () => clearInterval(timer));
}

// Read `path` now and then, and call show(data) when it differs: what did not change keeps its focus.
export async function live(view, path, show) {
  let known = "";
  const read = async () => {
    const data = await get(path, { signal: view.signal });
    const text = JSON.stringify(data);
    if (text === known) return;
    known = text;
    await show(data);
  };
  await read();
  refreshing(view, read);
  return read;
}
