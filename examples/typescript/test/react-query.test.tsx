// TanStack Query's cache follows the real service.

import "./support/dom.js";
import { QueryClient, QueryClientProvider, QueryObserver, useQuery } from "@tanstack/react-query";
import { cleanup, render } from "@testing-library/react";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { gather, staleKeys, useStreamQueries } from "../react-query/useStreamQueries.js";
import { FAST } from "./support/follower.js";
import { eventually, Service } from "./support/service.js";

let service: Service;
beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());
afterEach(cleanup);

function show(options: { from?: string } = {}) {
  const asked: Record<string, number> = {};
  let connected = false;
  const ask = (name: string) => () => (asked[name] = (asked[name] ?? 0) + 1);
  function Dashboard() {
    ({ connected } = useStreamQueries({
      url: service.url,
      streamIds: ["1"],
      userPublicKeys: ["GABC"],
      topics: ["proposal.*"],
      tuning: FAST,
      ...options,
    }));
    const queries = [["stream", "1"], ["stream", "2"], ["streams", "GABC"], ["proposals"], ["prices"]];
    return (
      <>
        {queries.map((key) => (
          <Shown key={key.join()} queryKey={key} />
        ))}
      </>
    );
  }
  function Shown({ queryKey }: { queryKey: string[] }) {
    const { data } = useQuery({ queryKey, queryFn: ask(queryKey.join()), staleTime: Infinity });
    return <p>{data}</p>;
  }
  const queries = new QueryClient();
  render(
    <QueryClientProvider client={queries}>
      <Dashboard />
    </QueryClientProvider>,
  );
  return { asked, isConnected: () => connected };
}

const ofStreams = ["stream,1", "stream,2", "streams,GABC", "proposals"];

test("an event makes stale what it concerns, and nothing else", async () => {
  const { asked, isConnected } = show();
  // also asked before anything was followed: what happened in between
  await eventually("a connection and all queries again", () => isConnected() && ofStreams.every((key) => asked[key] === 2));
  await service.publish([{ type: "stream.withdrawn", streams: ["1"], users: ["GABC"] }]);
  await eventually("what it concerns", () => asked["stream,1"] === 3 && asked["streams,GABC"] === 3);
  await service.publish([{ type: "proposal.created", streams: ["1"], topics: ["proposal.created"] }]);
  await eventually("what it concerns", () => asked["stream,1"] === 4 && asked["proposals"] === 3);
  expect(asked).toEqual({ "stream,1": 4, "stream,2": 2, "streams,GABC": 3, proposals: 3, prices: 1 });
});

test("a gap makes stale all that events could have changed", async () => {
  const { asked, isConnected } = show({ from: "00000001-900" });
  await eventually("a connection", isConnected);
  await eventually("all of them again", () => ofStreams.every((key) => (asked[key] ?? 0) >= 2));
  expect(asked["prices"]).toBe(1);
});

test("keys come from streams, users and type", () => {
  expect(staleKeys({ type: "proposal.updated", streams: ["1", "2"], users: ["GABC"] })).toEqual([
    ["stream", "1"],
    ["stream", "2"],
    ["streams", "GABC"],
    ["proposals"],
  ]);
  expect(staleKeys({ type: "market.price" })).toEqual([]);
});

test("a burst asks once per key, and the next burst once more", async () => {
  vi.useFakeTimers();
  try {
    const queries = new QueryClient();
    let asked = 0;
    const query = new QueryObserver(queries, { queryKey: ["stream", "1"], queryFn: () => ++asked, staleTime: Infinity });
    const end = query.subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(1000);
    const stale = gather(queries);
    for (let burst = 2; burst <= 3; burst++) {
      for (let n = 0; n < 100; n++) stale([["stream", "1"]]);
      await vi.advanceTimersByTimeAsync(1000);
      expect(asked).toBe(burst);
    }
    // more keys than can be told apart
    stale(Array.from({ length: 5000 }, (_, n) => ["stream", `${n + 2}`]));
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toBe(4);
    end();
  } finally {
    vi.useRealTimers();
  }
});

test("what a query brings that was under way when the event came is asked for again", async () => {
  const queries = new QueryClient();
  let balance = 1;
  let answer = () => undefined as void;
  const queryFn = () => {
    const read = balance;
    return new Promise<number>((resolve) => {
      answer = () => resolve(read);
      if (read === 2) answer();
    });
  };
  const query = new QueryObserver(queries, { queryKey: ["stream", "1"], queryFn, staleTime: Infinity });
  const end = query.subscribe(() => undefined);
  balance = 2;
  const invalidated = vi.spyOn(queries, "invalidateQueries");
  gather(queries)([["stream", "1"]]);
  await eventually("the key to be stale", () => invalidated.mock.calls.length > 0);
  answer();
  await eventually("the new balance", () => query.getCurrentResult().data === 2);
  end();
});
