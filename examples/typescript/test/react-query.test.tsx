// TanStack Query's cache follows the real service.

import "./support/dom.js";
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { cleanup, render } from "@testing-library/react";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { staleKeys, useStreamQueries } from "../react-query/useStreamQueries.js";
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

test("an event makes stale what it concerns, and nothing else", async () => {
  const { asked, isConnected } = show();
  await eventually("a connection and all queries", () => isConnected() && asked["prices"] === 1);
  await service.publish([{ type: "stream.withdrawn", streams: ["1"], users: ["GABC"] }]);
  await eventually("what it concerns", () => asked["stream,1"] === 2 && asked["streams,GABC"] === 2);
  await service.publish([{ type: "proposal.created", streams: ["1"], topics: ["proposal.created"] }]);
  await eventually("what it concerns", () => asked["stream,1"] === 3 && asked["proposals"] === 2);
  expect(asked).toEqual({ "stream,1": 3, "stream,2": 1, "streams,GABC": 2, proposals: 2, prices: 1 });
});

test("a gap makes stale all that events could have changed", async () => {
  const { asked, isConnected } = show({ from: "00000001-900" });
  await eventually("a connection", isConnected);
  await eventually("all of them again", () => ["stream,1", "stream,2", "streams,GABC", "proposals"].every((key) => (asked[key] ?? 0) >= 2));
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
