// The form of a template and the JSON it makes. Whoever writes into the JSON is the author from then on, until they go back to the form.

import { locate, parsed } from "./json.js";
import { $, button, element, plural, say, worded } from "./parts.js";
import { TEMPLATES } from "./templates.js";

/** Of faults in one text; a person mends the first ones first. */
const SHOWN = 10;

/** An id that nobody has used; pages that came over plain HTTP have no randomUUID. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

export class Form {
  #fields = [];
  #byHand = false;

  constructor() {
    const groups = new Map();
    for (const [index, { group, type, says }] of TEMPLATES.entries()) {
      if (!groups.has(group)) {
        groups.set(group, Object.assign(element("optgroup"), { label: group }));
        $("template").append(groups.get(group));
      }
      groups.get(group).append(new Option(`${type} · ${says}`, index));
    }
    $("template").addEventListener("input", () => this.#choose());
    $("event-id").addEventListener("input", () => this.#write());
    $("new-id").addEventListener("click", () => {
      $("event-id").value = newId();
      this.#write();
    });
    $("event").addEventListener("input", () => this.raw($("event").value));
    $("from-form").addEventListener("click", () => this.#write());
    this.#choose();
  }

  get byHand() {
    return this.#byHand;
  }

  get text() {
    return $("event").value;
  }

  /** NDJSON if it is no single JSON text, and each of its lines is one. */
  get contentType() {
    return this.#lines().length > 1 && parsed(this.text) === undefined && this.#lines().every(({ text }) => parsed(text) !== undefined)
      ? "application/x-ndjson"
      : "application/json";
  }

  #template() {
    return TEMPLATES[$("template").value];
  }

  #choose() {
    const template = this.#template();
    say($("template-hint"), "Readers find it by its type and by what it concerns.");
    this.#fields = template.fields.map((field) => fieldOf(field, () => this.#write()));
    $("template-fields").replaceChildren(...this.#fields.map(({ host }) => host));
    this.#write();
  }

  /** The event that the fields make; `varied` changes amounts, so that a demonstration looks alive. */
  event(varied = false) {
    const data = {};
    for (const { field, input } of this.#fields) data[field.name] = varied && field.varies ? vary(input.value) : input.value.trim();
    const id = varied ? newId() : $("event-id").value.trim();
    return { ...(id ? { id } : {}), ...this.#template().make(data) };
  }

  #write() {
    this.#byHand = false;
    $("event").value = JSON.stringify(this.event(), null, 2).replace(/\[\s+("[^"]{1,24}")\s+\]/g, "[$1]");
    this.#told();
  }

  /** Takes JSON as somebody wrote it. */
  raw(text) {
    this.#byHand = true;
    if ($("event").value !== text) $("event").value = text;
    this.#told();
  }

  #lines() {
    const lines = [];
    let at = 0;
    for (const line of this.text.split("\n")) {
      if (line.trim()) lines.push({ text: line, at });
      at += line.length + 1;
    }
    return lines;
  }

  #told() {
    const value = parsed(this.text);
    const many = this.contentType === "application/x-ndjson" ? this.#lines().length : 0;
    $("event-words").textContent = many
      ? `${plural(many, "event")}, one a line`
      : Array.isArray(value) ? `An array of ${plural(value.length, "event")}: stored all or none`
      : value === undefined ? "This is not JSON yet" : "One event";
    $("by-hand").hidden = !this.#byHand;
    // a form that looks valid above other JSON would be taken for what is sent
    for (const id of ["template-hint", "template-fields", "id-field"]) $(id).hidden = this.#byHand;
    for (const node of $("template-fields").querySelectorAll("input, select")) node.disabled = this.#byHand;
    for (const id of ["event-id", "new-id"]) $(id).disabled = this.#byHand;
    $("demo").disabled = this.#byHand;
    this.faults([]);
  }

  /** Shows each fault beside the field that fills what its pointer names; what no field fills, below the JSON. */
  faults(faults) {
    const rest = [];
    const said = new Map();
    for (const { pointer, detail } of faults) {
      const beside = this.#byHand ? undefined : this.#owner(pointer);
      if (beside) said.set(beside, detail);
      else rest.push({ pointer, detail });
    }
    for (const one of [...this.#fields, ID]) {
      const input = one === ID ? $("event-id") : one.input;
      say(one === ID ? $("event-id-problem") : one.fault, said.get(one));
      input.setAttribute("aria-invalid", String(said.has(one)));
    }
    $("event-problem").replaceChildren(...rest.slice(0, SHOWN).map((fault) => this.#item(fault)));
    if (rest.length > SHOWN) $("event-problem").append(element("li", "", `and ${plural(rest.length - SHOWN, "more fault")}`));
    $("event-problem").hidden = rest.length === 0;
    $("event").setAttribute("aria-invalid", String(rest.length > 0));
  }

  #item({ pointer, detail }) {
    const item = element("li");
    item.append(element("code", "", pointer || "the whole"), " ", worded(detail), " ", button("Show", "small quiet", () => this.reveal(pointer)));
    return item;
  }

  #owner(pointer) {
    if (pointer === "/id") return ID;
    const users = parsed(this.text)?.users ?? [];
    const named = /^\/users\/(\d+)$/.exec(pointer);
    if (named) return this.#fields.find(({ field, input }) => field.at?.includes("/users") && input.value.trim() === users[named[1]]);
    const fills = (at) => pointer === at || pointer.startsWith(`${at}/`);
    return this.#fields.find(({ field }) => [`/data/${field.name}`, ...(field.at ?? [])].some(fills));
  }

  /** Selects in the JSON what a pointer names. */
  reveal(pointer) {
    let [start, end] = [0, 0];
    if (this.contentType === "application/x-ndjson") {
      const [, index, ...rest] = pointer.split("/");
      const line = this.#lines()[index];
      if (line) [start, end] = locate(line.text, rest.map((token) => `/${token}`).join("")).map((at) => at + line.at);
    } else if (parsed(this.text) !== undefined) [start, end] = locate(this.text, pointer);
    const area = $("event");
    area.focus();
    area.setSelectionRange(start, end);
    // browsers do not scroll to a selection that a script made
    const line = this.text.slice(0, start).split("\n").length;
    area.scrollTop = (line - 4) * (area.scrollHeight / this.text.split("\n").length);
  }
}

/** Stands for the field of the id, which every template has. */
const ID = {};

function fieldOf(field, changed) {
  const host = element("div", "field");
  const id = `field-${field.name}`;
  const label = element("label", "", field.label);
  label.htmlFor = id;
  const input = element(field.options ? "select" : "input", field.options ? "" : "mono");
  input.id = id;
  for (const option of field.options ?? []) input.append(new Option(option));
  if (!field.options) Object.assign(input, { type: "text", spellcheck: false });
  input.value = field.value;
  input.setAttribute("aria-describedby", `${id}-hint ${id}-problem`);
  const hint = element("p", "hint", field.hint);
  hint.id = `${id}-hint`;
  hint.hidden = !field.hint;
  const fault = element("p", "fault");
  fault.id = `${id}-problem`;
  fault.hidden = true;
  input.addEventListener("input", () => {
    changed();
    // a hint, no more: the service judges, and may be sent anything
    const odd = field.pattern && input.value && !new RegExp(`^(?:${field.pattern})$`).test(input.value.trim());
    hint.classList.toggle("odd", Boolean(odd));
  });
  host.append(label, input, hint, fault);
  return { field, input, host, fault };
}

/** Another number of about that size. */
function vary(text) {
  return text.replace(/[1-9][0-9]*/, (digits) => digits[0] + [...digits.slice(1)].map(() => Math.floor(Math.random() * 10)).join(""));
}
