// What may stand between a browser and the service, each with one fault.

import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** Answers whether it has dealt with the request. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

export class Proxy {
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  #connections = new Set<{ isMute: boolean }>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  /** Passes everything on to `target` that `fault` leaves. */
  static async start(target: string, fault: { current: Fault }): Promise<Proxy> {
    const server = createServer((from, to) => {
      proxy.asked.push(from.url ?? "");
      if (fault.current(from, to)) return;
      const connection = { isMute: false };
      proxy.#connections.add(connection);
      const onward = request(target + from.url, { method: from.method, headers: from.headers }, (answer) => {
        to.writeHead(answer.statusCode ?? 502, answer.headers);
        to.flushHeaders();
        answer.on("data", (chunk: Buffer) => connection.isMute || to.write(chunk));
        answer.on("end", () => connection.isMute || to.end());
        answer.on("error", () => connection.isMute || to.destroy());
      });
      onward.on("error", () => (to.headersSent ? to.destroy() : to.writeHead(502).end()));
      to.on("close", () => {
        proxy.#connections.delete(connection);
        onward.destroy();
      });
      from.pipe(onward);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new Proxy(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return proxy;
  }

  /** The connections of now stay, and nothing passes on them any more: a cut cable. */
  mute(): void {
    for (const connection of this.#connections) connection.isMute = true;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

const isStream = (request: IncomingMessage) => request.url?.startsWith("/events/subscribe") ?? false;

export const NONE: Fault = () => false;

/** Streams are unknown here. */
export const UNKNOWN_ROUTE: Fault = (request, response) => {
  if (!isStream(request)) return false;
  response.writeHead(404, { "Content-Type": "text/html" }).end("<h1>Not found</h1>");
  return true;
};

/** Streams are held back until they end, which they never do. */
export const BUFFERING: Fault = (request, response) => {
  if (!isStream(request)) return false;
  response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
  return true;
};
