// The clients that people really use, each reduced to the numbers of the events it received, in the order of their coming.
//
// None is helped along: what reconnects by itself does, curl is run again with the last `id` it printed, and the two programs of examples/
// are run as their users run them. Nobody here drops a repeated event: a service that sends one makes a test fail.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { EventSource } from "eventsource";
import { open } from "./browser.mjs";
import { BINARY, eventually } from "./service.mjs";

const PATH = "/events/subscribe?streams=numbers";

/** Everyone who follows: called with the service and a browser, once live. */
export const FOLLOWERS = [npmFollower, curlFollower, browserFollower, fetchFollower, rustFollower, pythonFollower];

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

async function npmFollower(service) {
  const numbers = [];
  let live = 0;
  const source = new EventSource(service.url + PATH);
  source.addEventListener("test.numbered", (message) => numbers.push(JSON.parse(message.data).data.n));
  source.addEventListener("hub.live", () => live++);
  await eventually("npm eventsource to be live", () => live > 0);
  return { name: "npm eventsource", numbers, lives: () => live, stop: () => source.close() };
}

async function curlFollower(service) {
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

async function browserFollower(service, browser) {
  return pageFollower("Chromium's EventSource", service, browser, () => {
    const source = new EventSource(window.followed.path);
    source.addEventListener("test.numbered", (message) => window.followed.numbers.push(JSON.parse(message.data).data.n));
    source.addEventListener("hub.live", () => window.followed.live++);
  });
}

/**
 * `@microsoft/fetch-event-source`, which takes headers and methods that EventSource does not. Known of it, and why it holds here: a stream
 * that ends cleanly is finished for it, and it does not come back, so a stream that is to be resumed ends without its last chunk; it hands
 * on blocks without data, so none is sent; it keeps an id before the block is complete, so the id is the last line; it closes while the
 * page is hidden, and this test asks it not to.
 */
async function fetchFollower(service, browser) {
  const modules = here("node_modules/@microsoft/fetch-event-source/lib/esm/");
  const setUp = (page) => page.route("**/fetch-event-source/*", async (route) => {
    const name = new URL(route.request().url()).pathname.split("/").at(-1);
    await route.fulfill({ contentType: "text/javascript", body: await readFile(join(modules, `${name}.js`)) });
  });
  return pageFollower("@microsoft/fetch-event-source", service, browser, async () => {
    const { fetchEventSource } = await import("/fetch-event-source/index");
    fetchEventSource(window.followed.path, {
      openWhenHidden: true,
      onmessage: ({ event, data }) => {
        if (event === "test.numbered") window.followed.numbers.push(JSON.parse(data).data.n);
        if (event === "hub.live") window.followed.live++;
      },
    });
  }, setUp);
}

/** The subscribers of examples/, with what runs them: each takes a URL and the file that keeps its cursor. */
export const PROGRAMS = {
  "examples/subscriber": [join(dirname(BINARY), "examples/subscriber")],
  "examples/python/subscriber.py": [
    process.env.CHAINCAST_TEST_PYTHON ?? here("../../target/python/bin/python"),
    here("../../examples/python/subscriber.py"),
  ],
};

function rustFollower(service) {
  return programFollower("examples/subscriber", service);
}

function pythonFollower(service) {
  return programFollower("examples/python/subscriber.py", service);
}

/** A program that prints events, says "live" on stderr, and keeps its cursor in a file: `renew` ends it, and runs it again. */
async function programFollower(name, service) {
  const [program, ...before] = PROGRAMS[name];
  const directory = await mkdtemp(join(tmpdir(), "chaincast-follower-"));
  const numbers = [];
  let live = 0;
  let said = "";
  let child = null;

  const run = () => {
    const options = { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" } };
    child = spawn(program, [...before, service.url + PATH, join(directory, "cursor")], options);
    createInterface(child.stdout).on("line", (line) => numbers.push(JSON.parse(line).data.n));
    createInterface(child.stderr).on("line", (line) => {
      said = `${said}${line}\n`.slice(-4000);
      if (line === "live") live++;
    });
    child.on("error", (error) => { said += error; });
  };
  const end = async () => {
    if (child.exitCode === null && child.kill("SIGTERM")) await once(child, "close");
    if (child.exitCode !== 0) throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}:\n${said}`);
  };
  run();
  await eventually(`${name} to be live`, () => {
    if (child.exitCode !== null || !child.pid) throw new Error(said);
    return live > 0;
  });
  return {
    name,
    numbers,
    lives: () => live,
    renew: async () => { await end(); run(); },
    stop: async () => { await end(); await rm(directory, { recursive: true, force: true }); },
  };
}

/** Runs `follow` in a page of the service; it fills `window.followed`. */
async function pageFollower(name, service, browser, follow, setUp = () => {}) {
  const page = await open(browser, service.url);
  await setUp(page);
  await page.evaluate((path) => { window.followed = { path, numbers: [], live: 0 }; }, PATH);
  await page.evaluate(follow);
  const follower = {
    name,
    numbers: [],
    live: 0,
    lives: () => follower.live,
    /** Fetches what the page has gathered. */
    refresh: async () => Object.assign(follower, await page.evaluate(() => window.followed)),
    stop: () => page.close(),
  };
  await eventually(`${name} to be live`, async () => (await follower.refresh()).live > 0);
  return follower;
}
