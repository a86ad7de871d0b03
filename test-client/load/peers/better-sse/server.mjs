// better-sse's channel, on Node's own HTTP server: a framework would only add to the cost of the library that is measured.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { createChannel, createSession } from "better-sse";

// The serializer passes text on as it is: the body goes out as it came in, and is not encoded once per client.
const SESSION = { keepAlive: 15_000, serializer: (body) => body };

const channel = createChannel();
let lastId = 0;

async function subscribe(request, response) {
  channel.register(await createSession(request, response, SESSION));
}

async function publish(request, response) {
  const body = await text(request);
  const { type } = JSON.parse(body);
  lastId += 1;
  channel.broadcast(body, type, { eventId: String(lastId) });
  const answer = `{"id":${lastId}}`;
  response.writeHead(202, { "content-type": "application/json", "content-length": answer.length }).end(answer);
}

const server = createServer(async (request, response) => {
  const [path] = request.url.split("?", 1);
  try {
    if (request.method === "GET" && path === "/events/subscribe") await subscribe(request, response);
    else if (request.method === "POST" && path === "/events") await publish(request, response);
    else response.writeHead(404).end();
  } catch (error) {
    if (response.headersSent) response.destroy();
    else response.writeHead(400).end(String(error));
  }
});
// A publisher keeps its connection; the default of 5 s would close it in every pause.
server.keepAliveTimeout = 3_600_000;
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
