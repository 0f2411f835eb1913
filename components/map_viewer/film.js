// A film as a reading workstation shows it: its window, regions, rulers and known annotations, on all
// pictures at once. What is set belongs to one film; another one begins afresh. Regions and rulers
// are things with a kind and points, [row, column] in pixels of the film.

import { knownItems } from "./annotations.js";
import { make, number } from "./elements.js";
import { FilmBar } from "./film_bar.js";
import { linesOf, placeInWords } from "./film_facts.js";
import { FilmPanel } from "./film_panel.js";
import { Gestures } from "./gestures.js";
import { distance, lengthText, letter, planeText, roundLength } from "./lengths.js";
import { bounds, outline, track } from "./regions.js";

const MAX = { regions: 20, rulers: 10 };
const REGION_TOOLS = ["box", "ellipse", "polygon"];
const UNREAD = { window: null, isInverted: false, regions: [], rulers: [], tool: "move", chosen: null };
const MOST_OF_STAGE = 0.25; // that the scale bar takes

export class Film {
  constructor(viewer) {
    this.viewer = viewer;
    this.about = viewer.header.film;
    this.reading = readingOf(viewer.state, this.about.name);
    this.draft = this.loose = null;
    this.known = knownItems(this.about.annotations, viewer.arrays, this.size);
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

  /** What the tool draws: the name of a list of things, or null. */
  get drawn() {
    if (this.tool === "ruler") return "rulers";
    return REGION_TOOLS.includes(this.tool) ? "regions" : null;
  }

  get isFull() {
    return Boolean(this.drawn) && this.reading[this.drawn].length >= MAX[this.drawn];
  }

  /** The region or the ruler that is chosen, else null. */
  get chosen() {
    const { chosen } = this.reading;
    return chosen && (this.reading[chosen.list][chosen.index] ?? null);
  }

  isChosen(list, index) {
    const { chosen } = this.reading;
    return chosen?.list === list && chosen.index === index;
  }

  /** The chosen thing, where the tool may take hold of it. */
  get held() {
    return this.drawn === null || this.drawn === this.reading.chosen?.list ? this.chosen : null;
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

  /** Choose what stands at a place of a list; null chooses nothing. */
  choose(chosen) {
    this.reading.chosen = chosen;
    this.refresh();
  }

  add(thing) {
    const list = thing.kind === "ruler" ? "rulers" : "regions";
    if (!hasExtent(thing) || this.reading[list].length >= MAX[list]) return;
    this.reading[list] = [...this.reading[list], thing];
    this.reading.chosen = { list, index: this.reading[list].length - 1 };
  }

  /** Put another thing into the place of the chosen one. */
  replace(thing) {
    const { list, index } = this.reading.chosen;
    this.reading[list] = this.reading[list].map((each, i) => (i === index ? thing : each));
  }

  /** Move points of the chosen thing, where it still encloses an area or has a length. */
  change(move) {
    const thing = { ...this.chosen, points: move(this.chosen.points) };
    if (hasExtent(thing)) this.replace(thing);
  }

  /** Delete the chosen thing. */
  remove() {
    if (!this.chosen) return false;
    const { list, index } = this.reading.chosen;
    this.reading[list] = this.reading[list].filter((_, i) => i !== index);
    this.reading.chosen = null;
    this.refresh();
    this.viewer.answer();
    return true;
  }

  /** Leave off: what is being drawn, else the chosen thing, else the tool. */
  escape() {
    this.gestures.cancel();
    if (this.draft) this.draft = this.loose = null;
    else if (this.chosen) this.reading.chosen = null;
    else this.reading.tool = "move";
    this.refresh();
    return true;
  }

  /** Without a mouse: put what the tool draws into the middle of what is seen. */
  addInMiddle() {
    const [[top, left], [bottom, right]] = [this.clamped(this.placeOf([0.35, 0.35])), this.clamped(this.placeOf([0.65, 0.65]))];
    const middle = [(top + bottom) / 2, (left + right) / 2];
    if (this.tool === "ruler") this.add({ kind: "ruler", points: [[middle[0], left], [middle[0], right]] });
    else if (this.tool === "polygon") this.add({ kind: "polygon", points: [[top, middle[1]], [middle[0], right], [bottom, middle[1]], [middle[0], left]] });
    else if (this.tool === "box" || this.tool === "ellipse") this.add({ kind: this.tool, points: [[top, left], [bottom, right]] });
    else return false;
    this.refresh();
    this.viewer.answer();
    return true;
  }

  told() {
    const { window, isInverted, regions, rulers } = this.reading;
    return { name: this.about.name, window, is_inverted: isInverted, regions, rulers: rulers.map(({ points }) => points) };
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
    const lines = linesOf(this, picture);
    if (lines.join("\n") === picture.told) return;
    picture.told = lines.join("\n");
    picture.facts.replaceChildren(...lines.map((textContent) => make("li", { textContent })));
  }

  items(picture) {
    const { look } = this.viewer.state;
    const items = [...(look.known ? this.known : []), ...this.thingItems()];
    if (this.draft) items.push(this.draftItem());
    const peak = look.peak && this.peaks.get(picture);
    if (peak) items.push({ kind: "peak", at: peak, title: `Most salient peak, ${placeInWords(peak)}` });
    return items;
  }

  /** Regions and rulers; the same ones as before while none was changed. */
  thingItems() {
    const { regions, rulers, chosen } = this.reading;
    const now = [regions, rulers, chosen];
    if (!this.itemsOf?.every((each, i) => each === now[i])) {
      this.itemsOf = now;
      this.itemsNow = [...regions.map((each, i) => this.regionItem(each, i)), ...rulers.map((each, i) => this.rulerItem(each, i))];
    }
    return this.itemsNow;
  }

  rulerItem({ points }, index) {
    const label = `${letter(index)} ${lengthText(points, this.about.spacing)}`;
    return { kind: "ruler", d: track(points), label, at: points[1], handles: this.isChosen("rulers", index) ? points : [] };
  }

  regionItem(region, index) {
    const [top, left] = bounds(region);
    const isChosen = this.isChosen("regions", index);
    const kind = isChosen ? "chosen" : "region";
    return { kind, d: outline(region), label: String(index + 1), at: [top, left], handles: isChosen ? region.points : [] };
  }

  draftItem() {
    const { kind, points } = this.draft;
    if (kind === "ruler") return { kind, d: track(points), label: lengthText(points, this.about.spacing), at: points[1], handles: points };
    if (kind !== "polygon") return { kind: "draft", d: outline(this.draft) };
    return { kind: "draft", d: track(this.loose ? [...points, this.loose] : points), handles: points };
  }

  /** A round length as a share of the stage, in words; only where lengths are known. */
  ruleAt(zoom) {
    const { spacing } = this.about;
    const across = distance([[0, 0], [0, this.box[2] / zoom]], spacing).length;
    const length = roundLength(MOST_OF_STAGE * across);
    return { share: length / across, text: `${length} ${spacing.unit}${planeText(spacing)}` };
  }

  /** Show that length below every picture. */
  tellRule() {
    if (!this.about.spacing) return;
    const { share, text } = this.ruleAt(this.viewer.view.zoom);
    for (const { rule } of [...this.viewer.pictures, this.viewer.swipe].filter(Boolean)) {
      rule.style.setProperty("--length", `${100 * share}%`);
      rule.lastChild.textContent = text;
    }
  }
}

/** What was set on a film before in this viewer, else nothing. */
function readingOf(state, name) {
  state.readings ??= new Map();
  if (!state.readings.has(name)) state.readings.set(name, { ...UNREAD });
  return state.readings.get(name);
}

/** Whether a region encloses an area, or a ruler has a length. */
function hasExtent(thing) {
  const [top, left, bottom, right] = bounds(thing);
  return thing.kind === "ruler" ? top < bottom || left < right : top < bottom && left < right;
}

/** Where a map's largest value lies on the film. */
function peakOf({ map, about: { size }, geometry: { scale, offset_px: offset } }) {
  let best = 0;
  for (let i = 1; i < map.length; i++) if (map[i] > map[best]) best = i;
  if (!(map[best] > 0)) return null;
  return [Math.floor(best / size[1]), best % size[1]].map((each, axis) => (each + 0.5 + offset[axis]) / scale[axis]);
}
