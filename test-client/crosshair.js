// The crosshair that all charts of a page share: where it points, and what is spoken of it.

import { say } from "./nodes.js";

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
