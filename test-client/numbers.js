// The table behind a chart.

import { element, say } from "./nodes.js";
import { clock } from "./scales.js";

const TABLE_ROWS = 30;

/** The figures behind a chart: over the whole time, and at moments through it, the newest first. */
export class Numbers {
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
