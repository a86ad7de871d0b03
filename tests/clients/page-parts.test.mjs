// The parts of the page that read what comes: JSON as text, and the wire format, in the browser that runs them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { Service } from "./service.mjs";

let service;
let browser;
let page;

before(async () => {
  service = await Service.start();
  browser = await launch();
  page = await open(browser, service.url);
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

/** Calls a function of one of the page's modules. */
const call = (file, name, ...given) =>
  page.evaluate(async ([module, named, values]) => (await import(new URL(`page/${module}`, document.baseURI)))[named](...values), [file, name, given]);

test("JSON is broken into lines and nothing of it is changed", async () => {
  const odd = '{"a":[],"b": { } ,"n":[1e999,-0.10,123456789012345678901234567890],"s":"{\\"x\\":[1,2]} \\\\","u":"\\u0000","a":{"":null}}';
  const shown = await call("json.js", "pretty", odd);
  assert.equal(shown.replace(/\n\s*/g, "").replaceAll('": ', '":'), odd.replace(/(?<=: )\{ \} /, "{}").replace('"b": ', '"b":'));
  assert.equal(await call("json.js", "pretty", shown), shown, "broken up once is broken up");
  assert.equal(await call("json.js", "pretty", '{"a":{"b":[1,2]}}'), '{\n  "a": {\n    "b": [\n      1,\n      2\n    ]\n  }\n}');
  assert.ok((await call("json.js", "pretty", "[".repeat(20_000) + "]".repeat(20_000))).length > 0, "however deep it is");
});

test("a member, and what a JSON Pointer names, is cut from the text", async () => {
  const text = '{ "data" : {"seq":1,"x":[{"y/z":[10, 9007199254740993 ]}]} , "\\u0073eq": 7 }';
  assert.equal(await call("json.js", "member", text, "seq"), "7");
  assert.equal(await call("json.js", "member", text, "nothing"), undefined);
  const named = async (pointer) => text.slice(...(await call("json.js", "locate", text, pointer)));
  assert.equal(await named("/data/x/0/y~1z/1"), "9007199254740993");
  assert.equal(await named("/data/x/0/gone"), '{"y/z":[10, 9007199254740993 ]}', "what it would be in");
  assert.equal(await named(""), text);
});

test("a stream is the same in pieces of any length", async () => {
  const wire = "retry: 25\r\nevent: a\r\ndata: one\r\ndata:two\r\nid: 7-1\r\n\r\n:\n\ndata: é\rid\r\rid: never\n\nevent: b\ndata:\n\ndata: unfinished";
  const frames = await page.evaluate(async (text) => {
    const { parser } = await import(new URL("page/sse.js", document.baseURI));
    return Array.from({ length: text.length }, (_, i) => i + 1).map((size) => {
      const got = [];
      const feed = parser({ frame: (frame) => got.push([frame.event, frame.data, frame.id ?? null]), retry: (wait) => got.push(wait) });
      for (let at = 0; at < text.length; at += size) feed(text.slice(at, at + size));
      return JSON.stringify(got);
    });
  }, wire);
  assert.deepEqual([...new Set(frames)], [JSON.stringify([25, ["a", "one\ntwo", "7-1"], ["", "é", ""], ["b", "", null]])]);
});

test("each reason for which the service closes a connection has words of its own", async () => {
  const reasons = ["draining", "overloaded", "limited", "unavailable", "lagging", "lifetime", "expired", "revoked", "superseded"];
  const told = await (await fetch(`${service.url}/events/stats`)).json();
  assert.deepEqual(Object.keys(told.connections.closed).filter((name) => reasons.includes(name)).toSorted(), reasons.toSorted());
  for (const reason of reasons) assert.doesNotMatch(await call("words.js", "closing", reason), /the service closes the connection/, reason);
  assert.match(await call("words.js", "closing", "toString"), /the service closes the connection: toString/);
});

test("a gap of either kind is told in words", async () => {
  const gap = (reason, lost) => call("words.js", "control", "hub.gap", { reason, requested: "a-1", resumed: "a-9", lost });
  const after = "Asked for what follows a-1; goes on after a-9.";
  assert.equal(await gap("trimmed", 1), `Gap: Up to 1 event that you asked for are no longer kept: they were older than the log's retention. ${after}`);
  assert.match(await gap("rewound", 0), /^Gap: The log went back to an earlier state, as after a restore: events that you had seen/);
});
