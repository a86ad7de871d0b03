// The page at `/`, the view of the stream, used as a person would.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { open, screenshot } from "./browser.mjs";
import { choose, connect, events, publish, row, seqs, sendRaw, state, view } from "./page.mjs";
import { eventually, Service } from "./service.mjs";
import { browser, service } from "./used.mjs";

const DESKTOP = { viewport: { width: 1360, height: 900 } };

test("a person filters, subscribes, publishes, sees the frame, leaves and resumes from the cursor", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, DESKTOP);
  assert.equal(await page.textContent("#filter-title"), "Every event, from now on");
  await choose(page, "streams", "1");
  await choose(page, "types", "stream.*", "market.price");
  assert.equal(await page.textContent("#filter-title"), "Events of stream 1, and of types stream.* or market.price, from now on");
  await page.getByRole("button", { name: "Remove market.price from types" }).click();
  assert.equal(await page.textContent("#connect"), "Connect");
  assert.match(await page.textContent("#curl"), /^curl -N 'http:.*\/events\/subscribe\?streams=1&types=stream\.\*'$/);
  assert.match(page.url(), /#stream\?streams=1&types=stream\.\*$/);
  await connect(page);
  assert.equal(await page.locator("#empty-title").textContent(), "Nothing yet");
  assert.equal(await page.textContent("#connect"), "Reconnect");
  await choose(page, "users", "G1");
  assert.equal(await page.textContent("#connect"), "Apply", "the form says more than is followed");
  await page.getByRole("button", { name: "Remove G1 from users" }).click();

  await publish(page, "stream.created");
  await publish(page, "market.price");
  await publish(page, "stream.withdrawn");
  await row(page, "stream.withdrawn").waitFor();
  assert.deepEqual(await events(page), ["stream.withdrawn", "stream.created"], "newest first, and nothing that was not asked for");

  await row(page, "stream.created").locator("summary").click();
  assert.match(await row(page, "stream.created").locator("pre.data").textContent(), /"deposited_amount": "100000000000"/);
  assert.match(await row(page, "stream.created").locator(".facts").textContent(), /chain\s*stellar:testnet/);
  await screenshot(page, "page-stream-light");

  await page.click("#disconnect");
  await state(page, "disconnected");
  await publish(page, "stream.cancelled");
  await page.click("#resume");
  await row(page, "stream.cancelled").waitFor();
  await state(page, "live");
  assert.deepEqual(await events(page), ["stream.cancelled", "stream.withdrawn", "stream.created"], "missed nothing, repeated nothing");

  // from the cursor of the first event on, only the later two come
  const [cancelled, withdrawn, created] = await seqs(page);
  await page.click("#clear");
  await connect(page, "earliest");
  const first = row(page, "stream.created");
  await first.locator("summary").click();
  await first.getByRole("button", { name: "Replay from here" }).click();
  await state(page, "live");
  await page.waitForFunction(() => document.querySelectorAll('li[data-type="stream.cancelled"]').length === 2);
  assert.deepEqual(await seqs(page), [cancelled, withdrawn, cancelled, withdrawn, created]);
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("a replay is watched, a flood stays within bounds, and a pause counts what waits", { timeout: 120_000 }, async () => {
  // slow enough to be watched
  const own = await Service.start({ CHAINCAST_DELIVER_PER_SECOND: "1000" });
  const page = await open(browser, own.url, { ...DESKTOP, colorScheme: "dark" });
  try {
    for (let first = 1; first <= 5000; first += 1000) await own.publish(first, first + 999);
    await page.evaluate(() => {
      window.said = [];
      new MutationObserver(() => window.said.push(document.querySelector("#replay-words").textContent))
        .observe(document.querySelector("#replay-words"), { childList: true, characterData: true, subtree: true });
    });
    await page.selectOption("#from", "earliest");
    await page.click("#connect");
    await page.locator("#replay-words", { hasText: /^replaying [1-4],\d{3} of about 5,000$/ }).waitFor();
    await screenshot(page, "page-replay-dark");
    await state(page, "live");
    await page.locator("#replay-words", { hasText: /^5,000 events replayed in/ }).waitFor();
    const watched = (await page.evaluate(() => window.said)).map((text) => Number(/^replaying ([\d,]+) of/.exec(text)?.[1].replace(",", "")));
    const numbers = watched.filter((n) => !Number.isNaN(n));
    assert.ok(numbers.length > 3, `watched ${watched}`);
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b), "it only goes forward");

    const rows = () => page.locator("#frames li").count();
    assert.equal(await rows(), 500);
    assert.match(await page.textContent("#count"), /^5,000 events, the newest 49\d shown$/);
    await page.locator("#replay").waitFor({ state: "hidden" }); // an old story by then
    const shown = await seqs(page);
    assert.deepEqual(shown, shown.map((_, i) => 5000 - i), "the newest, each once");

    await page.click("#pause");
    await own.publish(5001, 5700);
    await page.getByRole("button", { name: "Resume (700 new)" }).waitFor();
    assert.deepEqual(await seqs(page), shown, "what one reads stays where it is");
    await page.click("#pause");
    await page.locator('li[data-seq="5700"]').waitFor();
    assert.equal(await rows(), 500);
    assert.deepEqual(page.errors, []);
  } finally {
    await page.close();
    await own.stop();
  }
});

test("a search hides what does not match, marks what does, and goes on with what comes", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, DESKTOP);
  await connect(page);
  await service.publish(1000, 1020);
  await page.locator("li.event").nth(20).waitFor();
  await page.fill("#search", '"N":1013');
  const visible = page.locator("li.event:not([hidden])");
  await eventually("one to be left", async () => (await visible.count()) === 1);
  assert.equal(await visible.locator("mark").textContent(), '"n":1013');
  assert.match(await page.textContent("#count"), /^1 of \d+ match$/);
  await service.publish(10130, 10139);
  await eventually("those that come to match too", async () => (await visible.count()) === 11);
  await visible.first().locator("summary").click();
  await page.fill("#search", "1013");
  assert.ok((await visible.first().locator("pre.data mark").count()) > 0, "also in what is open");
  await page.fill("#search", "");
  await eventually("all to be back", async () => (await visible.count()) === 31);
  await page.close();
});

test("a gap is told in words", { timeout: 90_000 }, async () => {
  await service.publish(2000, 2002);
  const page = await open(browser, `${service.url}/#stream?last_event_id=deadbeef-1`, DESKTOP);
  await page.click("#connect");
  await row(page, "hub.gap").waitFor();
  const said = await row(page, "hub.gap").textContent();
  assert.match(said, /^hub\.gapGap: The log went back to an earlier state.*Asked for what follows deadbeef-1; goes on after [0-9a-f]+-\d+\./);
  await state(page, "live");
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("a gap is seen however much is replayed behind it, until it is dismissed", { timeout: 90_000 }, async () => {
  const own = await Service.start();
  const page = await open(browser, `${own.url}/#stream?last_event_id=deadbeef-5`, { ...DESKTOP, viewport: { width: 375, height: 812 } });
  try {
    for (let first = 1; first <= 1200; first += 400) await own.publish(first, first + 399);
    await page.click("#connect");
    await state(page, "live");
    await page.locator('li[data-seq="1200"]').waitFor();
    const gap = page.locator("#gap", { hasText: /^\s*Gap: The log went back to an earlier state.*Told at \d/ });
    assert.equal(await gap.isVisible(), true);
    assert.equal(await page.locator('li[data-type="hub.gap"]').count(), 1, "its row outlives the events around it");
    assert.equal(await page.locator("#frames li").count(), 500);
    const long = "governance.proposal.status_changed.by_the_emergency_council";
    await view(page, "Publish");
    assert.equal(await sendRaw(page, JSON.stringify({ type: long, data: 1 })), 201);
    await view(page, "Stream");
    await row(page, long).waitFor();
    const type = row(page, long).locator(".type");
    assert.equal(await type.getAttribute("title"), long, "what is cut is said in full");
    const heights = await page.locator("li.event .type").evaluateAll((all) => all.slice(0, 5).map((one) => one.offsetHeight));
    assert.deepEqual(heights, heights.map(() => heights[1]), "a long type takes one line, as a short one does");
    await screenshot(page, "page-gap-light-phone");
    await page.getByRole("button", { name: "Dismiss" }).click();
    const isWhole = await page.evaluate(() => {
      const pill = document.querySelector("#state");
      document.querySelector("#credential-open").textContent = "Token ✓";
      pill.textContent = "reconnecting in 30 s";
      return pill.scrollWidth <= pill.clientWidth;
    });
    assert.ok(isWhole, "the bar has room for a countdown");
    assert.equal(await gap.isVisible(), false);
    assert.deepEqual(page.errors, []);
  } finally {
    await page.close();
    await own.stop();
  }
});

for (const reader of ["fetch", "eventsource"]) {
  test(`a restart is told in words and costs nothing, read with ${reader}`, { timeout: 120_000 }, async () => {
    const own = await Service.start();
    const page = await open(browser, `${own.url}/#stream?types=test.*${reader === "fetch" ? "" : "&reader=eventsource"}`, DESKTOP);
    try {
      const watched = (selector) => page.evaluateHandle((selector) => {
        const said = [];
        const node = document.querySelector(selector);
        new MutationObserver(() => said.push(node.textContent)).observe(node, { childList: true, characterData: true, subtree: true });
        return said;
      }, selector);
      const [states, reasons] = [await watched("#state"), await watched("#because")];
      await connect(page);
      await own.publish(1, 5);
      await page.locator('li[data-seq="5"]').waitFor();
      await own.restart();
      await own.publish(6, 9);
      await page.locator('li[data-seq="9"]').waitFor();
      await state(page, "live");
      assert.deepEqual(await seqs(page), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
      // a stream that is to be resumed is cut, not ended, and a browser may drop what it had not handed on by then: the reason is for people
      for (const text of await page.locator('li[data-type="hub.closing"]').allTextContents()) {
        assert.match(text, /The connection is closed: the service stops, or restarts/);
      }
      const said = await states.jsonValue();
      const waited = reader === "fetch" ? /^reconnecting in \d+ s$/ : /^lost \d+ s ago$/;
      assert.ok(said.some((text) => waited.test(text)), said.join(" | "));
      assert.ok((await reasons.jsonValue()).some((text) => /^(The service stops, or restarts|The connection was lost.*)\.$/.test(text)), "why stands beside the feed");
      assert.equal(await page.isVisible("#because"), false, "and goes when it is over");
      assert.deepEqual(page.errors, []);
    } finally {
      await page.close();
      await own.stop();
    }
  });
}

/** What a line of shell prints until it has printed `last`. */
async function shell(line, last) {
  const child = spawn("bash", ["-c", `exec ${line}`], { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.on("data", (piece) => { text += piece; });
  try {
    await eventually(`${line} to print ${last}`, () => text.includes(last));
  } finally {
    child.kill();
  }
  return text;
}

test("the copied curl line runs, and gives what the page gives", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, { ...DESKTOP, permissions: ["clipboard-read", "clipboard-write"] });
  await service.publish(3000, 3005);
  await choose(page, "streams", "numbers", "it's", "a&b");
  const copied = async () => {
    await page.click("#copy-curl");
    await page.locator("#notice", { hasText: "curl line copied" }).waitFor();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  await connect(page, "earliest");
  const cursors = (await page.locator("li.event .cursor").allTextContents()).reverse();
  const ids = (text) => [...text.matchAll(/^id: (.*)$/gm)].map((found) => found[1]);
  const all = await shell(await copied(), "hub.live");
  assert.deepEqual(ids(all).filter((id) => cursors.includes(id)).filter((id, i, list) => list.indexOf(id) === i), cursors);

  // from now on: from where the page is
  await connect(page, "now");
  await service.publish(3006, 3006);
  await page.locator("li.event").waitFor();
  const line = await copied();
  assert.ok(line.includes(`last_event_id=${await page.textContent("#last")}`), line);
  await service.publish(3007, 3007);
  const later = await shell(line, "hub.live");
  assert.ok(later.includes('"n":3007') && !later.includes('"n":3006'), later);
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("what a stranger wrote is shown as text, and integers keep their digits", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, { viewport: { width: 375, height: 812 }, colorScheme: "dark" });
  await connect(page);
  const hostile = "<img src=x onerror=\\\"document.title='taken'\\\"><script>document.title='taken'</" + "script>\\u0000\\u001b[31m\u202Ereversed";
  await view(page, "Publish");
  const wide = "170141183460469231731687303715884105727";
  assert.equal(await sendRaw(page, `{"type":"test.hostile","streams":["<b>1</b>"],"data":{"text":"${hostile}","wide":${wide},"float":1.10e400,"__proto__":1}}`), 201);
  await view(page, "Stream");
  const found = row(page, "test.hostile");
  await found.locator("summary").click();
  const shown = await found.locator("pre.data").textContent();
  assert.match(shown, /<img src=x/);
  assert.ok(shown.includes(`"wide": ${wide}`) && shown.includes('"float": 1.10e400'), shown);
  assert.ok(shown.includes("\\u202ereversed") && shown.includes("\\u0000") && !/[\u0000\u001b\u202e]/.test(shown), "what would turn the text around is written out");
  assert.equal(await found.locator("img, script, b").count(), 0);
  assert.equal(await page.title(), "Stream · chaincast");
  await screenshot(page, "page-stream-dark-phone");
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("what the service has against a filter stands beside the field, before anyone connects and after", { timeout: 90_000 }, async () => {
  const page = await open(browser, service.url, DESKTOP);
  await choose(page, "types", "a..b");
  await page.locator("#types-problem", { hasText: "must not have empty segments" }).waitFor();
  await page.click("#connect");
  await state(page, "refused: 400");
  assert.equal(await page.textContent("#types-problem"), "must not have empty segments");
  await page.getByRole("button", { name: "Remove a..b from types" }).click();
  assert.equal(await page.isVisible("#types-problem"), false);
  await page.selectOption("#from", "cursor");
  await page.fill("#cursor", "not a cursor");
  await page.locator("#last_event_id-problem", { hasText: "not a cursor" }).waitFor();
  assert.deepEqual(page.errors, []);
  await page.close();
});

test("a link brings the filter, and a time to start at", { timeout: 90_000 }, async () => {
  await service.publish(4000, 4000);
  const since = new Date(Date.now() - 3_600_000).toISOString().slice(0, 19);
  const page = await open(browser, `${service.url}/#stream?topics=market.**,a.b&since=${since}Z&shape=data&token=never`, DESKTOP);
  assert.match(await page.textContent("#filter-title"), /^Events of topics market\.\*\* or a\.b, since \d{4}-/);
  assert.ok((await page.textContent("#curl")).endsWith(`?topics=market.**,a.b&since=${since}Z&shape=data'`), await page.textContent("#curl"));
  assert.ok(!page.url().includes("never"), page.url());
  await page.click("#everything");
  await page.click("#connect");
  await state(page, "live");
  await page.locator("li.event", { hasText: '{"n":4000}' }).waitFor();
  await page.close();
});
