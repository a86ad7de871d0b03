// The Stellar example, as the README runs it: once on an empty log, and once more on the same one.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { BINARY, Service } from "./service.mjs";

const EXAMPLE = join(dirname(BINARY), "examples/stellar_pubnet");

let service;

before(async () => {
  service = await Service.start();
});

after(() => service?.stop());

test("718 real events are stored once, and a second run finds them all", { timeout: 120_000 }, async () => {
  const run = async () => (await promisify(execFile)(EXAMPLE, [service.url])).stdout;
  const first = await run();
  assert.match(first, /published 718 pubnet events: 718 stored, 0 duplicates/);
  assert.match(first, /published the pubnet events again: 0 stored, 718 duplicates/);
  assert.match(first, /received exactly the account's 27 events/);
  const second = await run();
  assert.match(second, /published 718 pubnet events: 0 stored, 718 duplicates/);
  assert.match(second, /received exactly the account's 27 events/);
});
