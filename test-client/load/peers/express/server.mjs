// Express with a Set of open responses: what a service has that grew its event stream by hand, done with care.
import { createServer } from "node:http";
import express from "express";

const HEARTBEAT_MS = 15_000;
// Bytes that may wait for one client that does not read; beyond, it is cut off, else it would take the memory of all.
const MAX_WAITING = 4 * 1024 * 1024;

const clients = new Set();
let lastId = 0;

function broadcast(text) {
  // encoded once, not once per client
  const frame = Buffer.from(text);
  for (const client of clients) {
    client.write(frame);
    if (client.writableLength > MAX_WAITING) client.destroy();
  }
}

const app = express();
app.disable("x-powered-by");
app.disable("etag");

app.get("/events/subscribe", (_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.flushHeaders();
  clients.add(response);
  response.on("close", () => clients.delete(response));
});

// As text: the body goes out as it came in.
app.post("/events", express.text({ type: "application/json", limit: "1mb" }), (request, response) => {
  const { type } = JSON.parse(request.body);
  lastId += 1;
  broadcast(`id: ${lastId}\nevent: ${type}\ndata: ${request.body}\n\n`);
  response.status(202).json({ id: lastId });
});

setInterval(() => broadcast(":\n\n"), HEARTBEAT_MS);

const server = createServer(app);
// A publisher keeps its connection; the default of 5 s would close it in every pause.
server.keepAliveTimeout = 3_600_000;
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
