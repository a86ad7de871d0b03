// The page at `/` and a service that asks who one is, or has no room.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.mjs";
import { connect, publish, row, state } from "./page.mjs";
import { Service } from "./service.mjs";

const SECRET = "0123456789abcdef".repeat(3);

let browser;

before(async () => { browser = await launch(); });
after(() => browser?.close());

/** A token that ends in so many seconds, as an identity provider would sign it. */
function token(seconds) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "page", exp: Math.floor(Date.now() / 1000) + seconds, chaincast: { subscribe: { all: true }, publish: {} } };
  const signed = `${part({ alg: "HS256" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

async function use(page, text, keep = false) {
  await page.click("#credential-open");
  await page.fill("#token", text);
  await page.setChecked("#token-keep", keep);
  await page.click("#token-use");
}

for (const reader of ["fetch", "eventsource"]) {
  test(`with a token a person sees and publishes what it allows, is warned before it ends, and leaves it nowhere: ${reader}`, { timeout: 90_000 }, async () => {
    const closed = await Service.start({ CHAINCAST_JWT_SECRET: SECRET, CHAINCAST_JWT_LEEWAY_SECONDS: "0" });
    const page = await open(browser, `${closed.url}/#stream${reader === "fetch" ? "" : "?reader=eventsource"}`);
    try {
      const asked = [];
      page.on("request", (request) => asked.push(request.url()));
      await page.click("#connect");
      await state(page, "refused: 401");
      const long = token(3600);
      await use(page, long);
      await connect(page);
      await publish(page, "stream.created");
      await row(page, "stream.created").waitFor();
      assert.match(await page.textContent("#curl"), /^curl -N -H "Authorization: Bearer \$TOKEN" /);
      const tickets = asked.filter((url) => url.endsWith("/events/tickets")).length;
      assert.equal(tickets > 0, reader === "eventsource");

      // long enough to be put in however slow the machine is; its end is waited for
      const short = token(20);
      await use(page, short);
      await page.click("#connect");
      await row(page, "hub.expiring").waitFor();
      assert.match(await row(page, "hub.expiring").textContent(), /The token ends in \d+ seconds?, and this stream with it: set a new one/);
      await row(page, "hub.closing").waitFor({ timeout: 60_000 });
      assert.match(await row(page, "hub.closing").textContent(), /The connection is closed: the token has ended/);
      await state(page, "refused: 401");
      assert.match(await page.textContent("#problem"), /expired/);
      const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie, location.href]));
      for (const text of [...asked, kept, await page.evaluate(() => document.documentElement.outerHTML), await page.inputValue("#token")]) {
        assert.ok(!text.includes(long) && !text.includes(short), text);
      }
      assert.deepEqual(page.errors, []);
    } finally {
      await page.close();
      await closed.stop();
    }
  });
}

test("a token is kept with the tab if that was chosen, until it is forgotten", { timeout: 90_000 }, async () => {
  const closed = await Service.start({ CHAINCAST_JWT_SECRET: SECRET });
  const page = await open(browser, closed.url);
  try {
    await use(page, token(3600), true);
    await page.reload();
    await connect(page);
    await page.click("#credential-open");
    assert.equal(await page.inputValue("#token"), "", "it is not shown again");
    await page.click("#token-forget");
    await page.click("#connect");
    await state(page, "refused: 401");
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  } finally {
    await page.close();
    await closed.stop();
  }
});

test("a service without room says so in words, and how long the page will wait", { timeout: 90_000 }, async () => {
  const small = await Service.start({ CHAINCAST_MAX_CONNECTIONS_PER_TENANT: "1" });
  const [first, second] = [await open(browser, small.url), await open(browser, small.url)];
  try {
    await connect(first);
    await second.click("#connect");
    await row(second, "hub.closing").waitFor();
    assert.match(await row(second, "hub.closing").textContent(), /The connection is closed: a limit of connections is reached/);
    await state(second, /reconnecting in \d+ s$/);
    await first.click("#disconnect");
    await second.getByRole("button", { name: "Reconnect now" }).click();
    await state(second, "live");
    assert.deepEqual([...first.errors, ...second.errors], []);
  } finally {
    await first.close();
    await second.close();
    await small.stop();
  }
});
