// Where a subscription begins: across page loads, behind gaps, at a time. Against the real service.

import { afterEach, beforeEach, expect, test } from "vitest";
import type { TransportKind } from "../src/index.js";
import { Follower, type Numbers } from "./support/follower.js";
import { subscribe } from "../src/index.js";
import { eventually, Service, upTo } from "./support/service.js";

let service: Service;
let entries: Map<string, string>;
afterEach(() => service.stop());
beforeEach(() => {
  entries = new Map();
});
const store = () => ({
  get: (key: string) => entries.get(key) ?? null,
  set: (key: string, cursor: string) => void entries.set(key, cursor),
});

test.each<TransportKind>(["eventsource", "fetch", "polling"])(
  "a page that is loaded again goes on by %s where the last one was",
  async (kind) => {
    service = await Service.start();
    const numbers: number[] = [];
    for (let load = 0; load < 4; load++) {
      const page = new Follower(service.url, { transports: [kind], persist: store() });
      await page.live();
      await service.publishNumbers(load * 10 + 1, load * 10 + 5);
      await page.received(load === 0 ? 5 : 10);
      page.subscription.close();
      numbers.push(...page.numbers);
      // nobody listens
      await service.publishNumbers(load * 10 + 6, load * 10 + 10);
    }
    expect(numbers).toEqual(upTo(35));
  },
);

test("what the handler has not finished comes again after the page is gone", async () => {
  service = await Service.start();
  await service.publishNumbers(1, 10);
  const begun: number[] = [];
  const first = new Follower(service.url, {
    persist: store(),
    from: "earliest",
    onEvent: (event) => {
      begun.push(event.data.n);
      return event.data.n < 4 ? undefined : new Promise<void>(() => undefined);
    },
  });
  await eventually("the fourth to be begun", () => begun.length === 4);
  first.subscription.close();
  const second = new Follower(service.url, { persist: store() });
  await second.received(7);
  second.subscription.close();
  expect(second.numbers).toEqual([4, 5, 6, 7, 8, 9, 10]);
});

test("a handler that throws is told of, and the next event comes", async () => {
  service = await Service.start();
  await service.publishNumbers(1, 3);
  const seen: number[] = [];
  const follower = new Follower(service.url, {
    from: "earliest",
    onEvent: async (event) => {
      seen.push(event.data.n);
      if (event.data.n === 2) throw new Error("no room on screen");
    },
  });
  await eventually("all three", () => seen.length === 3);
  follower.subscription.close();
  expect(follower.errors).toMatchObject([{ code: "handler", fatal: false }]);
});

test("events that are gone are told of by every transport, in order with those that are left", async () => {
  service = await Service.start({ CHAINCAST_RETENTION_EVENTS: "20" });
  const pages = (["eventsource", "fetch", "polling"] as const).map((kind) => ({ kind, told: [] as string[] }));
  const follow = ({ kind, told }: (typeof pages)[number]) =>
    new Follower(service.url, {
      transports: [kind],
      persist: store(),
      persistKey: kind,
      onEvent: (event) => void told.push(`event ${event.data.n}`),
      onGap: (gap) => void told.push(`${gap.reason} ${gap.lost}`),
    });
  const loaded = pages.map(follow);
  for (const follower of loaded) await follower.live();
  await service.publishNumbers(1, 2);
  for (const { told } of pages) await eventually("two events", () => told.length === 2);
  for (const follower of loaded) follower.subscription.close();

  await service.publishNumbers(3, 60);
  const earliest = async () => {
    const page = (await (await fetch(`${service.url}/events?all=true&limit=1`)).json()) as { events: { seq: number }[] };
    return page.events[0]?.seq;
  };
  await eventually("retention", async () => (await earliest()) === 41, 50);
  // what the instance that trimmed has in memory it still sends
  await service.restart();

  for (const page of pages) {
    const follower = follow(page);
    await eventually("the rest", () => page.told.includes("event 60"));
    follower.subscription.close();
    expect(page.told, page.kind).toEqual([
      "event 1",
      "event 2",
      "trimmed 38",
      ...upTo(60)
        .slice(40)
        .map((n) => `event ${n}`),
    ]);
  }
  // whoever would rather stop
  const from = entries.get("chaincast:fetch")?.replace(/-\d+$/, "-2");
  const strict = new Follower(service.url, { from, failOnGap: true });
  expect(await strict.subscription.closed).toMatchObject({ status: 410, fatal: true, problem: { gap: { reason: "trimmed", lost: 38 } } });
});

test("a log that was replaced is told of as rewound, and the stored cursor follows it backwards", async () => {
  service = await Service.start();
  await service.publishNumbers(1, 3);
  entries.set("chaincast:mine", "00000001-900");
  const follower = new Follower(service.url, { persist: store(), persistKey: "mine" });
  await follower.received(3);
  follower.subscription.close();
  expect(follower.gaps).toMatchObject([{ reason: "rewound", requested: "00000001-900" }]);
  expect(entries.get("chaincast:mine")).toMatch(/-3$/);
  expect(entries.get("chaincast:mine")).not.toMatch(/^00000001-/);
});

test("`from` takes the oldest event, a time, and a cursor", async () => {
  service = await Service.start();
  await service.publishNumbers(1, 4);
  const read = async (from: NonNullable<ConstructorParameters<typeof Follower>[1]>["from"]) => {
    const follower = new Follower(service.url, { from });
    await follower.live();
    follower.subscription.close();
    return { numbers: follower.numbers, cursor: follower.subscription.cursor ?? "" };
  };
  const all = await read("earliest");
  expect(all.numbers).toEqual([1, 2, 3, 4]);
  expect((await read({ since: new Date(0) })).numbers).toEqual([1, 2, 3, 4]);
  expect((await read(all.cursor.replace(/-4$/, "-2"))).numbers).toEqual([3, 4]);
  expect((await read("now")).numbers).toEqual([]);
});

test("events can be iterated over; leaving the loop closes, and an error ends it", async () => {
  service = await Service.start();
  await service.publishNumbers(1, 5);
  const numbers: number[] = [];
  const subscription = subscribe<Numbers>({ url: service.url, streams: ["numbers"], from: "earliest", persist: store() });
  for await (const event of subscription) {
    numbers.push(event.data.n);
    if (event.data.n === 3) break;
  }
  expect(numbers).toEqual([1, 2, 3]);
  expect(subscription.state).toBe("closed");
  // the third was not finished: nobody asked for the next
  for await (const event of subscribe<Numbers>({ url: service.url, streams: ["numbers"], persist: store() })) {
    expect(event.data.n).toBe(3);
    break;
  }
  const refused = subscribe({ url: service.url, streams: [""] });
  await expect(
    (async () => {
      for await (const _ of refused) break;
    })(),
  ).rejects.toMatchObject({ status: 400, problem: { parameter: "streams" } });
});

test("a slow handler slows reading down: little is held in memory, and nothing is lost", async () => {
  service = await Service.start();
  await service.publishNumbers(1, 10_000);
  for (const kind of ["eventsource", "fetch", "polling"] as const) {
    let replayed = 0;
    let release = () => undefined as void;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const numbers: number[] = [];
    const follower = new Follower(service.url, {
      transports: [kind],
      from: "earliest",
      tuning: { maxUnhandled: 50 },
      onLive: (at) => {
        replayed += at.replayed;
      },
      onEvent: (event) => {
        numbers.push(event.data.n);
        return numbers.length === 1 ? gate : undefined;
      },
    });
    await eventually("the first", () => numbers.length === 1);
    release();
    await eventually(`all by ${kind}`, () => numbers.length === 10_000);
    // told after the last of them, also by pages; an EventSource that was closed for want of room counts from there
    await eventually("the end of the replay", () => replayed > 0);
    if (kind !== "eventsource") expect(replayed).toBe(10_000);
    follower.subscription.close();
    expect(numbers).toEqual(upTo(10_000));
  }
});
