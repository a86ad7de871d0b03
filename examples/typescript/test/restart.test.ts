// Every transport follows across restarts of the real service, without loss or repetition.

import { afterEach, expect, test } from "vitest";
import type { TransportKind } from "../src/index.js";
import { Follower } from "./support/follower.js";
import { eventually, Service, upTo } from "./support/service.js";

let service: Service;
afterEach(() => service.stop());

test.each<TransportKind>(["eventsource", "fetch", "polling"])(
  "%s receives every event once and in order across two restarts",
  async (kind) => {
    service = await Service.start();
    const follower = new Follower(service.url, { transports: [kind] });
    await follower.live();
    await service.publishNumbers(1, 40);
    await follower.received(40);
    await service.restart();
    await service.publishNumbers(41, 80);
    await follower.received(80);
    await service.end("SIGKILL");
    await eventually("the loss to be seen", () => follower.subscription.state === "reconnecting");
    await service.spawn();
    await service.publishNumbers(81, 120);
    await follower.received(120);
    // a repeated event would come before this one
    await service.publishNumbers(121, 121);
    await follower.received(121);
    follower.subscription.close();
    expect(follower.numbers).toEqual(upTo(121));
    expect(follower.gaps).toEqual([]);
    expect(follower.reconnects).toBeGreaterThanOrEqual(2);
    expect(await follower.subscription.closed).toBeNull();
    expect(follower.states.at(-1)).toBe("closed");
  },
);

test("all transports in one subscription, each failing in turn, hand on every event once", async () => {
  service = await Service.start();
  const follower = new Follower(service.url, { tuning: { pollAfterFailures: 1 } });
  await follower.live();
  for (let round = 0; round < 4; round++) {
    await service.publishNumbers(round * 50 + 1, round * 50 + 50);
    await follower.received(round * 50 + 50);
    await service.restart();
  }
  await service.publishNumbers(201, 201);
  await follower.received(201);
  follower.subscription.close();
  expect(follower.numbers).toEqual(upTo(201));
});

test("a service that is away at first is waited for, and the state says so", async () => {
  service = await Service.prepare();
  const follower = new Follower(service.url, { from: "earliest" });
  await eventually("an error to be told", () => follower.errors.length > 2);
  expect(follower.errors.every((error) => error.code === "network" && !error.fatal)).toBe(true);
  expect(follower.subscription.state).toBe("reconnecting");
  await service.spawn();
  await service.publishNumbers(1, 3);
  await follower.received(3);
  follower.subscription.close();
  expect(follower.numbers).toEqual([1, 2, 3]);
});
