// The list of frames, newest first. It is bounded, and so is what waits to be painted: a flood costs a tab no memory.

import { $, count, plural } from "./parts.js";
import { mark, rowElement, tick } from "./row.js";

export const MAX_ROWS = 500;

export class Frames {
  paused = false;
  #rows = []; // shown, the newest first
  #waiting = []; // not painted yet, the newest last
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
    if (row.type === "hub.cursor" && this.#waiting.at(-1)?.type === "hub.cursor") this.#waiting.pop();
    this.#waiting.push(row);
    if (this.#waiting.length > MAX_ROWS) {
      this.#waiting.shift();
      this.#missed++;
    }
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
      if (this.#waiting[0].type === "hub.cursor" && this.#rows[0]?.type === "hub.cursor") this.#rows.shift().item.remove();
      const fresh = this.#waiting.splice(0).reverse();
      const made = document.createDocumentFragment();
      for (const row of fresh) made.append(rowElement(row, this.#needle, this.#resume));
      $("frames").prepend(made);
      this.#rows.unshift(...fresh);
      for (const row of this.#rows.splice(MAX_ROWS)) row.item.remove();
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
    $("pause").textContent = this.paused ? `Go on${waiting ? ` (${count(waiting)} waiting)` : ""}` : "Pause";
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
