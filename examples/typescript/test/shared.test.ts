// One connection for several components, without a service.

import { expect, test } from "vitest";
import { lease, type Listener } from "../src/shared.js";
import { streaming } from "./support/streaming.js";
import { eventually } from "./support/service.js";

function listener(told: string[], name: string, act: () => void | Promise<void> = () => undefined): Listener {
  return {
    event: (event) => {
      told.push(`${name}${event.seq}`);
      return act();
    },
    gap: () => undefined,
    live: () => undefined,
    reconnected: () => undefined,
    state: () => undefined,
    error: (error) => void told.push(`${name} ${error.code}`),
  };
}

test("a component whose callback throws is told of it, and the others have every event when theirs are done", async () => {
  const told: string[] = [];
  const throws = () => {
    throw new Error("of the component's own");
  };
  let release = () => undefined as void;
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const connection = () => ({ url: "http://localhost", all: true, transports: ["fetch" as const], fetch: streaming(2).fetch });
  const leases = [
    listener(told, "a", throws),
    listener(told, "b", async () => throws()),
    listener(told, "c", () => slow),
    listener(told, "d"),
  ].map((each) => lease("shared", each, connection));
  await eventually("the first", () => told.includes("b handler"));
  expect(told).toEqual(["a1", "a handler", "b1", "c1", "d1", "b handler"]);
  release();
  await eventually("the second", () => told.filter((line) => line === "b handler").length === 2);
  expect(told.slice(6)).toEqual(["a2", "a handler", "b2", "c2", "d2", "b handler"]);
  for (const { release } of leases) release();
});
