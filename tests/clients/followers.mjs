// Three clients that people really use, each reduced to the numbers of the events it received, in the order of their coming.
//
// None is helped along: the npm package and the browser reconnect by themselves, and curl is run again with the last `id` it printed.

import { spawn } from "node:child_process";
import { EventSource } from "eventsource";
import { open } from "./browser.mjs";
import { eventually } from "./service.mjs";

const PATH = "/events/subscribe?streams=numbers";

export async function npmFollower(service) {
  const numbers = [];
  let live = 0;
  const source = new EventSource(service.url + PATH);
  source.addEventListener("test.numbered", (message) => numbers.push(JSON.parse(message.data).data.n));
  source.addEventListener("hub.live", () => live++);
  await eventually("npm eventsource to be live", () => live > 0);
  return { name: "npm eventsource", numbers, lives: () => live, stop: () => source.close() };
}

export async function curlFollower(service) {
  const numbers = [];
  let live = 0;
  let cursor = null;
  let child = null;
  let stopped = false;

  // `id` is the last field of a frame: it is stored with the blank line, as an EventSource does
  const frame = (lines) => {
    const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    if (field("event") === "test.numbered") numbers.push(JSON.parse(field("data")).data.n);
    if (field("event") === "hub.live") live++;
    cursor = field("id") ?? cursor;
  };
  const run = () => {
    const resume = cursor ? ["-H", `Last-Event-ID: ${cursor}`] : [];
    child = spawn("curl", ["-sN", ...resume, service.url + PATH], { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      const blocks = (text + chunk).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) frame(block.split("\n"));
    });
    child.on("close", async () => {
      if (stopped) return;
      await eventually("the service to listen again", () => stopped || fetch(`${service.url}/health/live`));
      if (!stopped) run();
    });
  };
  run();
  await eventually("curl to be live", () => live > 0);
  return { name: "curl -N", numbers, lives: () => live, stop: () => { stopped = true; child.kill(); } };
}

export async function browserFollower(service, browser) {
  const page = await open(browser, service.url);
  await page.evaluate((path) => {
    window.followed = { numbers: [], live: 0 };
    const source = new EventSource(path);
    source.addEventListener("test.numbered", (message) => window.followed.numbers.push(JSON.parse(message.data).data.n));
    source.addEventListener("hub.live", () => window.followed.live++);
  }, PATH);
  const follower = {
    name: "Chromium's EventSource",
    numbers: [],
    live: 0,
    lives: () => follower.live,
    /** Fetches what the page has gathered. */
    refresh: async () => Object.assign(follower, await page.evaluate(() => window.followed)),
    stop: () => page.close(),
  };
  await eventually("Chromium to be live", async () => (await follower.refresh()).live > 0);
  return follower;
}
