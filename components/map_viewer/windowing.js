// Gray values through a window: the functions of PS3.3 C.11.2.1 as explain_core/images/film.py has
// them, done by a table with one colour per code.

import { make } from "./elements.js";

const NUM_CODES = 65536;
const QUICK_PX = 1024;

/** How bright a value is, from 0 (black) to 1 (white), as a function. */
export function brightness({ function: kind, center, width, entries, first, white }) {
  const within = (share) => Math.min(1, Math.max(0, share));
  if (entries) return (value) => entries[Math.min(entries.length - 1, Math.max(0, Math.floor(value - first)))] / white;
  if (kind === "SIGMOID") return (value) => 1 / (1 + Math.exp((-4 * (value - center)) / width));
  const [middle, wide] = kind === "LINEAR" ? [center - 0.5, width - 1] : [center, width];
  if (wide === 0) return (value) => Number(value > middle);
  return (value) => within((value - middle) / wide + 0.5);
}

/** Half as many pixels each way, padding left out of the averages. */
function halved({ values, shape: [height, width] }, isPadded) {
  const [tall, wide] = [height, width].map((side) => Math.max(1, side >> 1));
  const out = new Uint16Array(tall * wide);
  const [down, right] = [height > 1 ? width : 0, width > 1 ? 1 : 0];
  for (let y = 0, j = 0; y < tall; y++) {
    for (let x = 0, i = 2 * y * width; x < wide; x++, i += 2, j++) {
      const four = [values[i], values[i + right], values[i + down], values[i + down + right]];
      const sum = four[0] + four[1] + four[2] + four[3];
      const count = isPadded ? (four[0] > 0) + (four[1] > 0) + (four[2] > 0) + (four[3] > 0) : 4;
      out[j] = count < 2 ? 0 : Math.round(sum / count);
    }
  }
  return { values: out, shape: [tall, wide] };
}

/** A gray picture whose pixels are codes: `value = low + (code - first) * step`. */
export class GrayPicture {
  constructor(described, arrays) {
    Object.assign(this, described);
    this.isPadded = this.first > 0;
    this.presets = described.presets.map((each) => (each.entries === undefined ? each : { ...each, entries: arrays[each.entries].values }));
    this.levels = [arrays[described.codes]];
    while (Math.max(...this.levels[0].shape) > QUICK_PX) this.levels.unshift(halved(this.levels[0], this.isPadded));
    this.table = new Uint32Array(NUM_CODES);
  }

  /** The smallest level whose longer side has at least so many pixels, else the largest. */
  levelFor(sidePx) {
    return this.levels.find(({ shape }) => Math.max(...shape) >= sidePx) ?? this.levels.at(-1);
  }

  /** A canvas with the picture, its longer side at least so many pixels where it has them. */
  painted(voi, isInverted, sidePx) {
    const level = this.levelFor(sidePx);
    this.shown = level;
    const { values, shape: [height, width] } = level;
    level.canvas ??= make("canvas", { width, height });
    level.image ??= new ImageData(width, height);
    const pixels = new Uint32Array(level.image.data.buffer);
    const table = this.tableOf(voi, isInverted);
    for (let i = 0; i < values.length; i++) pixels[i] = table[values[i]];
    level.canvas.getContext("2d").putImageData(level.image, 0, 0);
    return level.canvas;
  }

  /** The colour of each code; padding is black whichever way round the picture is. */
  tableOf(voi, isInverted) {
    const shareOf = brightness(voi);
    const isTurned = this.is_inverted !== isInverted;
    for (let code = 0; code < NUM_CODES; code++) {
      const share = shareOf(this.low + (code - this.first) * this.step);
      const gray = Math.round(255 * (isTurned ? 1 - share : share));
      this.table[code] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
    }
    if (this.isPadded) this.table[0] = 0xff000000;
    return this.table;
  }

  /** The value at a share of the picture; null where there is none. */
  valueAt(x, y) {
    const { values, shape: [height, width] } = this.levels.at(-1);
    if (x < 0 || y < 0 || x >= 1 || y >= 1) return null;
    const code = values[Math.floor(y * height) * width + Math.floor(x * width)];
    return this.isPadded && code === 0 ? null : this.low + (code - this.first) * this.step;
  }

  /** The window that is nearest to a VOI LUT, from where it leaves black to where it is white. */
  asWindow(voi) {
    if (!voi.entries) return voi;
    const { entries, first, white } = voi;
    const from = Math.max(0, entries.findIndex((each) => each > 0.01 * white));
    const to = entries.findIndex((each) => each >= 0.99 * white);
    const end = to > from ? to : entries.length;
    return { center: first + (from + end) / 2, width: end - from, function: "LINEAR_EXACT" };
  }

  /** A window made wider by `dx` spans, its centre moved by `dy` spans. */
  moved(voi, dx, dy) {
    const { center, width, function: kind } = this.asWindow(voi);
    const least = kind === "LINEAR" ? Math.max(1, this.step) : this.step;
    return {
      function: kind,
      center: Math.min(this.high, Math.max(this.low, center + dy * this.span)),
      width: Math.min(2 * Math.max(this.high - this.low, least), Math.max(least, width + dx * this.span)),
    };
  }
}
