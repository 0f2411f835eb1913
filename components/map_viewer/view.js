// One look at the picture: the stage with its zoom, what lies over it, and what is read off it.

import { make } from "./elements.js";
import { Marks, writeMark } from "./marks.js";
import { save, sheet } from "./export.js";
import { exportLines } from "./film_facts.js";
import { watch } from "./pointers.js";

const POINT_HINT = "Point at the map to read it.";

/** A bar whose length is told beside it; it lies below a picture, on none of it. */
export function ruleElement() {
  const rule = make("div", { className: "rule" });
  rule.append(make("span", { className: "rule-bar" }), make("span", {}));
  return rule;
}

export class View {
  constructor(viewer, about) {
    this.viewer = viewer;
    this.about = about;
  }

  /** The picture, what may lie over it, and the read-out below. */
  buildStage(...overlays) {
    this.stage = make("div", { className: "stage", tabIndex: 0 });
    this.stage.setAttribute("role", "img");
    this.world = make("div", { className: "world" });
    this.picture = make("canvas", { className: "picture" });
    this.cross = make("div", { className: "cross" });
    this.world.append(this.picture, ...overlays, this.cross);
    this.stage.append(this.world);
    if (this.viewer.header.film) this.buildMarks();
    this.readout = make("output", { className: "readout", textContent: this.hint });
    watch(this.stage, this.viewer);
  }

  buildMarks() {
    const { mark, spacing } = this.viewer.header.film;
    this.marks = new Marks(this.world);
    this.rule = spacing ? ruleElement() : null;
    if (mark) this.stage.append(make("div", { className: "mark", textContent: mark }));
    this.facts = make("ul", { className: "facts" });
  }

  /** The buttons of every look at the picture. */
  tools() {
    const row = make("div", { className: "tools" });
    const png = make("button", { type: "button", textContent: "PNG", title: "This map with legend, question and parameters." });
    png.addEventListener("click", () => save(sheet([this.sheet()]), `whynot-${this.about.name}.png`));
    this.enlarge = make("button", { type: "button", textContent: "Larger" });
    this.enlarge.addEventListener("click", () => this.viewer.enlarge(this));
    row.append(png, this.enlarge);
    return row;
  }

  /** What of the film is told directly below the picture. */
  get below() {
    return [this.rule, this.readout, this.facts].filter(Boolean);
  }

  get hint() {
    return POINT_HINT;
  }

  /** The most pixels that the picture's longer side is drawn with. */
  get mostPicturePx() {
    return Infinity;
  }

  get geometry() {
    return this.about.geometry ?? this.viewer.header.geometry;
  }

  /** Whether what the network did not look at is dimmed. */
  get isDimmed() {
    return !this.viewer.isInputView;
  }

  paintPicture() {
    const { base } = this.viewer;
    if (!base) return;
    const scale = Math.min(1, this.mostPicturePx / Math.max(base.width, base.height));
    const [width, height] = [base.width, base.height].map((side) => Math.round(side * scale));
    if (this.picture.width !== width) this.picture.width = width;
    if (this.picture.height !== height) this.picture.height = height;
    const context = this.picture.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.clearRect(0, 0, width, height);
    context.drawImage(base, 0, 0, width, height);
    if (!this.isDimmed) return;
    const [tall, wide] = this.geometry.original_size;
    const [top, left, bottom, right] = this.geometry.seen_box;
    const [x, y] = [width / wide, height / tall];
    context.fillStyle = "rgb(0 0 0 / 65%)";
    context.beginPath();
    context.rect(0, 0, width, height);
    context.rect(left * x, top * y, (right - left) * x, (bottom - top) * y);
    context.fill("evenodd");
  }

  /** Show the cross at a share of the picture, and what is there. */
  point(x, y) {
    this.cross.style.left = `${x * 100}%`;
    this.cross.style.top = `${y * 100}%`;
    const { geometry } = this;
    const size = this.viewer.isInputView ? geometry.input_size : geometry.original_size;
    const at = [y * size[0], x * size[1]];
    const inside = this.viewer.isInputView ? at : at.map((each, axis) => each * geometry.scale[axis] - geometry.offset_px[axis]);
    this.tell(`x ${Math.floor(at[1])}, y ${Math.floor(at[0])}`, inside, this.viewer.film?.valueText(x, y));
  }

  unpoint() {
    this.cross.style.left = this.cross.style.top = "";
    this.readout.textContent = this.hint;
  }

  /** Draw the picture alone, with what is marked on it. */
  paintInto(context, width, height, isBare = false) {
    context.drawImage(this.picture, 0, 0, width, height);
    if (!isBare) this.paintOver(context, width, height);
    const { film } = this.viewer;
    if (!film) return;
    if (!isBare) this.marks.paintInto(context, width, height);
    writeMark(context, film.about.mark, width);
  }

  /** What an export writes of the film below the picture. */
  get filmSheet() {
    const { film } = this.viewer;
    if (!film) return { lines: [], rule: null };
    return { lines: exportLines(film, this), rule: film.about.spacing ? film.ruleAt(1) : null };
  }

  paintOver() {}
}
