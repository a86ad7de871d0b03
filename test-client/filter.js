// What to ask for: the filter's fields, the address that shares them, and what the service has against them, beside the field it names.

import { Chips } from "./chips.js";
import { address } from "./connection.js";
import { get, hasToken } from "./credential.js";
import { parsed } from "./json.js";
import { $, say } from "./parts.js";
import { sentence } from "./words.js";

const LISTS = ["streams", "users", "topics", "types"];
const QUIET_MS = 400;

export class Filter {
  #chips = {};
  #changed;
  #timer;
  #turn = 0;

  constructor(changed) {
    this.#changed = changed;
    for (const name of LISTS) this.#chips[name] = new Chips(document.querySelector(`[data-chips=${name}]`), () => this.#touched());
    for (const id of ["from", "since", "cursor", "shape", "reader"]) $(id).addEventListener("input", () => this.#touched());
    $("everything").addEventListener("click", () => {
      for (const name of LISTS) this.#chips[name].set([]);
      this.#touched();
    });
    this.#show();
  }

  get reader() {
    return $("reader").value;
  }

  /** Whether events come as their data only. */
  get isFlat() {
    return $("shape").value === "data";
  }

  #lists() {
    return Object.fromEntries(LISTS.map((name) => [name, this.#chips[name].values]));
  }

  /** Where to start, as a pair of the query; none from now on. */
  #start() {
    const from = $("from").value;
    if (from === "earliest") return [["last_event_id", "earliest"]];
    if (from === "cursor" && $("cursor").value.trim()) return [["last_event_id", $("cursor").value.trim()]];
    if (from === "since" && $("since").value) return [["since", new Date($("since").value).toISOString().replace(".000Z", "Z")]];
    return [];
  }

  /** The selectors alone. */
  #selectors() {
    const pairs = Object.entries(this.#lists()).filter(([, list]) => list.length).map(([name, list]) => [name, list.join(",")]);
    return pairs.length ? pairs : [["all", "true"]];
  }

  /** The query as the form stands; `cursor` overrides where to start. */
  pairs(cursor = undefined) {
    const shape = $("shape").value;
    return [...this.#selectors(), ...(cursor ? [["last_event_id", cursor]] : this.#start()), ...(shape ? [["shape", shape]] : [])];
  }

  /** A line for a shell. From now on means from where this page is, if it is anywhere. Never the token: it is made to be pasted elsewhere. */
  curl(cursor) {
    const from = $("from").value === "now" && cursor ? cursor : undefined;
    return `curl -N ${hasToken() ? '-H "Authorization: Bearer $TOKEN" ' : ""}'${address(this.pairs(from))}'`;
  }

  /** `stream`, and the filter if there is one. */
  hash() {
    const query = new URL(address(this.pairs())).search.slice(1).replace(/^all=true&?/, "");
    const reader = this.reader === "fetch" ? "" : `reader=${this.reader}`;
    const all = [query, reader].filter(Boolean).join("&");
    return all ? `stream?${all}` : "stream";
  }

  /** Fills the form from what `hash` wrote. */
  take(query) {
    if (this.hash().split("?")[1] === query) return;
    const found = new URLSearchParams(query);
    for (const name of LISTS) this.#chips[name].set([...new Set(found.getAll(name).flatMap((list) => list.split(",")).filter(Boolean))]);
    const [start, since] = [found.get("last_event_id"), found.get("since")];
    this.from(start === "earliest" ? "earliest" : start && start !== "now" ? "cursor" : since ? "since" : "now", start);
    const time = new Date(since ?? NaN);
    const here = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
    if (!Number.isNaN(here.getTime())) $("since").value = here.toISOString().slice(0, 19);
    $("shape").value = found.get("shape") === "data" ? "data" : "";
    $("reader").value = found.get("reader") === "eventsource" ? "eventsource" : "fetch";
    this.#touched();
  }

  /** Sets where to start. */
  from(kind, cursor = undefined) {
    $("from").value = kind;
    if (kind === "cursor") $("cursor").value = cursor;
    this.#show();
  }

  /** Makes chips of what is still being written. */
  settle() {
    for (const name of LISTS) this.#chips[name].take();
  }

  #show() {
    const from = $("from").value;
    $("since-field").hidden = from !== "since";
    $("cursor-field").hidden = from !== "cursor";
    const text = sentence(this.#lists(), [from, from === "since" ? $("since").value : $("cursor").value.trim()]);
    // a live region speaks whenever it is written
    if ($("filter-title").textContent !== text) $("filter-title").textContent = text;
    $("everything").hidden = LISTS.every((name) => this.#chips[name].values.length === 0);
    this.#changed();
  }

  #touched() {
    this.#show();
    this.fault(null);
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    if (this.hash() !== "stream") this.#timer = setTimeout(() => this.#check(turn), QUIET_MS);
  }

  /** Asks the service whether it would take this, so that its own words stand beside the field before anyone connects. */
  async #check(turn) {
    try {
      const pairs = this.pairs().filter(([name]) => name !== "shape");
      const query = new URL(address(pairs)).search;
      const response = await get(`events${query}&limit=1`);
      if (turn !== this.#turn || ![400, 403].includes(response.status)) return;
      const problem = parsed(await response.text());
      if (turn === this.#turn && problem?.parameter) this.fault(problem);
    } catch { /* out of reach: connecting will tell */ }
  }

  /** Shows what a problem says, beside the field that it names, or below all; null takes it back. */
  fault(problem) {
    const named = problem?.parameter === "Last-Event-ID" ? "last_event_id" : problem?.parameter;
    const detail = problem && (problem.detail ?? problem.title ?? `the service answered ${problem.status}`);
    for (const name of LISTS) this.#chips[name].fault(name === named ? detail : null);
    say($("last_event_id-problem"), named === "last_event_id" ? detail : null);
    say($("since-problem"), named === "since" ? detail : null);
    // what a fault names has to be seen
    if (problem) $("filter-fields").open = true;
    const field = { last_event_id: "cursor-field", since: "since-field" }[named];
    const beside = LISTS.includes(named) || (field !== undefined && !$(field).hidden);
    say($("problem"), beside ? null : detail);
  }
}
