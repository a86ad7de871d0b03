// The hook in React, against the real service.

import { happen } from "./support/dom.js";
import { act, cleanup, render, renderHook } from "@testing-library/react";
import { EventSource } from "eventsource";
import { StrictMode, useState } from "react";
import { renderToString } from "react-dom/server";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { useStreamEvents, type StreamEvents, type StreamEventsOptions } from "../src/react.js";
import { FAST, type Numbers } from "./support/follower.js";
import { eventually, Service, upTo } from "./support/service.js";
import { streaming } from "./support/streaming.js";

let service: Service;
beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());
afterEach(cleanup);

let streams = 0;
const freshStream = () => `stream-${++streams}`;
const publish = (stream: string, first: number, last: number) =>
  service.publish(
    upTo(last)
      .slice(first - 1)
      .map((n) => ({ id: `${stream}-${n}`, type: "test.numbered", streams: [stream], data: { n } })),
  );
const numbersOf = (view: StreamEvents<Numbers>) => view.events.map((event) => event.data.n);
const connections = async () =>
  ((await (await fetch(`${service.url}/events/stats`)).json()) as { connections: { now: number; opened: number } }).connections;

const until = <T,>(what: string, condition: () => T | Promise<T>) => eventually(what, condition, 15);

function follow(options: Omit<StreamEventsOptions<Numbers>, "url">, strict = false) {
  let renders = 0;
  const hook = renderHook(
    (given: typeof options) => {
      renders++;
      return useStreamEvents<Numbers>({ url: service.url, tuning: FAST, ...given });
    },
    { initialProps: options, reactStrictMode: strict },
  );
  return { ...hook, view: () => hook.result.current, renders: () => renders };
}

test("shows events as they come, and that it is connected", async () => {
  const stream = freshStream();
  const { view } = follow({ streamIds: [stream] });
  expect(view()).toMatchObject({ events: [], connected: false, reconnecting: false, error: null });
  await until("a connection", () => view().connected);
  await publish(stream, 1, 3);
  await until("events", () => view().events.length === 3);
  expect(numbersOf(view())).toEqual([1, 2, 3]);
  expect(view().lastCursor).toBe(view().events[2]?.cursor);
  act(() => view().clearEvents());
  expect(view().events).toEqual([]);
  await publish(stream, 4, 4);
  await until("one more", () => view().events.length === 1);
  expect(numbersOf(view())).toEqual([4]);
});

test("keeps to its bound through ten thousand events, in few renders, and tells each to onEvent", async () => {
  const stream = freshStream();
  await publish(stream, 1, 10_000);
  const seen: number[] = [];
  const { view, renders } = follow({
    streamIds: [stream],
    from: "earliest",
    maxEvents: 50,
    onEvent: (event) => void seen.push(event.data.n),
  });
  let most = 0;
  await until("all of them", () => {
    most = Math.max(most, view().events.length);
    return seen.length === 10_000 && view().events.at(-1)?.data.n === 10_000;
  });
  expect(seen).toEqual(upTo(10_000));
  expect(numbersOf(view())).toEqual(upTo(10_000).slice(-50));
  expect(most).toBe(50);
  expect(renders()).toBeLessThan(1000);
});

test("options written anew at every render change nothing; another filter begins anew", async () => {
  const [first, second] = [freshStream(), freshStream()];
  const { view, rerender } = follow({ streamIds: [first] });
  await until("a connection", () => view().connected);
  const { opened } = await connections();
  const calls: string[] = [];
  for (let n = 1; n <= 5; n++) rerender({ streamIds: [first], topics: [], onEvent: () => void calls.push(`callback ${n}`) });
  await publish(first, 1, 1);
  await until("the event", () => view().events.length === 1);
  expect(calls).toEqual(["callback 5"]);
  expect((await connections()).opened).toBe(opened);

  rerender({ streamIds: [second] });
  expect(view().events).toEqual([]);
  await until("a connection", () => view().connected);
  await publish(first, 2, 2);
  await publish(second, 1, 1);
  await until("the event", () => view().events.length === 1);
  expect(view().events[0]?.streams).toEqual([second]);
});

test("StrictMode's second mount makes one connection, unmounting closes it, and nothing is rendered afterwards", async () => {
  await eventually("a quiet service", async () => (await connections()).now === 0);
  const stream = freshStream();
  const before = await connections();
  const { view, unmount, renders } = follow({ streamIds: [stream] }, true);
  await until("a connection", () => view().connected);
  expect(await connections()).toMatchObject({ now: 1, opened: before.opened + 1 });
  await publish(stream, 1, 1);
  await until("the event", () => view().events.length === 1);
  unmount();
  const count = renders();
  await eventually("the end of the connection", async () => (await connections()).now === 0);
  await publish(stream, 2, 2);
  expect(renders()).toBe(count);
});

test("components that ask for the same share one connection, and each keeps its own list", async () => {
  const stream = freshStream();
  await eventually("a quiet service", async () => (await connections()).now === 0);
  const views: StreamEvents<Numbers>[] = [];
  function Panel({ index }: { index: number }) {
    views[index] = useStreamEvents<Numbers>({ url: service.url, streamIds: [stream], tuning: FAST });
    return null;
  }
  let hide = () => undefined as void;
  function Page() {
    const [isShown, show] = useState(true);
    hide = () => show(false);
    return (
      <>
        {isShown && <Panel index={0} />}
        <Panel index={1} />
      </>
    );
  }
  render(<Page />);
  await until("connections", () => views.every((view) => view.connected));
  expect((await connections()).now).toBe(1);
  await publish(stream, 1, 2);
  await until("events", () => views.every((view) => view.events.length === 2));
  act(() => views[0]?.clearEvents());
  act(() => hide());
  await publish(stream, 3, 3);
  await until("one more", () => views[1]?.events.length === 3);
  expect(views[0]?.events).toEqual([]);
});

test("does not connect without a filter or when disabled, and does when there is one", async () => {
  const stream = freshStream();
  const { view, rerender } = follow({ userPublicKeys: [] });
  expect(view()).toMatchObject({ connected: false, error: null });
  rerender({ streamIds: [stream], enabled: false });
  expect(view().connected).toBe(false);
  rerender({ streamIds: [stream] });
  await until("a connection", () => view().connected);
  rerender({ streamIds: [stream], enabled: false });
  expect(view().connected).toBe(false);
});

test("goes on after the page was in the back/forward cache, by EventSource, and misses nothing", async () => {
  await eventually("a quiet service", async () => (await connections()).now === 0);
  const stream = freshStream();
  const { view } = follow({ streamIds: [stream], EventSource });
  await until("a connection", () => view().connected);
  await publish(stream, 1, 1);
  await until("the event", () => view().events.length === 1);
  happen("pagehide", true);
  await eventually("the end of the connection", async () => (await connections()).now === 0);
  await publish(stream, 2, 3);
  happen("pageshow", true);
  await until("what was missed", () => view().events.length === 3);
  expect(numbersOf(view())).toEqual([1, 2, 3]);
});

test("a network that comes back is connected over anew at once, without a loss and without a word", async () => {
  const stream = freshStream();
  const { view } = follow({ streamIds: [stream] });
  await until("a connection", () => view().connected);
  const { opened } = await connections();
  happen("online");
  await until("a new connection", async () => (await connections()).opened > opened);
  await publish(stream, 1, 1);
  await until("the event", () => view().events.length === 1);
  expect(view()).toMatchObject({ connected: true, error: null });
});

test("says that it is reconnecting and why while the service is away, and that all is well again", async () => {
  const own = await Service.start();
  try {
    let reconnects = 0;
    const { view, unmount } = follow({ streamIds: ["1"], tuning: FAST, ...{ url: own.url }, onReconnect: () => void reconnects++ });
    await until("a connection", () => view().connected);
    await own.end();
    await until("the loss", () => view().reconnecting && view().error !== null);
    expect(view()).toMatchObject({ connected: false, error: { code: "network", fatal: false } });
    await own.spawn();
    await until("a connection", () => view().connected);
    expect(view()).toMatchObject({ reconnecting: false, error: null });
    expect(reconnects).toBe(1);
    unmount();
  } finally {
    await own.stop();
  }
});

test("a refusal is shown in the service's words", async () => {
  const { view } = follow({ streamIds: [""] });
  await until("an error", () => view().error);
  expect(view()).toMatchObject({
    connected: false,
    reconnecting: false,
    error: { fatal: true, status: 400, problem: { parameter: "streams" } },
  });
});

test("renders on a server, where nothing connects", async () => {
  function Panel() {
    const { connected, events } = useStreamEvents({ url: service.url, all: true });
    return (
      <p>
        {connected ? "connected" : "not connected"}, {events.length}
      </p>
    );
  }
  expect(
    renderToString(
      <StrictMode>
        <Panel />
      </StrictMode>,
    ),
  ).toContain("not connected");
});

function Panel(options: StreamEventsOptions & { told: StreamEvents[] }) {
  const { told, ...rest } = options;
  told.push(useStreamEvents({ url: "http://localhost", all: true, transports: ["fetch"], tuning: FAST, ...rest }));
  return null;
}

test("a time that is written in place is where the connection begins, and no reason for another", async () => {
  const { fetch, asked } = streaming(3);
  const told: StreamEvents[] = [];
  const place = () => ({ since: new Date(Date.now() - 3_600_000 + told.length) });
  const shown = render(<Panel told={told} fetch={fetch} from={place()} />);
  for (let n = 0; n < 5; n++) shown.rerender(<Panel told={told} fetch={fetch} from={place()} />);
  await until("events", () => told.at(-1)?.events.length === 3);
  expect(asked).toHaveLength(1);
  expect(asked[0]?.url).toContain("since=");
});

test("another identity begins anew, and is shown nothing of the one before", async () => {
  const { fetch, asked } = streaming(2);
  const told: StreamEvents[] = [];
  const of = (user: string) => <Panel told={told} fetch={fetch} identity={user} getToken={() => `of-${user}`} />;
  const shown = render(of("first"));
  await until("events", () => told.at(-1)?.events.length === 2);
  const before = told.length;
  shown.rerender(of("second"));
  expect(told[before]?.events).toEqual([]);
  await until("events", () => told.at(-1)?.events.length === 2);
  expect(asked.map(({ token }) => token)).toEqual(["Bearer of-first", "Bearer of-second"]);
});

test("functions that may speak for two users share no connection without an identity, and one with it", async () => {
  const { fetch, asked } = streaming(1);
  const told: StreamEvents[][] = [[], [], [], []];
  const same = () => "of-same";
  render(
    <>
      <Panel told={told[0] ?? []} fetch={fetch} getToken={() => "of-first"} />
      <Panel told={told[1] ?? []} fetch={fetch} getToken={() => "of-second"} />
      <Panel told={told[2] ?? []} fetch={fetch} getToken={same} />
      <Panel told={told[3] ?? []} fetch={fetch} getToken={same} />
    </>,
  );
  await until("events", () => told.every((views) => views.at(-1)?.events.length === 1));
  expect(asked.map(({ token }) => token).sort()).toEqual(["Bearer of-first", "Bearer of-same", "Bearer of-second"]);
  cleanup();
  asked.length = 0;
  render(
    <>
      <Panel told={(told[0] = [])} fetch={fetch} identity="one" getToken={() => "of-one"} />
      <Panel told={(told[1] = [])} fetch={fetch} identity="one" getToken={() => "of-one"} />
    </>,
  );
  await until("events", () => told.slice(0, 2).every((views) => views.at(-1)?.events.length === 1));
  expect(asked).toHaveLength(1);
});

test("a list of none stays empty, and each event is told all the same", async () => {
  const told: StreamEvents[] = [];
  const seen: number[] = [];
  render(<Panel told={told} fetch={streaming(3).fetch} maxEvents={0} onEvent={(event) => void seen.push(event.seq)} />);
  await until("events", () => told.at(-1)?.lastCursor === "a-3");
  expect(seen).toEqual([1, 2, 3]);
  expect(told.at(-1)?.events).toEqual([]);
});

test("options that mean nothing are shown as an error, and the page stays", async () => {
  const told: StreamEvents[] = [];
  render(<Panel told={told} transports={[]} />);
  await until("the error", () => told.at(-1)?.error);
  expect(told.at(-1)).toMatchObject({ connected: false, reconnecting: false, error: { code: "options", fatal: true } });
});
