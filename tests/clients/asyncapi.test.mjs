// What the AsyncAPI document says is what comes over a stream.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import Ajv from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { eventually, Service } from "./service.mjs";

const require = createRequire(import.meta.url);
const SECRET = "a-secret-for-tests-of-at-least-32-bytes";

let service;
let document;

before(async () => {
  service = await Service.start({ CHAINCAST_HEARTBEAT_SECONDS: "1" });
  document = await (await fetch(`${service.url}/asyncapi.json`)).json();
});

after(() => service?.stop());

/** Follows until `stop`, and keeps each block as its fields. */
function follow(service, query, headers = {}) {
  const blocks = [];
  const ended = (async () => {
    const response = await fetch(`${service.url}/events/subscribe?${query}`, { headers: { Accept: "text/event-stream", ...headers } });
    assert.equal(response.status, 200);
    let text = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      let end;
      while ((end = text.indexOf("\n\n")) >= 0) {
        const fields = text.slice(0, end).split("\n").filter((line) => !line.startsWith(":"));
        text = text.slice(end + 2);
        if (fields.length > 0) blocks.push(Object.fromEntries(fields.map((line) => line.split(/: (.*)/s).slice(0, 2))));
      }
    }
  })();
  // a stream that is to be resumed is cut, which `fetch` takes for a fault
  ended.catch(() => {});
  return { blocks, ended, named: (name) => blocks.find((block) => block.event === name) };
}

/** A validator of one part of the document, by its JSON Pointer. */
function validator(pointer) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema({ ...document, $id: "asyncapi" });
  return ajv.compile({ $ref: `asyncapi#${pointer}` });
}

function check(block) {
  const messages = Object.entries(document.components.messages);
  const [key] = messages.find(([, message]) => message.name === block.event) ?? ["event"];
  const { data, ...headers } = block;
  if (headers.retry !== undefined) headers.retry = Number(headers.retry);
  for (const [part, value] of [["headers", headers], ["payload", JSON.parse(data)]]) {
    const valid = validator(`/components/messages/${key}/${part}`);
    assert.ok(valid(value), `${key} ${part}: ${JSON.stringify(value)} ${JSON.stringify(valid.errors)}`);
  }
  return key;
}

test("the document is an AsyncAPI 3.0 one", () => {
  assert.equal(document.asyncapi, "3.0.0");
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const valid = ajv.compile(require("@asyncapi/specs/schemas/3.0.0-without-$id.json"));
  assert.ok(valid(document), JSON.stringify(valid.errors?.slice(0, 5), null, 1));
});

test("every message of a stream is as the document says, and each of its messages comes", async () => {
  const seen = new Set();
  const followed = follow(service, "streams=1&last_event_id=00000000-9");
  await eventually("to be told of the gap, and to be live", () => followed.named("hub.live"));
  const send = (event) => fetch(`${service.url}/events`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(event) });
  const whole = {
    id: "e-1", type: "stream.created", streams: ["1"], users: ["GABC"], topics: ["market.price"], key: "stream/1", time: "2026-02-22T10:00:00Z",
    chain: "stellar:pubnet", contract: "CABC", block: { height: 7, hash: "ab", time: "2026-02-22T10:00:00Z" }, tx: { hash: "cd", index: 1 },
    index: { op: 0, event: 1 }, status: "confirmed", ref: "e-0", data: { amount: "100000000000000000001" },
  };
  const publication = validator("/components/messages/publication/payload");
  assert.ok(publication(whole), JSON.stringify(publication.errors));
  assert.equal((await send(whole)).status, 201);
  assert.equal((await send({ type: "other.kind", streams: ["2"] })).status, 201);
  await eventually("to be told that the cursor moved", () => followed.named("hub.cursor"));
  await service.restart();
  await eventually("to be told of the restart", () => followed.named("hub.closing"));
  followed.blocks.forEach((block) => seen.add(check(block)));
  assert.deepEqual([...seen].sort(), ["closing", "cursor", "event", "gap", "live", "open"]);
});

test("a stream whose token ends soon says so as the document has it", async () => {
  const closed = await Service.start({ CHAINCAST_JWT_SECRET: SECRET });
  try {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { sub: "u", exp: Math.floor(Date.now() / 1000) + 30, chaincast: { subscribe: { all: true } } };
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    const token = `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
    const followed = follow(closed, "all=true", { Authorization: `Bearer ${token}` });
    await eventually("to be told that the token ends", () => followed.named("hub.expiring"));
    assert.equal(check(followed.named("hub.expiring")), "expiring");
  } finally {
    await closed.stop();
  }
});
