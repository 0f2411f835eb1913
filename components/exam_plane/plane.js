// The plane of students: x is dragged with a finger, a mouse or the arrow keys, the arrows turn at
// once, and what is set is told when x is let go. Streamlit calls the default export again on
// every rerun of the page.

import { angleBetween, diffcam, logOdds, nearestCounterfactual, scaled } from "./arrows.js";
import { angleWords, counterfactualWords, diffcamWords, gradCamWords, predictionWords } from "./words.js";
import { at, drawArrow, drawClass, isInside } from "./drawing.js";

const LENGTH = 20; // points, of the arrows of which only the direction counts
const KEY_PAUSE_MS = 400;
const STEPS = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };

class Plane {
  constructor(root) {
    this.root = root;
    this.svg = root.querySelector("svg");
    this.x = root.querySelector(".x");
    this.slider = root.querySelector("input[type=range]");
    this.path = root.querySelector(".loop");
    this.touched = false;
    this.loopText = "";
    this.listen();
  }

  find(name) {
    return this.root.querySelector(name);
  }

  /** Take what Python sent. What a person has moved since is not moved back. */
  take(data, tell) {
    this.send = tell;
    if (this.data && this.data.class !== data.class) this.loopText = "";
    this.data = data;
    if (!this.touched) this.set(data.setting);
    this.root.classList.toggle("is-looping", data.isLooping);
    const [least, largest] = data.lams.map(Math.log10);
    Object.assign(this.slider, { min: least, max: largest, step: 0.25, value: Math.log10(this.lam) });
    drawClass(this.find(".class"), data);
    this.draw();
  }

  set({ x, lam, loop }) {
    this.place = x.split(",").map(Number);
    this.lam = Number(lam);
    this.loopText = loop;
  }

  draw() {
    const { boundary, spectrum } = this.data;
    const odds = logOdds(this.place, boundary);
    const step = nearestCounterfactual(this.place, boundary);
    const weights = spectrum && diffcam(this.place, spectrum, this.lam);
    const towards = weights && weights.map((each) => -each);
    const angle = towards && angleBetween(boundary.weight, towards);
    drawArrow(this.find(".arrow.grad-cam"), this.place, scaled(boundary.weight, LENGTH), boundary.weight);
    drawArrow(this.find(".arrow.counterfactual"), this.place, step, step);
    drawArrow(this.find(".arrow.diffcam"), this.place, towards && scaled(towards, LENGTH), weights);
    const [left, top] = at(this.place);
    this.x.setAttribute("transform", `translate(${left} ${top})`);
    const [reading, writing] = this.place.map((each) => Math.round(each));
    const words = predictionWords(odds);
    this.x.setAttribute("aria-label", `Student x: reading ${reading}, writing ${writing}. ${words} Arrow keys move x.`);
    this.find(".place").textContent = `x: reading ${reading}, writing ${writing}. ${words}`;
    this.find(".grad-cam-words").textContent = gradCamWords(boundary.weight);
    this.find(".counterfactual-words").textContent = counterfactualWords(step);
    this.find(".diffcam-words").textContent = diffcamWords(towards);
    this.find(".angle").textContent = angleWords(angle ?? null);
    const share = (this.slider.value - this.slider.min) / (this.slider.max - this.slider.min);
    this.slider.style.setProperty("--at", `${100 * share}%`);
    this.find(".lam").textContent = String(Number(this.lam.toPrecision(2)));
    this.slider.setAttribute("aria-valuetext", `${Number(this.lam.toPrecision(2))} times the group's mean spread`);
  }

  move(place) {
    this.touched = true;
    this.place = place.map((each) => Math.min(100, Math.max(0, Math.round(each * 10) / 10)));
    this.draw();
  }

  /** Tell Python what is set; it answers with the same, and with another group after a loop. */
  tell() {
    clearTimeout(this.timer);
    this.touched = true;
    const texts = { x: this.place.join(","), lam: String(this.lam), loop: this.loopText };
    this.send("told", { ...texts, class: this.data.class });
    this.find(".said").textContent = this.find(".angle").textContent;
  }

  tellSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), KEY_PAUSE_MS);
  }

  placeOf(event) {
    const inverse = this.svg.getScreenCTM().inverse();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(inverse);
    return [100 - y, x];
  }

  listen() {
    this.x.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation();
      this.x.setPointerCapture(event.pointerId);
      const grip = this.placeOf(event);
      this.grip = this.place.map((each, index) => each - grip[index]);
    });
    this.x.addEventListener("pointermove", (event) => {
      if (this.grip) this.move(this.placeOf(event).map((each, index) => each + this.grip[index]));
    });
    const letGo = () => {
      if (!this.grip) return;
      this.grip = null;
      this.tell();
    };
    this.x.addEventListener("pointerup", letGo);
    this.x.addEventListener("pointercancel", letGo);
    this.x.addEventListener("click", (event) => event.stopPropagation());
    // `touch-action` is not heeded inside an SVG: a finger on x would scroll the page
    this.x.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    this.x.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step) return;
      event.preventDefault();
      this.move(this.place.map((each, index) => each + step[index] * (event.shiftKey ? 5 : 1)));
      this.tellSoon();
    });
    this.svg.addEventListener("click", (event) => {
      if (this.data.isLooping) return;
      this.move(this.placeOf(event));
      this.tell();
    });
    this.slider.addEventListener("input", () => {
      this.touched = true;
      this.lam = Number((10 ** Number(this.slider.value)).toPrecision(4));
      this.draw();
    });
    this.slider.addEventListener("change", () => this.tell());
    this.find("button").addEventListener("click", () => {
      this.set({ ...this.data.start, loop: this.loopText });
      this.slider.value = Math.log10(this.lam);
      this.draw();
      this.tell();
    });
    this.listenToLoops();
  }

  listenToLoops() {
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.data.isLooping) return;
      this.svg.setPointerCapture(event.pointerId);
      this.loop = [this.placeOf(event)];
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (!this.loop) return;
      this.loop.push(this.placeOf(event));
      this.path.setAttribute("points", this.loop.map((each) => at(each).join(",")).join(" "));
    });
    const close = () => {
      if (!this.loop) return;
      const inside = this.data.scores.map((each) => isInside(each, this.loop));
      this.loop = null;
      this.path.setAttribute("points", "");
      this.loopText = inside.some(Boolean) ? hexadecimal(inside) : "";
      this.tell();
    };
    this.svg.addEventListener("pointerup", close);
    this.svg.addEventListener("pointercancel", close);
  }
}

/** Four students a digit, the first of them its largest bit. */
function hexadecimal(flags) {
  const bits = flags.map(Number).join("");
  return bits.replace(/.{4}/g, (four) => Number.parseInt(four, 2).toString(16));
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".exam-plane");
  root.plane ??= new Plane(root);
  root.plane.take(data, setStateValue);
}
