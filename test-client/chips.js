// A field of several words, each a chip that can be removed: written with a comma, a space or Enter behind it, or pasted as a list.

import { visible } from "./json.js";
import { element, say } from "./parts.js";

export class Chips {
  values = [];
  #name;
  #input;
  #box;
  #fault;
  #changed;

  /** Makes the field in `host`, whose data says its name, its label and its hint. */
  constructor(host, changed) {
    const { chips: name, label: text, hint } = host.dataset;
    this.#name = name;
    this.#changed = changed;
    const label = element("label", "", text);
    label.htmlFor = name;
    this.#box = element("div", "box chips");
    this.#input = element("input", "mono");
    Object.assign(this.#input, { id: name, type: "text", spellcheck: false, autocapitalize: "off" });
    this.#input.setAttribute("aria-describedby", `${name}-hint ${name}-problem`);
    this.#box.append(this.#input);
    const words = element("p", "hint", hint);
    words.id = `${name}-hint`;
    this.#fault = element("p", "fault");
    this.#fault.id = `${name}-problem`;
    this.#fault.hidden = true;
    host.append(label, this.#box, words, this.#fault);
    this.#input.addEventListener("input", () => /[\s,]/.test(this.#input.value) && this.take());
    this.#input.addEventListener("blur", () => this.take());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#box.addEventListener("click", (event) => event.target === this.#box && this.#input.focus());
  }

  #key(event) {
    if (event.key === "Enter" && this.#input.value.trim()) {
      // not the form's: it is sent by an Enter with nothing written
      event.preventDefault();
      this.take();
    } else if (event.key === "Backspace" && this.#input.value === "" && this.values.length) {
      this.set(this.values.slice(0, -1));
      this.#changed();
    }
  }

  /** Makes chips of what is written. */
  take() {
    const written = this.#input.value.split(/[\s,]+/).filter(Boolean);
    if (!this.#input.value) return;
    this.#input.value = "";
    this.set([...new Set([...this.values, ...written])]);
    if (written.length) this.#changed();
  }

  set(values) {
    this.values = values;
    for (const chip of this.#box.querySelectorAll(".chip")) chip.remove();
    for (const value of values) {
      const chip = element("button", "chip mono", visible(value));
      chip.type = "button";
      chip.setAttribute("aria-label", `Remove ${value} from ${this.#name}`);
      chip.addEventListener("click", () => {
        this.set(this.values.filter((other) => other !== value));
        this.#input.focus();
        this.#changed();
      });
      this.#input.before(chip);
    }
  }

  fault(text) {
    say(this.#fault, text);
    this.#input.setAttribute("aria-invalid", String(Boolean(text)));
  }
}
