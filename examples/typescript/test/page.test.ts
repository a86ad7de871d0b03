// What a page that is looked at again, or a network that is back, changes and what it does not. Without a service, on a clock of its own.

import { happen } from "./support/dom.js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { subscribe, type State } from "../src/index.js";
import { streaming } from "./support/streaming.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const MINUTE = 60_000;

function follow(...answers: (typeof fetch)[]) {
  let asked = 0;
  const states: State[] = [];
  const subscription = subscribe({
    url: "http://localhost",
    all: true,
    transports: ["fetch"],
    fetch: (url, init) => (answers[asked++] ?? streaming().fetch)(url, init),
    tuning: { backoffMinMs: MINUTE, backoffMaxMs: MINUTE },
    onEvent: () => undefined,
    onStateChange: (state) => void states.push(state),
  });
  return { subscription, states, asked: () => asked };
}

const stir = () => {
  happen("visibilitychange");
  happen("online");
};

test("cuts short the wait that is the client's own", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.9);
  const { subscription, asked } = follow(() => Promise.reject(new TypeError("network")));
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked()).toBe(1);
  stir();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked()).toBe(2);
  subscription.close();
});

test("does not cut short the wait that the service asked for", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.9);
  const { subscription, asked } = follow(async () => new Response("", { status: 503, headers: { "Retry-After": "120" } }));
  await vi.advanceTimersByTimeAsync(MINUTE);
  stir();
  await vi.advanceTimersByTimeAsync(MINUTE - 1);
  expect(asked()).toBe(1);
  // and what the client would have added is cut
  await vi.advanceTimersByTimeAsync(1);
  expect(asked()).toBe(2);
  subscription.close();
});

test("is closed at once while it waits for what the service asked for", async () => {
  const { subscription } = follow(async () => new Response("", { status: 503, headers: { "Retry-After": "120" } }));
  await vi.advanceTimersByTimeAsync(1000);
  subscription.close();
  expect(await subscription.closed).toBeNull();
});

test("a connection that is made anew and does not come is told of after a moment, as is that it came", async () => {
  const unanswered: typeof fetch = (_, init) =>
    new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(new Error("aborted"))));
  const { subscription, states } = follow(streaming().fetch, unanswered);
  await vi.advanceTimersByTimeAsync(10);
  expect(states).toEqual(["replaying", "live"]);
  happen("online");
  await vi.advanceTimersByTimeAsync(500);
  expect(states.slice(2)).toEqual([]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(states.slice(2)).toEqual(["reconnecting"]);
  happen("online");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(states.slice(2)).toEqual(["reconnecting", "replaying", "live"]);
  subscription.close();
});

test("a connection that is made anew at once is not seen", async () => {
  const { subscription, states, asked } = follow();
  await vi.advanceTimersByTimeAsync(10);
  happen("online");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked()).toBe(2);
  expect(states).toEqual(["replaying", "live"]);
  subscription.close();
});

test("a time that no timer can hold is a long one, not none", async () => {
  const full = async () => new Response("", { status: 429, headers: { "Retry-After": "2592000" } });
  const { subscription, asked } = follow(full, full);
  await vi.advanceTimersByTimeAsync(30 * MINUTE);
  expect(asked()).toBe(1);
  await vi.advanceTimersByTimeAsync(32 * MINUTE);
  expect(asked()).toBe(2);
  subscription.close();
});
