// What `/events/stats` said over the last minutes: a bounded memory of numbers by the second, and how one answer follows from another.
//
// The service counts since its start. Between two answers stands a difference, unless they are not of the same count: after a restart, from
// another instance behind the same address, or of a cluster whose members changed. Then a rate is unknown, never negative and never a leap.
// What is unknown is NaN, and charts leave it out.

/** Beyond this, two samples are not joined: nobody looked in between. */
export const BREAK_MS = 3500;

/** Columns of numbers under one column of times; the oldest row gives way. */
export class Samples {
  #capacity;
  #times;
  #columns = new Map();
  #first = 0;
  length = 0;

  constructor(capacity) {
    this.#capacity = capacity;
    this.#times = new Float64Array(capacity);
  }

  /** Adds a row; what it does not name is unknown. */
  push(time, values = {}) {
    const at = (this.#first + this.length) % this.#capacity;
    if (this.length < this.#capacity) this.length++;
    else this.#first = (this.#first + 1) % this.#capacity;
    this.#times[at] = time;
    for (const column of this.#columns.values()) column[at] = NaN;
    for (const [name, value] of Object.entries(values)) {
      if (!this.#columns.has(name)) this.#columns.set(name, new Float64Array(this.#capacity).fill(NaN));
      this.#columns.get(name)[at] = value ?? NaN;
    }
  }

  clear() {
    this.#first = this.length = 0;
    this.#columns.clear();
  }

  /** When the row was, counted from the oldest. */
  time(row) {
    return this.#times[(this.#first + row) % this.#capacity];
  }

  value(name, row) {
    const column = this.#columns.get(name);
    return column ? column[(this.#first + row) % this.#capacity] : NaN;
  }

  /** `value` of one column, for those that go through many rows. */
  reader(name) {
    const column = this.#columns.get(name);
    return column ? (row) => column[(this.#first + row) % this.#capacity] : () => NaN;
  }

  /** The first row at `time` or after it; `length` where there is none. */
  since(time) {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time(middle) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The row nearest to `time`, or -1 where there is none. */
  nearest(time) {
    const after = this.since(time);
    if (after === this.length) return this.length - 1;
    return after > 0 && time - this.time(after - 1) < this.time(after) - time ? after - 1 : after;
  }

  /** Over the rows from `row` on, without those that are unknown. */
  summary(name, row) {
    const of = { least: Infinity, most: -Infinity, sum: 0, known: 0, last: this.length ? this.value(name, this.length - 1) : NaN };
    const read = this.reader(name);
    for (let at = row; at < this.length; at++) {
      const value = read(at);
      if (Number.isNaN(value)) continue;
      if (value < of.least) of.least = value;
      if (value > of.most) of.most = value;
      of.sum += value;
      of.known++;
    }
    return of;
  }
}

/** What is marked at a moment: the service began anew, or its numbers are of another count. */
export const RESTART = 1;
export const OTHER = 2;

const total = (counts) => Object.values(counts ?? {}).reduce((sum, n) => sum + n, 0);
const members = (stats) => (stats.instances ?? []).map((one) => `${one.id}`).sort().join();

/** How an answer relates to the one before it, so many seconds earlier: `first`, `same`, `restart` or `other`. */
export function relation(before, stats, seconds) {
  if (!before || before.scope !== stats.scope) return "first";
  if (stats.scope === "cluster") return members(before) === members(stats) ? "same" : "other";
  const grown = stats.uptimeSeconds - before.uptimeSeconds;
  if (grown < 0) return stats.uptimeSeconds <= seconds + 2 ? "restart" : "other";
  return grown > seconds + 3 ? "other" : "same";
}

/** What was counted in between; unknown where the counts are not one count. */
export function increase(before, now, how) {
  if (how === "restart") return now;
  return how === "same" && before !== undefined && now >= before ? now - before : NaN;
}

/** The mean over the last ten seconds, as the service's own rates are: what comes in bursts is no line to follow. */
export function smoothed(samples, name, value, at) {
  const { sum, known } = samples.summary(name, samples.since(at - 9500));
  return Number.isNaN(value) ? NaN : (sum + value) / (known + 1);
}

/** The row of an answer: what is held now, rates a second, and what was closed since the answer before. */
export function measure(stats, before, seconds) {
  const how = relation(before, stats, seconds);
  const { connections: c } = stats;
  const rate = (read) => {
    // over a longer time, or across a restart, a mean would pass for a moment's rate
    if (how !== "same" || seconds <= 0 || seconds * 1000 > BREAK_MS) return NaN;
    return increase(read(before), read(stats), how) / seconds;
  };
  const row = {
    connections: c.now, lagging: c.lagging, replaying: c.replaying, paced: c.paced,
    opened: rate((s) => s.connections.opened), closed: rate((s) => total(s.connections.closed)),
    published: rate((s) => s.events.published), delivered: rate((s) => s.events.delivered),
    mark: { restart: RESTART, other: OTHER }[how] ?? NaN,
  };
  const latency = latencies(stats);
  for (const share of SHARES) {
    row[share] = known(latency.write[share]);
    row[`publish:${share}`] = known(latency.publish?.[share]);
  }
  row.furthest = c.furthestBehind;
  row.replayed = rate((s) => s.replay?.events);
  for (const kind of ["closed", "gaps"]) {
    for (const [word, n] of Object.entries(c[kind] ?? {})) row[`${kind}:${word}`] = increase(before?.connections[kind]?.[word], n, how);
  }
  return { row, how };
}

const SHARES = ["p50", "p90", "p99"];
/** No percentile is zero where anything was measured. */
const known = (value) => (value > 0 ? value : NaN);

/** Percentiles in microseconds, from commit to write and from request to commit: of the last seconds if the service tells them. */
export function latencies({ latency = {} }) {
  const isRecent = latency.recentCommitToWriteMicroseconds !== undefined;
  const whole = { write: latency.commitToWriteMicroseconds ?? {}, publish: latency.publishMicroseconds };
  const recent = { write: latency.recentCommitToWriteMicroseconds, publish: latency.recentPublishMicroseconds };
  return { isRecent, whole, ...(isRecent ? recent : whole) };
}
