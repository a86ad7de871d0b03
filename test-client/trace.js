// A line through samples, as the path that draws it. Pure.

import { BREAK_MS } from "./samples.js";

/** To a tenth of a pixel. */
export const round = (value) => Math.round(value * 10) / 10;

/**
 * The path of one column between two rows, and of the area below it down to `base`, if that is given. Where points are closer than `bucket`
 * milliseconds it goes through the least and the most of each bucket, so that no spike is lost; buckets stand still in time, so that nothing
 * flickers. What is unknown, and time that nobody looked at, is a gap.
 */
export function trace(samples, name, from, { x, y, base = null, bucket = 0, to = samples.length }) {
  let [line, area, pen, last, start] = ["", "", false, 0, 0];
  // the bucket under way: nothing is made for each sample, of which there are thousands a second
  let [slot, lowAt, low, highAt, high] = [NaN, 0, 0, 0, 0];
  const point = (time, value) => {
    const px = round(x(time));
    const at = `${px} ${round(y(value))}`;
    if (pen) {
      line += `L${at}`;
      if (base !== null) area += `L${at}`;
    } else {
      line += `M${at}h0`; // a lone point is a dot
      if (base !== null) area += `M${px} ${base}L${at}`;
      start = px;
    }
    pen = true;
    last = px;
  };
  const flush = () => {
    if (Number.isNaN(slot)) return;
    slot = NaN;
    if (lowAt < highAt) point(lowAt, low);
    point(highAt, high);
    if (lowAt > highAt) point(lowAt, low);
  };
  const lift = () => {
    flush();
    if (pen && base !== null) area += `L${last} ${base}L${start} ${base}Z`;
    pen = false;
  };
  let before = -Infinity;
  const read = samples.reader(name);
  for (let row = from; row < to; row++) {
    const time = samples.time(row);
    const value = read(row);
    if (Number.isNaN(value) || time - before > BREAK_MS) lift();
    before = time;
    if (Number.isNaN(value)) continue;
    if (!bucket) {
      point(time, value);
      continue;
    }
    const index = Math.floor(time / bucket);
    if (slot !== index) {
      flush();
      slot = index;
      lowAt = highAt = time;
      low = high = value;
    } else if (value < low) {
      lowAt = time;
      low = value;
    } else if (value > high) {
      highAt = time;
      high = value;
    }
  }
  lift();
  return { line, area };
}
