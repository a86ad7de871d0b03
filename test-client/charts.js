// Charts over time, drawn as SVG by nothing but these files.
//
// Every node is made once and only changed afterwards. A line is never told by colour alone: each has a pattern of its own, shown beside its
// name and its current figure. Whoever sees no chart is told the same by its label, by the arrow keys and by the table behind it.

import { element, put, say, shape } from "./nodes.js";
import { Numbers } from "./numbers.js";
import { OTHER } from "./samples.js";
import { clock, linearAxis, logAxis, timeTicks } from "./scales.js";
import { round, trace } from "./trace.js";

const LEFT = 52;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 20;
const HEIGHT = 168;

/** A chart of columns over the last minutes. */
export class TimeChart {
  view = null;
  #crosshair;
  #options;
  #width = 0;
  #nodes;
  #lines = [];
  #ticks = [];
  #table = null;

  /**
   * `series`: `{ key, name }` each; `format` for people; `axis`: `linear` or `log`; `whole` where there are no fractions; `base` 2 for bytes.
   */
  constructor(options, crosshair) {
    this.#options = { axis: "linear", note: "", whole: false, base: 10, ...options };
    this.#crosshair = crosshair;
    crosshair.add(this);
    this.#nodes = this.#build();
    this.element = this.#nodes.card;
    new ResizeObserver(([entry]) => {
      // none while the table is shown, which goes on
      this.#width = Math.floor(entry.contentRect.width) || this.#width;
      if (this.view) this.draw(this.view);
    }).observe(this.#nodes.plot);
  }

  #build() {
    const { title, note, series } = this.#options;
    const [grid, marks, lines, cross] = ["grid", "marks", "lines", "cross"].map((name) => shape("g", { class: name }));
    const svg = shape("svg", { class: "chart", height: HEIGHT, "aria-hidden": "true" }, grid, marks, lines, cross);
    const rule = shape("line", { class: "rule", y1: TOP, y2: HEIGHT - BOTTOM });
    cross.append(rule);
    const legend = element("ul", "legend");
    for (const [at, one] of series.entries()) {
      const area = series.length === 1 ? shape("path", { class: "area s1" }) : null;
      const line = shape("path", { class: `line s${at + 1}` });
      const dot = shape("circle", { class: `dot s${at + 1}`, r: 3.5 });
      if (area) lines.append(area);
      lines.append(line);
      cross.append(dot);
      const value = element("b");
      const swatch = shape("svg", { class: "swatch", width: 20, height: 8, "aria-hidden": "true" },
        shape("path", { class: `line s${at + 1}`, d: "M1 4H19" }));
      const item = element("li", "", ...(series.length > 1 ? [swatch] : []), element("span", "", one.name), value);
      legend.append(item);
      this.#lines.push({ ...one, area, line, dot, value });
    }
    const begun = element("li", "begun", shape("svg", { class: "swatch", width: 6, height: 12, "aria-hidden": "true" }, shape("path", { d: "M3 0V12" })),
      element("span"));
    begun.hidden = true;
    legend.append(begun);
    const when = element("span", "when-at");
    const toggle = element("button", "small", "Table");
    toggle.type = "button";
    toggle.setAttribute("aria-pressed", "false");
    toggle.setAttribute("aria-label", `${title}: show as a table`);
    const plot = element("div", "plot", svg);
    plot.tabIndex = 0;
    plot.setAttribute("role", "img");
    const table = element("div", "numbers");
    table.hidden = true;
    table.tabIndex = 0;
    table.setAttribute("role", "region");
    table.setAttribute("aria-label", `${title}: table`);
    const heading = element("h3", "", title);
    const card = element("section", "card panel", element("div", "panel-head", heading, when, toggle), legend, plot, table);
    if (note) heading.append(element("small", "", note));
    toggle.addEventListener("click", () => this.#showTable(table.hidden));
    this.#listen(plot);
    return { card, begun, grid, marks, cross, rule, svg, plot, when, toggle, table };
  }

  #listen(plot) {
    plot.addEventListener("pointermove", (event) => {
      const at = (event.clientX - plot.getBoundingClientRect().left - LEFT) / (this.#width - LEFT - RIGHT);
      if (at >= 0 && at <= 1) this.#crosshair.point(at);
    });
    for (const name of ["pointerleave", "pointercancel", "blur"]) plot.addEventListener(name, () => this.#crosshair.clear());
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    plot.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return this.#crosshair.clear();
      const step = steps[event.key];
      if (step === undefined || event.ctrlKey || event.altKey || event.metaKey || !this.view?.samples.length) return;
      event.preventDefault();
      const { samples, first } = this.view;
      const row = this.#crosshair.row(this.view);
      const target = (row < 0 ? samples.length - 1 : row) + (row < 0 && step === -1 ? 0 : step) * (event.shiftKey ? 10 : 1);
      this.#crosshair.go(this, Math.max(first, Math.min(samples.length - 1, target)));
    });
  }

  /** Draws what is between two moments: `{ samples, from, to, words }`. */
  draw(view) {
    this.view = { ...view, first: view.samples.since(view.from) };
    const { samples, from, to, first } = this.view;
    const of = this.#lines.map(({ key }) => samples.summary(key, first));
    const [least, most] = [Math.min(...of.map((one) => one.least)), Math.max(...of.map((one) => one.most))];
    this.view.of = of;
    // where there is little room, a chart of nothing takes none
    this.element.toggleAttribute("data-idle", this.#options.axis === "linear" && most <= 0);
    put(this.#nodes.plot, "aria-label", this.#label(view.words, of));
    if (!this.#nodes.table.hidden) this.#table?.draw(this.view);
    if (!this.#width || !this.element.isConnected) return this.drawCrosshair();
    const { axis: kind, format, whole, base } = this.#options;
    const axis = kind === "log" ? logAxis(least, most) : linearAxis(most, { whole, base });
    const floor = HEIGHT - BOTTOM;
    const x = (time) => LEFT + ((time - from) / (to - from)) * (this.#width - LEFT - RIGHT);
    const y = (value) => floor - axis.place(value) * (floor - TOP);
    Object.assign(this.view, { x, y });
    put(this.#nodes.svg, "width", String(this.#width));
    const pixel = (to - from) / (this.#width - LEFT - RIGHT);
    const bucket = pixel > 700 ? Math.ceil((pixel * 3) / 1000) * 1000 : 0;
    for (const { key, line, area } of this.#lines) {
      const path = trace(samples, key, first, { x, y, base: area ? floor : null, bucket });
      put(line, "d", path.line);
      if (area) put(area, "d", path.area);
    }
    this.#drawAxes(axis.ticks.map((value) => ({ text: format(value), at: round(y(value)) })), x);
    this.#drawMarks(x);
    this.drawCrosshair();
  }

  #drawAxes(values, x) {
    const { from, to } = this.view;
    const right = this.#width - RIGHT;
    const { ticks, withSeconds } = timeTicks(from, to, Math.floor((right - LEFT) / 62));
    const half = withSeconds ? 26 : 16;
    const moments = ticks.map((time) => ({ text: clock(time, withSeconds), x: round(x(time)) }));
    const wanted = [
      ...values.map(({ text, at }) => ({ text, x: LEFT, y: at, across: right - LEFT, down: 0, dx: -7, dy: 3.5, anchor: "end" })),
      ...moments.map(({ text, x }) => ({
        text: x < LEFT + half - 12 || x > right - half + 10 ? "" : text,
        x, y: HEIGHT - BOTTOM, across: 0, down: 4, dx: 0, dy: BOTTOM - 4, anchor: "middle",
      })),
    ];
    for (const [at, tick] of wanted.entries()) {
      this.#ticks[at] ??= this.#nodes.grid.appendChild(shape("g", {}, shape("line"), shape("text")));
      const [line, text] = this.#ticks[at].children;
      // only what holds them moves: a text that moved by itself would be laid out anew, each second, in each chart
      put(this.#ticks[at], "transform", `translate(${tick.x} ${tick.y})`);
      put(line, "x2", String(tick.across));
      put(line, "y2", String(tick.down));
      put(text, "x", String(tick.dx));
      put(text, "y", String(tick.dy));
      put(text, "text-anchor", tick.anchor);
      say(text, tick.text);
      this.#ticks[at].style.display = "";
    }
    for (const tick of this.#ticks.slice(wanted.length)) tick.style.display = "none";
  }

  /** Where the service began anew. */
  #drawMarks(x) {
    const { samples, first } = this.view;
    const { marks, begun } = this.#nodes;
    let used = 0;
    let other = false;
    for (let row = first; row < samples.length; row++) {
      const kind = samples.value("mark", row);
      if (!(kind > 0)) continue;
      other ||= kind === OTHER;
      const mark = marks.children[used++] ?? marks.appendChild(shape("line", { y1: TOP, y2: HEIGHT - BOTTOM }));
      const at = String(round(x(samples.time(row))));
      put(mark, "x1", at);
      put(mark, "x2", at);
    }
    while (marks.children.length > used) marks.lastChild.remove();
    if (begun.hidden !== (used === 0)) begun.hidden = used === 0;
    say(begun.lastChild, other ? "another count" : "restart");
  }

  drawCrosshair() {
    if (!this.view) return;
    const { samples, first, x, y } = this.view;
    const { cross, rule, when } = this.#nodes;
    const row = this.#crosshair.row(this.view);
    // not drawn yet, or folded: its figures are told all the same
    const shows = row >= first && x !== undefined;
    cross.style.display = shows ? "" : "none";
    const shown = shows ? row : samples.length - 1;
    for (const { key, dot, value } of this.#lines) {
      const number = samples.length ? samples.value(key, shown) : NaN;
      say(value, this.#options.format(number));
      dot.style.display = Number.isNaN(number) ? "none" : "";
      if (!shows || Number.isNaN(number)) continue;
      put(dot, "cx", String(round(x(samples.time(row)))));
      put(dot, "cy", String(round(y(number))));
    }
    say(when, shows ? clock(samples.time(row)) : "");
    if (!shows) return;
    const at = String(round(x(samples.time(row))));
    put(rule, "x1", at);
    put(rule, "x2", at);
  }

  /** A row in words. */
  told(row) {
    const { samples } = this.view;
    const numbers = this.#lines.map(({ key, name }) => {
      const value = samples.value(key, row);
      return `${name} ${Number.isNaN(value) ? "unknown" : this.#options.format(value)}`;
    });
    return `${clock(samples.time(row))}: ${numbers.join(", ")}`;
  }

  #label(words, of) {
    const { title, format } = this.#options;
    const numbers = this.#lines.map(({ name }, at) => {
      if (!of[at].known) return `${name} unknown`;
      const now = Number.isNaN(of[at].last) ? "unknown" : format(of[at].last);
      return `${name} ${now}, between ${format(of[at].least)} and ${format(of[at].most)}`;
    });
    return `Chart: ${title}, ${words}. ${numbers.join("; ")}. The arrow keys move through it.`;
  }

  #showTable(shows) {
    const { table, toggle, plot } = this.#nodes;
    [table.hidden, plot.hidden] = [!shows, shows];
    toggle.setAttribute("aria-pressed", String(shows));
    if (!shows) return;
    this.#table ??= new Numbers(table, this.#options, this.#lines);
    if (this.view) this.#table.draw(this.view);
  }
}
