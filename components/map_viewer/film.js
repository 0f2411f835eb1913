// A film as a reading workstation shows it: its window, regions, ruler and known annotation, on all
// pictures at once. What is set belongs to one film; another one begins afresh.

import { make, number } from "./elements.js";
import { FilmBar } from "./film_bar.js";
import { FilmPanel } from "./film_panel.js";
import { Gestures } from "./gestures.js";
import { distance, lengthText, roundLength } from "./lengths.js";
import { chained } from "./marks.js";
import { areaShare, bounds, contains, coverageOf, outline, regionShare, track } from "./regions.js";
import { contour } from "./render.js";

const MAX_REGIONS = 20;
const UNREAD = { window: null, isInverted: false, regions: [], ruler: null, tool: "move", chosen: -1 };
const MOST_OF_STAGE = 0.25; // that the scale bar takes

export class Film {
  constructor(viewer) {
    this.viewer = viewer;
    this.about = viewer.header.film;
    this.reading = readingOf(viewer.state, this.about.name);
    this.draft = this.loose = null;
    this.known = this.about.annotation ? { kind: "known", ...this.knownOutline() } : null;
    this.peaks = new Map();
    this.gestures = new Gestures(this);
    this.panel = new FilmPanel(viewer);
    this.bar = new FilmBar(this);
  }

  get size() {
    return this.viewer.header.picture.size;
  }

  get gray() {
    return this.viewer.gray;
  }

  get tool() {
    return this.reading.tool;
  }

  get chosen() {
    return this.reading.chosen;
  }

  get isFull() {
    return this.reading.regions.length >= MAX_REGIONS;
  }

  get chosenRegion() {
    return this.reading.regions[this.chosen] ?? null;
  }

  // ---- places --------------------------------------------------------------------------------

  /** What of the film fills the stage: [left, top, width, height]. */
  get box() {
    if (!this.viewer.isInputView) return [0, 0, this.size[1], this.size[0]];
    const { scale, offset_px: offset, input_size: input } = this.viewer.header.geometry;
    return [offset[1] / scale[1], offset[0] / scale[0], input[1] / scale[1], input[0] / scale[0]];
  }

  /** The place at a share of a stage. */
  placeOf([x, y]) {
    const { zoom, x: left, y: top } = this.viewer.view;
    const box = this.box;
    return [box[1] + ((y - top) / zoom) * box[3], box[0] + ((x - left) / zoom) * box[2]];
  }

  clamped(place) {
    return place.map((each, axis) => Math.min(this.size[axis], Math.max(0, each)));
  }

  /** The film's own value at a share of the picture, for reading. */
  valueText(x, y) {
    const box = this.box;
    const value = this.gray.valueAt((box[0] + x * box[2]) / this.size[1], (box[1] + y * box[3]) / this.size[0]);
    if (value === null) return "no value";
    return `${this.valueInWords(value)}${this.about.unit ? ` ${this.about.unit}` : ""}`;
  }

  valueInWords(value) {
    return this.about.is_whole ? String(Math.round(value)).replace("-", "−") : number(value);
  }

  // ---- what is set ---------------------------------------------------------------------------

  get windowText() {
    const { entries, center, width } = this.viewer.voi;
    if (entries) return "VOI LUT of the file";
    return `C ${this.valueInWords(center)} W ${this.valueInWords(width)}${this.about.unit ? ` (${this.about.unit})` : ""}`;
  }

  setTool(tool) {
    this.reading.tool = tool;
    this.draft = this.loose = null;
    this.refresh();
  }

  choose(index) {
    this.reading.chosen = index;
    this.refresh();
  }

  add(region) {
    const [top, left, bottom, right] = bounds(region);
    if (!(top < bottom && left < right) || this.isFull) return;
    this.reading.regions = [...this.reading.regions, region];
    this.reading.chosen = this.reading.regions.length - 1;
  }

  replace(region) {
    this.reading.regions = this.reading.regions.map((each, i) => (i === this.chosen ? region : each));
  }

  /** Move points of the chosen region, where it still encloses an area. */
  change(move) {
    const region = { ...this.chosenRegion, points: move(this.chosenRegion.points) };
    const [top, left, bottom, right] = bounds(region);
    if (top < bottom && left < right) this.replace(region);
  }

  /** Delete the chosen region, or the ruler's line while that is the tool. */
  remove() {
    if (this.tool === "ruler" && this.reading.ruler) this.reading.ruler = null;
    else if (this.chosenRegion) this.reading.regions = this.reading.regions.filter((_, i) => i !== this.chosen);
    else return false;
    this.reading.chosen = -1;
    this.refresh();
    this.viewer.answer();
    return true;
  }

  /** Leave off: what is being drawn, else the chosen region, else the tool. */
  escape() {
    this.gestures.cancel();
    if (this.draft) this.draft = this.loose = null;
    else if (this.chosen >= 0) this.reading.chosen = -1;
    else this.reading.tool = "move";
    this.refresh();
    return true;
  }

  /** Without a mouse: put what the tool draws into the middle of what is seen. */
  addInMiddle() {
    const [[top, left], [bottom, right]] = [this.clamped(this.placeOf([0.35, 0.35])), this.clamped(this.placeOf([0.65, 0.65]))];
    const middle = [(top + bottom) / 2, (left + right) / 2];
    if (this.tool === "ruler") this.reading.ruler = [[middle[0], left], [middle[0], right]];
    else if (this.tool === "polygon") this.add({ kind: "polygon", points: [[top, middle[1]], [middle[0], right], [bottom, middle[1]], [middle[0], left]] });
    else if (this.tool === "box" || this.tool === "ellipse") this.add({ kind: this.tool, points: [[top, left], [bottom, right]] });
    else return false;
    this.refresh();
    this.viewer.answer();
    return true;
  }

  /** The topmost region around a place, -1 for none. */
  regionAt(place) {
    return this.reading.regions.findLastIndex((each) => contains(each, place));
  }

  told() {
    const { window, isInverted, regions } = this.reading;
    return { name: this.about.name, window, is_inverted: isInverted, regions };
  }

  // ---- what is shown -------------------------------------------------------------------------

  /** Show what is set on every picture, and beside it. */
  refresh() {
    for (const each of this.viewer.pictures) this.tellPicture(each);
    this.bar.tell();
    this.viewer.swipe?.refresh();
  }

  /** A map was drawn: find its peak and what of it lies in the regions. */
  tellMap(panel) {
    this.peaks.set(panel, panel.high > 0 ? peakOf(panel) : null);
    this.tellPicture(panel);
  }

  tellPicture(picture) {
    picture.marks.show(this.items(picture), this.box);
    const lines = this.linesOf(picture);
    if (lines.join("\n") === picture.told) return;
    picture.told = lines.join("\n");
    picture.facts.replaceChildren(...lines.map((textContent) => make("li", { textContent })));
  }

  items(picture) {
    const { regions, ruler } = this.reading;
    const { look } = this.viewer.state;
    const items = this.known && look.known ? [this.known] : [];
    if (regions !== this.itemsOf?.regions || this.chosen !== this.itemsOf.chosen) {
      this.itemsOf = { regions, chosen: this.chosen, items: regions.map((each, i) => this.regionItem(each, i)) };
    }
    items.push(...this.itemsOf.items);
    if (ruler) items.push({ kind: "ruler", d: track(ruler), handles: ruler, label: lengthText(ruler, this.about.spacing), at: ruler[1] });
    if (this.draft) items.push(this.draftItem());
    const peak = look.peak && this.peaks.get(picture);
    if (peak) items.push({ kind: "peak", at: peak, title: `Most salient peak, ${placeInWords(peak)}` });
    return items;
  }

  regionItem(region, index) {
    const [top, left] = bounds(region);
    const isChosen = index === this.chosen;
    const kind = isChosen ? "chosen" : "region";
    return { kind, d: outline(region), label: String(index + 1), at: [top, left], handles: isChosen ? region.points : [] };
  }

  draftItem() {
    const { kind, points } = this.draft;
    if (kind !== "polygon") return { kind: "draft", d: outline(this.draft) };
    return { kind: "draft", d: track(this.loose ? [...points, this.loose] : points), handles: points };
  }

  /** What is to be said below a picture. */
  linesOf(picture) {
    const lines = [];
    const peak = this.viewer.state.look.peak && this.peaks.get(picture);
    if (peak) lines.push(`Peak at ${placeInWords(peak)}`);
    this.reading.regions.forEach((region, i) => {
      const { geometry } = picture;
      const inside = coverageOf(region, geometry);
      const area = `${percent(areaShare(inside, geometry))} of ${seesAll(geometry) ? "the film" : "what the network sees"}`;
      if (!picture.map) lines.push(`${i + 1}: ${area}`);
      else if (!picture.failure) lines.push(`${i + 1}: ${shareInWords(regionShare(picture.map, inside))} in ${area}`);
    });
    return lines;
  }

  /** The same and how the film is shown, for exports. */
  exportLines(picture) {
    const isKnown = this.known && this.viewer.state.look.known;
    return [`Film: ${this.bar.windowInWords}`, ...this.linesOf(picture), ...(isKnown ? ["Dashed: known annotation"] : [])];
  }

  /** A round length as a share of the stage, in words; only where lengths are known. */
  ruleAt(zoom) {
    const { spacing } = this.about;
    const across = distance([[0, 0], [0, this.box[2] / zoom]], spacing).length;
    const length = roundLength(MOST_OF_STAGE * across);
    return { share: length / across, text: `${length} ${spacing.unit}` };
  }

  /** Show that length in the corner of every picture. */
  tellRule() {
    if (!this.about.spacing) return;
    const { share, text } = this.ruleAt(this.viewer.view.zoom);
    for (const { rule } of this.viewer.pictures) {
      rule.style.setProperty("--length", `${100 * share}%`);
      rule.replaceChildren(make("span", { textContent: text }));
    }
  }

  knownOutline() {
    const { mask, boxes } = this.about.annotation;
    if (mask === null) {
      return { d: boxes.map(([top, left, bottom, right]) => outline({ kind: "box", points: [[top, left], [bottom, right]] })).join("") };
    }
    const { values, shape: [height, width] } = this.viewer.arrays[mask];
    const framed = new Uint8Array((height + 2) * (width + 2)); // so that outlines close at the edge
    for (let y = 0; y < height; y++) framed.set(values.subarray(y * width, (y + 1) * width), (y + 1) * (width + 2) + 1);
    const [x, y] = [this.size[1] / width, this.size[0] / height];
    return { d: chained(contour(framed, [height + 2, width + 2], 127.5)), matrix: [x, 0, 0, y, -x, -y] };
  }
}

/** What was set on a film before in this viewer, else nothing. */
function readingOf(state, name) {
  state.readings ??= new Map();
  if (!state.readings.has(name)) state.readings.set(name, { ...UNREAD });
  return state.readings.get(name);
}

/** Where a map's largest value lies on the film. */
function peakOf({ map, about: { size }, geometry: { scale, offset_px: offset } }) {
  let best = 0;
  for (let i = 1; i < map.length; i++) if (map[i] > map[best]) best = i;
  if (!(map[best] > 0)) return null;
  return [Math.floor(best / size[1]), best % size[1]].map((each, axis) => (each + 0.5 + offset[axis]) / scale[axis]);
}

function placeInWords([row, column]) {
  return `x ${Math.floor(column)}, y ${Math.floor(row)}`;
}

function seesAll({ seen_box: [top, left, bottom, right], original_size: [height, width] }) {
  return top < 0.5 && left < 0.5 && bottom > height - 0.5 && right > width - 0.5;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function shareInWords(share) {
  return share === null ? "no positive evidence" : `${percent(share)} of the map`;
}
