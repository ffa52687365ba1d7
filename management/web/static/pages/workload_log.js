// The log of a container, followed while the page is visible. The newest lines are kept.

import { Problem, on, opened } from "../frame/api.js";
import { h, plural, put } from "../frame/dom.js";
import { live } from "../frame/live.js";
import { button, describe, panel } from "../frame/ui.js";
import { LogLines } from "./log_lines.js";

const MOST = 5000; // Lines that are kept.
const FIRST = 1000; // Lines that are read at first.
const DELAY = 10; // Seconds by which lines may arrive late.
const LONGEST_PAUSE = 15000;
const COLOURS = /\x1b\[[0-9;?]*[A-Za-z]/g;

export async function log(view, target) {
  const pod = h("select", { id: "log-pod", onchange: podChosen });
  const container = h("select", { id: "log-container", onchange: chosen });
  const previous = h("input", { type: "checkbox", onchange: chosen });
  const times = h("input", { type: "checkbox", onchange: () => box.classList.toggle("times", times.checked) });
  const toggle = button("Stop", () => (reading ? stop("Stopped.") : follow()));
  const state = h("p", { class: "faint", role: "status" });
  const older = h("p", { class: "faint", hidden: true });
  const box = h("div", { class: "log", role: "log", "aria-live": "off", tabindex: 0 });
  const labelled = (label, field) => h("div", { class: "field" }, h("label", { for: field.id }, label), field);
  const check = (label, field) => h("label", { class: "choice" }, field, h("span", null, label));
  let pods = [];
  let begun = false;
  let lines = new LogLines();
  let reading = null; // Aborts what runs; null while stopped.
  let away = false; // It goes on when the page is visible again.
  let pending = [];
  let drawing = 0;
  let left = 0;

  // The pods of the workload change while it is shown. The log stays that of the chosen pod.
  const option = (value, text = value) => h("option", { value }, text);
  function show(now) {
    pods = now.pods;
    const wanted = pod.value || view.query.get("pod") || "";
    const names = pods.map((one) => one.name);
    if (wanted && !names.includes(wanted)) names.unshift(wanted);
    put(pod, names.map((name) => option(name)));
    if (wanted) pod.value = wanted;
    if (!container.value) containers();
    if (!begun) chosen();
  }
  function containers() {
    const found = pods.find((one) => one.name === pod.value)?.containers || [];
    const wanted = container.value || view.query.get("container");
    const sorted = [...found].sort((a, b) => a.init - b.init);
    put(container, sorted.map((one) => option(one.name, one.init ? `${one.name} (init)` : one.name)));
    if (sorted.some((one) => one.name === wanted)) container.value = wanted;
  }
  function podChosen() {
    containers();
    chosen();
  }
  function chosen() {
    if (!pod.value) return tell("There is no pod whose log could be shown.");
    begun = true;
    view.keep({ pod: pod.value, container: container.value });
    clear();
    follow();
  }
  function clear() {
    lines = new LogLines();
    pending = [];
    left = 0;
    older.hidden = true;
    put(box);
  }

  async function follow() {
    stop("");
    const own = (reading = new AbortController());
    toggle.textContent = "Stop";
    box.setAttribute("aria-label", `Log of ${container.value || "a container"} in ${pod.value}`);
    let failures = 0;
    while (!own.signal.aborted) {
      try {
        await read(own.signal, () => (failures = 0));
        return stop(previous.checked ? "This is the whole log of the previous run." : "The log has ended.");
      } catch (error) {
        if (own.signal.aborted) return;
        // A refusal stays one; a connection that broke off is opened again.
        if (error instanceof Problem && error.status && error.status < 500 && error.status !== 429) return stop(describe(error), true);
        if (!(error instanceof Problem) && !(error instanceof TypeError)) console.error(error);
        failures += 1;
        tell(`${error instanceof Problem ? error.message : "The log broke off."} It is read again.`);
      }
      await new Promise((done) => {
        setTimeout(done, Math.min(1000 * 2 ** (failures - 1), LONGEST_PAUSE));
        own.signal.addEventListener("abort", done);
      });
    }
  }

  async function read(signal, alive) {
    const query = new URLSearchParams({ pod: pod.value, timestamps: true });
    if (container.value) query.set("container", container.value);
    if (previous.checked) query.set("previous", true);
    else query.set("follow", true);
    // Without times, what is known could not be recognised: it is read again.
    const since = lines.since(DELAY);
    if (since) query.set("since", since);
    else {
      clear();
      query.set("tail", FIRST);
    }
    const source = await opened(`${target.path}/logs?${query}`, signal);
    tell(previous.checked ? "Reading …" : "Following.");
    for (;;) {
      const { value, done } = await source.read();
      if (signal.aborted) return;
      add(done ? lines.end() : lines.feed(value));
      if (done) return;
      alive();
    }
  }

  function stop(text, isProblem = false) {
    reading?.abort();
    reading = null;
    lines.cut();
    toggle.textContent = "Follow";
    tell(text, isProblem);
  }
  function tell(text, isProblem = false) {
    put(state, isProblem ? h("span", { role: "alert" }, text) : text);
  }

  // Lines are drawn a few times a second, however fast they arrive.
  function add(found) {
    pending.push(...found);
    if (pending.length > MOST) left += pending.splice(0, pending.length - MOST).length;
    drawing ||= pending.length && setTimeout(draw, 100);
  }
  function draw() {
    drawing = 0;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    box.append(...pending.map(({ time, text }) => h("div", null, h("span", null, time), text.replace(COLOURS, "") || " ")));
    pending = [];
    while (box.childElementCount > MOST) {
      box.firstChild.remove();
      left += 1;
    }
    older.hidden = !left;
    older.textContent = `${plural(left, "older line")} no longer shown.`;
    if (atEnd) box.scrollTop = box.scrollHeight;
  }

  // Browsers have few connections: none is used for a page that nobody sees.
  function visible() {
    if (document.hidden && reading) {
      stop("Waiting until the page is visible.");
      away = true;
    } else if (!document.hidden && away) {
      away = false;
      follow();
    }
  }
  document.addEventListener("visibilitychange", visible, { signal: view.signal });
  on("online", () => reading && follow(), view.signal);
  view.signal.addEventListener("abort", () => stop(""));
  await live(target.path, show, { ...view, stream: false, first: target.first });
  return panel("Log",
    h("div", { class: "inline" }, labelled("Pod", pod), labelled("Container", container),
      h("div", { class: "field checkbox" }, check("Previous run", previous), check("Times", times)), h("div", { class: "actions" }, toggle)),
    state, older, box);
}
