// The parts that need no service.

import { afterEach, describe, expect, test, vi } from "vitest";
import { Backoff } from "../src/backoff.js";
import { isPast, parseCursor } from "../src/cursor.js";
import { retryAfter } from "../src/error.js";
import { filterQuery } from "../src/filter.js";
import { SseParser, subscribe, type SseMessage } from "../src/index.js";
import { Ladder } from "../src/ladder.js";
import { StoredCursor } from "../src/storage.js";

describe("the parser of event streams", () => {
  const parse = (pieces: readonly string[], lastId = "") => {
    const messages: SseMessage[] = [];
    const retries: number[] = [];
    const parser = new SseParser({ message: (message) => messages.push(message), retry: (ms) => retries.push(ms) }, lastId);
    for (const piece of pieces) parser.push(piece);
    return { messages, retries };
  };
  const message = (data: string, id = "", event = "message"): SseMessage => ({ event, data, id });

  test("takes fields with and without a space, comments, several data lines, and unknown fields", () => {
    const { messages, retries } = parse([": hello\nretry: 2714\nretry: 1x\nevent: a.b\ndata:x\ndata:  y\ndata\nwhat: z\nid: 7-1\n\n"]);
    expect(messages).toEqual([message("x\n y\n", "7-1", "a.b")]);
    expect(retries).toEqual([2714]);
  });

  test("hands on no block without data, and keeps its id", () => {
    expect(parse(["id: 1\nevent: x\n\ndata: y\n\n"]).messages).toEqual([message("y", "1")]);
  });

  test("keeps the id before when one holds NUL, and clears it by an empty one", () => {
    expect(parse(["id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n"], "0").messages).toEqual([
      message("a", "1"),
      message("b", "1"),
      message("c", ""),
    ]);
  });

  test("drops what the stream ends in the middle of", () => {
    expect(parse(["data: a\n\ndata: b\n"]).messages).toEqual([message("a")]);
  });

  test("finds the same in whatever pieces it comes, with every line end and a byte order mark", () => {
    for (const end of ["\n", "\r", "\r\n"]) {
      const text = `\uFEFFid: 1${end}data: ü𝄞${end}data: b${end}${end}` +
        `:${end}${end}event: e${end}data: c${end}${end}data: d${end}${end}: last${end}`;
      const expected = [message("ü𝄞\nb", "1"), message("c", "1", "e"), message("d", "1")];
      for (let size = 1; size <= text.length; size++) {
        const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, i * size + size));
        expect(parse(["", ...pieces]).messages, `${JSON.stringify(end)} by ${size}`).toEqual(expected);
      }
    }
  });

  test("refuses a line without end", () => {
    const parser = new SseParser({ message: () => undefined });
    expect(() => {
      for (let i = 0; i < 40; i++) parser.push("x".repeat(1 << 16));
    }).toThrow(RangeError);
  });
});

describe("backoff", () => {
  const options = { minMs: 1000, maxMs: 30_000, stableMs: 10_000 };

  test("doubles its bound up to the last, anywhere below which the wait lies", () => {
    const highest = new Backoff(options, () => 1);
    expect(Array.from({ length: 7 }, () => highest.next())).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    const lowest = new Backoff(options, () => 0);
    expect([lowest.next(), lowest.next()]).toEqual([0, 0]);
  });

  test("comes back when the service said, and later only when that fails", () => {
    const backoff = new Backoff(options, () => 0.5);
    backoff.opened();
    expect(backoff.next(2714)).toBe(2714);
    expect(backoff.next(2714)).toBe(2714 + 1000);
  });

  test("begins anew after a connection that held, and only then", () => {
    let now = 0;
    const backoff = new Backoff(
      options,
      () => 1,
      () => now,
    );
    backoff.next();
    backoff.next();
    backoff.opened();
    now += 9000;
    expect(backoff.next()).toBe(4000);
    backoff.opened();
    now += 10_000;
    expect(backoff.next()).toBe(1000);
  });

  test("reads Retry-After in seconds and as a date", () => {
    expect(retryAfter("7")).toBe(7000);
    expect(retryAfter("Sun, 22 Feb 2026 10:00:10 GMT", Date.parse("2026-02-22T10:00:00Z"))).toBe(10_000);
    expect(retryAfter("Sun, 22 Feb 2026 10:00:10 GMT", Date.parse("2026-02-22T11:00:00Z"))).toBe(0);
    expect([retryAfter(null), retryAfter("soon")]).toEqual([undefined, undefined]);
  });
});

describe("cursors", () => {
  test("are compared within an epoch only", () => {
    expect(parseCursor("7c1f9a02-42")).toEqual({ epoch: "7c1f9a02", seq: 42 });
    expect([parseCursor(""), parseCursor("42"), parseCursor("x-1"), parseCursor(null)]).toEqual([null, null, null, null]);
    expect([isPast("a-1", "a-1"), isPast("a-2", "a-1"), isPast("b-1", "a-9"), isPast("a-1", null)]).toEqual([true, false, false, false]);
  });

  afterEach(() => void vi.useRealTimers());

  test("are written at most once in a while, never backwards unless the log went there", () => {
    vi.useFakeTimers();
    const written: string[] = [];
    const store = { get: () => written.at(-1) ?? null, set: (_: string, cursor: string) => void written.push(cursor) };
    const stored = new StoredCursor(store, "k", 500, () => undefined);
    for (let seq = 1; seq <= 100; seq++) stored.save(`a-${seq}`);
    vi.advanceTimersByTime(499);
    expect(written).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(written).toEqual(["a-100"]);
    // another tab is behind
    stored.save("a-50");
    stored.flush();
    expect(written).toEqual(["a-100"]);
    stored.save("a-40", true);
    stored.flush();
    expect(written).toEqual(["a-100", "a-40"]);
  });

  test("are done without, and that is told once, where storage is forbidden", () => {
    const broken = vi.fn();
    const forbid = () => {
      throw new Error("SecurityError");
    };
    const stored = new StoredCursor({ get: forbid, set: forbid }, "k", 500, broken);
    expect(stored.read()).toBeNull();
    stored.save("a-1");
    stored.flush();
    expect(broken).toHaveBeenCalledOnce();
  });
});

describe("the ladder of transports", () => {
  test("steps from an EventSource that says nothing to fetch, at once, and does not go back", () => {
    const ladder = new Ladder(["eventsource", "fetch", "polling"], 2, 5000);
    expect(ladder.failed(true)).toBe(true);
    expect(ladder.current).toBe("fetch");
    ladder.opened();
    expect(ladder.failed(false)).toBe(false);
    expect(ladder.current).toBe("fetch");
  });

  test("polls after a few failures, and tries a stream less and less often", () => {
    const ladder = new Ladder(["fetch", "polling"], 2, 5000);
    ladder.failed(false);
    ladder.failed(false);
    expect([ladder.current, ladder.pollForMs]).toEqual(["polling", 5000]);
    const waits = Array.from({ length: 10 }, () => {
      ladder.opened();
      ladder.tryStream();
      expect(ladder.current).toBe("fetch");
      ladder.failed(false);
      expect(ladder.current).toBe("polling");
      return ladder.pollForMs;
    });
    expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 500_000, 500_000, 500_000, 500_000]);
  });

  test("goes back to streams when polling fails too: the service is away", () => {
    const ladder = new Ladder(["fetch", "polling"], 1, 5000);
    ladder.failed(false);
    ladder.failed(false);
    expect(ladder.current).toBe("fetch");
  });
});

describe("options", () => {
  test("that ask for the same make the same address", () => {
    const text = (filter: Parameters<typeof filterQuery>[0]) => filterQuery(filter).toString();
    expect(text({ streams: ["2", "1", "2"], topics: [] })).toBe(text({ streams: ["1", "2"] }));
    expect(text({ topics: ["market.**"], all: true })).toBe("all=true&topics=market.**");
  });

  test("that mean nothing are refused with what to do", () => {
    expect(() => subscribe({ url: "http://localhost" })).toThrow(/all: true/);
    expect(() => subscribe({ all: true, transports: [] })).toThrow(/transports/);
    expect(() => subscribe({ all: true, transports: ["eventsource"] })).toThrow(/eventsource/);
    expect(() => subscribe({ all: true })).toThrow(/`url` is missing/);
    for (const url of ["http://", "", "localhost:3001", "/events", "ftp://localhost"]) {
      expect(() => subscribe({ all: true, url })).toThrow(/`url`/);
    }
    const url = "http://localhost";
    expect(() => subscribe({ all: true, url, from: { since: new Date(NaN) } })).toThrow(/since/);
    expect(() => subscribe({ all: true, url, token: "secret\nwords" })).toThrow(/^(?!.*secret).*`token`/);
    expect(() => subscribe({ all: true, url, tuning: { maxUnhandled: 0 } })).toThrow(/maxUnhandled/);
    expect(() => subscribe({ all: true, url, tuning: { quietMs: NaN } })).toThrow(/quietMs/);
    const subscription = subscribe({ all: true, url: "http://localhost", onEvent: () => undefined, signal: AbortSignal.abort() });
    expect(() => subscription[Symbol.asyncIterator]()).toThrow(/onEvent/);
    expect(subscription.state).toBe("closed");
  });
});
