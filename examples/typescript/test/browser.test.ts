// The built package in Chromium, on a page of another origin than the service's.

import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { eventually, JWT_SECRET, makeToken, Service, upTo } from "./support/service.js";

const PAGE = `<!doctype html><link rel="icon" href="data:,"><title>chaincast-client</title><script type="module">
import { subscribe } from "/dist/index.js";
const asked = new URLSearchParams(location.search);
window.told = { numbers: [], states: [], errors: [], tokens: 0 };
window.subscription = subscribe({
  url: asked.get("url"), streams: ["numbers"], persist: "local", transports: [asked.get("transport")],
  getToken: asked.has("token") ? async () => { told.tokens++; return (await fetch("/token")).text(); } : undefined,
  tuning: { graceMs: 20_000 },
  onEvent: (event) => void told.numbers.push(event.data.n),
  onStateChange: (state) => told.states.push(state),
  onError: (error) => told.errors.push(error.code),
});
</script>`;

interface Told {
  numbers: number[];
  states: string[];
  errors: string[];
  tokens: number;
}

let browser: Browser;
let pages: Server;
let origin: string;
let service: Service;

beforeAll(async () => {
  pages = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (path === "/token") return void response.end(makeToken(30));
    if (path === "/") return void response.setHeader("Content-Type", "text/html").end(PAGE);
    const file = await readFile(new URL(`..${path}`, import.meta.url)).catch(() => null);
    response.writeHead(file ? 200 : 404, { "Content-Type": "text/javascript" }).end(file);
  }).listen(0, "127.0.0.1");
  await once(pages, "listening");
  origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  browser = await chromium.launch({
    executablePath: process.env["CHROMIUM_BIN"] ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
    ],
  });
});
afterAll(async () => {
  await browser?.close();
  pages.closeAllConnections();
  pages.close();
});
afterEach(() => service.stop());

const told = (page: Page) => page.evaluate(() => (window as unknown as { told: Told }).told);

async function received(page: Page, last: number): Promise<Told> {
  return eventually(`number ${last}`, async () => {
    const all = await told(page);
    return all.numbers.at(-1) === last ? all : null;
  });
}

test.each(["eventsource", "fetch", "polling"])("a page follows by %s across a restart and across being loaded again", async (transport) => {
  service = await Service.start({ CHAINCAST_ALLOWED_ORIGINS: origin });
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`${origin}/?transport=${transport}&url=${service.url}`);
  await eventually("a connection", async () => /live|polling/.test((await told(page)).states.at(-1) ?? ""));
  await service.publishNumbers(1, 20);
  await received(page, 20);
  await service.restart();
  await service.publishNumbers(21, 40);
  expect((await received(page, 40)).numbers).toEqual(upTo(40));

  await page.reload();
  await service.publishNumbers(41, 50);
  expect((await received(page, 50)).numbers).toEqual(upTo(50).slice(40));
  // nobody looks
  await page.goto("about:blank");
  await service.publishNumbers(51, 60);
  await page.goBack();
  const { numbers } = await received(page, 60);
  // a page that was kept whole has the earlier ones as well
  expect(numbers.slice(-10)).toEqual(upTo(60).slice(50));
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(errors).toEqual([]);
  await page.context().clearCookies();
  await page.close();
});

test("a page with a login follows by EventSource with tickets, and its tokens are renewed unseen", async () => {
  service = await Service.start({ CHAINCAST_ALLOWED_ORIGINS: origin, CHAINCAST_JWT_SECRET: JWT_SECRET, CHAINCAST_JWT_LEEWAY_SECONDS: "0" });
  const publisher = makeToken(600);
  const page = await browser.newPage();
  const tokensInAddresses: string[] = [];
  page.on("request", (request) => {
    if (/[?&]token=/.test(request.url())) tokensInAddresses.push(request.url());
  });
  // renews as early as may be: a busy machine has the rest of a token's life
  await page.addInitScript(() => {
    Math.random = () => 0;
  });
  await page.goto(`${origin}/?transport=eventsource&token&url=${service.url}`);
  await eventually("a connection", async () => (await told(page)).states.includes("live"));
  let published = 0;
  await eventually("three tokens", async () => {
    published += 1;
    await service.publishNumbers(published, published, publisher);
    return (await told(page)).tokens >= 3;
  });
  const all = await received(page, published);
  expect(all.numbers).toEqual(upTo(published));
  expect(all.states).toEqual(["replaying", "live"]);
  expect(all.errors).toEqual([]);
  // the page's own address says `token`; what goes to the service never does
  expect(tokensInAddresses.filter((url) => url.startsWith(service.url))).toEqual([]);
  await page.close();
});
