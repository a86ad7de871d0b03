// Which numbers of `/events/stats` stand where on the dashboard, and in what words. Pure: from an answer to rows.
//
// What an answer does not have is left out, not shown as zero: a tenant is not told of the whole instance, and an older service knows less.

import { latencies } from "./samples.js";
import { bytes, count, duration, exact, micros, percent, rate } from "./scales.js";

const persec = (value) => `${rate(value)}\u202f/s`;
const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

/** Charts over time; `has` is asked of an answer where not every answer has the numbers. */
export const CHARTS = [
  { title: "Connections", series: [{ key: "connections", name: "open" }], format: count, whole: true },
  {
    title: "Opened and closed", note: "a second, mean of ten", format: rate, whole: true,
    series: [{ key: "opened:mean", name: "opened" }, { key: "closed:mean", name: "closed" }],
  },
  {
    title: "Lag and replay", note: "connections", format: count, whole: true,
    series: [{ key: "lagging", name: "lagging" }, { key: "replaying", name: "replaying" }, { key: "paced", name: "paced" }],
  },
  { title: "Published", note: "events a second", series: [{ key: "published", name: "published" }], format: rate, whole: true },
  { title: "Delivered", note: "events a second", series: [{ key: "delivered", name: "delivered" }], format: rate, whole: true },
  {
    title: "Replayed", note: "events a second from the log", format: rate, whole: true, has: (s) => s.replay,
    series: [{ key: "replayed", name: "replayed" }],
  },
  {
    title: "Commit to write", note: "latency, log scale", axis: "log", format: micros,
    series: [{ key: "p50", name: "p50" }, { key: "p90", name: "p90" }, { key: "p99", name: "p99" }],
  },
  {
    title: "Request to commit", note: "latency, log scale", axis: "log", format: micros, has: (s) => s.latency?.publishMicroseconds,
    series: [{ key: "publish:p50", name: "p50" }, { key: "publish:p90", name: "p90" }, { key: "publish:p99", name: "p99" }],
  },
  {
    title: "Furthest behind", note: "events", format: count, whole: true, has: (s) => s.connections.furthestBehind !== undefined,
    series: [{ key: "furthest", name: "behind the newest" }],
  },
];

const CLOSES = {
  left: "the follower went",
  draining: "the service was stopping",
  lagging: "it fell too far behind",
  lifetime: "it was open long enough",
  expired: "credential expired",
  revoked: "credential revoked",
  superseded: "ticket used again",
  limited: "one client had too many",
  overloaded: "no room for more",
  unavailable: "the log could not be read",
};
const GAPS = { trimmed: "older than the log keeps", rewound: "of another numbering" };
const SELECTORS = { all: "every event", streams: "streams", users: "users", topics: "topics", types: "types" };

export function tiles(stats) {
  const { connections: c, events: e, log, memory } = stats;
  const { write, isRecent, whole } = latencies(stats);
  const any = write.p99 > 0;
  const span = isRecent ? "the last seconds" : "since the start";
  const rows = [
    { key: "connections", name: "Connections", value: count(c.now), more: `peak ${count(c.peak)} of ${count(c.max)}`,
      title: `${exact(c.now)} now, ${exact(c.peak)} at once, ${exact(c.max)} allowed` },
    { key: "published", name: "Published", value: persec(e.publishedPerSecond), more: `${count(e.published)} in all`,
      title: `${exact(e.published)} events since the start; the rate is of the last ten seconds` },
    { key: "delivered", name: "Delivered", value: persec(e.deliveredPerSecond), more: `${count(e.delivered)} in all`,
      title: `${exact(e.delivered)} writes of an event since the start; the rate is of the last ten seconds` },
    { key: "p50", name: "Latency p50", value: any ? micros(write.p50) : "–", more: span,
      title: `From commit to write. Since the start: half below ${micros(whole.p50)}` },
    { key: "p99", name: "Latency p99", value: any ? micros(write.p99) : "–", more: any ? `at most ${micros(write.max)}` : span,
      title: `From commit to write. Since the start: 99 % below ${micros(whole.p99)}, all below ${micros(whole.max)}` },
    { key: "head", name: "Head", value: count(log.head), more: `epoch ${log.epoch || "–"}`, title: `The newest event is ${exact(log.head)}` },
    { key: "uptime", name: "Uptime", value: duration(stats.uptimeSeconds), more: `version ${stats.version}`,
      title: `${exact(stats.uptimeSeconds)} seconds` },
  ];
  if (memory) rows.push({ key: "memory", name: "Memory", value: bytes(memory.residentBytes), more: "resident", title: `${exact(memory.residentBytes)} bytes` });
  return rows;
}

/** Of the services' state, in the order of the answer. */
export function services(health) {
  return Object.entries(health?.services ?? {}).map(([name, { status, detail }]) => ({ key: name, name, status, detail }));
}

function fraction(key, name, now, most, format = count, warns = true) {
  const share = most > 0 ? now / most : 0;
  const cells = [`${format(now)} of ${format(most)}`, percent(share)];
  return { key, name, share, cells, warns: warns && share >= 0.9, title: `${exact(now)} of ${exact(most)}` };
}

/** What is held against what may be held. A full ring is a ring at work, and warns of nothing. */
export function fills({ connections: c, ring, queues: q, instance, backplane, database }) {
  const rows = [fraction("connections", "connections", c.now, c.max)];
  if (instance) rows.push(fraction("instance", "connections, all logs", instance.connections, instance.maxConnections));
  if (ring) {
    rows.push(fraction("frames", "ring, events", ring.frames, ring.maxFrames, count, false));
    rows.push(fraction("bytes", "ring, bytes", ring.bytes, ring.maxBytes, bytes, false));
  }
  if (q) {
    rows.push(fraction("requests", "publish queue", q.publishRequests, q.publishMaxRequests));
    rows.push(fraction("queued", "publish queue, bytes", q.publishBytes, q.publishMaxBytes, bytes));
    if (q.replayMaxReads > 0) rows.push(fraction("reads", "replay reads", q.replayReads, q.replayMaxReads));
  }
  if (database?.maxConnections > 0) rows.push(fraction("database", "database", database.connections - database.idleConnections, database.maxConnections));
  if (backplane?.maxQueued > 0) rows.push(fraction("backplane", "backplane queue", backplane.queued, backplane.maxQueued));
  if (instance) rows.push(fraction("logs", "logs", instance.logs, instance.maxLogs));
  return rows;
}

/** Counts by word, in the words' own order: what came in the window, which may reach back beyond a restart, and since the service's start. */
function counted(words, now, inWindow) {
  const rows = Object.entries(now ?? {}).map(([key, sum]) => ({ key, sum, recent: inWindow(key) }));
  const most = Math.max(1, ...rows.map((row) => row.recent));
  const order = Object.keys(words);
  const place = (key) => (order.includes(key) ? order.indexOf(key) : order.length);
  return rows
    .sort((a, b) => place(a.key) - place(b.key))
    .map(({ key, sum, recent }) => ({
      key, name: words[key] ?? key, share: recent / most, idle: sum === 0 && recent === 0, cells: [count(recent), count(sum)],
      title: `${key}: ${exact(recent)} in this time, ${exact(sum)} since the start`,
    }));
}
export const closes = (stats, inWindow) => counted(CLOSES, stats.connections.closed, inWindow);
export const gaps = (stats, inWindow) => counted(GAPS, stats.connections.gaps, inWindow);

export function followers({ connections: c }) {
  const by = c.bySelector ?? {};
  const order = [...new Set([...Object.keys(SELECTORS), ...Object.keys(by)])].filter((key) => key in by);
  return order.map((key) => ({
    key, name: SELECTORS[key] ?? key, share: c.now > 0 ? by[key] / c.now : 0, idle: by[key] === 0, cells: [count(by[key])],
    title: `${exact(by[key])} of ${exact(c.now)} connections`,
  }));
}

const number = (key, name, value, more = {}) => ({ key, name, value: count(value), title: exact(value), ...more });
const troubled = (value) => (value > 0 ? { tone: "busy" } : {});
const present = (rows) => rows.filter((row) => row.value !== "–");

export function logFacts({ log, ring }) {
  const kept = log.head + 1 - log.earliest;
  const rows = [
    { key: "store", name: "store", value: log.store },
    { key: "reachable", name: "reachable", value: log.reachable ? "yes" : "no", tone: log.reachable ? "ok" : "bad" },
    number("head", "head", log.head),
    number("earliest", "earliest", log.earliest),
    number("kept", "events kept", kept),
  ];
  if (log.sizeBytes !== undefined) rows.push({ key: "size", name: "size on disk", value: bytes(log.sizeBytes), title: `${exact(log.sizeBytes)} bytes` });
  if (log.freeBytes !== undefined) rows.push({ key: "free", name: "free on disk", value: bytes(log.freeBytes), title: `${exact(log.freeBytes)} bytes` });
  rows.push({ key: "epoch", name: "epoch", value: log.epoch || "–", title: "One unbroken numbering of the log" });
  if (ring) rows.push(number("hole", "waiting for a gap", ring.framesBehindHole, {
    title: `${exact(ring.framesBehindHole)} events wait in the ring for an earlier one that has not come yet`, ...troubled(ring.framesBehindHole),
  }));
  return rows;
}

export function eventFacts({ events: e, connections: c, replay, queues }) {
  return present([
    number("duplicates", "duplicates", e.duplicates),
    number("conflicts", "conflicts", e.conflicts, troubled(e.conflicts)),
    number("commits", "commits", e.commits),
    { key: "grouped", name: "per commit", value: e.commits > 0 ? rate(e.published / e.commits) : "–" },
    number("opened", "admitted", c.opened),
    number("refused", "turned away", c.refused, troubled(c.refused)),
    number("selectors", "selectors followed", c.selectors),
    number("replayed", "events replayed", replay?.events),
    number("pages", "pages read for it", replay?.pages),
    number("waiting", "replays waiting", queues?.replayWaiting),
  ]);
}

export function backplaneFacts({ backplane: b }) {
  return present([
    { key: "kind", name: "kind", value: b.kind },
    { key: "connected", name: "connected", value: b.connected ? "yes" : "no", tone: b.connected ? "ok" : "bad" },
    number("peers", "other instances", b.peers),
    number("sent", "sent", b.sent),
    number("received", "received", b.received),
    number("reconnects", "reconnects", b.reconnects, troubled(b.reconnects)),
    number("dropped", "dropped", b.dropped, troubled(b.dropped)),
    number("missed", "missed", b.missed, troubled(b.missed)),
    number("refused", "refused", b.refused, troubled(b.refused)),
    number("unclear", "of other versions", b.unclear),
    number("holes", "gaps filled", b.holesRead),
  ]);
}

export const INSTANCE_COLUMNS = ["instance", "version", "uptime", "connections", "of all logs", "state", "backplane"];
export function instances({ instances: all = [] }) {
  return all.map((one, at) => ({
    key: one.id,
    title: one.id,
    cells: [
      one.id.slice(0, 8) + (at === 0 ? " (asked)" : ""), one.version, duration(one.uptimeSeconds), count(one.connections), count(one.allConnections),
      one.draining ? "draining" : "serving", one.backplaneConnected ? "connected" : "out of reach",
    ],
  }));
}

/** What is to be said of the completeness of a cluster's numbers; empty where they are all. */
export function completeness({ scope, missing, complete }) {
  if (scope !== "cluster") return "";
  if (missing > 0) return `${plural(missing, "known instance", "known instances")} did not answer: the sums lack ${missing === 1 ? "it" : "them"}.`;
  return complete ? "" : "These may not be all instances: others cannot be asked, or were not heard of yet.";
}
