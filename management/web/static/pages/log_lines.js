// The lines of a log that arrives in pieces, each with the time that the kubelet wrote before it.

const TIMED = /^(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) ?/;
const LONGEST = 16384; // Characters of a line; the rest is cut.

export class LogLines {
  #rest = "";
  #cut = false;
  #last = "";
  #arrived = 0;

  // The lines that a piece completes, as { time, text }. Those that are known are left out.
  feed(piece) {
    const parts = (this.#rest + piece).split("\n");
    this.#rest = parts.pop();
    const found = parts.map((one) => this.#line(one)).filter(Boolean);
    // The rest of a long line is dropped as it arrives.
    if (this.#rest.length > LONGEST) {
      if (!this.#cut) found.push(this.#line(`${this.#rest.slice(0, LONGEST)} …`));
      this.#cut = true;
      this.#rest = "";
    }
    return found.filter(Boolean);
  }

  // The last line, if it has no end.
  end() {
    const rest = this.#rest;
    this.#rest = "";
    return [rest && this.#line(rest)].filter(Boolean);
  }

  // Forget an incomplete line: it is read again.
  cut() {
    this.#rest = "";
    this.#cut = false;
  }

  // Seconds since the newest line arrived, and `delay` more; 0 if lines have no times. The clock of
  // the node does not matter.
  since(delay) {
    return this.#last && Math.ceil((performance.now() - this.#arrived) / 1000) + delay;
  }

  #line(text) {
    if (this.#cut) {
      this.#cut = false; // The end of a line that was cut.
      return null;
    }
    const [whole, time] = TIMED.exec(text) || ["", ""];
    if (time && time <= this.#last) return null;
    this.#arrived = performance.now();
    if (time) this.#last = time;
    return { time, text: text.slice(whole.length, whole.length + LONGEST).replace(/\r$/, "") };
  }
}
