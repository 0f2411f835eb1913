// Two maps over each other, with a divider to drag.

import { make } from "./elements.js";
import { watch } from "./pointers.js";
import { ruleElement } from "./view.js";

/** Two panels over each other, with a divider to drag, on the picture or below it. */
export class Swipe {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = make("figure", { className: "panel swipe" });
    this.pick = [0, 1].map((at) => this.chooser(at));
    const close = make("button", { type: "button", textContent: "Close", title: "Show the maps side by side only." });
    close.addEventListener("click", () => viewer.toggleSwipe());
    const head = make("figcaption", {});
    head.append(...this.pick, close);
    this.stage = make("div", { className: "stage", tabIndex: 0 });
    this.stage.setAttribute("role", "img");
    this.stage.setAttribute("aria-label", "Two maps over each other");
    this.canvas = make("canvas", { className: "whole" });
    this.world = make("div", { className: "world" });
    this.world.append(this.canvas, this.handle());
    this.stage.append(this.world);
    this.divider = make("input", { type: "range", min: 0, max: 100, value: 50, className: "divider" });
    this.divider.setAttribute("aria-label", "Divider between the two maps");
    this.divider.addEventListener("input", () => this.divide(Number(this.divider.value)));
    this.rule = viewer.header.film?.spacing ? ruleElement() : null;
    this.element.append(head, this.stage, ...(this.rule ? [this.rule] : []), this.divider);
    watch(this.stage, viewer);
    this.divide(50);
  }

  chooser(at) {
    const list = make("select", {});
    list.setAttribute("aria-label", at ? "Right map" : "Left map");
    this.viewer.pictures.forEach((panel, i) => list.append(make("option", { value: i, textContent: panel.about.title, selected: i === at })));
    list.addEventListener("change", () => this.refresh());
    return list;
  }

  /** The divider on the picture: what presses it moves it, and no tool. */
  handle() {
    const handle = make("div", { className: "handle-line" });
    let isHeld = false;
    handle.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
      isHeld = true;
    });
    handle.addEventListener("pointermove", (event) => {
      if (!isHeld) return;
      event.stopPropagation();
      const { left, width } = this.world.getBoundingClientRect(); // as it is zoomed
      this.divide((100 * (event.clientX - left)) / width);
    });
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      handle.addEventListener(type, (event) => {
        if (isHeld) event.stopPropagation();
        isHeld = false;
      });
    }
    handle.addEventListener("dblclick", (event) => event.stopPropagation());
    return handle;
  }

  /** Put the divider at a percentage of the width. */
  divide(percent) {
    this.at = Math.min(100, Math.max(0, percent));
    this.divider.value = Math.round(this.at);
    this.world.style.setProperty("--divided", `${this.at}%`);
    this.refresh();
  }

  refresh() {
    const [height, width] = this.viewer.aspect;
    const { base } = this.viewer;
    const scale = Math.max(base ? Math.max(base.width, base.height) : 0, 800) / Math.max(height, width);
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const context = this.canvas.getContext("2d");
    const cut = (this.at / 100) * this.canvas.width;
    this.pick.forEach((list, side) => {
      context.save();
      context.beginPath();
      context.rect(side ? cut : 0, 0, side ? this.canvas.width - cut : cut, this.canvas.height);
      context.clip();
      this.viewer.pictures[list.value]?.paintInto(context, this.canvas.width, this.canvas.height, this.viewer.isBare);
      context.restore();
    });
  }
}
