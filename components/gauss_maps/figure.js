// One map: its picture, on which its centre is moved, the slider of its width, its scores.

import { paint } from "./painting.js";

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LARGE_STEP = 5;

const within = (value, low, high) => Math.min(high, Math.max(low, Math.round(value)));

export class MapFigure {
  /** @param moved called with (gaussian, how): "held", "released" or "key". */
  constructor(template, name, moved) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.picture = this.element.querySelector(".picture");
    this.slider = this.element.querySelector("input");
    this.name = name;
    this.moved = moved;
    this.element.querySelector(".name").textContent = name;
    this.slider.setAttribute("aria-label", `Width of ${name}`);
    this.listen();
  }

  show(gaussian, data) {
    this.gaussian = gaussian;
    this.data = data;
    const [across, down, width] = gaussian;
    const [least, largest] = data.widths;
    paint(this.element.querySelector("canvas"), gaussian, data);
    const [height, wide] = data.size;
    const [top, left, bottom, right] = data.box;
    const box = { x: (100 * left) / wide, y: (100 * top) / height };
    Object.assign(box, { width: (100 * (right - left)) / wide, height: (100 * (bottom - top)) / height });
    this.each("rect", box);
    this.each("circle", { cx: across, cy: down, r: width });
    this.each("path", { transform: `translate(${across} ${down})` });
    Object.assign(this.slider, { min: least, max: largest, value: width });
    this.slider.style.setProperty("--at", `${(100 * (width - least)) / (largest - least)}%`);
    this.slider.setAttribute("aria-valuetext", `${width} percent of the picture`);
    this.element.querySelector(".where").textContent = `at ${across}, ${down} · width ${width}`;
    const where = `Map ${this.name}: centre ${across} across, ${down} down, width ${width}.`;
    this.picture.setAttribute("aria-label", `${where} Arrow keys move it.`);
  }

  each(name, attributes) {
    for (const shape of this.picture.querySelectorAll(name))
      for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
  }

  /** @param scores as texts, one for each metric. */
  showScores(scores, metrics, isBest, isInPair) {
    this.element.classList.toggle("in-pair", isInPair);
    const rows = metrics.map(({ title, isHigherBetter }, index) => {
      const row = document.createElement("tr");
      row.classList.toggle("best", isBest[index]);
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = `${title.replace(" AUC", "")} ${isHigherBetter ? "↑" : "↓"}`;
      const cell = document.createElement("td");
      cell.textContent = `${isBest[index] ? "● " : ""}${scores[index]}`;
      row.append(head, cell);
      return row;
    });
    this.element.querySelector("tbody").replaceChildren(...rows);
  }

  move(across, down, width, how) {
    const [least, largest] = this.data.widths;
    this.moved([within(across, 0, 100), within(down, 0, 100), within(width, least, largest)], how);
  }

  listen() {
    const placeOf = (event) => {
      const { left, top, width, height } = this.picture.getBoundingClientRect();
      return [(100 * (event.clientX - left)) / width, (100 * (event.clientY - top)) / height];
    };
    let isHeld = false;
    this.picture.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.picture.setPointerCapture(event.pointerId);
      isHeld = true;
      this.move(...placeOf(event), this.gaussian[2], "held");
    });
    this.picture.addEventListener("pointermove", (event) => {
      if (isHeld) this.move(...placeOf(event), this.gaussian[2], "held");
    });
    const letGo = () => {
      if (isHeld) this.moved(this.gaussian, "released");
      isHeld = false;
    };
    this.picture.addEventListener("pointerup", letGo);
    this.picture.addEventListener("pointercancel", letGo);
    this.picture.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step) return;
      event.preventDefault();
      const size = event.shiftKey ? LARGE_STEP : 1;
      const [across, down, width] = this.gaussian;
      this.move(across + size * step[0], down + size * step[1], width, "key");
    });
    const resize = (how) => this.move(this.gaussian[0], this.gaussian[1], Number(this.slider.value), how);
    this.slider.addEventListener("input", () => resize("held"));
    this.slider.addEventListener("change", () => resize("released"));
  }
}
