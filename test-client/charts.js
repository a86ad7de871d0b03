// Charts over time, drawn as SVG by nothing but this file, and the crosshair that all charts of a page share.
//
// Every node is made once and only changed afterwards. A line is never told by colour alone: each has a pattern of its own, shown beside its
// name and its current figure. Whoever sees no chart is told the same by its label, by the arrow keys and by the table behind it.

import { BREAK_MS, OTHER } from "./samples.js";
import { clock, linearAxis, logAxis, timeTicks } from "./scales.js";

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 52;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 20;
const HEIGHT = 168;
const TABLE_ROWS = 30;

function shape(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** An element of the page with a class, and what is in it. */
export function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** Sets a text or an attribute if it is another: most are not, from one second to the next. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
export function put(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

const round = (value) => Math.round(value * 10) / 10;

/**
 * The path of one column between two rows, and of the area below it down to `base`, if that is given. Where points are closer than `bucket` milliseconds it goes through the
 * least and the most of each bucket, so that no spike is lost; buckets stand still in time, so that nothing flickers. What is unknown, and
 * time that nobody looked at, is a gap.
 */
export function trace(samples, name, from, { x, y, base = null, bucket = 0, to = samples.length }) {
  let [line, area, pen, last, start] = ["", "", false, 0, 0];
  // the bucket under way: nothing is made for each sample, of which there are thousands a second
  let [slot, lowAt, low, highAt, high] = [NaN, 0, 0, 0, 0];
  const point = (time, value) => {
    const px = round(x(time));
    const at = `${px} ${round(y(value))}`;
    if (pen) {
      line += `L${at}`;
      if (base !== null) area += `L${at}`;
    } else {
      line += `M${at}h0`; // a lone point is a dot
      if (base !== null) area += `M${px} ${base}L${at}`;
      start = px;
    }
    pen = true;
    last = px;
  };
  const flush = () => {
    if (Number.isNaN(slot)) return;
    slot = NaN;
    if (lowAt < highAt) point(lowAt, low);
    point(highAt, high);
    if (lowAt > highAt) point(lowAt, low);
  };
  const lift = () => {
    flush();
    if (pen && base !== null) area += `L${last} ${base}L${start} ${base}Z`;
    pen = false;
  };
  let before = -Infinity;
  const read = samples.reader(name);
  for (let row = from; row < to; row++) {
    const time = samples.time(row);
    const value = read(row);
    if (Number.isNaN(value) || time - before > BREAK_MS) lift();
    before = time;
    if (Number.isNaN(value)) continue;
    if (!bucket) {
      point(time, value);
      continue;
    }
    const index = Math.floor(time / bucket);
    if (slot !== index) {
      flush();
      slot = index;
      lowAt = highAt = time;
      low = high = value;
    } else if (value < low) {
      lowAt = time;
      low = value;
    } else if (value > high) {
      highAt = time;
      high = value;
    }
  }
  lift();
  return { line, area };
}

/** One moment that all charts of a page point at: under the pointer, or where the arrow keys went. */
export class Crosshair {
  #charts = [];
  #spoken;
  share = null;
  time = null;

  constructor(spoken) {
    this.#spoken = spoken;
  }

  add(chart) {
    this.#charts.push(chart);
  }

  clear() {
    this.share = this.time = null;
    say(this.#spoken, "");
    this.draw();
  }

  /** Under the pointer: stays where it is while time goes on. */
  point(share) {
    [this.share, this.time] = [share, null];
    this.draw();
  }

  /** To a row; stays with it while time goes on. */
  go(chart, row) {
    [this.share, this.time] = [null, chart.view.samples.time(row)];
    this.draw();
    say(this.#spoken, chart.told(row));
  }

  /** The row that is pointed at, or -1. */
  row({ samples, from, to }) {
    if (this.time !== null && this.time < from) this.time = null;
    const time = this.share === null ? this.time : from + this.share * (to - from);
    return time === null ? -1 : samples.nearest(time);
  }

  draw() {
    for (const chart of this.#charts) chart.drawCrosshair();
  }
}

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

/** The figures behind a chart: over the whole time, and at moments through it, the newest first. */
class Numbers {
  #rows = [];
  #body;
  #lines;
  #format;

  constructor(place, { title, format }, lines) {
    [this.#lines, this.#format] = [lines, format];
    const head = element("tr", "", element("th", "", "time"), ...lines.map(({ name }) => element("th", "", name)));
    for (const cell of head.children) cell.scope = "col";
    this.#body = element("tbody");
    const caption = element("caption", "away", title);
    place.append(element("table", "", caption, element("thead", "", head), this.#body));
  }

  draw({ samples, first, from, to, of }) {
    const sums = [["most", "most"], ["mean", "mean"], ["least", "least"]].map(([text, name]) => [
      text,
      ...of.map((one) => (one.known ? (name === "mean" ? one.sum / one.known : one[name]) : NaN)),
    ]);
    const step = Math.ceil((to - from) / TABLE_ROWS / 1000) * 1000;
    const moments = [];
    let slot = null;
    for (let row = samples.length - 1; row >= first && moments.length < TABLE_ROWS; row--) {
      // the newest sample, and then one of each step, which stay the same ones from second to second
      const here = Math.floor(samples.time(row) / step);
      if (here === slot) continue;
      slot = here;
      moments.push([clock(samples.time(row)), ...this.#lines.map(({ key }) => samples.value(key, row))]);
    }
    const wanted = [...sums, ...moments];
    for (const [at, [text, ...values]] of wanted.entries()) {
      const head = () => Object.assign(element("th"), { scope: "row" });
      this.#rows[at] ??= this.#body.appendChild(element("tr", at < sums.length ? "sum" : "", head(), ...values.map(() => element("td"))));
      for (const [column, cell] of [...this.#rows[at].children].entries()) {
        say(cell, column === 0 ? text : this.#format(values[column - 1]));
      }
      this.#rows[at].hidden = false;
    }
    for (const row of this.#rows.slice(wanted.length)) row.hidden = true;
  }
}
