// A service of one stream, as `fetch` sees it.

const encoder = new TextEncoder();

/** Says `hub.open`, `events` events and `hub.live`, and then nothing; `asked` holds the requests' addresses and tokens. */
export function streaming(events = 0): { fetch: typeof fetch; asked: { url: string; token: string | null }[] } {
  const asked: { url: string; token: string | null }[] = [];
  const block = (value: object, at: number) => `data: ${JSON.stringify(value)}\nid: a-${at}\n\n`;
  let text = block({ type: "hub.open", connection: "c", cursor: "a-0", head: `a-${events}` }, 0);
  for (let seq = 1; seq <= events; seq++) text += block({ seq, id: `${seq}`, type: "a.b", data: {} }, seq);
  text += block({ type: "hub.live", cursor: `a-${events}`, replayed: events }, events);
  return {
    asked,
    fetch: async (url, init) => {
      asked.push({ url: String(url), token: new Headers(init?.headers).get("Authorization") });
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          controller.enqueue(encoder.encode(text));
          init?.signal?.addEventListener("abort", () => controller.error(new Error("aborted")));
        },
      });
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    },
  };
}
