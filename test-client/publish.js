// The view that publishes: sends what the form or the writer made, and says what the service answered and what that means.

import { delay } from "./connection.js";
import { get, hasToken } from "./credential.js";
import { Form } from "./form.js";
import { parsed, pretty, visible } from "./json.js";
import { $, button, copy, count, element, notice, plural, worded } from "./parts.js";

const KEPT = 10;
const KEPT_BYTES = 100_000;
const DEMO_EVENTS = 100;
const DEMO_EVERY_MS = 100;

/** Where the answer lies screens away from what was pressed. */
const narrow = matchMedia("(max-width: 60rem)");

export function mountPublish() {
  const form = new Form();
  let sending = false;
  let demo = null; // { stopped } while one runs

  async function post(text, contentType) {
    try {
      const response = await get("events", { method: "POST", headers: { "Content-Type": contentType }, body: text });
      const said = await response.text();
      return { status: response.status, text: said, body: parsed(said), retryAfter: response.headers.get("Retry-After") };
    } catch (error) {
      return { status: 0, text: "", body: undefined, why: error.message };
    }
  }

  async function send() {
    if (sending) return;
    sending = true;
    $("send").disabled = true;
    const { text, contentType } = form;
    const answer = await post(text, contentType);
    sending = false;
    $("send").disabled = false;
    form.faults(answer.body?.errors ?? []);
    show(answer);
    keep(text, answer);
  }

  // ---- the answer ---------------------------------------------------------------------------------------------------------------------------

  function show(answer) {
    const box = $("answer");
    const ok = answer.status === 200 || answer.status === 201;
    const head = element("p", "verdict");
    head.append(worded(meaning(answer)));
    head.dataset.tone = answer.status === 201 ? "ok" : ok ? "busy" : "bad";
    box.replaceChildren(head);
    const faults = answer.body?.errors ?? [];
    if (faults.length) box.append(element("p", "soft", `${plural(faults.length, "fault")}, each shown beside what caused it.`));
    const conflicts = answer.body?.conflicts ?? [];
    for (const { index, id, seq } of conflicts.slice(0, 10)) {
      const where = seq === null ? "an earlier event of this very request" : `event ${count(seq)}`;
      box.append(element("p", "soft", `Event ${index + 1} has the id ${visible(id)}, which ${where} has with other content.`));
    }
    const links = element("div", "row");
    if (ok) {
      const back = element("a", "", "See it in the stream");
      back.href = "#stream";
      back.addEventListener("click", (event) => {
        event.preventDefault();
        document.querySelector(".views a[data-view=stream]").click();
      });
      links.append(back);
    }
    if (answer.status === 401 || answer.status === 403) links.append(button("Set a token", "small", () => $("credential-open").click()));
    if (links.childElementCount) box.append(links);
    if (answer.text) {
      const whole = element("details");
      whole.open = ok;
      const body = element("pre", "", visible(answer.body === undefined ? answer.text : pretty(answer.text)));
      body.tabIndex = 0;
      body.setAttribute("aria-label", "The body of the answer");
      whole.append(element("summary", "soft", "The body of the answer"), body);
      box.append(whole);
    }
    bring(head, faults.length > 0);
  }

  /** On a phone the answer is far from the button that asked for it, and its faults are far from both. */
  function bring(head, isFaulty) {
    if (!narrow.matches) return head.scrollIntoView({ block: "nearest" });
    const fault = isFaulty && document.querySelector("#publish .fault:not([hidden])");
    if (!fault) return $("answer-title").scrollIntoView({ block: "start" });
    notice(head.textContent);
    return fault.scrollIntoView({ block: "center" });
  }

  // ---- what was sent ------------------------------------------------------------------------------------------------------------------------

  function keep(text, { status, body }) {
    const list = $("sent");
    const item = element("li");
    const value = parsed(text);
    const what = Array.isArray(value) ? `an array of ${count(value.length)}` : (value?.type ?? "lines");
    const seqs = (body?.events ?? []).map(({ seq }) => seq).filter((seq) => seq !== undefined);
    const code = element("span", "tag", String(status || "–"));
    code.dataset.tone = status === 201 ? "ok" : status === 200 ? "busy" : "bad";
    const line = element("div", "row");
    const rest = element("div", "row rest");
    line.append(code, element("span", "what", visible(String(what))), rest);
    if (seqs.length) rest.append(element("span", "soft mono", seqs.length > 1 ? `${seqs[0]}–${seqs.at(-1)}` : String(seqs[0])));
    rest.append(element("span", "grow"), element("time", "soft", new Date().toLocaleTimeString([], { hour12: false })));
    if (text.length <= KEPT_BYTES) {
      rest.append(button("Edit", "small quiet", () => form.raw(text)));
      rest.append(button("Again", "small quiet", () => {
        form.raw(text);
        send();
      }));
    }
    item.append(line);
    list.prepend(item);
    while (list.childElementCount > KEPT) list.lastElementChild.remove();
    $("sent-title").hidden = false;
  }

  // ---- the demonstration --------------------------------------------------------------------------------------------------------------------

  async function run() {
    if (demo) {
      demo.stopped = true;
      return;
    }
    const mine = (demo = { stopped: false });
    $("demo").textContent = "Stop sending";
    const began = performance.now();
    let sent = 0;
    let answer = null;
    while (sent < DEMO_EVENTS && !mine.stopped) {
      // one after the other: a slow service is asked less, not more at once
      answer = await post(JSON.stringify(form.event(true)), "application/json");
      if (answer.status !== 201) break;
      sent++;
      $("demo-words").textContent = `${count(sent)} of ${count(DEMO_EVENTS)} sent`;
      const due = began + sent * DEMO_EVERY_MS - performance.now();
      if (due > 0) await new Promise((next) => setTimeout(next, due));
    }
    demo = null;
    $("demo").textContent = "Send 10 a second for 10 s";
    const refused = sent < DEMO_EVENTS && !mine.stopped;
    $("demo-words").textContent = `${plural(sent, "event")} sent${refused ? "; stopped: the service refused one" : ""}`;
    if (answer && answer.status !== 201) show(answer);
  }

  // ---- wiring -------------------------------------------------------------------------------------------------------------------------------

  $("publish").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  $("demo").addEventListener("click", run);
  $("copy-publish").addEventListener("click", () => copy(curl(form), "curl line"));
  return { send };
}

/** What an answer means, in words. */
function meaning({ status, body, retryAfter, why }) {
  const wait = Math.ceil(delay(retryAfter) / 1000);
  const later = wait > 0 ? ` Try again in ${plural(wait, "second")}.` : "";
  if (status === 0) return `The service is out of reach: ${why}`;
  if (status === 201 || status === 200) {
    const events = body?.events ?? [];
    const of = (name) => events.filter((event) => event.status === name).length;
    const [stored, known] = [of("stored"), of("duplicate")];
    if (stored && !known) return stored === 1 ? `Stored as event ${count(events[0].seq)}` : `${plural(stored, "event")} stored`;
    if (stored) return `${plural(stored, "event")} stored; ${count(known)} of these ids had been stored before, and nothing was stored for them`;
    return known === 1
      ? `Nothing new: this id was stored before, as event ${count(events[0].seq)}. Sending twice is safe`
      : "Nothing new: all these ids were stored before. Sending twice is safe";
  }
  const said = [body?.title, body?.detail].filter(Boolean).join(": ") || "the service gave no reason";
  return `${status}: ${said}.${later}`.replace(/\.\./g, ".");
}

/** The same with curl; never the token itself. */
function curl(form) {
  const url = new URL("events", document.baseURI).href;
  const authorization = hasToken() ? '-H "Authorization: Bearer $TOKEN" ' : "";
  return `curl -X POST '${url}' ${authorization}-H 'Content-Type: ${form.contentType}' --data-binary '${form.text.replaceAll("'", "'\\''")}'`;
}
