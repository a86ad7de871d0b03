// A service that wants tokens: tickets, renewal, and the ways to be refused.

import { afterEach, expect, test } from "vitest";
import type { TokenReason, TransportKind } from "../src/index.js";
import { Follower } from "./support/follower.js";
import { eventually, JWT_SECRET, makeToken, Service, upTo } from "./support/service.js";

let service: Service;
afterEach(() => service.stop());

const closedService = () => Service.start({ CHAINCAST_JWT_SECRET: JWT_SECRET, CHAINCAST_JWT_LEEWAY_SECONDS: "0" });

test.each<TransportKind>(["eventsource", "fetch", "polling"])(
  "%s renews tokens that live for seconds, and misses nothing",
  async (kind) => {
    service = await closedService();
    const publisher = makeToken(600);
    const why: TokenReason[] = [];
    const getToken = (reason: TokenReason) => {
      why.push(reason);
      // long enough for a busy machine to renew it in time
    return makeToken(kind === "polling" ? 2 : 6);
    };
    const follower = new Follower(service.url, { transports: [kind], getToken });
    await follower.live();
    let published = 0;
    await eventually("four tokens to have been used", async () => {
      published += 1;
      await service.publishNumbers(published, published, publisher);
      return why.length >= 4;
    });
    await follower.received(published);
    follower.subscription.close();
    expect(follower.numbers).toEqual(upTo(published));
    expect(why[0]).toBe("start");
    // streams are renewed before they end, which nobody sees; who polls learns of it from a refusal
    expect(new Set(why.slice(1))).toEqual(new Set([kind === "polling" ? "refused" : "expiring"]));
    if (kind !== "polling") expect(follower.states).toEqual(["replaying", "live", "closed"]);
    expect(follower.errors).toEqual([]);
  },
);

test.each<TransportKind>(["eventsource", "fetch"])(
  "%s with a token that cannot be renewed ends when the token does, and says so",
  async (kind) => {
    service = await closedService();
    const follower = new Follower(service.url, { transports: [kind], token: makeToken(2) });
    const error = await follower.subscription.closed;
    expect(error).toMatchObject({ code: "expired", fatal: true });
    expect(error?.message).toContain("getToken");
    expect(follower.errors).toEqual([error]);
    expect(follower.states).toEqual(["replaying", "live", "closed"]);
  },
);

test.each<TransportKind>(["eventsource", "fetch", "polling"])("without a credential %s ends with the service's own words", async (kind) => {
  service = await closedService();
  const kinds: TransportKind[] = kind === "eventsource" ? ["eventsource", "fetch"] : [kind];
  const error = await new Follower(service.url, { transports: kinds }).subscription.closed;
  expect(error).toMatchObject({ status: 401, fatal: true });
  expect(error?.problem?.status).toBe(401);
});

test("a provider that goes on answering a bad token is asked once more, not for ever", async () => {
  service = await closedService();
  const why: TokenReason[] = [];
  const follower = new Follower(service.url, {
    getToken: (reason) => {
      why.push(reason);
      return "no.jwt.atall";
    },
  });
  expect(await follower.subscription.closed).toMatchObject({ status: 401 });
  expect(why).toEqual(["start"]);
});

test("a provider that fails is asked again, and the subscription begins when it answers", async () => {
  service = await closedService();
  let calls = 0;
  const getToken = async () => {
    calls += 1;
    if (calls < 3) throw new Error("the login is away");
    return makeToken(60);
  };
  const follower = new Follower(service.url, { getToken });
  await follower.live();
  follower.subscription.close();
  expect(follower.errors.map((error) => error.code)).toEqual(["token", "token"]);
});

test("a filter that the token does not allow is refused with the selector's name", async () => {
  service = await closedService();
  const token = makeToken(60, { subscribe: { streams: ["1"] } });
  const error = await new Follower(service.url, { token }).subscription.closed;
  expect(error).toMatchObject({ status: 403, fatal: true });
  expect(error?.message).toContain("numbers");
});

test("a stream that is revoked asks for another token, and ends when that is refused too", async () => {
  service = await closedService();
  const admin = makeToken(60, { role: "super_admin" });
  const why: TokenReason[] = [];
  const follower = new Follower(service.url, {
    getToken: (reason) => {
      why.push(reason);
      return makeToken(60);
    },
  });
  await follower.live();
  const response = await fetch(`${service.url}/admin/revocations`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${admin}` },
    body: JSON.stringify({ sub: "tester", tenant: "default" }),
  });
  expect(response.status).toBeLessThan(300);
  expect(await follower.subscription.closed).toMatchObject({ status: 401 });
  expect(why).toEqual(["start", "revoked"]);
});

test("a full service is come back to, and says meanwhile that it is", async () => {
  service = await Service.start({ CHAINCAST_MAX_CONNECTIONS: "1" });
  const first = new Follower(service.url, { transports: ["fetch"] });
  await first.live();
  const second = new Follower(service.url, { transports: ["fetch"] });
  await eventually("a refusal in words", () => second.errors.length > 0);
  expect(second.errors[0]).toMatchObject({ code: "overloaded", fatal: false });
  first.subscription.close();
  await second.live();
  second.subscription.close();
});
