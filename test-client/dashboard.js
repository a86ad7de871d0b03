// The dashboard: asks the service for its numbers once a second while it is looked at, and hands them to charts and panels.
//
// One question is under way at a time. While the view or the tab is hidden nothing is asked, and what was missed is a gap. When the service is
// away the last figures stay, faded, under a banner that says since when; the charts go on, with nothing in them, until it is back.

import { TimeChart } from "./charts.js";
import { Crosshair } from "./crosshair.js";
import * as figures from "./dashboard-figures.js";
import { element, say } from "./nodes.js";
import { Bars, Facts, Grid, Tiles, choice } from "./panels.js";
import { Samples, measure, smoothed } from "./samples.js";
import { clock } from "./scales.js";

const EVERY_MS = 1000;
const PATIENCE_MS = 5000;
const HEALTH_EVERY_MS = 5000;
/** Between two questions that a person has to do something about first, or that the service wants fewer of. */
const REFUSED_EVERY_MS = 10_000;
const WINDOWS = [["60", "1 min", "the last minute"], ["300", "5 min", "the last 5 minutes"], ["900", "15 min", "the last 15 minutes"]];
/** A sample a second for the longest window, and what timers are early. */
const CAPACITY = 960;
/** An axis grows with what is known, from so much on: a window that is empty but for its edge shows nothing. */
const SHORTEST_MS = 30_000;

// never backwards, as the wall's clock may go
const now = () => performance.timeOrigin + performance.now();

class Dashboard {
  #context;
  #samples = new Samples(CAPACITY);
  #seconds = 300;
  #scope = "instance";
  /** The last answer and when it came; the one before it decides what a count grew by. */
  #last = null;
  #health = null;
  #healthAt = -Infinity;
  /** What goes on: another object after each start, so that an answer to an older one is dropped. */
  #run = null;
  #awaySince = null;
  #parts;

  constructor(root, context) {
    this.#context = context;
    this.#parts = this.#build(root);
    document.addEventListener("visibilitychange", () => {
      if (this.#run?.wanted) this.#begin();
    });
    // a token that was just put in is tried at once
    context.onToken?.(() => { if (this.#run) this.#begin(); });
  }

  #build(root) {
    const banner = element("p", "banner");
    banner.setAttribute("role", "status");
    banner.hidden = true;
    const note = element("p", "note");
    note.hidden = true;
    const spoken = element("p", "away");
    spoken.setAttribute("aria-live", "polite");
    const health = element("ul", "health");
    health.setAttribute("aria-label", "Health");
    const windows = choice("Time shown", "dash-window", WINDOWS.map(([value, text]) => [value, text]), "300", (value) => {
      this.#seconds = Number(value);
      this.#draw();
    });
    const scopes = choice("Numbers of", "dash-scope", [["instance", "This instance"], ["cluster", "Cluster"]], "instance", (value) => this.#rescope(value));
    const tools = element("div", "controls", health, element("div", "choices", scopes, windows));
    const crosshair = new Crosshair(spoken);
    const charts = figures.CHARTS.map((options) => ({ ...options, chart: new TimeChart(options, crosshair) }));
    const panels = {
      closes: new Bars("Closes by reason", "connections", ["in this time", "since start"], "none"),
      gaps: new Bars("Gaps reported", "to followers", ["in this time", "since start"], "none"),
      followers: new Bars("Followers", "by what they follow", ["now"]),
      fills: new Bars("Capacity", "held, of what may be", ["", "share"]),
      log: new Facts("Log"),
      events: new Facts("Counted", "since the start"),
      backplane: new Facts("Backplane", "between instances"),
    };
    const instances = new Grid("Instances", figures.INSTANCE_COLUMNS);
    const tiles = new Tiles();
    for (const { chart } of charts) chart.element.hidden = true;
    for (const { element: panel } of [...Object.values(panels), instances]) panel.hidden = true;
    const columns = [[panels.closes, panels.gaps], [panels.followers, panels.fills], [panels.log, panels.events, panels.backplane]];
    const lists = element("div", "lists", ...columns.map((column) => element("div", "", ...column.map((panel) => panel.element))));
    const body = element("div", "dash", element("h2", "away", "Dashboard"), tools, banner, note, tiles.element, instances.element,
      element("div", "charts", ...charts.map(({ chart }) => chart.element)), lists, spoken);
    root.replaceChildren(body);
    return { body, banner, note, health, tiles, charts, panels, instances };
  }

  start() {
    this.#run = { wanted: true };
    this.#begin();
  }

  stop() {
    this.#end();
    this.#run = null;
  }

  #end() {
    clearTimeout(this.#run?.timer);
    this.#run?.abort.abort();
  }

  #begin() {
    this.#run.abort ??= new AbortController();
    this.#end();
    this.#run = { wanted: true, abort: new AbortController() };
    this.#healthAt = -Infinity;
    if (!document.hidden) this.#tick(this.#run);
  }

  #rescope(scope) {
    this.#scope = scope;
    // numbers of one and of all are not one line
    this.#samples.clear();
    this.#last = null;
    if (this.#run) this.#begin();
  }

  async #tick(run) {
    const asked = now();
    let wait = EVERY_MS;
    try {
      if (asked - this.#healthAt >= HEALTH_EVERY_MS) this.#askHealth(run, asked);
      const answer = await this.#ask(this.#scope === "cluster" ? "events/stats?scope=cluster" : "events/stats", run);
      if (run !== this.#run) return;
      if (answer.ok) this.#take(answer.body);
      else wait = this.#refused(answer);
    } catch (error) {
      if (run !== this.#run) return;
      this.#away(error);
    }
    this.#draw();
    run.timer = setTimeout(() => this.#tick(run), Math.max(0, asked + wait - now()));
  }

  async #ask(path, run) {
    const signal = AbortSignal.any([run.abort.signal, AbortSignal.timeout(PATIENCE_MS)]);
    const response = await this.#context.get(path, { signal, headers: { Accept: "application/json" } });
    const text = await response.text();
    let body = null;
    try { body = JSON.parse(text); } catch { /* of something in between, as a proxy */ }
    return { ok: response.ok && body !== null, status: response.status, body, after: Number(response.headers.get("Retry-After")) };
  }

  async #askHealth(run, asked) {
    this.#healthAt = asked;
    try {
      // unhealthy is an answer too
      const { body } = await this.#ask("health", run);
      if (run === this.#run && body?.services) this.#health = body;
    } catch { /* the banner says so */ }
  }

  #take(stats) {
    const at = now();
    const seconds = this.#last ? (at - this.#last.at) / 1000 : 0;
    const { row } = measure(stats, this.#last?.stats, seconds);
    for (const name of ["opened", "closed"]) row[`${name}:mean`] = smoothed(this.#samples, name, row[name], at);
    this.#samples.push(at, row);
    this.#last = { stats, at };
    if (this.#awaySince !== null) this.#healthAt = -Infinity;
    this.#awaySince = null;
    this.#tell("", "");
  }

  /** Answers how long to wait before the next question. */
  #refused({ status, body, after }) {
    const detail = body?.detail ?? body?.title ?? "";
    if (status === 401 || status === 403) {
      const why = status === 401 ? "The service wants a token that it knows" : "This token may not read statistics";
      this.#tell("refused", `${why}: put one in with “Token” at the top of the page.${detail ? ` It said: ${detail}` : ""}`);
      return REFUSED_EVERY_MS;
    }
    if (status === 429) {
      this.#tell("refused", `The service wants to be asked less often.${detail ? ` It said: ${detail}` : ""}`);
      return Math.min(60_000, Math.max(REFUSED_EVERY_MS, after * 1000 || 0));
    }
    this.#away({ message: `it answered ${status}${detail ? `: ${detail}` : ""}` });
    return EVERY_MS;
  }

  #away(error) {
    const at = now();
    this.#awaySince ??= at;
    this.#samples.push(at);
    const why = error.name === "TimeoutError" ? `no answer in ${PATIENCE_MS / 1000} seconds` : error.name === "TypeError" ? "no connection" : error.message;
    this.#tell("away", `Out of reach since ${clock(this.#awaySince)} (${why}). It is asked every second, and shown again when it is back.`);
  }

  #tell(state, text) {
    const { banner, body } = this.#parts;
    if (banner.hidden !== (text === "")) banner.hidden = text === "";
    say(banner, text);
    banner.dataset.state = state;
    body.dataset.state = state;
  }

  #draw() {
    const { charts, panels, tiles, instances, note } = this.#parts;
    const stats = this.#last?.stats;
    if (!stats) return this.#drawHealth();
    const to = now();
    const words = WINDOWS.find(([value]) => Number(value) === this.#seconds)[2];
    const known = this.#samples.length ? to - this.#samples.time(0) : 0;
    const view = { samples: this.#samples, from: to - Math.min(this.#seconds * 1000, Math.max(SHORTEST_MS, known)), to, words };
    for (const { chart, has } of charts) {
      const shows = !has || Boolean(has(stats));
      if (chart.element.hidden === shows) chart.element.hidden = !shows;
      if (shows) chart.draw(view);
    }
    const first = this.#samples.since(view.from);
    const sum = (kind) => (word) => this.#samples.summary(`${kind}:${word}`, first).sum;
    const lists = {
      closes: figures.closes(stats, sum("closed")), gaps: figures.gaps(stats, sum("gaps")), followers: figures.followers(stats),
      fills: figures.fills(stats), log: figures.logFacts(stats), events: figures.eventFacts(stats), backplane: figures.backplaneFacts(stats),
    };
    for (const [name, rows] of Object.entries(lists)) show(panels[name], rows);
    show(instances, figures.instances(stats));
    tiles.update(figures.tiles(stats));
    const missing = figures.completeness(stats);
    note.hidden = missing === "";
    say(note, missing);
    this.#drawHealth();
  }

  #drawHealth() {
    const { health } = this.#parts;
    // what was healthy when it was last heard may be anything now
    const rows = figures.services(this.#health).map((row) => (this.#awaySince === null ? row : { name: row.name, status: "unknown" }));
    while (health.children.length > rows.length) health.lastChild.remove();
    for (const [at, { name, status, detail }] of rows.entries()) {
      const chip = health.children[at] ?? health.appendChild(element("li", "", element("b"), element("span")));
      chip.dataset.status = status;
      say(chip.firstChild, name);
      say(chip.lastChild, detail ? `${status}: ${detail}` : status);
    }
  }
}

/** A panel without rows is absent. */
function show(panel, rows) {
  const { element: node } = panel;
  if (node.hidden !== (rows.length === 0)) node.hidden = rows.length === 0;
  panel.update(rows);
}

/** Fills `root`; what it answers is started when the view is shown, and stopped when it is hidden. */
export function mountDashboard(root, context) {
  const dashboard = new Dashboard(root, context);
  return { start: () => dashboard.start(), stop: () => dashboard.stop() };
}
