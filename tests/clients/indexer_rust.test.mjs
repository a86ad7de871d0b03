// examples/indexer through a connection that fails in every way a publisher meets: what it publishes is stored once, in the chain's order.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BINARY, Service } from "./service.mjs";

const INDEXER = join(dirname(BINARY), "examples/indexer");
const DATA = fileURLToPath(new URL("../../examples/data/", import.meta.url));

let service;

before(async () => {
  service = await Service.start();
});

after(() => service?.stop());

/** Stands before the service; each request meets the next of `faults`, and when they are used up the service. */
async function troubled(faults) {
  const forward = async (body) => {
    const response = await fetch(`${service.url}/events`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    return { status: response.status, text: await response.text() };
  };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const fault = faults.shift() ?? "none";
    const refuse = (status, code) => response.writeHead(status, { "Retry-After": "0" }).end(JSON.stringify({ code }));
    if (fault === "limited") return refuse(429, "limited");
    if (fault === "unavailable") return refuse(503, "unavailable");
    if (fault === "reset before") return request.socket.destroy();
    // from here on the events are stored, whatever the indexer hears of it
    const { status, text } = await forward(body);
    if (fault === "outcome unknown") return refuse(503, "outcome_unknown");
    if (fault === "reset after") return request.socket.destroy();
    response.writeHead(status, { "Content-Type": "application/json" }).end(text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

const run = async (url, file, checkpoint) => {
  const { stdout } = await promisify(execFile)(INDEXER, [url, join(DATA, file), join(service.directory, checkpoint)]);
  return stdout;
};

const log = async () => {
  const answer = await (await fetch(`${service.url}/events?all=true&last_event_id=earliest&limit=1000`)).json();
  return answer.events;
};

test("whatever fails on the way, each of the chain's events is stored once and in order", { timeout: 60_000 }, async () => {
  const faults = ["limited", "unavailable", "reset before", "outcome unknown", "reset after"];
  const proxy = await troubled(faults);
  try {
    // two of the faults had stored the batch
    assert.match(await run(proxy.url, "flowfi_events.ndjson", "first"), /^7 events: 0 done before, 0 stored, 7 duplicates$/m);
  } finally {
    proxy.close();
  }
  assert.deepEqual(faults, [], "it met every fault");

  const events = await log();
  assert.deepEqual(events.map((event) => event.type), [
    "stream.created", "stream.created", "stream.topped_up", "stream.withdrawn", "stream.cancelled", "stream.withdrawn", "stream.completed",
  ]);
  assert.deepEqual(events.map((event) => event.id), events.map((event) => event.id).sort(), "the chain's order");
  const [created] = events;
  assert.deepEqual(created.streams, ["1"]);
  assert.deepEqual(created.users, [created.data.sender, created.data.recipient]);
  assert.equal(created.status, "final");
  assert.equal(events[1].data.deposited_amount, "170141183460469231731687303715884105727", "an i128 is what it was");
});

test("a second run begins behind the checkpoint, and one that lost it finds duplicates only", { timeout: 60_000 }, async () => {
  assert.match(await run(service.url, "flowfi_events.ndjson", "first"), /^7 events: 7 done before, 0 stored, 0 duplicates$/m);
  await rm(join(service.directory, "first"));
  assert.match(await run(service.url, "flowfi_events.ndjson", "first"), /^7 events: 0 done before, 0 stored, 7 duplicates$/m);
});

test("an event that the chain takes back is told as an event of its own that points at the first", { timeout: 60_000 }, async () => {
  const before = (await log()).length;
  assert.match(await run(service.url, "flowfi_reorganised.ndjson", "second"), /^5 events: 0 done before, 5 stored, 0 duplicates$/m);
  const [withdrawn, completed, notCompleted, notWithdrawn, again] = (await log()).slice(before);
  assert.deepEqual([withdrawn, completed, again].map((event) => event.status), ["confirmed", "confirmed", "confirmed"]);
  assert.equal(notCompleted.ref, completed.id);
  assert.equal(notWithdrawn.ref, withdrawn.id);
  assert.equal(notWithdrawn.id, `${withdrawn.id}#reverted`);
  assert.equal(notWithdrawn.status, "reverted");
  assert.deepEqual(notWithdrawn.users, withdrawn.users);
  assert.notEqual(again.id, withdrawn.id, "the same place in another block is another event");
  assert.equal(again.ref, undefined);
});

test("what the service refuses for good ends the indexer, and the checkpoint stays where it was", { timeout: 60_000 }, async () => {
  const refusing = createServer((request, response) => {
    request.resume();
    response.writeHead(409, { "Content-Type": "application/problem+json" }).end(JSON.stringify({ code: "id_conflict" }));
  }).listen(0, "127.0.0.1");
  await once(refusing, "listening");
  try {
    await assert.rejects(run(`http://127.0.0.1:${refusing.address().port}`, "flowfi_events.ndjson", "third"), (error) => {
      assert.equal(error.code, 1);
      assert.match(error.stderr, /refused a batch of 7 events with 409 Conflict: .*id_conflict/);
      return true;
    });
  } finally {
    refusing.close();
  }
  assert.match(await run(service.url, "flowfi_events.ndjson", "third"), /0 done before/);
});
