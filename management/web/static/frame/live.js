// Lists that stay current: server-sent events of the API, read with fetch to see the status.
//
// Streams run only while the page is visible. Browsers open six connections to a server with
// HTTP/1.1, so a page has at most two streams; further lists are read every few seconds. A stream
// that ends is opened again, with longer pauses while that fails; a stream that sends nothing for
// longer than the server's heartbeat counts as ended. If events do not arrive (some proxies collect
// them), the list is read as a whole.

import { every, on, send } from "./api.js";

const MAX_STREAMS = 2;
const POLL = 10000;
const SILENCE = 50000;
const PATIENCE = 8000;
const LONGEST_PAUSE = 30000;

let streams = 0;

// Call update(items) with all items at first and after each change, until `signal` is aborted.
// `key` is the field that identifies an item. `failed(problem)`: the list may not be read. The
// result is a function that reads the list now, after a change that the API does not announce.
export function watch(path, update, { signal, key = "id", failed = () => {} }) {
  let failures = 0;
  let running = null;
  const items = new Map();
  const streamPath = `${path}${path.includes("?") ? "&" : "?"}watch=1`;

  async function run(stop) {
    while (!stop.signal.aborted && !signal.aborted) {
      try {
        await (streams < MAX_STREAMS ? stream(stop) : poll(stop));
        failures = 0;
      } catch (error) {
        if (stop.signal.aborted) return;
        if ([401, 403, 404].includes(error.status)) return failed(error);
        failures += 1;
      }
      await pause(Math.min(1000 * 2 ** Math.max(failures - 1, 0), LONGEST_PAUSE) * (0.7 + Math.random() * 0.6), stop.signal);
    }
  }

  async function poll(stop) {
    replace(await every(path, stop.signal));
    await pause(POLL, stop.signal);
  }

  function replace(found) {
    items.clear();
    for (const one of found) items.set(one[key], one);
    changed();
  }

  async function stream(stop) {
    const own = new AbortController();
    const ended = () => own.abort();
    stop.signal.addEventListener("abort", ended);
    const seen = new Map();
    let synced = false;
    let silence = setTimeout(ended, SILENCE);
    const impatient = setTimeout(async () => {
      if (!synced) await every(path, own.signal).then(replace, () => {});
    }, PATIENCE);
    streams += 1;
    try {
      const answer = await send("GET", streamPath, undefined, { signal: own.signal });
      if (!answer.ok) return replace(await every(path, own.signal)); // throws, with the reason
      for await (const [event, data] of events(answer.body, () => {
        clearTimeout(silence);
        silence = setTimeout(ended, SILENCE);
      })) {
        if (event === "ended") return replace(await every(path, own.signal));
        if (event === "synced") {
          synced = true;
          failures = 0;
          items.clear();
          for (const [id, one] of seen) items.set(id, one);
          changed();
        } else {
          const target = synced ? items : seen;
          if (event === "deleted") target.delete(data[key]);
          else target.set(data[key], data);
          if (synced) changed();
        }
      }
    } finally {
      streams -= 1;
      clearTimeout(silence);
      clearTimeout(impatient);
      stop.signal.removeEventListener("abort", ended);
      own.abort();
    }
  }

  let planned = 0;
  function changed() {
    planned ||= setTimeout(() => {
      planned = 0;
      if (!signal.aborted) update([...items.values()]);
    });
  }

  function toggle() {
    if (document.hidden || signal.aborted) {
      running?.abort();
      running = null;
    } else if (!running) {
      running = new AbortController();
      run(running);
    }
  }
  function again() {
    running?.abort();
    running = null;
    failures = 0;
    toggle();
  }
  document.addEventListener("visibilitychange", toggle, { signal });
  on("online", again, signal);
  signal.addEventListener("abort", toggle);
  toggle();
  return () => every(path, signal).then(replace, () => {});
}

// The events of a stream (WHATWG HTML §9.2, as far as the API uses it). `alive` is called for all bytes.
async function* events(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(block) || [];
      if (event) yield [event, JSON.parse(data)];
    }
  }
}

const pause = (ms, signal) =>
  new Promise((done) => {
    setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
