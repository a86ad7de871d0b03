// The dashboard's arithmetic, without a browser: numbers in words, axes, what is remembered, and how one answer follows from another.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pageModule } from "./modules.mjs";

const scales = await pageModule("scales.js");
const { OTHER, RESTART, Samples, increase, measure, relation } = await pageModule("samples.js");
const { trace } = await pageModule("trace.js");
const figures = await pageModule("dashboard-figures.js");

const plain = (text) => text.replaceAll(/[\u00a0\u202f]/g, " ");

test("big numbers are short, small ones whole, and the exact ones in groups of three", () => {
  const shown = [0, 7, 9999, 10_000, 12_345, 99_949, 999_499, 999_950, 1_234_567, 9_876_543_210].map(scales.count);
  assert.deepEqual(shown, ["0", "7", "9999", "10k", "12.3k", "99.9k", "999k", "1M", "1.23M", "9.88G"]);
  assert.equal(plain(scales.exact(1234567)), "1 234 567");
  assert.equal(plain(scales.exact(1234.5678)), "1 234.568");
  assert.deepEqual([scales.count(NaN), scales.exact(undefined), scales.rate(NaN)], ["–", "–", "–"]);
  assert.deepEqual([0, 0.04, 0.25, 9.96, 99.9, 99.96, 12_345].map(scales.rate), ["0", "0", "0.3", "10", "99.9", "100", "12.3k"]);
});

test("times, sizes and shares carry the unit that fits them", () => {
  assert.deepEqual([1, 999, 999.6, 1530, 16_400, 999_499, 999_500, 81_900_000].map((v) => plain(scales.micros(v))),
    ["1 µs", "999 µs", "1 ms", "1.53 ms", "16.4 ms", "999 ms", "1 s", "81.9 s"]);
  assert.deepEqual([0, 1023, 1024, 4_655_000, 2 ** 34].map((v) => plain(scales.bytes(v))), ["0 B", "1023 B", "1 KiB", "4.44 MiB", "16 GiB"]);
  assert.deepEqual([0, 59, 61, 599, 601, 3600, 7260, 90_000].map((v) => plain(scales.duration(v))),
    ["0 s", "59 s", "1 min 1 s", "9 min 59 s", "10 min", "1 h", "2 h 1 min", "1 d 1 h"]);
  assert.deepEqual([0, 0.001, 0.5, 1].map((v) => plain(scales.percent(v))), ["0 %", "< 1 %", "50 %", "100 %"]);
});

test("a linear axis begins at zero, ends at or above the most, and steps in round numbers", () => {
  for (const most of [0.3, 1, 1.01, 3, 7, 10, 33, 99, 101, 1234, 5e6, 7.7e9]) {
    const axis = scales.linearAxis(most);
    assert.equal(axis.ticks[0], 0);
    assert.ok(axis.high >= most && axis.high <= most * 3.4, `${most}: ${axis.ticks}`);
    assert.ok(axis.ticks.length >= 2 && axis.ticks.length <= 5, `${most}: ${axis.ticks}`);
    assert.match((axis.ticks[1] / 10 ** Math.floor(Math.log10(axis.ticks[1]) + 1e-9)).toFixed(6), /^[125]\.000000$/);
    assert.deepEqual([axis.place(0), axis.place(axis.high)], [0, 1]);
  }
  assert.deepEqual(scales.linearAxis(-Infinity).ticks.at(-1), 1, "of nothing, one");
  assert.deepEqual(scales.linearAxis(1, { whole: true }).ticks, [0, 1], "there is no half of a connection");
  assert.deepEqual(scales.linearAxis(2, { whole: true }).ticks, [0, 1, 2]);
  assert.equal(scales.linearAxis(40 * 2 ** 20, { base: 2 }).ticks[1], 20 * 2 ** 20, "bytes are round in their own unit");
});

test("a log axis spans whole powers of ten, and says more within a single one", () => {
  assert.deepEqual(scales.logAxis(1530, 7170).ticks, [1000, 2000, 5000, 10_000]);
  assert.deepEqual(scales.logAxis(300, 40_000).ticks, [100, 1000, 10_000, 100_000]);
  assert.deepEqual(scales.logAxis(1000, 1000).ticks, [1000, 2000, 5000, 10_000], "also where all is one power");
  assert.ok(scales.logAxis(1, 1e9).ticks.length <= 6);
  const axis = scales.logAxis(300, 40_000);
  assert.deepEqual([axis.place(100), axis.place(100_000), axis.place(1)], [0, 1, 0]);
  assert.ok(scales.logAxis(Infinity, -Infinity).ticks.length > 1, "there is an axis before there is a number");
});

test("moments on an axis are round and no more than fit", () => {
  const at = Date.UTC(2026, 0, 1, 12, 0, 7);
  for (const [seconds, most] of [[60, 4], [300, 5], [900, 5], [900, 3]]) {
    const { ticks, withSeconds } = scales.timeTicks(at - seconds * 1000, at, most);
    assert.ok(ticks.length >= 2 && ticks.length <= most + 1, `${seconds}: ${ticks.length}`);
    assert.ok(ticks.every((tick) => tick % (withSeconds ? 5000 : 60_000) === 0));
  }
});

test("the memory of samples is bounded, and its oldest give way", () => {
  const samples = new Samples(3);
  for (let n = 1; n <= 5; n++) samples.push(n * 1000, n === 4 ? { a: n, b: 7 } : { a: n });
  assert.equal(samples.length, 3);
  assert.deepEqual([0, 1, 2].map((row) => [samples.time(row), samples.value("a", row)]), [[3000, 3], [4000, 4], [5000, 5]]);
  assert.deepEqual([0, 1, 2].map((row) => samples.value("b", row)), [NaN, 7, NaN], "what was not told is unknown, not what stood there before");
  assert.deepEqual([samples.since(0), samples.since(4000), samples.since(4001), samples.since(9000)], [0, 1, 2, 3]);
  assert.deepEqual([samples.nearest(3400), samples.nearest(3600), samples.nearest(9000)], [0, 1, 2]);
  const { least, most, sum, known } = samples.summary("a", 1);
  assert.deepEqual([least, most, sum, known], [4, 5, 9, 2]);
  samples.clear();
  assert.deepEqual([samples.length, samples.nearest(1), samples.summary("a", 0).known], [0, -1, 0]);
});

const stats = (uptimeSeconds, opened, more = {}) => ({
  scope: "instance", uptimeSeconds,
  connections: { now: 1, lagging: 0, replaying: 0, paced: 0, opened, closed: { left: opened - 1, draining: 0 } },
  events: { published: opened * 10, delivered: opened * 100 }, latency: { commitToWriteMicroseconds: { p50: 5, p90: 6, p99: 7, max: 8 } },
  ...more,
});

test("between two answers of one count stands what it grew by, a second", () => {
  const { row, how } = measure(stats(12, 9), stats(10, 5), 2);
  assert.equal(how, "same");
  assert.deepEqual([row.opened, row.closed, row.published, row.delivered], [2, 2, 20, 200]);
  assert.deepEqual([row["closed:left"], row["closed:draining"]], [4, 0]);
  assert.deepEqual([row.p50, row.p99, row.mark], [5, 7, NaN]);
});

test("a restart is never a negative rate, and closes since then count", () => {
  const { row, how } = measure(stats(1, 3), stats(500, 90), 3);
  assert.equal(how, "restart");
  assert.deepEqual([row.opened, row.published, row.delivered], [NaN, NaN, NaN]);
  assert.equal(row["closed:left"], 2);
  assert.equal(row.mark, RESTART);
});

test("what was closed before a restart, and is in the window, is not idle though the count began anew", () => {
  const [row] = figures.closes(stats(1, 1), () => 4);
  assert.deepEqual([row.idle, row.cells], [false, ["4", "0"]]);
  assert.deepEqual(figures.closes(stats(1, 1), () => 0).map(({ idle }) => idle), [true, true]);
});

test("what is of another count is unknown: another instance, other members, a count that began anew, nobody looking", () => {
  assert.equal(measure(stats(500, 1), stats(40, 1), 1).row.mark, OTHER);
  assert.equal(relation(stats(500, 1), stats(40, 1), 1), "other", "younger, but older than the time in between");
  assert.equal(relation(stats(40, 1), stats(500, 1), 1), "other", "older than time allows");
  assert.ok(Number.isNaN(measure(stats(500, 90), stats(40, 1), 1).row["closed:left"]));
  const cluster = (...ids) => ({ scope: "cluster", uptimeSeconds: 1, instances: ids.map((id) => ({ id })) });
  assert.equal(relation(cluster("a", "b"), cluster("b", "a"), 1), "same");
  assert.equal(relation(cluster("a", "b"), cluster("a"), 1), "other");
  assert.equal(relation(stats(1, 1), cluster("a"), 1), "first");
  assert.ok(Number.isNaN(increase(100, 3, "same")), "what is delivered is counted anew when a log is followed again");
  const slept = measure(stats(700, 90), stats(100, 1), 600);
  assert.ok(Number.isNaN(slept.row.opened), "ten minutes' mean is not this second's rate");
  assert.equal(slept.row["closed:left"], 89, "but what was closed meanwhile was closed");
});

test("latency is of the last seconds where the service tells it, and unknown where nothing was measured", () => {
  const recent = { commitToWriteMicroseconds: { p50: 5, p90: 6, p99: 7 }, recentCommitToWriteMicroseconds: { p50: 50, p90: 60, p99: 70 } };
  assert.equal(measure(stats(2, 2, { latency: recent }), stats(1, 1), 1).row.p90, 60);
  recent.recentCommitToWriteMicroseconds = { p50: 0, p90: 0, p99: 0 };
  assert.ok(Number.isNaN(measure(stats(2, 2, { latency: recent }), stats(1, 1), 1).row.p90), "not what it was since the start");
});

test("a gap in what is known is a gap in the line, a lone point a dot, and no spike is lost", () => {
  const samples = new Samples(100);
  const at = { x: (time) => time / 1000, y: (value) => value, base: 0 };
  for (const [second, v] of [[0, 1], [1, 2], [2, NaN], [3, 4], [10, 5], [11, 6]]) samples.push(second * 1000, { v });
  assert.equal(trace(samples, "v", 0, at).line, "M0 1h0L1 2M3 4h0M10 5h0L11 6");
  assert.equal(trace(samples, "v", 0, at).area, "M0 0L0 1L1 2L1 0L0 0ZM3 0L3 4L3 0L3 0ZM10 0L10 5L11 6L11 0L10 0Z");
  samples.clear();
  for (let second = 0; second < 40; second++) samples.push(second * 1000, { v: second === 17 ? 99 : 1 });
  const { line } = trace(samples, "v", 0, { ...at, bucket: 10_000 });
  assert.match(line, /L17 99/);
  assert.ok(line.split("L").length <= 8, line);
});

test("what an answer does not have is absent, not zero", () => {
  const tenant = {
    ...stats(1, 1), version: "1", log: { store: "postgres", reachable: true, epoch: "e", head: 5, earliest: 2 },
    ring: { frames: 1, maxFrames: 2, bytes: 1, maxBytes: 2, framesBehindHole: 0 }, backplane: { kind: "redis", connected: true, peers: 1 },
  };
  const names = (rows) => rows.map(({ key }) => key);
  assert.deepEqual(names(figures.fills(tenant)), ["connections", "frames", "bytes"]);
  assert.deepEqual(names(figures.backplaneFacts(tenant)), ["kind", "connected", "peers"]);
  assert.ok(!names(figures.tiles(tenant)).includes("memory"));
  assert.ok(!names(figures.logFacts(tenant)).includes("size"));
  assert.deepEqual(figures.gaps(tenant, () => 0), []);
  assert.deepEqual(figures.instances(tenant), []);
});

test("the sums of a part of the cluster are said to be that", () => {
  assert.equal(figures.completeness({ scope: "instance" }), "");
  assert.equal(figures.completeness({ scope: "cluster", missing: 0, complete: true }), "");
  assert.match(figures.completeness({ scope: "cluster", missing: 2, complete: false }), /^2 known instances did not answer/);
  assert.match(figures.completeness({ scope: "cluster", missing: 0, complete: false }), /^These may not be all/);
});
