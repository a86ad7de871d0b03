// What stands between may buffer, refuse or fall silent: events come all the same.

import { afterEach, expect, test } from "vitest";
import type { TransportKind } from "../src/index.js";
import { Follower } from "./support/follower.js";
import { BUFFERING, NONE, Proxy, UNKNOWN_ROUTE, type Fault } from "./support/proxy.js";
import { eventually, Service, upTo } from "./support/service.js";

let service: Service;
let proxy: Proxy;
const fault: { current: Fault } = { current: NONE };
afterEach(async () => {
  await proxy.stop();
  await service.stop();
});

async function begin(first: Fault): Promise<void> {
  fault.current = first;
  service = await Service.start();
  proxy = await Proxy.start(service.url, fault);
}

test.each([
  ["refuses streams", UNKNOWN_ROUTE],
  ["buffers them", BUFFERING],
])("behind a proxy that %s events are polled, and streamed once it lets them through", async (_, broken) => {
  await begin(broken);
  const follower = new Follower(proxy.url, { tuning: { openTimeoutMs: 300 } });
  await eventually("polling", () => follower.subscription.state === "polling");
  await service.publishNumbers(1, 20);
  await follower.received(20);
  fault.current = NONE;
  await eventually("a stream", () => follower.subscription.state === "live");
  await service.publishNumbers(21, 40);
  await follower.received(40);
  follower.subscription.close();
  expect(follower.numbers).toEqual(upTo(40));
  // the stream that was tried now and then did not look like a loss
  expect(follower.states.slice(follower.states.indexOf("polling"))).toEqual(["polling", "replaying", "live", "closed"]);
});

test("an EventSource that is refused without a word is followed by fetch, at once", async () => {
  let isFirst = true;
  await begin((_, response) => {
    if (isFirst) response.writeHead(503).end();
    return isFirst && !(isFirst = false);
  });
  const follower = new Follower(proxy.url);
  await follower.live();
  expect(follower.subscription.transport).toBe("fetch");
  expect(follower.states).toEqual(["replaying", "live"]);
  follower.subscription.close();
});

test.each<[TransportKind, object]>([
  ["fetch", { idleTimeoutMs: 400 }],
  ["eventsource", { quietMs: 400 }],
])("a stream by %s that falls silent without an end is noticed, and nothing is lost", async (kind, tuning) => {
  await begin(NONE);
  const follower = new Follower(proxy.url, { transports: [kind], tuning });
  await follower.live();
  await service.publishNumbers(1, 5);
  await follower.received(5);
  proxy.mute();
  await service.publishNumbers(6, 10);
  await follower.received(10);
  follower.subscription.close();
  expect(follower.numbers).toEqual(upTo(10));
});
