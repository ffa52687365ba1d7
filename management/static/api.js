// Asking the API. The session is an HttpOnly cookie; no script ever sees a token of it.

let csrf = "";

export function setCsrf(token) {
  csrf = token || "";
}

export async function call(method, path, body) {
  const headers = {};
  if (csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  let data = {};
  try {
    data = text ? JSON.parse(text) : {};
  } catch {
    // A kubeconfig is YAML.
  }
  return { ok: answer.ok, status: answer.status, data, text, wait: answer.headers.get("Retry-After") };
}

export function reason({ status, data, wait }) {
  if (status === 429) return `Too many attempts. Try again in ${wait} seconds.`;
  return data.detail ? data.detail[0].toUpperCase() + data.detail.slice(1) + "." : "Something went wrong.";
}
