// One map over the picture, with its head, legend, read-out and tools.

import { gradient, inWords, make, number, spread, svg, warning } from "./elements.js";
import { basisSize, contour, paint, peak, renderMap, topBound, upsample, valueAt } from "./render.js";
import { View } from "./view.js";

export const CONTOUR_LEVELS = {
  "50": "at 50 %",
  "25,50,75": "at 25, 50, 75 %",
  "10,20,30,40,50,60,70,80,90": "every 10 %",
};

export class Panel extends View {
  constructor(viewer, about) {
    super(viewer, about);
    this.own = viewer.state.own[about.name] ?? null;
    this.high = 0;
    this.build();
    try {
      this.basis = { ...about.numbers };
      for (const [name, index] of Object.entries(about.fields)) {
        if (!viewer.arrays[index]) throw new Error(`the data lack “${name}”`);
        this.basis[name] = viewer.arrays[index];
      }
      basisSize(about.kind, this.basis);
      if (!about.size.every((side) => side > 0)) throw new Error(`its size is ${about.size.join(" × ")}`);
    } catch (error) {
      this.broken = error.message;
    }
  }

  build() {
    const { name, title, subtitle, doubt } = this.about;
    this.element = make("figure", { className: "panel" });
    this.element.dataset.panel = name;
    const head = make("figcaption", {});
    this.subtitle = make("span", { className: "subtitle", textContent: subtitle });
    head.append(make("strong", { textContent: title }), this.subtitle);
    if (doubt) head.append(warning(doubt));
    this.buildMap();
    this.legend = make("div", { className: "legend" });
    this.foot = make("p", { className: "foot" });
    this.ownControls = make("div", { className: "own" });
    this.element.append(head, this.stage, ...this.below, this.legend, this.foot, this.ownControls, this.tools());
    if (this.own) this.buildOwn();
  }

  /** The picture with the map over it. */
  buildMap() {
    this.overlay = make("canvas", { className: "overlay" });
    this.lines = svg("svg", { class: "lines", preserveAspectRatio: "none" });
    this.buildStage(this.overlay, this.lines);
  }

  tools() {
    const row = super.tools();
    if (this.about.knows.length) {
      this.link = make("button", { type: "button", textContent: "Own sliders", title: "Give this panel sliders of its own." });
      this.link.setAttribute("aria-pressed", String(Boolean(this.own)));
      this.link.addEventListener("click", () => this.toggleLink());
      row.append(this.link);
    }
    return row;
  }

  toggleLink() {
    const { state } = this.viewer;
    this.own = this.own ? null : { ...state.values };
    if (this.own) state.own[this.about.name] = this.own;
    else delete state.own[this.about.name];
    this.link.setAttribute("aria-pressed", String(Boolean(this.own)));
    this.ownControls.replaceChildren();
    if (this.own) this.buildOwn();
    this.viewer.tellFollowed();
    this.viewer.draw();
    this.viewer.answer();
  }

  buildOwn() {
    const mine = this.viewer.header.parameters.filter((each) => this.about.knows.includes(each.name));
    const redraw = () => {
      this.render();
      this.viewer.repaint([this]);
    };
    this.ownControls.replaceChildren(...mine.map((each) => this.viewer.control(each, this.own, redraw)));
  }

  /** The fewest pixels that a map's shorter side is drawn with. */
  get leastOverlayPx() {
    return 224;
  }

  knows(parameter) {
    return !this.own && this.about.knows.includes(parameter);
  }

  get values() {
    return this.own ?? this.viewer.state.values;
  }

  get knowsReverse() {
    return this.about.knows.includes("reverse");
  }

  get isSigned() {
    return this.about.can_be_signed && this.viewer.state.look.evidence === "For and against";
  }

  /** From basis and values to the map at the model's input; what fails is told when painting. */
  render() {
    this.failure = this.broken ?? null;
    this.high = 0;
    if (this.failure) return;
    try {
      this.map = renderMap(this.about.kind, this.basis, this.values, this.isSigned, this.about.size);
      this.high = peak(this.map, this.isSigned);
    } catch (error) {
      this.failure = error.message;
    }
  }

  paintFailure() {
    this.legend.replaceChildren(make("p", { className: "none", textContent: `This map cannot be drawn: ${this.failure}.` }));
    this.overlay.width = this.overlay.height = 1;
    this.lines.replaceChildren();
    this.readout.textContent = "";
    this.viewer.film?.tellMap(this);
    this.stage.setAttribute("aria-label", `${this.about.title}: cannot be drawn`);
  }

  /** From the map to pixels, lines and legend; `shared` is the common upper end or null. */
  paint(shared) {
    if (this.failure) {
      this.paintFailure();
      return;
    }
    const { look } = this.viewer.state;
    const { title, size, doubt } = this.about;
    const subtitle = this.values.reverse && this.knowsReverse ? this.about.reversed_subtitle : this.about.subtitle;
    this.subtitle.textContent = subtitle;
    const isSigned = this.isSigned;
    const high = this.high > 0 ? (shared ?? this.high) : 0;
    const name = isSigned ? this.viewer.header.diverging : look.colours;
    const factor = Math.max(1, Math.ceil(this.leastOverlayPx / Math.min(...size)));
    const [height, width] = size.map((side) => side * factor);
    const values = factor === 1 ? this.map : upsample(this.map, size, [height, width]);
    if (this.overlay.width !== width || this.overlay.height !== height) {
      this.overlay.width = width;
      this.overlay.height = height;
      this.image = new ImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    const isHeat = look.drawing !== "Contours";
    const bound = topBound(values, look.top, isSigned);
    paint(this.pixels, values, { table: this.viewer.tables[name], high: isHeat ? high : 0, isSigned, bound });
    this.overlay.getContext("2d").putImageData(this.image, 0, 0);
    this.overlay.style.opacity = look.opacity / 100;
    this.place(this.overlay);
    this.paintLines(values, [height, width], high, isSigned, look.drawing !== "Heat map");
    this.paintLegend(name, high, isSigned, shared !== null);
    this.foot.textContent = [this.settings(), this.about.foot].filter(Boolean).join(" · ");
    this.viewer.film?.tellMap(this);
    this.stage.setAttribute("aria-label", `${title}, ${subtitle}: ${high > 0 ? `values up to ${number(high)}` : "no positive evidence"}${doubt ? `. Caution: ${doubt}` : ""}`);
  }

  /** Lay an element over the part of the picture that the network looked at. */
  place(element) {
    const { geometry } = this;
    const [height, width] = geometry.original_size;
    const [inputHeight, inputWidth] = geometry.input_size;
    let box = [0, 0, 1, 1];
    if (!this.viewer.isInputView) {
      const top = geometry.offset_px[0] / geometry.scale[0] / height;
      const left = geometry.offset_px[1] / geometry.scale[1] / width;
      box = [top, left, inputHeight / geometry.scale[0] / height, inputWidth / geometry.scale[1] / width];
    }
    const [top, left, tall, wide] = box.map((share) => `${share * 100}%`);
    Object.assign(element.style, { top, left, height: tall, width: wide });
  }

  /** Contour lines of the map's `values` at the overlay's own size (height, width). */
  paintLines(values, [height, width], high, isSigned, isShown) {
    this.lines.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.lines.replaceChildren();
    if (!isShown || high <= 0) return;
    const chosen = this.viewer.state.look.levels.split(",").map((percent) => percent / 100);
    const against = isSigned ? values.map((value) => -value) : null;
    for (const share of chosen.flatMap((each) => (isSigned ? [each, -each] : [each]))) {
      const d = contour(share > 0 ? values : against, [height, width], Math.abs(share) * high);
      for (const kind of ["halo", share > 0 ? "line" : "line against"]) this.lines.append(svg("path", { d, class: kind }));
    }
    this.place(this.lines);
  }

  paintLegend(name, high, isSigned, isShared) {
    if (high <= 0) {
      this.legend.replaceChildren(make("p", { className: "none", textContent: isSigned ? "No evidence" : "No positive evidence" }));
      return;
    }
    const [low, most] = isSigned ? this.about.meaning.signed : this.about.meaning.unsigned;
    const scale = isShared ? `one scale for all, here up to ${number(this.high)}` : "own scale";
    const note = `${scale}${isSigned ? ", clear at 0" : ""}`;
    const bar = make("div", { className: "bar" });
    bar.style.background = gradient(this.viewer.tables[name]);
    const ends = isSigned ? [number(-high), "0", number(high)] : ["0", "", number(high)];
    this.legend.replaceChildren(bar, spread(ends), spread([low, note, most]));
    this.legend.setAttribute("role", "img");
    this.legend.setAttribute("aria-label", `Colours from ${ends[0]}, ${low}, to ${ends[2]}, ${most}; ${note}`);
  }

  settings() {
    const about = this.viewer.header.parameters.filter((each) => this.about.knows.includes(each.name));
    return about
      .filter((each) => !each.is_switch || this.values[each.name])
      .map((each) => inWords(each, this.values[each.name]))
      .join(" · ");
  }

  paintPicture() {
    super.paintPicture();
    this.place(this.overlay);
    this.place(this.lines);
  }

  /** Say what the map is at a place of the model's input. */
  tell(where, inside, film) {
    if (this.failure) return;
    const isSeen = inside.every((each, axis) => each >= 0 && each <= this.geometry.input_size[axis]);
    const value = isSeen ? number(valueAt(this.map, this.about.size, ...inside)) : "not looked at";
    this.tellValue(film ? `${where}: film ${film} · map` : `${where}:`, value);
  }

  tellValue(where, value) {
    this.readout.textContent = `${where} ${value}`;
  }

  /** What an export needs of this panel. */
  sheet() {
    const { lines, rule } = this.filmSheet;
    return {
      title: this.about.title,
      doubt: this.about.doubt,
      lines: [this.viewer.header.question, this.subtitle.textContent, this.foot.textContent, this.looks(), ...lines, this.viewer.header.source],
      rule,
      legend: [...this.legend.querySelectorAll(".row")].map((row) => [...row.children].map((each) => each.textContent)),
      none: this.legend.querySelector(".none")?.textContent,
      table: this.viewer.tables[this.isSigned ? this.viewer.header.diverging : this.viewer.state.look.colours],
      paint: (context, width, height) => this.paintInto(context, width, height),
      aspect: this.viewer.aspect,
    };
  }

  /** How the map is drawn, in words. */
  looks() {
    const { opacity, drawing, levels, top, view } = this.viewer.state.look;
    const parts = [
      `opacity ${opacity} %`,
      drawing !== "Heat map" && `contours ${CONTOUR_LEVELS[levels]}`,
      top < 100 && `top ${top} %`,
      view === "Whole" ? "dimmed: not looked at" : "the network's input",
    ];
    return parts.filter(Boolean).join(" · ");
  }

  paintOver(context, width, height) {
    const box = (element) => ["left", "top", "width", "height"].map((side, i) => (parseFloat(element.style[side]) / 100) * (i % 2 ? height : width));
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    context.globalAlpha = this.viewer.state.look.opacity / 100;
    context.drawImage(this.overlay, ...box(this.overlay));
    context.globalAlpha = 1;
    if (this.lines.childElementCount) {
      const [left, top, wide, tall] = box(this.lines);
      const [, , w, h] = this.lines.getAttribute("viewBox").split(" ").map(Number);
      for (const path of this.lines.children) {
        const scaled = new Path2D();
        scaled.addPath(new Path2D(path.getAttribute("d")), new DOMMatrix([wide / w, 0, 0, tall / h, left, top]));
        const isHalo = path.classList.contains("halo");
        context.strokeStyle = isHalo ? "#000" : path.classList.contains("against") ? "#7cc0ea" : "#fff";
        context.lineWidth = isHalo ? 3 : 1.2;
        context.stroke(scaled);
      }
    }
    context.restore();
  }
}
