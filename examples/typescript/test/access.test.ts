// A service that wants tokens: tickets, renewal, and the ways to be refused.

import { afterEach, expect, test, vi } from "vitest";
import type { TokenReason, TransportKind } from "../src/index.js";
import { Follower } from "./support/follower.js";
import { eventually, JWT_SECRET, makeToken, Service, upTo } from "./support/service.js";

let service: Service;
afterEach(async () => {
  vi.restoreAllMocks();
  await service.stop();
});

const closedService = () => Service.start({ CHAINCAST_JWT_SECRET: JWT_SECRET, CHAINCAST_JWT_LEEWAY_SECONDS: "0" });

async function revoke(what: object): Promise<void> {
  const admin = makeToken(600, { role: "super_admin" });
  const response = await fetch(`${service.url}/admin/revocations`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${admin}` },
    body: JSON.stringify({ ...what, tenant: "default" }),
  });
  expect(response.status).toBeLessThan(300);
}

const idOf = (token: string) => (JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { jti: string }).jti;

test.each<TransportKind>(["eventsource", "fetch"])("%s renews tokens before they end, unseen, and misses nothing", async (kind) => {
  service = await closedService();
  const publisher = makeToken(600);
  const why: TokenReason[] = [];
  const getToken = (reason: TokenReason) => {
    why.push(reason);
    return makeToken(30);
  };
  // as early as may be: a tenth of a token's life is waited for, and a busy machine has the rest
  vi.spyOn(Math, "random").mockReturnValue(0);
  const follower = new Follower(service.url, { transports: [kind], getToken, tuning: { graceMs: 20_000 } });
  await follower.live();
  let published = 0;
  await eventually("three tokens to have been used", async () => {
    published += 1;
    await service.publishNumbers(published, published, publisher);
    return why.length >= 3;
  });
  await follower.received(published);
  follower.subscription.close();
  expect(follower.numbers).toEqual(upTo(published));
  expect(why[0]).toBe("start");
  expect(new Set(why.slice(1))).toEqual(new Set(["expiring"]));
  expect(follower.states).toEqual(["replaying", "live", "closed"]);
  expect(follower.errors).toEqual([]);
});

test("polling learns from a refusal that a token has ended, and misses nothing", async () => {
  service = await closedService();
  const publisher = makeToken(600);
  const tokens: string[] = [];
  const why: TokenReason[] = [];
  const getToken = (reason: TokenReason) => {
    why.push(reason);
    const token = makeToken(600);
    tokens.push(token);
    return token;
  };
  const follower = new Follower(service.url, { transports: ["polling"], getToken });
  await follower.live();
  let published = 0;
  for (let renewals = 1; renewals <= 3; renewals++) {
    await follower.received(published);
    await revoke({ jti: idOf(tokens.at(-1) ?? "") });
    await eventually("another token", async () => {
      published += 1;
      await service.publishNumbers(published, published, publisher);
      return why.length > renewals;
    });
    // the new one has been taken
    await follower.received(published);
  }
  follower.subscription.close();
  expect(follower.numbers).toEqual(upTo(published));
  expect(why).toEqual(["start", "refused", "refused", "refused"]);
  expect(follower.errors).toEqual([]);
});

test("a token that cannot be renewed ends the subscription when it ends, by every kind of stream, which says so", async () => {
  service = await closedService();
  // long enough for a busy machine to be live in time
  const token = makeToken(12);
  const followers = (["eventsource", "fetch"] as const).map((kind) => new Follower(service.url, { transports: [kind], token }));
  for (const follower of followers) {
    const error = await follower.subscription.closed;
    expect(error).toMatchObject({ code: "expired", fatal: true });
    expect(error?.message).toContain("getToken");
    expect(follower.errors).toEqual([error]);
    expect(follower.states).toEqual(["replaying", "live", "closed"]);
  }
});

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
    return makeToken(600);
  };
  const follower = new Follower(service.url, { getToken });
  await follower.live();
  follower.subscription.close();
  expect(follower.errors.map((error) => error.code)).toEqual(["token", "token"]);
});

test("a filter that the token does not allow is refused with the selector's name", async () => {
  service = await closedService();
  const token = makeToken(600, { subscribe: { streams: ["1"] } });
  const error = await new Follower(service.url, { token }).subscription.closed;
  expect(error).toMatchObject({ status: 403, fatal: true });
  expect(error?.message).toContain("numbers");
});

test("a stream that is revoked asks for another token, and ends when that is refused too", async () => {
  service = await closedService();
  const why: TokenReason[] = [];
  const follower = new Follower(service.url, {
    getToken: (reason) => {
      why.push(reason);
      return makeToken(600);
    },
  });
  await follower.live();
  await revoke({ sub: "tester" });
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
