// Two maps over each other, with a divider to drag.

import { make } from "./elements.js";
import { watch } from "./pointers.js";

/** Two panels over each other, with a divider to drag. */
export class Swipe {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = make("figure", { className: "panel swipe" });
    this.pick = [0, 1].map((at) => this.chooser(at));
    const head = make("figcaption", {});
    head.append(...this.pick);
    this.stage = make("div", { className: "stage", tabIndex: 0 });
    this.stage.setAttribute("role", "img");
    this.stage.setAttribute("aria-label", "Two maps over each other");
    this.canvas = make("canvas", { className: "whole" });
    this.world = make("div", { className: "world" });
    this.world.append(this.canvas);
    this.stage.append(this.world);
    this.divider = make("input", { type: "range", min: 0, max: 100, value: 50, className: "divider" });
    this.divider.setAttribute("aria-label", "Divider between the two maps");
    this.divider.addEventListener("input", () => this.refresh());
    this.element.append(head, this.stage, this.divider);
    watch(this.stage, viewer);
    this.refresh();
  }

  chooser(at) {
    const list = make("select", {});
    list.setAttribute("aria-label", at ? "Right map" : "Left map");
    this.viewer.pictures.forEach((panel, i) => list.append(make("option", { value: i, textContent: panel.about.title, selected: i === at })));
    list.addEventListener("change", () => this.refresh());
    return list;
  }

  refresh() {
    const [height, width] = this.viewer.aspect;
    const { base } = this.viewer;
    const scale = Math.max(base ? Math.max(base.width, base.height) : 0, 800) / Math.max(height, width);
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const context = this.canvas.getContext("2d");
    const cut = (this.divider.value / 100) * this.canvas.width;
    this.pick.forEach((list, side) => {
      context.save();
      context.beginPath();
      context.rect(side ? cut : 0, 0, side ? this.canvas.width - cut : cut, this.canvas.height);
      context.clip();
      this.viewer.pictures[list.value]?.paintInto(context, this.canvas.width, this.canvas.height, this.viewer.isBare);
      context.restore();
    });
    context.fillStyle = "#fff";
    context.fillRect(cut - 1, 0, 2, this.canvas.height);
  }
}
