// Calls of the API. The session is an HttpOnly cookie, so no script can read its token.
//
// `call` returns { data, etag, text } or throws a Problem, whose message is for the reader. A lost
// session, a changed user, and a network that is away are reported to the listeners of `on`.

import { $, upper } from "./dom.js";

const bus = new EventTarget();
// Events: "signed-out" (the session has ended), "refused" (perhaps it has), "changed-user", "online" (the network is back, or the
// same person has signed in again: what could not be read is read).
// They are reported until `signal` is aborted.
export const on = (event, action, signal) => bus.addEventListener(event, action, { signal });
export const emit = (event) => bus.dispatchEvent(new Event(event));

// visit: increases when the reader goes to another page.
export const session = { me: null, csrf: "", visit: 0 };
// Whether the signed-in person holds a global permission; `holds`: a permission in a cluster or project.
export const may = (permission) => Boolean(session.me?.permissions.includes(permission));
export const holds = (place, permission) => Boolean(place?.permissions?.includes(permission));

// An ordered cluster is in the lists before it exists.
export const isImported = (cluster) => cluster.provision?.imported !== false;
// Whether Sekisho changes the Cluster of an order; the API refuses to in all other cases.
export const isChangeable = ({ adopted, infrastructure, state, unreadable }) => !(adopted || infrastructure || unreadable || state === "foreign");

export class Problem extends Error {
  constructor(status, data = {}, wait = null) {
    super(
      status === 429
        ? `Too many attempts. Try again in ${wait} seconds.`
        : data.detail ? upper(data.detail) + (/[.!?]$/.test(data.detail) ? "" : ".")
          : status > 499 ? "The server is not available. Try again." : "An unknown error occurred. Try again.",
    );
    Object.assign(this, { status, errors: data.errors || [], id: data.request_id || "" });
  }
}

// Options: `etag` for If-Match, `key` for Idempotency-Key, `signal`.
export async function call(method, path, body, { etag, key, signal } = {}) {
  const answer = await send(method, path, body, { etag, key, signal });
  const text = await answer.text();
  const data = parsed(text);
  if (answer.ok) return { data, text, status: answer.status, etag: answer.headers.get("ETag") };
  const problem = refused(answer, data);
  if (answer.status === 403 && session.me && /CSRF/.test(data.detail) && (await sameUser())) {
    return call(method, path, body, { etag, key, signal });
  }
  throw problem;
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return {}; // A kubeconfig is YAML.
  }
}

function refused(answer, data) {
  // Only /v1/me is sure of it: a cluster can refuse Sekisho, too.
  if (answer.status === 401 && session.me) emit(answer.url.endsWith("/v1/me") ? "signed-out" : "refused");
  return new Problem(answer.status, data, answer.headers.get("Retry-After"));
}

// The body of a response that is read as it arrives, such as a log, as a reader of texts.
export async function opened(path, signal) {
  const answer = await send("GET", path, undefined, { signal });
  if (!answer.ok) throw refused(answer, parsed(await answer.text()));
  return answer.body.pipeThrough(new TextDecoderStream()).getReader();
}

export const get = async (path, options) => (await call("GET", path, undefined, options)).data;

// A response whose body is read by the caller; throws a Problem if there is none.
export async function send(method, path, body, { etag, key, signal } = {}) {
  const headers = {};
  if (session.csrf) headers["X-CSRF-Token"] = session.csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (etag) headers["If-Match"] = etag;
  if (key) headers["Idempotency-Key"] = key;
  try {
    return await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    away();
    throw new Problem(0, { detail: "Sekisho cannot be reached; check your connection and try again" });
  }
}

// Every item of a list that has pages.
export async function every(path, signal) {
  const items = [];
  const join = path.includes("?") ? "&" : "?";
  let more = "";
  do {
    const page = await get(`${path}${join}limit=1000${more && `&continue=${encodeURIComponent(more)}`}`, { signal });
    items.push(...page.items);
    more = page.continue || "";
  } while (more);
  return items;
}

// Another tab signed in again: take over its session, or report that it has another user.
async function sameUser() {
  const answer = await send("GET", "/v1/me");
  if (answer.status === 401) emit("signed-out");
  if (!answer.ok) return false;
  const me = await answer.json();
  if (me.id !== session.me.id || me.csrf_token === session.csrf) return emit("changed-user"), false;
  session.csrf = me.csrf_token;
  return true;
}

// The banner appears when the network is away, and goes when it is back.
let pings = 0;
export function away() {
  $("away").hidden = false;
  if (!pings++) ping(1000);
}
function ping(pause) {
  setTimeout(async () => {
    const alive = await fetch("/healthz", { cache: "no-store" }).then((one) => one.ok, () => false);
    if (!alive) return ping(Math.min(pause * 2, 15000));
    pings = 0;
    $("away").hidden = true;
    emit("online");
  }, pause);
}
