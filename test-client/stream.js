// The view of the stream: what the filter asks for, how the connection is, and the frames that came.

import { Connection } from "./connection.js";
import { onToken } from "./credential.js";
import { Filter } from "./filter.js";
import { Frames } from "./frames.js";
import { $, copy, count, plural, say } from "./parts.js";
import { read } from "./row.js";
import { seqOf } from "./words.js";

/** For so long one sees how a replay went, before it is an old story. */
const REPLAYED_MS = 6000;

/** Where the form stands above the frames, and would hide them. */
const narrow = matchMedia("(max-width: 60rem)");

export function mountStream() {
  let filter = null; // there is none while it is being made, and already tells of itself
  let followed = ""; // what this subscription asks for, to tell whether the form has moved on
  let flat = false; // how the events of this subscription come
  let replay = null; // from hub.open to hub.live: { from, to, at, began }
  const frames = new Frames(resumeFrom, painted);
  const connection = new Connection({ state, frame, refused: (problem) => filter.fault(problem) });
  filter = new Filter(() => filterChanged());

  // ---- the connection -----------------------------------------------------------------------------------------------------------------------

  function state(text, tone, because) {
    const node = $("state");
    if (node.textContent !== text) node.title = node.textContent = text;
    node.dataset.tone = tone;
    // the bar has no room for reasons
    const why = because && `${because[0].toUpperCase()}${because.slice(1)}.`;
    if ($("because").textContent !== why) say($("because"), why);
    // one who listens need not hear every second of a countdown
    node.setAttribute("aria-live", connection.phase === "waiting" ? "off" : "polite");
    if (!connection.on) replay = null;
    buttons();
  }

  const asked = () => JSON.stringify([filter?.pairs(), filter?.reader]);

  function buttons() {
    const { on, phase, cursor } = connection;
    $("connect").textContent = phase === "waiting" ? "Reconnect now" : on ? (asked() === followed ? "Reconnect" : "Apply") : "Connect";
    $("disconnect").hidden = !on;
    $("resume").hidden = on || !cursor;
    $("resume").textContent = `Continue from ${cursor}`;
    empty();
  }

  function connect(cursor = undefined) {
    filter.settle();
    filter.fault(null);
    // another subscription is another list; one that goes on keeps it
    if (!cursor) {
      frames.clear();
      $("gap").hidden = true;
    }
    flat = filter.isFlat;
    followed = asked();
    connection.connect(filter.pairs(cursor), filter.reader);
    if (narrow.matches) $("filter-fields").open = false;
  }

  function resumeFrom(cursor) {
    filter.from("cursor", cursor);
    connect(cursor);
  }

  function resume() {
    if (!connection.on && connection.cursor) connect(connection.cursor);
    else connection.now();
  }

  /** Files a frame, and answers it if it is a control frame. */
  function frame(found) {
    const row = read(found, flat);
    frames.add(row);
    if (!row.control) {
      if (replay) replay.at = seqOf(row.cursor);
      return null;
    }
    if (row.type === "hub.open") {
      const from = seqOf(row.body.cursor);
      replay = { from, at: from, to: seqOf(row.body.head), began: performance.now() };
    }
    if (row.type === "hub.gap" && replay) replay.from = replay.at = seqOf(row.body.resumed);
    if (row.type === "hub.gap") {
      say($("gap-words"), `${row.text} Told at ${new Date(row.at).toLocaleTimeString([], { hour12: false })}.`);
      $("gap").hidden = false;
    }
    if (row.type === "hub.live" && replay) {
      const done = (replay = { ...replay, done: row.body.replayed, took: performance.now() - replay.began });
      setTimeout(() => {
        if (replay === done) replay = null;
        progress();
      }, REPLAYED_MS);
    }
    return row;
  }

  // ---- what is shown ------------------------------------------------------------------------------------------------------------------------

  function painted() {
    const { cursor } = connection;
    $("last").textContent = cursor || "–";
    $("copy-last").hidden = !cursor;
    $("curl").textContent = filter.curl(cursor);
    progress();
    empty();
  }

  /** How far a replay is: the service says where it began and where the head was, and each event where it stands. */
  function progress() {
    const total = replay ? replay.to - replay.from : 0;
    $("replay").hidden = !(total > 0) || replay?.done === 0;
    if ($("replay").hidden) return;
    const at = replay.done === undefined ? replay.at - replay.from : total;
    $("replay-bar").max = total;
    $("replay-bar").value = at;
    $("replay-words").textContent = replay.done === undefined
      ? `replaying ${count(at)} of about ${count(total)}`
      : `${plural(replay.done, "event")} replayed in ${(replay.took / 1000).toFixed(replay.took < 950 ? 2 : 1)} s`;
  }

  function empty() {
    const { on, phase } = connection;
    $("empty").hidden = frames.events > 0;
    const off = phase === "refused" ? "The service refused" : "Not connected";
    $("empty-title").textContent = phase === "live" ? "Nothing yet" : on ? "Waiting for the service" : off;
    $("empty-words").textContent = phase === "live"
      ? "Connected and caught up. What is published from here on, and matches the filter, appears here."
      : phase === "refused" ? "The reason is shown by the filter."
      : on ? "Frames appear here as soon as it answers." : "Choose what to follow, then connect: events appear here as they are stored.";
    $("empty-link").hidden = phase !== "live";
  }

  function filterChanged() {
    if (!filter) return;
    $("curl").textContent = filter.curl(connection.cursor);
    buttons();
    const hash = `#${filter.hash()}`;
    const here = location.hash.startsWith("#stream") || location.hash === "";
    if (here && location.hash !== hash && (location.hash || hash !== "#stream")) history.replaceState(null, "", hash);
  }

  // ---- wiring -------------------------------------------------------------------------------------------------------------------------------

  $("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    if (connection.phase === "waiting") connection.now();
    else connect();
  });
  $("disconnect").addEventListener("click", () => {
    connection.disconnect();
    $("connect").focus();
  });
  $("resume").addEventListener("click", resume);
  $("gap-dismiss").addEventListener("click", () => {
    $("gap").hidden = true;
    $("pause").focus();
  });
  $("copy-curl").addEventListener("click", () => copy($("curl").textContent, "curl line", $("curl")));
  $("copy-last").addEventListener("click", () => copy(connection.cursor, "Cursor", $("last")));
  $("share").addEventListener("click", () => copy(new URL(`#${filter.hash()}`, location.href).href, "Link", $("curl")));
  $("pause").addEventListener("click", () => frames.pause());
  $("clear").addEventListener("click", () => frames.clear());
  $("search").addEventListener("input", () => frames.search($("search").value));
  onToken(() => filterChanged());
  buttons();
  painted();

  return {
    take: (query) => filter.take(query),
    shown: () => filterChanged(),
    hash: () => filter.hash(),
    toggle: () => (connection.on ? connection.disconnect() : connect()),
    resume,
    pause: () => frames.pause(),
    search: () => $("search").focus(),
    step: (by) => frames.step(by),
    clear: () => frames.clear(),
  };
}
