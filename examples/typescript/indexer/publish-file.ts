// Publishes the events of a file of RPC answers, one a line, such as ../data/flowfi_events.ndjson.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { fromRpc, type RpcEvent } from "./flowfi.js";
import { Publisher } from "./publisher.js";

/** How many events were published. */
export async function publishFile(path: string, publisher: Publisher): Promise<number> {
  let count = 0;
  let last = Promise.resolve();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const answer = JSON.parse(line) as RpcEvent;
    const { removed = false } = answer;
    const event = fromRpc(answer);
    if (event === null) continue;
    // not waited for one by one: what is handed over while a batch is under way is the next batch; only for room, so that a long file is
    // not read into memory
    await publisher.room();
    last = removed ? publisher.handleReversal(event) : publisher.handleBlockchainEvent(event);
    last.catch(() => undefined);
    count += 1;
  }
  // in order: when the last is durable, all are
  await last;
  return count;
}
