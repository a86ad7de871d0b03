// What a service can say that the real one says seldom: a small one says it at once.

import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { subscribe } from "../src/index.js";
import { Follower } from "./support/follower.js";
import { eventually } from "./support/service.js";

let stop: () => void = () => undefined;
afterEach(() => stop());

async function serve(...answers: ((response: ServerResponse) => void)[]): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    (answers[asked.length - 1] ?? answers.at(-1))?.(response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const stream = (response: ServerResponse, ...blocks: string[]) =>
  response.writeHead(200, { "Content-Type": "text/event-stream" }).write(blocks.map((block) => `${block}\n\n`).join(""));
const OPEN = 'data: {"type":"hub.open","cursor":"a-1"}\nid: a-1';
const closing = (reason: string) => `retry: 20\ndata: {"type":"hub.closing","reason":"${reason}"}`;

test("a ticket that is used elsewhere ends the subscription: to come back would end the other's", async () => {
  const { url, asked } = await serve((response) => stream(response, OPEN, closing("superseded")));
  const follower = new Follower(url, { transports: ["fetch"], getToken: () => "any" });
  expect(await follower.subscription.closed).toMatchObject({ code: "superseded", fatal: true });
  expect(asked).toHaveLength(1);
});

test.each(["draining", "lagging", "lifetime"])("a stream that ends because of %s is come back to, and nothing went wrong", async (reason) => {
  const { url } = await serve(
    (response) => {
      stream(response, OPEN, closing(reason));
      response.end();
    },
    (response) => stream(response, OPEN),
  );
  const follower = new Follower(url, { transports: ["fetch"] });
  await eventually("it to be back", () => follower.reconnects === 1);
  follower.subscription.close();
  expect(follower.errors).toEqual([]);
});

test("a refusal that names a time is told with it, and tried again", async () => {
  const { url } = await serve(
    (response) => response.writeHead(503, { "Retry-After": "1" }).end(),
    (response) => stream(response, OPEN),
  );
  const follower = new Follower(url, { transports: ["fetch"] });
  await eventually("it to be open", () => follower.subscription.state === "replaying");
  follower.subscription.close();
  expect(follower.errors).toMatchObject([{ code: "http", status: 503, retryAfterMs: 1000, fatal: false }]);
});

test("what is no event stream, or none of the service's, is told of and tried again", async () => {
  const { url } = await serve(
    (response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<h1>Please log in to the network</h1>"),
    (response) => stream(response, OPEN, "data: nonsense"),
    (response) => stream(response, OPEN),
  );
  const follower = new Follower(url, { transports: ["fetch"] });
  await eventually("two errors, and then none", () => follower.errors.length === 2 && follower.subscription.state === "replaying");
  follower.subscription.close();
  expect(follower.errors.map(({ code }) => code)).toEqual(["http", "malformed"]);
});

test("a callback that throws ends nothing", async () => {
  const { url } = await serve((response) => stream(response, OPEN, 'data: {"type":"hub.live","cursor":"a-1","replayed":0}\nid: a-1'));
  const follower = new Follower(url, {
    transports: ["fetch"],
    onGap: undefined,
    onLive: () => {
      throw new Error("of the page's own");
    },
  });
  await eventually("the error", () => follower.errors.length === 1);
  expect(follower.errors[0]).toMatchObject({ code: "handler", fatal: false });
  expect(follower.subscription.state).toBe("live");
  follower.subscription.close();
});

test("a slow handler makes an EventSource begin anew once per bound, not at each place that gets free", async () => {
  const subscribed: string[] = [];
  const { url } = await serve((response) => {
    const address = new URL(response.req.url ?? "", "http://localhost");
    if (address.pathname === "/work") return void response.end();
    subscribed.push(address.href);
    const at = Number(address.searchParams.get("last_event_id")?.match(/^a-(\d+)$/)?.[1] ?? 0);
    const events = Array.from({ length: 300 - at }, (_, n) => at + n + 1);
    const blocks = events.map((n) => `data: {"type":"a.b","seq":${n},"data":{"n":${n}}}\nid: a-${n}`);
    stream(response, OPEN.replaceAll("a-1", `a-${at}`), ...blocks);
  });
  const handled: number[] = [];
  const follower = new Follower(url, {
    transports: ["eventsource"],
    from: "earliest",
    tuning: { maxUnhandled: 100 },
    // each takes about as long as subscribing does
    onEvent: async (event) => {
      await (await fetch(`${url}/work`)).text();
      handled.push(event.data.n);
    },
  });
  await eventually("all", () => handled.length === 300);
  follower.subscription.close();
  expect(handled).toEqual(Array.from({ length: 300 }, (_, n) => n + 1));
  expect(subscribed.length).toBeLessThanOrEqual(4);
});

test("an EventSource whose own reconnect is never answered is given up, and another one made", async () => {
  const { url, asked } = await serve(
    (response) => {
      stream(response, "retry: 20", OPEN);
      response.end();
    },
    () => undefined,
    (response) => stream(response, OPEN),
  );
  const follower = new Follower(url, { transports: ["eventsource"], tuning: { openTimeoutMs: 300, backoffMaxMs: 50 } });
  await eventually("it to be back", () => follower.reconnects === 1);
  follower.subscription.close();
  expect(asked).toHaveLength(3);
  expect(follower.errors).toMatchObject([{ code: "timeout", fatal: false }]);
});

test("a login's error page is no token: it is told of, sent nowhere, and asked for again", async () => {
  const { url, asked } = await serve((response) => stream(response, OPEN));
  let calls = 0;
  const getToken = () => (++calls === 1 ? "<html>\n<h1>502 Bad Gateway</h1>\n</html>" : "good");
  const follower = new Follower(url, { transports: ["fetch"], getToken });
  await eventually("it to be open", () => follower.subscription.state === "replaying");
  follower.subscription.close();
  expect(follower.errors).toMatchObject([{ code: "token", fatal: false }]);
  expect(follower.errors[0]?.message).not.toContain("502");
  expect([calls, asked.length]).toEqual([2, 1]);
});

test("a login that never answers is asked again", async () => {
  const { url } = await serve((response) => stream(response, OPEN));
  let calls = 0;
  const getToken = () => (++calls === 1 ? new Promise<string>(() => undefined) : "good");
  const follower = new Follower(url, { transports: ["fetch"], getToken, tuning: { openTimeoutMs: 200 } });
  await eventually("it to be open", () => follower.subscription.state === "replaying");
  follower.subscription.close();
  expect(follower.errors).toMatchObject([{ code: "token", fatal: false }]);
});

test("closing ends a subscription, and a loop over it, also while a login does not answer", async () => {
  let asked = () => undefined as void;
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const getToken = () => {
    asked();
    return new Promise<string>(() => undefined);
  };
  const errors: string[] = [];
  const subscription = subscribe({ url: "http://localhost", all: true, getToken, onError: (error) => void errors.push(error.code) });
  const loop = (async () => {
    for await (const _ of subscription) break;
  })();
  await isAsked;
  subscription.close();
  expect(await subscription.closed).toBeNull();
  await loop;
  expect(errors).toEqual([]);
});
