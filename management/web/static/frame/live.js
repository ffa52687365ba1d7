// Lists and documents that stay current: server-sent events of the API, read with fetch to see the status.
//
// Streams run only while the page is visible. Browsers open six connections to a server with
// HTTP/1.1, so a page has at most two streams; further lists are read every few seconds. A stream
// that ends is opened again, with longer pauses while that fails; a stream that sends nothing for
// longer than the server's heartbeat counts as ended. If events do not arrive (some proxies collect
// them), the list is read as a whole.

import { every, get, on, send } from "./api.js";
import { fail } from "./ui.js";

const MAX_STREAMS = 2;
const POLL = 10000;
const SILENCE = 50000;
const PATIENCE = 8000;
const LONGEST_PAUSE = 30000;

let streams = 0;

const unread = (update) => (problem) => {
  if (problem.status === 403) fail(problem); // What is gone (401, 404) has a message already.
  update.failed?.();
};

// Call update(items) with all items at first and after each change, until `signal` is aborted.
// `key` is the field that identifies an item. `failed(problem)`: the list may not be read; by
// default a refusal is a message, and update.failed() is called, if there is one. The result is a
// function that reads the list now, after a change that the API does not announce.
export function watch(path, update, { signal, key = "id", failed = unread(update) }) {
  const items = new Map();
  let planned = 0;
  function changed() {
    planned ||= setTimeout(() => {
      planned = 0;
      if (!signal.aborted) update([...items.values()]);
    });
  }
  function replace(found) {
    items.clear();
    for (const one of found) items.set(one[key], one);
    changed();
  }
  return follow(path, {
    signal,
    failed,
    read: async (until) => replace(await every(path, until)),
    begin() {
      const seen = new Map();
      let synced = false;
      return (event, data) => {
        if (event === "synced") {
          synced = true;
          replace(seen.values());
        } else {
          const target = synced ? items : seen;
          if (event === "deleted") target.delete(data[key]);
          else target.set(data[key], data);
          if (synced) changed();
        }
        return synced;
      };
    },
  });
}

// Call show(data) with a document of the API, or a page of a list, and again when it differs: what
// did not change keeps its focus. The first is shown when the promise is resolved; `first`: it has
// been read already. `streamed`: it is costly to read, so it comes with the stream.
export async function live(path, show, { signal, stream = true, first, streamed = false }) {
  let known = "";
  const took = async (data) => {
    const text = JSON.stringify(data);
    if (text === known) return;
    known = text;
    await show(data);
  };
  const read = async (until = signal) => took(await get(path, { signal: until }));
  const again = () => read();
  if (!streamed) await (first ? took(first) : read());
  return new Promise((resolve, reject) => {
    const shown = (taken) => taken.then(() => resolve(again), (error) => {
      reject(error);
      throw error;
    });
    follow(path, { signal, read: (until) => shown(read(until)), stream, current: !streamed, begin: () => (event, data) => {
      if (event === "state") shown(took(data));
      return true;
    } });
    if (!streamed) resolve(again);
  });
}

// Follow `path` until `signal` is aborted. `read(signal)` reads it as a whole; it is used where there
// is no stream. `begin` is called when a stream is open, and returns what is called for each event; that
// returns whether the stream has shown the present state. `stream: false`: the API does not stream
// the path. `current`: what was just read needs not be read at once.
export function follow(path, { signal, read, begin, failed = () => {}, stream: streamed = true, current = false }) {
  let failures = 0;
  let running = null;

  async function run(stop) {
    while (!stop.signal.aborted && !signal.aborted) {
      try {
        await (streamed && streams < MAX_STREAMS ? stream(stop) : poll(stop));
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
    if (!current) await read(stop.signal);
    current = false;
    await pause(POLL, stop.signal);
  }

  async function stream(stop) {
    const own = new AbortController();
    const ended = () => own.abort();
    stop.signal.addEventListener("abort", ended);
    let synced = false;
    let silence = setTimeout(ended, SILENCE);
    const impatient = setTimeout(() => synced || read(own.signal).catch(() => {}), PATIENCE);
    streams += 1;
    try {
      const answer = await send("GET", `${path}${path.includes("?") ? "&" : "?"}watch=1`, undefined, { signal: own.signal });
      if (!answer.ok) return await read(own.signal); // throws, with the reason
      const took = begin();
      for await (const [event, data] of events(answer.body, () => {
        clearTimeout(silence);
        silence = setTimeout(ended, SILENCE);
      })) {
        if (event === "ended") return await read(own.signal);
        synced = took(event, data);
        if (synced) failures = 0;
      }
    } finally {
      streams -= 1;
      clearTimeout(silence);
      clearTimeout(impatient);
      stop.signal.removeEventListener("abort", ended);
      own.abort();
    }
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
  return () => read(signal).catch(() => {});
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
      const [, event, data] = /^(?:id: .*\n)?event: (.*)\ndata: (.*)$/.exec(block) || [];
      if (event) yield [event, JSON.parse(data)];
    }
  }
}

const pause = (ms, signal) =>
  new Promise((done) => {
    setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
