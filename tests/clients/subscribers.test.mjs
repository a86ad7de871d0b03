// The subscribers of examples/ before a server that plays what a real one does rarely: pieces, cuts, refusals, gaps, and the end for good.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PROGRAMS } from "./followers.mjs";

const event = (n) => `event: test.numbered\ndata: {"seq":${n},"data":{"n":${n},"s":"größer 🚀"}}\nid: aa-${n}\n\n`;
const open = (at) => `retry: 1\nevent: hub.open\ndata: {"cursor":"aa-${at}"}\nid: aa-${at}\n\n`;
const live = "event: hub.live\ndata: {\"replayed\":0}\n\n";
const closing = (reason) => `retry: 1\nevent: hub.closing\ndata: {"reason":"${reason}"}\n\n`;

/** Runs a subscriber until it ends. Each connection gets the next part of the play; answers what was asked, what was said, and the cursor kept. */
async function play(name, parts, { cursor, token } = {}) {
  const asked = [];
  const server = createServer(async (request, response) => {
    asked.push(request.headers);
    const part = parts.shift() ?? { status: 410, text: "the play is over" };
    if (part.status) return response.writeHead(part.status, part.headers).end(part.text);
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (const piece of part.pieces) {
      await new Promise((next) => response.write(piece, next));
    }
    request.socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const directory = await mkdtemp(join(tmpdir(), "chaincast-subscriber-"));
  const file = join(directory, "cursor");
  if (cursor) await writeFile(file, `${cursor}\n`);
  try {
    const [program, ...before] = PROGRAMS[name];
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", CHAINCAST_TOKEN: token ?? "" };
    if (!token) delete env.CHAINCAST_TOKEN;
    const child = spawn(program, [...before, `http://127.0.0.1:${server.address().port}/events/subscribe?all=true`, file], { env });
    let [shown, said] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text) => { shown += text; });
    child.stderr.setEncoding("utf8").on("data", (text) => { said += text; });
    const [code] = await once(child, "close");
    const numbers = shown.split("\n").filter(Boolean).map((line) => JSON.parse(line).data.n);
    return { asked, code, shown, said, numbers, cursor: (await readFile(file, "utf8").catch(() => "")).trim() };
  } finally {
    server.close();
    await rm(directory, { recursive: true, force: true });
  }
}

for (const name of Object.keys(PROGRAMS)) {
  const behaves = (what, body) => test(`${name} ${what}`, { timeout: 60_000 }, body);

  behaves("puts together what comes in pieces of one byte", async () => {
    const bytes = Buffer.from(open(0) + event(1) + live + event(2));
    const run = await play(name, [{ pieces: [...bytes].map((byte) => Buffer.from([byte])) }]);
    assert.deepEqual(run.numbers, [1, 2], run.said);
    assert.match(run.shown, /größer 🚀/);
  });

  behaves("asks again for an event of which it has all but the last newline", async () => {
    const cut = event(2).slice(0, -1);
    const run = await play(name, [{ pieces: [open(0), event(1), cut] }, { pieces: [open(1), event(2), live] }]);
    assert.deepEqual(run.numbers, [1, 2], run.said);
    assert.deepEqual(run.asked.map((headers) => headers["last-event-id"]), [undefined, "aa-1", "aa-2"]);
    assert.equal(run.cursor, "aa-2");
  });

  behaves("comes back after a refusal that passes, and begins where the file says", async () => {
    const passing = [429, 503].map((status) => ({ status, headers: { "Retry-After": "0" }, text: "later" }));
    const streams = [{ pieces: [open(7), event(8), closing("draining")] }, { pieces: [open(8), live] }];
    const run = await play(name, [...passing, ...streams], { cursor: "aa-7", token: "secret" });
    assert.deepEqual(run.numbers, [8], run.said);
    assert.deepEqual(run.asked.map((headers) => headers["last-event-id"]), ["aa-7", "aa-7", "aa-7", "aa-8", "aa-8"]);
    assert.ok(run.asked.every((headers) => headers.authorization === "Bearer secret"));
  });

  behaves("tells of a gap and goes on behind it", async () => {
    const gap = `event: hub.gap\ndata: {"reason":"trimmed","lost":3,"resumed":"aa-4"}\nid: aa-4\n\n`;
    const run = await play(name, [{ pieces: [open(1), gap, event(5)] }], { cursor: "aa-1" });
    assert.match(run.said, /events are gone: .*"lost":3/);
    assert.deepEqual(run.numbers, [5]);
    assert.equal(run.cursor, "aa-5");
  });

  behaves("does not come back when its credential has ended, nor after a refusal that lasts", async () => {
    for (const reason of ["expired", "revoked", "superseded"]) {
      const run = await play(name, [{ pieces: [open(0), event(1), closing(reason)] }]);
      assert.equal(run.code, 1, run.said);
      assert.match(run.said, new RegExp(`the service ended the stream: ${reason}`));
      assert.deepEqual([run.asked.length, run.cursor], [1, "aa-1"]);
    }
    const refused = await play(name, [{ status: 401, text: "no such token" }], { token: "secret" });
    assert.equal(refused.code, 1);
    assert.match(refused.said, /answered 401.*: no such token/);
    assert.doesNotMatch(refused.said, /secret/);
  });
}
