// Numbers as people read them, and the axes that carry them. Pure: nothing here knows of the page.
//
// No locale is asked: a figure that is copied into a report means the same to whoever reads it. Short forms are for the eye; what is exact
// stands in the title beside them.

const KILO = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
const KIBI = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];
const NONE = "–";

/** Three digits and no zeros at the end; whole where there are more digits before the point. */
function three(value) {
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return String(Number(value.toFixed(digits)));
}

/** `12.3k`; whole up to 9999. */
export function count(value) {
  if (!Number.isFinite(value)) return NONE;
  if (value < 10_000) return String(Math.round(value));
  // what rounds up to a thousand of a unit is one of the next
  const [size, unit] = KILO.find(([size]) => value >= size * 0.9995);
  return three(value / size) + unit;
}

/** All digits, in groups of three. */
export function exact(value) {
  if (!Number.isFinite(value)) return NONE;
  const [whole, part] = String(Number.isInteger(value) ? value : Math.round(value * 1000) / 1000).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") + (part ? `.${part}` : "");
}

/** A number a second: small ones keep a fraction. */
export function rate(value) {
  if (!Number.isFinite(value)) return NONE;
  return value < 99.95 ? String(Number(value.toFixed(1))) : count(value);
}

/** Microseconds as µs, ms or s. */
export function micros(value) {
  if (!Number.isFinite(value)) return NONE;
  if (value < 999.5) return `${three(value)}\u00a0µs`;
  if (value < 999_500) return `${three(value / 1e3)}\u00a0ms`;
  return `${three(value / 1e6)}\u00a0s`;
}

/** Bytes by powers of 1024. */
export function bytes(value) {
  if (!Number.isFinite(value)) return NONE;
  const [size, unit] = KIBI.find(([size]) => value >= size * 0.9995) ?? [1, "B"];
  return `${three(value / size)}\u00a0${unit}`;
}

/** A share of one. */
export function percent(value) {
  if (!Number.isFinite(value)) return NONE;
  if (value > 0 && value < 0.01) return "<\u202f1\u202f%";
  return `${Math.round(value * 100)}\u202f%`;
}

/** The two largest units of so many seconds; seconds only within the first ten minutes. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return NONE;
  const whole = Math.floor(seconds);
  const units = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  const first = units.findIndex(([n]) => n > 0);
  if (first < 0) return "0\u00a0s";
  const shown = whole < 600 ? units : units.slice(0, 3);
  return shown.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => `${n}\u00a0${unit}`).join(" ");
}

/** The time of day on the reader's clock. */
export function clock(milliseconds, withSeconds = true) {
  const at = new Date(milliseconds);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}${withSeconds ? `:${two(at.getSeconds())}` : ""}`;
}

/** An axis from zero to a round number at or above `most`, with about so many steps. */
export function linearAxis(most, { steps = 3, whole = false, base = 10 } = {}) {
  const top = Number.isFinite(most) && most > 0 ? most : 1;
  const rough = top / steps;
  // bytes count in round numbers of their own unit
  const unit = base === 2 ? 1024 ** Math.max(0, Math.floor(Math.log2(rough) / 10)) : 1;
  const power = 10 ** Math.floor(Math.log10(rough / unit));
  let step = unit * power * ([1, 2, 5, 10].find((n) => n * power >= (rough / unit) * 0.999999) ?? 10);
  if (whole) step = Math.max(1, Math.round(step));
  const ticks = [];
  const last = Math.max(1, Math.ceil(top / step - 1e-9));
  for (let n = 0; n <= last; n++) ticks.push(Number((n * step).toPrecision(12)));
  return { low: 0, high: ticks.at(-1), ticks, place: (value) => value / ticks.at(-1) };
}

/** An axis of whole powers of ten around what is above zero; within one of them it says 1, 2 and 5. */
export function logAxis(least, most) {
  const good = Number.isFinite(least) && least > 0 && Number.isFinite(most);
  const from = good ? Math.floor(Math.log10(least) + 1e-9) : 2;
  const to = Math.max(good ? Math.ceil(Math.log10(most) - 1e-9) : 4, from + 1);
  const each = Math.ceil((to - from) / 5);
  const ticks = [];
  for (let power = from; power <= to; power += each) {
    ticks.push(10 ** power);
    if (to - from === 1 && power < to) ticks.push(2 * 10 ** power, 5 * 10 ** power);
  }
  return { low: 10 ** from, high: 10 ** to, ticks, place: (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from) };
}

const TIME_STEPS = [10, 15, 30, 60, 120, 180, 300, 600].map((seconds) => seconds * 1000);

/** Round moments between two, no more of them than fit. */
export function timeTicks(from, to, most) {
  const step = TIME_STEPS.find((step) => (to - from) / step <= most) ?? TIME_STEPS.at(-1);
  // round on the reader's clock, also where it is half an hour beside everyone's
  const shift = new Date(to).getTimezoneOffset() * 60_000;
  const ticks = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) ticks.push(at);
  return { ticks, withSeconds: step < 60_000 };
}
