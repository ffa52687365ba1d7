// My clusters, and a kubeconfig for each: to a file, or to the clipboard.

import { call, reason } from "./api.js";
import { $, button, card, say } from "./dom.js";

export async function showClusters() {
  const answer = await call("GET", "/v1/clusters");
  const items = (answer.data.items || []).map((one) =>
    card(
      one.name,
      one.id,
      button("Download kubeconfig", `Download a kubeconfig for ${one.name}`, () => download(one)),
      button("Copy", `Copy a kubeconfig for ${one.name}`, () => copy(one)),
    ),
  );
  $("clusters").replaceChildren(...items);
  $("no-clusters").hidden = items.length > 0;
}

async function kubeconfig(cluster) {
  const answer = await call("POST", `/v1/clusters/${encodeURIComponent(cluster.id)}/kubeconfig`);
  if (!answer.ok) say(reason(answer), true);
  return answer.ok ? answer.text : null;
}

async function download(cluster) {
  const text = await kubeconfig(cluster);
  if (text === null) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  link.download = `${cluster.name}.kubeconfig`;
  link.click();
  URL.revokeObjectURL(link.href);
  say(`${cluster.name}.kubeconfig holds a token of yours: keep it to yourself.`);
}

async function copy(cluster) {
  const text = await kubeconfig(cluster);
  if (text === null) return;
  await navigator.clipboard.writeText(text);
  say("Copied. It holds a token of yours: keep it to yourself.");
}
