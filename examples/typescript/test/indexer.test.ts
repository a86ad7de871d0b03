// The indexer's way in, against the real service and one that fails.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { toPublication, toReversal, type BlockchainEvent } from "../indexer/events.js";
import { Publisher, RefusedError } from "../indexer/publisher.js";
import { publishFile } from "../indexer/publish-file.js";
import { Proxy, type Fault } from "./support/proxy.js";
import { BINARY, Service } from "./support/service.js";

const NETWORK = "stellar:pubnet";
const FILE = fileURLToPath(new URL("../../data/flowfi_events.ndjson", import.meta.url));
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function startService(): Promise<Service> {
  const service = await Service.start();
  undo.push(() => service.stop());
  return service;
}

interface Stored {
  seq: number;
  id: string;
  type: string;
  streams: string[];
  users: string[];
  status: string;
  ref?: string;
  data: Record<string, string>;
}
async function stored(service: Service, query = "all=true"): Promise<Stored[]> {
  return ((await (await fetch(`${service.url}/events?${query}&limit=1000`)).json()) as { events: Stored[] }).events;
}

const created = (index: number, ledger = 60_000_003): BlockchainEvent => ({
  eventType: "CREATED",
  streamId: String(index),
  sender: "GSENDER",
  recipient: "GRECIPIENT",
  tokenAddress: "CTOKEN",
  amount: "170141183460469231731687303715884105727",
  txHash: "ab".repeat(32),
  ledger,
  ledgerClosedAt: "2026-02-22T10:00:00Z",
  eventIndex: index,
});

test("FlowFi's events reach their streams and users whole, and a second run changes nothing", async () => {
  const service = await startService();
  const checkpoints: number[] = [];
  const publisher = () => new Publisher({ network: NETWORK, url: service.url, onCheckpoint: (ledger) => void checkpoints.push(ledger) });
  expect(await publishFile(FILE, publisher())).toBe(7);
  const events = await stored(service);
  expect(events.map((event) => event.type)).toEqual([
    "stream.created",
    "stream.created",
    "stream.topped_up",
    "stream.withdrawn",
    "stream.cancelled",
    "stream.withdrawn",
    "stream.completed",
  ]);
  expect(events[1]?.data).toMatchObject({
    stream_id: "9007199254740993",
    deposited_amount: "170141183460469231731687303715884105727",
    start_time: "18446744073709551615",
  });
  expect(events[1]?.id).toBe("stellar:pubnet:0257698050644930560-0000000002");
  expect(events.map((event) => event.status)).toEqual(Array.from(events, () => "final"));
  expect(events[0]?.users).toHaveLength(2);
  expect((await stored(service, "streams=9007199254740993")).map((event) => event.type)).toEqual(["stream.created", "stream.cancelled"]);
  expect(checkpoints.at(-1)).toBe(60000020);

  expect(await publishFile(FILE, publisher())).toBe(7);
  expect(await stored(service)).toEqual(events);
});

test("a crash between acknowledgement and checkpoint leaves every event there once", async () => {
  const service = await startService();
  let ledger = 0;
  const first = new Publisher({
    network: NETWORK,
    url: service.url,
    maxBatch: 10,
    onCheckpoint: (at) => {
      ledger = at;
    },
  });
  const events = Array.from({ length: 40 }, (_, i) => created(i, 100 + Math.floor(i / 7)));
  await Promise.all(events.slice(0, 25).map((event) => first.handleBlockchainEvent(event)));
  // begins again behind the checkpoint, of which it knows that all is durable
  expect(ledger).toBe(102);
  const second = new Publisher({ network: NETWORK, url: service.url });
  await Promise.all(events.filter((event) => event.ledger > ledger).map((event) => second.handleBlockchainEvent(event)));
  expect((await stored(service)).map((event) => event.streams[0])).toEqual(events.map((event) => event.streamId));
});

test("refusals that pass, a lost answer and a restart are sat out, in order and once each", async () => {
  const service = await startService();
  let requests = 0;
  const fault: Fault = (from, to) => {
    requests += 1;
    if (requests === 1) to.writeHead(429, { "Retry-After": "0" }).end();
    else if (requests === 2) to.writeHead(503).end();
    else if (requests === 3) {
      // stored, but the answer is lost
      const body: Buffer[] = [];
      from
        .on("data", (chunk: Buffer) => body.push(chunk))
        .on("end", () => {
          void fetch(`${service.url}/events`, {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: Buffer.concat(body),
          }).finally(() => to.destroy());
        });
    } else return false;
    return true;
  };
  const proxy = await Proxy.start(service.url, { current: fault });
  undo.push(() => proxy.stop());
  const retries: string[] = [];
  const publisher = new Publisher({
    network: NETWORK,
    url: proxy.url,
    maxBatch: 10,
    maxWaiting: 15,
    backoffMinMs: 20,
    backoffMaxMs: 100,
    timeoutMs: 5000,
    onRetry: (why) => void retries.push(why),
  });
  await Promise.all(Array.from({ length: 30 }, (_, i) => publisher.handleBlockchainEvent(created(i))));
  expect(retries.slice(0, 2)).toEqual(["status 429", "status 503"]);
  expect(retries).toHaveLength(3);
  await service.end("SIGKILL");
  const later = Promise.all(Array.from({ length: 20 }, (_, i) => publisher.handleBlockchainEvent(created(30 + i))));
  await service.spawn();
  await later;
  expect((await stored(service)).map((event) => event.streams[0])).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
});

test("the function that an indexer calls publishes where the environment says", async () => {
  const service = await startService();
  process.env["CHAINCAST_URL"] = service.url;
  const { handleBlockchainEvent } = await import("../indexer/indexer-integration.js");
  await handleBlockchainEvent({
    eventType: "CREATED",
    streamId: "1",
    sender: "GSENDER",
    recipient: "GRECIPIENT",
    tokenAddress: "CTOKEN",
    amount: "100",
    txHash: "cd".repeat(32),
    ledger: 7,
    eventIndex: 0,
  });
  expect(await stored(service, "users=GRECIPIENT")).toMatchObject([{ type: "stream.created", streams: ["1"], data: { amount: "100" } }]);
});

test("an event that is refused for what it is stops the publisher, with the service's words", async () => {
  const service = await startService();
  const publisher = new Publisher({ network: NETWORK, url: service.url });
  const broken = publisher.handleBlockchainEvent({ ...created(1), streamId: "" });
  await expect(broken).rejects.toThrow(RefusedError);
  await expect(broken).rejects.toThrow(/streams/);
  // nothing overtakes it
  await expect(publisher.handleBlockchainEvent(created(2))).rejects.toThrow(RefusedError);
  expect(await stored(service)).toEqual([]);
});

test("a service that never answers is given up on after the deadline, and asked again", async () => {
  let requests = 0;
  const answer: RequestListener = (_, response) => {
    requests += 1;
    if (requests > 1) response.writeHead(201, { "Content-Type": "application/json" }).end("{}");
  };
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  undo.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const publisher = new Publisher({
    network: NETWORK,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    timeoutMs: 100,
    backoffMinMs: 1,
  });
  await publisher.handleBlockchainEvent(created(1));
  expect(requests).toBe(2);
});

test("a reversal is an event of its own that names the first, and the block is part of both ids", async () => {
  const service = await startService();
  const publisher = new Publisher({ network: NETWORK, url: service.url });
  const event = { ...created(1), ledgerHash: "0xaa" };
  await publisher.handleBlockchainEvent(event);
  await publisher.handleReversal(event);
  // the same transaction, in the block that the chain kept
  await publisher.handleBlockchainEvent({ ...event, ledgerHash: "0xbb" });
  const [first, reversal, again] = await stored(service);
  expect(reversal).toMatchObject({ type: "stream.created", status: "reverted", ref: first?.id, id: `${first?.id}#reverted` });
  expect(again?.id).not.toBe(first?.id);
  expect(toReversal(event, NETWORK).data).toEqual(toPublication(event, NETWORK).data);
});

const RUST = join(dirname(BINARY), "examples/indexer");

// scripts/test has built it
test.skipIf(!existsSync(RUST)).each([
  ["flowfi_events.ndjson", 7],
  ["flowfi_reorganised.ndjson", 5],
])("the indexer in Rust publishes the same events of %s: after it, or before it, all are duplicates", async (name, count) => {
  const file = fileURLToPath(new URL(`../../data/${name}`, import.meta.url));
  const rust = async (service: Service) => (await promisify(execFile)(RUST, [service.url, file, join(service.directory, "at")])).stdout;
  const publisher = (service: Service) => new Publisher({ network: "stellar:local", url: service.url });
  const [first, second] = [await startService(), await startService()];
  expect(await publishFile(file, publisher(first))).toBe(count);
  expect(await rust(first)).toContain(`0 stored, ${count} duplicates`);
  expect(await rust(second)).toContain(`${count} stored, 0 duplicates`);
  expect(await publishFile(file, publisher(second))).toBe(count);
  expect((await stored(first)).map(({ id }) => id)).toEqual((await stored(second)).map(({ id }) => id));
  expect(await stored(second)).toHaveLength(count);
});

test("an event that a file says was taken back is published as its reversal", async () => {
  const service = await startService();
  const file = fileURLToPath(new URL("../../data/flowfi_reorganised.ndjson", import.meta.url));
  expect(await publishFile(file, new Publisher({ network: NETWORK, url: service.url }))).toBe(5);
  const events = await stored(service);
  expect(events.map((event) => event.status)).toEqual(["confirmed", "confirmed", "reverted", "reverted", "confirmed"]);
  expect(events.map((event) => event.ref)).toEqual([undefined, undefined, events[1]?.id, events[0]?.id, undefined]);
});

/** A service that answers what it is told. */
async function answering(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  undo.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a checkpoint that cannot be kept is told to those whose batch it was, and the next batch goes on", async () => {
  const url = await answering((_, response) => void response.writeHead(201).end("{}"));
  const kept: number[] = [];
  const onCheckpoint = (ledger: number) => {
    if (ledger === 1) throw new Error("the disk is full");
    kept.push(ledger);
  };
  const publisher = new Publisher({ network: NETWORK, url, maxBatch: 2, onCheckpoint });
  await publisher.handleBlockchainEvent(created(1, 1));
  const [second, third, fourth] = [created(2, 2), created(3, 2), created(4, 3)].map((event) => publisher.handleBlockchainEvent(event));
  await expect(second).rejects.toThrow("the disk is full");
  await expect(third).rejects.toThrow("the disk is full");
  await fourth;
  expect(kept).toEqual([2]);
});

test("a request that timed out at the service is sent again", async () => {
  let requests = 0;
  const url = await answering((_, response) => void response.writeHead(++requests === 1 ? 408 : 201).end("{}"));
  await new Publisher({ network: NETWORK, url, backoffMinMs: 1 }).handleBlockchainEvent(created(1));
  expect(requests).toBe(2);
});

test("a long file is read no faster than the service takes it", async () => {
  const url = await answering((_, response) => void response.writeHead(201).end("{}"));
  let [waiting, most] = [0, 0];
  class Counting extends Publisher {
    override async handleBlockchainEvent(event: BlockchainEvent): Promise<void> {
      most = Math.max(most, ++waiting);
      await super.handleBlockchainEvent(event).finally(() => --waiting);
    }
  }
  expect(await publishFile(FILE, new Counting({ network: NETWORK, url, maxWaiting: 2 }))).toBe(7);
  // those of a batch that was acknowledged may not have heard of it yet
  expect(most).toBeLessThanOrEqual(4);
});
