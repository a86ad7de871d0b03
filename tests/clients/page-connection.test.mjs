// How the page keeps a connection, and what of a flood it keeps, without a browser or a service.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { pageModule } from "./modules.mjs";

const window = new EventTarget();
globalThis.addEventListener = window.addEventListener.bind(window);
globalThis.document = { baseURI: "http://service.test/" };

const { Connection, delay } = await pageModule("connection.js");
const { MAX_KEPT, MAX_ROWS, evict } = await pageModule("frames.js");

/** What was asked for, each with what it can be answered with. */
let asked = [];

beforeEach(() => {
  asked = [];
  globalThis.fetch = (url, { headers, signal }) => new Promise((answer, fail) => {
    signal.addEventListener("abort", () => fail(signal.reason));
    const refuse = (status, more) => answer(new Response("{}", { status, headers: { "Content-Type": "application/json", ...more } }));
    const stream = () => {
      let pieces;
      const body = new ReadableStream({ start: (controller) => { pieces = controller; } });
      signal.addEventListener("abort", () => pieces.error(signal.reason));
      answer(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
      return (text) => pieces.enqueue(new TextEncoder().encode(text));
    };
    asked.push({ headers, refuse, stream });
  });
});

const settled = () => new Promise((next) => setImmediate(next));

function connected(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  const said = [];
  const frame = ({ event }) => (event === "hub.live" ? { type: event, body: {} } : null);
  const connection = new Connection({ state: (text, _, because) => said.push([text, because]), frame, refused: () => {} });
  connection.connect([["all", "true"]], "fetch");
  t.after(() => connection.disconnect());
  const pass = async (milliseconds) => {
    for (let passed = 0; passed < milliseconds; passed += 250) {
      t.mock.timers.tick(250);
      await settled();
    }
  };
  return { connection, said, pass };
}

test("a delay is read as seconds or as a date, and never lasts for ever", () => {
  const now = Date.UTC(2026, 0, 1, 12);
  assert.equal(delay("7", now), 7000);
  assert.equal(delay("Thu, 01 Jan 2026 12:00:09 GMT", now), 9000);
  assert.equal(delay("Thu, 01 Jan 2026 11:00:00 GMT", now), 0, "it has passed");
  for (const nothing of [null, "", "soon", "-5", "NaN"]) assert.equal(delay(nothing, now), 0, String(nothing));
  for (const huge of ["99999999999999", "Thu, 01 Jan 2099 12:00:00 GMT"]) assert.equal(delay(huge, now), 3_600_000, huge);
});

test("a refusal with a date is counted down to, and tried again after it", async (t) => {
  const { said, pass } = connected(t);
  asked[0].refuse(503, { "Retry-After": new Date(Date.now() + 8000).toUTCString() });
  await settled();
  await settled();
  assert.match(said.at(-1)[0], /^reconnecting in \d s$/);
  assert.equal(said.at(-1)[1], "the service answered 503");
  await pass(8250);
  assert.equal(asked.length, 2);
});

test("a connection on which nothing comes, not even a heartbeat, is made anew from the cursor", async (t) => {
  const { connection, said, pass } = connected(t);
  const send = asked[0].stream();
  await settled();
  send("event: hub.live\nid: e-7\ndata: {}\n\n");
  await settled();
  for (let n = 0; n < 5; n++) {
    await pass(40_000);
    send(":\n\n");
    await settled();
  }
  assert.equal(connection.phase, "live", "heartbeats are heard");
  await pass(45_000);
  await settled();
  assert.equal(connection.phase, "waiting");
  assert.equal(said.at(-1)[1], "nothing was heard for 45 s");
  await pass(5000);
  assert.equal(asked.length, 2);
  assert.equal(asked[1].headers["Last-Event-ID"], "e-7");
});

test("when the network is back nobody waits on", async (t) => {
  const { pass } = connected(t);
  asked[0].refuse(503, { "Retry-After": "600" });
  await settled();
  await settled();
  await pass(1000);
  assert.equal(asked.length, 1);
  window.dispatchEvent(new Event("online"));
  assert.equal(asked.length, 2);
});

test("of too many rows the oldest go, but gaps and ends stay, and are bounded themselves", () => {
  const rows = (n, type) => Array.from({ length: n }, (_, i) => ({ type, n: i }));
  const mixed = [...rows(MAX_ROWS, "a.b"), { type: "hub.gap" }, { type: "hub.live" }];
  assert.deepEqual(evict(mixed).map(({ type }) => type), ["hub.live", "a.b"]);
  assert.equal(mixed.at(-1).type, "hub.gap");
  const flood = [...rows(MAX_ROWS, "a.b"), ...rows(MAX_ROWS, "hub.closing")];
  assert.equal(evict(flood).length, MAX_ROWS);
  assert.equal(flood.length, MAX_ROWS);
  assert.equal(flood.filter(({ type }) => type === "hub.closing").length, MAX_KEPT);
  assert.equal(flood.findIndex(({ type }) => type === "hub.closing"), MAX_ROWS - MAX_KEPT);
});
