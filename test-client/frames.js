// The list of frames, newest first. It is bounded, and so is what waits to be painted: a flood costs a tab no memory. Gaps and ends, which are
// few and say what is not in the list, outlive the events around them.

import { $, count, plural } from "./parts.js";
import { mark, rowElement, tick } from "./row.js";

export const MAX_ROWS = 500;
/** Of these, so many may be gaps and ends. */
export const MAX_KEPT = 50;

const isKept = ({ type }) => type === "hub.gap" || type === "hub.closing";

/** Takes out of rows, the newest first, what is too many, and answers it: the oldest, but gaps and ends only where they are too many. */
export function evict(rows) {
  const gone = [];
  if (rows.length <= MAX_ROWS) return gone;
  let kept = rows.filter(isKept).length;
  for (let at = rows.length - 1; at >= 0 && rows.length > MAX_ROWS; at--) {
    if (isKept(rows[at]) && kept-- <= MAX_KEPT) continue;
    gone.push(...rows.splice(at, 1));
  }
  return gone;
}

export class Frames {
  paused = false;
  #rows = []; // shown, the newest first
  #waiting = []; // not painted yet, the newest first
  #missed = 0; // waited, and had to go before it was painted
  #total = 0;
  #painting = false;
  #needle = "";
  #resume;
  #painted;

  /** `resume(cursor)` is what a row's button does; `painted()` is called when the list was. */
  constructor(resume, painted) {
    this.#resume = resume;
    this.#painted = painted;
    // the ages; a hidden tab has no reader
    setInterval(() => {
      const now = Date.now();
      if (!document.hidden) for (const row of this.#rows) tick(row, now);
    }, 1000);
  }

  /** How many of the shown rows are events. */
  get events() {
    return this.#rows.reduce((sum, row) => sum + !row.control, 0);
  }

  add(row) {
    if (!row.control) this.#total++;
    // a quiet stream says how far it has looked: the newest of these says it all
    if (row.type === "hub.cursor" && this.#waiting[0]?.type === "hub.cursor") this.#waiting.shift();
    this.#waiting.unshift(row);
    this.#missed += evict(this.#waiting).length;
    this.#soon();
  }

  #soon() {
    if (this.#painting) return;
    this.#painting = true;
    // a hidden tab paints nothing and so keeps only the newest rows
    requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    this.#painting = false;
    if (!this.paused && this.#waiting.length) {
      if (this.#waiting.at(-1).type === "hub.cursor" && this.#rows[0]?.type === "hub.cursor") this.#rows.shift().item.remove();
      const fresh = this.#waiting.splice(0);
      const made = document.createDocumentFragment();
      for (const row of fresh) made.append(rowElement(row, this.#needle, this.#resume));
      $("frames").prepend(made);
      this.#rows.unshift(...fresh);
      for (const row of evict(this.#rows)) row.item.remove();
      this.#missed = 0;
    }
    this.#words();
    this.#painted();
  }

  #words() {
    const shown = this.events;
    let text = this.#total === 0 ? "none yet" : plural(this.#total, "event");
    if (this.#total > shown && !this.paused) text += `, the newest ${count(shown)} shown`;
    if (this.#needle) {
      const hits = this.#rows.filter((row) => !row.item.hidden).length;
      text = `${count(hits)} of ${count(this.#rows.length)} match`;
    }
    $("count").textContent = text;
    const waiting = this.#waiting.length + this.#missed;
    $("pause").textContent = this.paused ? `Resume${waiting ? ` (${count(waiting)} new)` : ""}` : "Pause";
    $("pause").title = this.#missed ? `only the newest ${MAX_ROWS} are kept` : "";
    $("pause").setAttribute("aria-pressed", String(this.paused));
  }

  pause() {
    this.paused = !this.paused;
    this.#soon();
  }

  search(text) {
    this.#needle = text.trim().toLowerCase();
    for (const row of this.#rows) mark(row, this.#needle);
    this.#soon();
  }

  clear() {
    this.#rows = [];
    this.#waiting = [];
    this.#total = 0;
    this.#missed = 0;
    $("frames").replaceChildren();
    this.#soon();
  }

  /** Moves the focus to the next row that is shown, or to the one before. */
  step(by) {
    const lines = [...$("frames").querySelectorAll("li:not([hidden]) > details > summary")];
    const at = lines.indexOf(document.activeElement);
    lines[Math.min(lines.length - 1, Math.max(0, at < 0 ? 0 : at + by))]?.focus();
  }
}
