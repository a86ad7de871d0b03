// The page at `/`, used as a person would.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { launch, open, screenshot } from "./browser.mjs";
import { Service } from "./service.mjs";

let service;
let browser;

before(async () => {
  service = await Service.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

const state = (page, text) => page.locator("#state").filter({ hasText: text }).waitFor();
const events = (page) => page.locator("li.event").evaluateAll((rows) => rows.map((row) => row.dataset.type));

async function publishSample(page, type) {
  await page.selectOption("#sample", { label: type });
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.click("#send");
  assert.equal((await answered).status(), 201);
}

test("a person filters, subscribes, publishes, sees the frame, leaves and resumes from the cursor", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, { viewport: { width: 1280, height: 900 } });
  await page.uncheck("#all");
  await page.fill("#streams", "1");
  await page.fill("#types", "stream.*");
  assert.match(await page.textContent("#curl"), /^curl -N 'http:.*\/events\/subscribe\?streams=1&types=stream\.\*'$/);
  await page.click("#connect");
  await state(page, "live");

  await publishSample(page, "stream.created");
  await page.locator('li[data-type="stream.created"]').waitFor();
  await publishSample(page, "market.price");
  await publishSample(page, "stream.withdrawn");
  await page.locator('li[data-type="stream.withdrawn"]').waitFor();
  assert.deepEqual(await events(page), ["stream.withdrawn", "stream.created"], "newest first, and nothing that was not asked for");

  const created = page.locator('li[data-type="stream.created"]');
  await created.locator("summary").click();
  assert.match(await created.locator("pre.data").textContent(), /"deposited_amount": "100000000000"/);
  await screenshot(page, "page-light", { fullPage: true });

  await page.click("#disconnect");
  await state(page, "disconnected");
  await publishSample(page, "stream.cancelled");
  await page.locator("#resume").click();
  await page.locator('li[data-type="stream.cancelled"]').waitFor();
  await state(page, "live");
  assert.deepEqual(await events(page), ["stream.cancelled", "stream.withdrawn", "stream.created"], "missed nothing, repeated nothing");

  await page.click("#clear");
  assert.equal(await page.locator("#frames li").count(), 0);
  await page.selectOption("#from", "earliest");
  await page.click("#connect");
  await page.locator('li[data-type="stream.cancelled"]').waitFor();
  const cursor = await page.locator("#last").textContent();
  assert.match(cursor, /^[0-9a-f]+-\d+$/);
  // from the cursor of the first event on, only the later two come
  await created.locator("summary").click();
  await created.getByRole("button", { name: "Subscribe from here" }).click();
  await state(page, "live");
  await page.waitForFunction(() => document.querySelectorAll('li[data-type="stream.cancelled"]').length === 2);
  assert.equal(await page.locator('li[data-type="stream.created"]').count(), 1);
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("what a stranger wrote is shown as text, and integers keep their digits", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  await page.click("#connect");
  await state(page, "live");
  const hostile = "<img src=x onerror=\\\"document.title='taken'\\\"><script>document.title='taken'</" + "script>";
  await page.fill("#event", `{"type":"test.hostile","streams":["<b>1</b>"],"data":{"text":"${hostile}","wide":170141183460469231731687303715884105727}}`);
  await page.click("#send");
  const row = page.locator('li[data-type="test.hostile"]');
  await row.locator("summary").click();
  const shown = await row.locator("pre.data").textContent();
  assert.match(shown, /<img src=x/);
  assert.match(shown, /"wide": 170141183460469231731687303715884105727/);
  assert.equal(await row.locator("img, script, b").count(), 0);
  assert.equal(await page.title(), "chaincast · test client");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "nothing is wider than a phone");
  await screenshot(page, "page-dark-phone", { fullPage: true });
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("a filter that the service refuses is explained", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url);
  await page.uncheck("#all");
  await page.click("#connect");
  await state(page, "refused: 400");
  assert.notEqual((await page.locator("#problem").textContent()).trim(), "");
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("the documentation shows every route and loads nothing from elsewhere", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, { viewport: { width: 1280, height: 900 } });
  const answers = [];
  page.on("response", (response) => answers.push([response.status(), response.url()]));
  await page.getByRole("link", { name: "docs" }).click();
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

/** A token that ends in so many seconds, as an identity provider would sign it. */
function token(secret, seconds) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "page", exp: Math.floor(Date.now() / 1000) + seconds, chaincast: { subscribe: { all: true }, publish: {} } };
  const signed = `${part({ alg: "HS256" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

test("with a token a person sees and publishes what it allows, is warned before it ends, and leaves it nowhere", { timeout: 90_000 }, async () => {
  const secret = "0123456789abcdef".repeat(3);
  const closed = await Service.start({ CHAINCAST_JWT_SECRET: secret, CHAINCAST_JWT_LEEWAY_SECONDS: "0" });
  try {
    const page = await open(browser, closed.url);
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.click("#connect");
    await state(page, "refused: 401");
    const long = token(secret, 3600);
    await page.fill("#token", long);
    await page.click("#connect");
    await state(page, "live");
    await publishSample(page, "stream.created");
    await page.locator('li[data-type="stream.created"]').waitFor();
    assert.match(await page.textContent("#curl"), /^curl -N -H "Authorization: Bearer \$TOKEN" /);

    const short = token(secret, 5);
    await page.fill("#token", short);
    await page.click("#connect");
    await page.locator('li[data-type="hub.expiring"]').waitFor();
    await page.locator('li[data-type="hub.closing"]').waitFor();
    await state(page, "refused: 401");
    assert.match(await page.textContent("#problem"), /expired/);
    const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie, location.href]));
    for (const text of [...asked, kept, await page.locator("main").textContent()]) {
      assert.ok(!text.includes(long) && !text.includes(short), text);
    }
    assert.deepEqual(page.errors, []);
    await page.close();
  } finally {
    await closed.stop();
  }
});
