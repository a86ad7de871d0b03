// What becomes of what the service says, without a service.

import { expect, test } from "vitest";
import { Receiver } from "../src/receiver.js";

function receiver(start: string | null = null) {
  const told: string[] = [];
  const made = new Receiver(
    {
      onEvent: (event) => void told.push(event.cursor),
      onGap: (gap) => void told.push(`gap to ${gap.resumed}`),
      onLive: ({ cursor }) => void told.push(`live at ${cursor}`),
    },
    start,
    100,
    () => undefined,
    (error) => void told.push(error.code),
  );
  const event = (cursor: string) => made.message(JSON.stringify({ seq: Number(cursor.split("-")[1]), type: "a.b", data: {} }), cursor);
  const notice = (name: string, members: object, id = "") => made.message(JSON.stringify({ type: `hub.${name}`, ...members }), id);
  return { made, told, event, notice };
}

const page = (nextEventId: string, seqs: readonly number[]) => ({
  events: seqs.map((seq) => ({ seq, id: `${seq}`, source: "default", type: "a.b", data: {}, receivedAt: "" })),
  hasMore: false,
  nextEventId,
  gap: null,
});

test("an event that comes twice is handed on once, whichever transport repeats it", () => {
  const { made, told, event } = receiver();
  event("a-1");
  event("a-2");
  event("a-1");
  event("a-2");
  made.page(page("a-4", [2, 3, 4]), null);
  event("a-3");
  event("a-5");
  expect(told).toEqual(["a-1", "a-2", "a-3", "a-4", "a-5"]);
  expect([made.received, made.handled]).toEqual(["a-5", "a-5"]);
});

test("after a log was set back, the numbers that are used again are handed on", () => {
  const { made, told, event, notice } = receiver("a-9");
  notice("gap", { reason: "rewound", requested: "a-9", resumed: "b-2", lost: 7 }, "b-2");
  event("b-3");
  expect(told).toEqual(["gap to b-2", "b-3"]);
  expect(made.handled).toBe("b-3");
});

test("the first frame makes a cursor where there was none, and moves none that there is", () => {
  const fresh = receiver();
  fresh.notice("open", { cursor: "a-5" }, "a-5");
  expect(fresh.made.received).toBe("a-5");
  const resumed = receiver("a-3");
  resumed.notice("open", { cursor: "a-5" });
  expect(resumed.made.received).toBe("a-3");
});

test("a cursor that moves past what did not match is handled in its turn", () => {
  const { made, told, event, notice } = receiver("a-1");
  event("a-2");
  notice("cursor", { cursor: "a-7" }, "a-7");
  notice("live", { cursor: "a-7", replayed: 1 }, "a-7");
  event("a-8");
  expect(told).toEqual(["a-2", "live at a-7", "a-8"]);
  expect(made.handled).toBe("a-8");
});

test("what is none of the service's is refused, and moves nothing", () => {
  const { made, event } = receiver("a-1");
  for (const data of ["", "<html>", "null", "{}", "[]"]) expect(() => made.message(data, "a-2")).toThrow(/is `url` right/);
  expect(() => made.message('{"type":"a.b"}', "")).toThrow(/is `url` right/);
  expect(made.received).toBe("a-1");
  event("a-2");
  expect(made.received).toBe("a-2");
});
