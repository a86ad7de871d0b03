// One frame in the list: a line, and its insides once it is opened.

import { member, parsed, pretty, visible } from "./json.js";
import { age, button, copy, element, marked } from "./parts.js";
import { CONTROL, control } from "./words.js";

const PREVIEW = 200;

/** What a frame holds, from its text; `flat` if events come as their data only, which is theirs to shape and says nothing of itself. */
export function read({ event, data, id }, flat) {
  const body = data.startsWith("{") ? parsed(data) : undefined;
  const type = event || (typeof body?.type === "string" ? body.type : "");
  // only the service may name a type `hub.…`, and an event has an id; flat data that says so, read without names, can pass for one
  const isControl = CONTROL.includes(type) && body !== undefined && !("id" in body);
  const envelope = !isControl && !flat && body !== undefined;
  const at = envelope ? Date.parse(body.receivedAt) : NaN;
  return {
    control: isControl,
    type: type || "data",
    body,
    cursor: id ?? "",
    seq: envelope ? member(data, "seq") : "",
    at: Number.isNaN(at) ? Date.now() : at,
    facts: envelope ? facts(body) : [],
    raw: data,
    text: isControl ? control(type, body) : envelope ? (member(data, "data") ?? "null") : data,
  };
}

function facts(body) {
  const found = ["type", "id", "source"].map((name) => [name, body[name]]);
  for (const name of ["streams", "users", "topics"]) if (body[name]?.length) found.push([name, body[name].join(", ")]);
  for (const name of ["key", "chain", "contract", "status", "ref", "time"]) found.push([name, body[name]]);
  found.push(["block", body.block?.height], ["tx", body.tx?.hash], ["received", body.receivedAt]);
  return found.filter(([, value]) => value !== undefined && value !== null).map(([name, value]) => [name, String(value)]);
}

/** A colour for each type, the same everywhere. */
function hue(type) {
  let sum = 0;
  for (const c of type) sum = (sum * 31 + c.charCodeAt(0)) % 360;
  return sum;
}

/** The list's element for a row; `resume(cursor)` is what its button does. */
export function rowElement(row, needle, resume) {
  const item = element("li", row.control ? "control" : "event");
  item.dataset.type = row.type;
  item.dataset.seq = row.seq;
  if (["hub.gap", "hub.expiring", "hub.closing"].includes(row.type)) item.classList.add("warn");
  if (!row.control) item.style.setProperty("--hue", hue(row.type));
  const details = element("details");
  const summary = element("summary");
  const when = element("time", "age", age(Date.now() - row.at));
  when.dateTime = new Date(row.at).toISOString();
  when.title = when.dateTime;
  // what is cut stands whole in the title, and inside
  const type = element("span", "type");
  type.title = visible(row.type);
  summary.append(element("span", "spot"), type, element("span", "preview"), element("span", "cursor mono", row.cursor), when);
  details.append(summary);
  item.append(details);
  row.item = item;
  row.when = when;
  // most rows are never opened: their insides are made when they are
  details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(inside(row, row.needle, resume)));
  mark(row, needle);
  return item;
}

/** Marks what the search looks for, and hides the row if it has nothing of it. */
export function mark(row, needle) {
  row.needle = needle;
  row.item.hidden = needle !== "" && !`${row.type}\n${row.raw}\n${row.text}`.toLowerCase().includes(needle);
  row.item.querySelector(".type").replaceChildren(marked(visible(row.type), needle));
  row.item.querySelector(".preview").replaceChildren(marked(visible(row.text.slice(0, PREVIEW)), needle));
  const data = row.item.querySelector("pre.data");
  if (data) data.replaceChildren(shown(row, needle));
}

export function tick(row, now) {
  const text = age(now - row.at);
  if (row.when.textContent !== text) row.when.textContent = text;
}

function inside(row, needle, resume) {
  const body = element("div", "body");
  if (row.facts.length) {
    const list = element("dl", "facts");
    for (const [name, value] of row.facts) list.append(element("dt", "", name), element("dd", "mono", visible(value)));
    body.append(list);
  }
  const data = element("pre", "data");
  data.tabIndex = 0;
  data.setAttribute("aria-label", `Data of ${row.type}`);
  data.append(shown(row, needle));
  body.append(data);
  const line = element("div", "row");
  line.append(button("Copy JSON", "small", () => copy(row.raw, "JSON", data)));
  if (row.cursor) {
    line.append(button("Copy cursor", "small", () => copy(row.cursor, "Cursor", row.item.querySelector(".cursor"))));
    line.append(button("Replay from here", "small", () => resume(row.cursor)));
  }
  body.append(line);
  return body;
}

const TOKEN = /("(?:[^"\\]|\\.)*")(:)?|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g;

/** The data, broken into lines if it is JSON; coloured, or with what is searched for marked. */
function shown(row, needle) {
  const source = row.control ? row.raw : row.text;
  const isJson = parsed(source) !== undefined;
  const text = visible(isJson ? pretty(source) : source);
  if (needle || !isJson || text.length > 100_000) return marked(text, needle);
  const parts = document.createDocumentFragment();
  let at = 0;
  for (const found of text.matchAll(TOKEN)) {
    const kind = found[2] ? "j-name" : found[1] ? "j-text" : "j-rest";
    parts.append(text.slice(at, found.index), element("span", kind, found[1] ?? found[0]), found[2] ?? "");
    at = found.index + found[0].length;
  }
  parts.append(text.slice(at));
  return parts;
}
