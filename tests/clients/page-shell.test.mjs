// The page at `/` as a whole: views, keys, themes, what anyone can use, and what it loads.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { open, screenshot } from "./browser.mjs";
import { connect, events, fitsItsWidth, publish, row, state } from "./page.mjs";
import { eventually } from "./service.mjs";
import { browser, service } from "./used.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe has against what is shown, the view of the dashboard aside. */
async function complaints(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run({ exclude: ["#view-dashboard"] }, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.any.map((one) => one.message).join(" ")}`));
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing to complain of in the ${colorScheme} theme`, { timeout: 120_000 }, async () => {
    // a policy that lets no script in would keep axe out as well
    const page = await open(browser, service.url, { viewport: { width: 1360, height: 900 }, colorScheme, bypassCSP: true });
    assert.deepEqual(await complaints(page), [], "not connected");
    await connect(page);
    await publish(page, "stream.created");
    await row(page, "stream.created").locator("summary").click();
    await page.fill("#search", "stream");
    assert.deepEqual(await complaints(page), [], "a stream");
    await page.fill("#search", "");
    await page.selectOption("#from", "cursor");
    await page.fill("#cursor", "deadbeef-7");
    await page.click("#connect");
    await row(page, "hub.gap").waitFor();
    await page.locator(".more summary").click();
    assert.deepEqual(await complaints(page), [], "a gap");
    await page.keyboard.press("Escape");
    await page.click("#help-open");
    assert.deepEqual(await complaints(page), [], "help");
    await page.getByRole("button", { name: "Close" }).click();
    await page.click("#credential-open");
    assert.deepEqual(await complaints(page), [], "token");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.keyboard.press("2");
    await page.fill("#field-stream_id", "");
    await page.click("#send");
    await page.locator("#field-stream_id-problem").waitFor();
    assert.deepEqual(await complaints(page), [], "publish");
    await page.close();
  });
}

test("everything is done with the keyboard alone", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, { viewport: { width: 1360, height: 900 } });
  const focused = (what) => eventually(`the focus on ${what}`, () => page.evaluate((selector) => document.activeElement.matches(selector), what));
  await page.keyboard.press("Tab");
  await focused("#skip");
  await page.keyboard.press("Enter");
  await focused("#main");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await focused("#streams");
  await page.keyboard.type("1 ");
  await page.keyboard.press("Enter");
  await state(page, "live");
  await page.keyboard.press("Backspace");
  assert.equal(await page.textContent("#filter-title"), "Every event, from now on");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("2");
  await page.keyboard.press("Control+Enter");
  await page.locator(".verdict", { hasText: "Stored as event" }).waitFor();
  await page.keyboard.press("1");
  await row(page, "stream.created").waitFor();
  await page.keyboard.press("j");
  await focused('li[data-type="stream.created"] summary');
  await page.keyboard.press("Enter");
  await row(page, "stream.created").locator("pre.data").waitFor();
  await page.keyboard.press("/");
  await focused("#search");
  await page.keyboard.type("cpx");
  assert.equal(await page.inputValue("#search"), "cpx", "in a field a key is a letter");
  await page.fill("#search", "");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("c");
  await state(page, "disconnected");
  await page.keyboard.press("r");
  await state(page, "live");
  assert.deepEqual(await events(page), ["stream.created"]);
  await page.keyboard.press("2");
  let posts = 0;
  page.on("request", (request) => { if (request.method() === "POST") posts++; });
  await page.keyboard.press("?");
  await page.getByRole("heading", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Control+Enter");
  await page.keyboard.press("Escape");
  await page.click("#credential-open");
  await page.fill("#token", "x");
  await page.keyboard.press("Control+Enter");
  await page.keyboard.press("Escape");
  assert.equal(posts, 0, "nothing is published from within a dialog");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("1");
  await page.keyboard.press("?");
  await page.getByRole("heading", { name: "Keyboard" }).waitFor();
  await page.locator("#shortcuts-on").uncheck();
  await page.keyboard.press("Escape");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("c");
  await page.keyboard.press("2");
  assert.equal(await page.isVisible("#view-stream"), true, "single keys can be turned off");
  await state(page, "live");
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("views are addresses, a theme is remembered, and the stream goes on behind them", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, { colorScheme: "light" });
  await connect(page);
  const current = () => page.locator(".views a[aria-current]").textContent();
  for (const [hash, name] of [["publish", "Publish"], ["dashboard", "Dashboard"], ["stream", "Stream"]]) {
    await page.evaluate((to) => { location.hash = to; }, hash);
    await eventually(name, async () => (await current()) === name && (await page.title()) === `${name} · chaincast`);
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll(".view:not([hidden])")].map(({ id }) => id)), [`view-${hash}`]);
  }
  await state(page, "live");
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.click("#theme");
  assert.equal(await ground(), light);
  await page.click("#theme");
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await ground(), dark, "before anything else is asked for");
  await page.click("#theme");
  assert.equal(await ground(), light, "as the system has it");
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("nothing is wider than a phone, and the page works below a prefix", { timeout: 90_000 }, async () => {
  const page = await open(browser, `${service.url}/v1/`, { viewport: { width: 320, height: 640 } });
  await page.selectOption("#from", "earliest");
  await page.locator("#streams").pressSequentially(`${"G".repeat(56)},`);
  assert.ok(await fitsItsWidth(page), "a long chip");
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await connect(page);
  assert.match(await page.textContent("#curl"), /\/v1\/events\/subscribe/);
  await publish(page, "token.transfer");
  await row(page, "token.transfer").locator("summary").click();
  assert.ok(await fitsItsWidth(page), "an open frame");
  await page.keyboard.press("2");
  assert.ok(await fitsItsWidth(page), "an answer");
  await page.click("#help-open");
  assert.ok(await fitsItsWidth(page), "a dialog");
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("the documentation shows every route and loads nothing from elsewhere", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, { viewport: { width: 1280, height: 900 } });
  const answers = [];
  page.on("response", (response) => answers.push([response.status(), response.url()]));
  await page.getByRole("link", { name: "API reference" }).click();
  await page.locator(".opblock").first().waitFor();
  const { paths } = await (await fetch(`${service.url}/openapi.json`)).json();
  const operations = Object.values(paths).flatMap((path) => Object.keys(path)).length;
  assert.equal(await page.locator(".opblock").count(), operations);
  await page.locator(".opblock", { hasText: "/events/stats" }).first().click();
  await page.getByRole("button", { name: "Try it out" }).click();
  await page.getByRole("button", { name: "Execute" }).click();
  await page.locator(".live-responses-table").waitFor();
  await screenshot(page, "docs");
  assert.deepEqual(answers.filter(([status]) => status >= 400), []);
  assert.deepEqual(page.errors, []);
  await page.close();
});
