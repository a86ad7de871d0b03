// The dashboard, looked at while the service is used, left alone, restarted and closed to strangers.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { open, screenshot } from "./browser.mjs";
import { eventually, Service } from "./service.mjs";
import { browser, service } from "./used.mjs";

const LIMIT = { timeout: 90_000 };
const dashboard = (url, options = {}) => open(browser, `${url}/#dashboard`, { viewport: { width: 1280, height: 900 }, ...options });
const plot = (page, title) => page.locator(`.plot[aria-label^="Chart: ${title},"]`);
const panel = (page, title) => page.locator(".panel", { has: page.locator("h3", { hasText: new RegExp(`^${title}`) }) });
const told = (page, title, pattern) => eventually(`${title} to tell ${pattern}`, async () => pattern.exec(await plot(page, title).getAttribute("aria-label")));
const tile = (page, name, pattern) => page.locator(".tile", { has: page.locator("dt", { hasText: name }) }).locator(".value", { hasText: pattern }).waitFor();

/** Follows until it is told to go, and takes what comes. */
async function follow(url, filter) {
  const leaving = new AbortController();
  const response = await fetch(`${url}/events/subscribe?${filter}`, { signal: leaving.signal });
  const gone = response.body.pipeTo(new WritableStream()).catch(() => {});
  return async () => {
    leaving.abort();
    await gone;
  };
}

/** What lies outside of the frame of its chart, which a leap or a negative number would. */
const outside = (page) => page.locator(".chart .line").evaluateAll((lines) => lines.flatMap((line) => {
  const d = line.getAttribute("d") ?? "";
  return [...d.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)].filter(([, x, y]) => x < 0 || y < 0 || y > 148.1).map(([all]) => all);
}));

/**
 * Fills the dashboard with minutes of a busy service's figures, so that whoever looks at its picture sees charts: what the service answers,
 * changed from second to second, on a clock that is turned by hand.
 */
async function fill(page, seconds) {
  // the view's own dashboard stops when another is shown
  await page.evaluate(() => { location.hash = "#publish"; });
  await page.locator("#view-publish").waitFor();
  await page.evaluate(async (seconds) => {
    const { mountDashboard } = await import("./page/dashboard.js");
    for (const view of ["publish", "dashboard"]) {
      document.getElementById(`view-${view}`).hidden = view === "publish";
      document.querySelector(`.views [data-view=${view}]`).toggleAttribute("aria-current", view === "dashboard");
    }
    const stats = await (await fetch("events/stats")).json();
    const health = await (await fetch("health")).json();
    const settled = () => new Promise((next) => { setTimeoutOfPage(next, 0); });
    const setTimeoutOfPage = window.setTimeout.bind(window);
    // what is random here is the same in each picture
    let seed = 7;
    const chance = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    let [time, timer] = [performance.now() - seconds * 1000, null];
    Object.assign(window, { setTimeout: (next) => { timer = next; }, clearTimeout: () => {} });
    Object.defineProperty(performance, "now", { value: () => time });
    const { connections: c, events: e, latency, replay } = stats;
    const answers = { "events/stats": stats, health };
    const get = async (path) => ({ ok: true, status: 200, text: async () => JSON.stringify(answers[path]), headers: new Headers() });
    Object.assign(c, { opened: 4000, peak: 2900 });
    const percentiles = (base) => ({ p50: base * (1 + chance() / 3), p90: base * (3 + chance()), p99: base * (8 + 9 * chance() ** 3), max: base * 40 });
    const turn = (second) => {
      const wave = Math.sin(second / 40);
      const [came, went] = [Math.floor(chance() * 9 * (1 + wave)), Math.floor(chance() * 8)];
      const published = Math.round(120 + 60 * wave + 40 * chance());
      Object.assign(c, { opened: c.opened + came, now: Math.max(0, 2400 + Math.round(400 * wave) + came - went) });
      const replaying = second % 60 < 9 ? 40 - 4 * (second % 60) : 0;
      Object.assign(c, { lagging: second % 90 > 80 ? 3 : 0, replaying, furthestBehind: Math.round(30 * chance() ** 4) });
      c.closed.left = (c.closed.left ?? 0) + went;
      if (second % 70 === 0) c.closed.lagging = (c.closed.lagging ?? 0) + 2;
      c.bySelector = { all: 12, streams: Math.round(c.now * .6), users: Math.round(c.now * .3), topics: Math.round(c.now * .1), types: 0 };
      const delivered = published * 34;
      Object.assign(e, { published: e.published + published, delivered: e.delivered + delivered });
      Object.assign(e, { publishedPerSecond: published, deliveredPerSecond: delivered });
      if (replay && c.replaying) replay.events += c.replaying * 55;
      stats.log.head = e.published;
      Object.assign(latency, { recentCommitToWriteMicroseconds: percentiles(900), recentPublishMicroseconds: percentiles(2100) });
      stats.uptimeSeconds = second === Math.round(seconds * .6) ? 0 : stats.uptimeSeconds + 1;
    };
    turn(1);
    mountDashboard(document.getElementById("view-dashboard"), { get }).start();
    for (let second = 2; second <= seconds; second++) {
      while (!timer) await settled();
      const next = timer;
      timer = null;
      time += 1000;
      turn(second);
      next();
      if (second > seconds - 3) await new Promise((next) => { requestAnimationFrame(() => requestAnimationFrame(next)); });
    }
    while (!timer) await settled();
  }, seconds);
}

const isNoWider = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

test("charts move when followers come and events are published, and a follower that went is counted by its reason", LIMIT, async () => {
  const page = await dashboard(service.url);
  await told(page, "Connections", /open 0, between 0 and 0/);
  const followers = [];
  for (let n = 0; n < 3; n++) followers.push(await follow(service.url, n ? "streams=numbers" : "all=true"));
  await told(page, "Connections", /open 3, between 0 and 3/);
  await service.publish(1, 20);
  await told(page, "Published", /published [\d.]+, between 0 and [1-9]/);
  await told(page, "Delivered", /delivered [\d.]+, between 0 and [1-9]/);
  await told(page, "Commit to write", /p50 \S+\s\S+, between/);
  await tile(page, "Head", /^20$/);
  await panel(page, "Followers").locator("tr", { hasText: "every event" }).locator("td", { hasText: /^1$/ }).waitFor();

  await followers.pop()();
  await panel(page, "Closes by reason").locator("tr", { hasText: "the follower went" }).filter({ hasText: /went\s*1\s*1$/ }).waitFor();
  await told(page, "Connections", /open 2, between 0 and 3/);
  await told(page, "Opened and closed", /closed [\d.]+, between 0 and (0\.\d|1)/);
  assert.equal(await page.locator(".dash .health li[data-status=healthy]").count(), 3);
  assert.deepEqual(await outside(page), []);
  assert.deepEqual(page.errors, []);
  for (const leave of followers) await leave();
  await page.close();
});

test("by keyboard one walks through a chart, hears its figures, and turns it into a table", LIMIT, async () => {
  const page = await dashboard(service.url);
  await told(page, "Connections", /open \d/);
  await eventually("some samples", () => page.evaluate(() => document.querySelector(".chart .line").getAttribute("d").split("L").length > 2));
  assert.equal(await page.locator(".plot:visible").count(), await page.locator('.plot:visible[role=img][tabindex="0"][aria-label*="The arrow keys"]').count());
  await plot(page, "Connections").focus();
  await page.keyboard.press("ArrowLeft");
  const spoken = page.locator(".dash [aria-live=polite]");
  const newest = await spoken.textContent();
  assert.match(newest, /^\d\d:\d\d:\d\d: open \d/);
  await page.keyboard.press("ArrowLeft");
  const older = await spoken.textContent();
  assert.ok(older < newest, `${older} is before ${newest}`);
  await page.keyboard.press("Home");
  assert.ok((await spoken.textContent()) < older);
  assert.equal(await page.locator(".cross:visible").count() > 1, true, "all charts point at the same moment");
  await page.keyboard.press("Escape");
  assert.equal(await spoken.textContent(), "");

  const toggle = page.getByRole("button", { name: "Connections: show as a table" });
  await toggle.press("Enter");
  const table = page.getByRole("region", { name: "Connections: table" });
  assert.deepEqual((await table.locator("tbody th").allTextContents()).slice(0, 3), ["most", "mean", "least"]);
  assert.match((await table.locator("tbody tr").nth(3).textContent()), /^\d\d:\d\d:\d\d\d+$/);
  assert.equal(await toggle.getAttribute("aria-pressed"), "true");
  const leave = await follow(service.url, "all=true");
  await table.locator("tbody tr", { hasText: /^most1$/ }).waitFor();
  await leave();
  assert.equal(await plot(page, "Connections").isVisible(), false);
  await page.locator('input[value="300"]').focus();
  await page.keyboard.press("ArrowRight");
  await told(page, "Published", /the last 15 minutes/);
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("in the dark, and on a phone, nothing is wider than the screen", LIMIT, async () => {
  const leave = await follow(service.url, "topics=market.**");
  const dark = await dashboard(service.url, { colorScheme: "dark" });
  const phone = await dashboard(service.url, { colorScheme: "dark", viewport: { width: 375, height: 800 }, hasTouch: true });
  for (const [page, name] of [[dark, "in the dark"], [phone, "on a phone"]]) {
    await told(page, "Connections", /open 1/);
    await page.locator('input[value="60"]').check();
    await told(page, "Connections", /the last minute/);
    assert.equal(await isNoWider(page), true, name);
    for (const button of await page.getByRole("button", { name: /show as a table/ }).all()) {
      if (await button.isVisible()) await button.click();
    }
    assert.equal(await isNoWider(page), true, `${name}, as tables`);
    for (const button of await page.getByRole("button", { name: /show as a table/ }).all()) {
      if (await button.isVisible()) await button.click();
    }
    assert.deepEqual(page.errors, []);
    await page.close();
  }
  await leave();
});

test("its pictures show minutes of a busy service, and an axis that is as long as what is known", LIMIT, async () => {
  const looks = [["dashboard-light", {}], ["dashboard-dark", { colorScheme: "dark" }]];
  const phone = { viewport: { width: 375, height: 800 }, hasTouch: true };
  looks.push(["dashboard-light-phone", phone], ["dashboard-dark-phone", { ...phone, colorScheme: "dark" }]);
  for (const [name, options] of looks) {
    const page = await dashboard(service.url, options);
    await told(page, "Connections", /open \d/);
    await fill(page, 200);
    await panel(page, "Closes by reason").locator("tr", { hasText: "the follower went" }).waitFor();
    assert.equal(await panel(page, "Closes by reason").locator("tbody tr").count(), 2, "what never happened is not in the way");
    await panel(page, "Gaps reported").locator(".nothing", { hasText: "none" }).waitFor();
    await panel(page, "Published").locator(".legend", { hasText: "restart" }).waitFor();
    const [first, last] = await page.locator(".chart .line").first().evaluate((line) => {
      const xs = [...line.getAttribute("d").matchAll(/[ML](-?[\d.]+) /g)].map(([, x]) => Number(x));
      return [xs[0], xs.at(-1)].map((x) => x / line.ownerSVGElement.clientWidth);
    });
    assert.ok(first < 0.2 && last > 0.9, `${name}: the line goes from ${first} to ${last} of the width, in a window of 5 minutes`);
    assert.equal(await isNoWider(page), true, name);
    await screenshot(page, name, { fullPage: true });
    await page.getByRole("button", { name: "Closes by reason: show all" }).click();
    assert.ok((await panel(page, "Closes by reason").locator("tbody tr").count()) > 5);
    assert.deepEqual(page.errors, []);
    await page.close();
  }
});

test("a view, or a tab, that nobody sees asks nothing", LIMIT, async () => {
  const page = await browser.newPage();
  await page.clock.install();
  let asked = 0;
  await page.goto(`${service.url}/#dashboard`);
  page.on("request", (request) => { if (/events\/stats|health/.test(request.url())) asked++; });
  await eventually("the dashboard to ask", () => asked > 0);
  const see = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  const quiet = async (what) => {
    const before = asked;
    await page.clock.runFor(20_000);
    assert.equal(asked, before, what);
  };
  await see(true);
  await quiet("a hidden tab");
  const before = asked;
  await see(false);
  await eventually("the tab to ask again", () => asked > before);
  await page.evaluate(() => { location.hash = "#publish"; });
  await page.locator("#view-publish").waitFor();
  await quiet("another view");
  await page.close();
});

test("a restart is a banner, a gap and a mark, and no number leaps or is below zero", LIMIT, async () => {
  const own = await Service.start();
  try {
    const page = await dashboard(own.url);
    const leave = await follow(own.url, "streams=numbers");
    await own.publish(1, 50);
    await told(page, "Delivered", /between 0 and [1-9]/);
    const banner = page.locator(".dash .banner");
    await own.restart(async () => {
      await banner.filter({ hasText: /^Out of reach since \d\d:\d\d:\d\d \(no connection\)/ }).waitFor();
      await told(page, "Connections", /open unknown, between/);
      assert.equal(await page.locator(".dash .health li[data-status=unknown]").count(), 3, "nothing is healthy that was not heard of");
      await screenshot(page, "dashboard-away", { fullPage: true });
    });
    await leave();
    await banner.waitFor({ state: "hidden" });
    await told(page, "Connections", /open 0, between 0 and 1/);
    await own.publish(51, 60);
    await tile(page, "Head", /^60$/);
    await told(page, "Published", /published 0, between 0 and/);
    assert.ok(await page.locator(".marks line").count() > 0, "the restart is marked");
    await panel(page, "Connections").locator(".legend", { hasText: "restart" }).waitFor();
    const line = await page.locator(".chart .line").first().getAttribute("d");
    assert.ok(line.split("M").length > 2, `the line has a gap: ${line}`);
    assert.deepEqual(await outside(page), []);
    for (const label of await page.locator(".plot:visible").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")))) {
      assert.doesNotMatch(label, /[-−]\d/, label);
    }
    assert.deepEqual(page.errors, []);
    await page.close();
  } finally {
    await own.stop();
  }
});

test("of the cluster it shows each instance, and says that these may not be all", LIMIT, async () => {
  const page = await dashboard(service.url);
  await told(page, "Connections", /open \d/);
  assert.equal(await panel(page, "Instances").isVisible(), false);
  await page.locator('input[value="cluster"]').check();
  await panel(page, "Instances").locator("tbody tr", { hasText: /^[0-9a-f]{8} \(asked\).*serving.*connected$/ }).waitFor();
  await page.locator(".dash .note", { hasText: "may not be all instances" }).waitFor();
  await page.locator('input[value="instance"]').check();
  await panel(page, "Instances").waitFor({ state: "hidden" });
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("a stranger is told to put in a token, and a tenant sees no numbers of the whole instance", LIMIT, async () => {
  const secret = "0123456789abcdef".repeat(3);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "dashboard", exp: Math.floor(Date.now() / 1000) + 3600, chaincast: { subscribe: { all: true } } };
  const signed = `${part({ alg: "HS256" })}.${part(claims)}`;
  const closed = await Service.start({ CHAINCAST_JWT_SECRET: secret });
  try {
    const page = await dashboard(closed.url);
    await page.click("#credential-open");
    await page.fill("#token", "no-token");
    await page.keyboard.press("Enter");
    await page.locator(".dash .banner", { hasText: "put one in with “Token”" }).waitFor();
    await page.click("#credential-open");
    await page.fill("#token", `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`);
    await page.keyboard.press("Enter");
    await told(page, "Connections", /open 0/);
    await page.locator(".dash .banner").waitFor({ state: "hidden" });
    const shown = await page.locator(".dash").innerText();
    for (const word of ["Memory", "publish queue", "of all logs", "size on disk", "reconnects"]) assert.ok(!shown.includes(word), word);
    assert.ok(shown.includes("ring, events"));
    assert.deepEqual(page.errors, []);
    await page.close();
  } finally {
    await closed.stop();
  }
});

test("an hour of looking makes no more nodes than a quarter of one", LIMIT, async () => {
  const page = await open(browser, service.url);
  const counts = await page.evaluate(async () => {
    const { mountDashboard } = await import("./page/dashboard.js");
    const answers = { "events/stats": await (await fetch("events/stats")).json(), health: await (await fetch("health")).json() };
    // a clock of its own, and answers that come at once
    let [time, timer] = [0, null];
    const text = { [Symbol.toStringTag]: "text" };
    Object.assign(window, { setTimeout: (next) => { timer = next; }, clearTimeout: () => {} });
    Object.defineProperty(performance, "now", { value: () => time });
    const root = document.getElementById("view-dashboard");
    root.hidden = false;
    const get = async (path) => ({ ok: true, status: 200, text: async () => JSON.stringify(answers[path]), headers: new Headers(), ...text });
    mountDashboard(root, { get }).start();
    const channel = new MessageChannel();
    const turn = () => new Promise((next) => { channel.port1.onmessage = next; channel.port2.postMessage(0); });
    const nodes = [];
    for (let second = 1; second <= 3600; second++) {
      while (!timer) await turn();
      const next = timer;
      timer = null;
      time = second * 1000;
      answers["events/stats"].uptimeSeconds++;
      answers["events/stats"].connections.now = second % 7;
      answers["events/stats"].events.published += second % 13;
      next();
      if (second === 900 || second === 3599) {
        while (!timer) await turn();
        nodes.push(root.querySelectorAll("*").length);
      }
    }
    return nodes;
  });
  assert.equal(counts.length, 2);
  assert.ok(counts[1] <= counts[0] + 12, `${counts}: at most a tick or two more on an axis`);
  await page.close();
});
