// What mouse, pen, finger and keys do to a film with each tool. Shares are of the stage, places are
// [row, column] in pixels of the film.

import { bounds, contains, shifted } from "./regions.js";

const NEAR_PX = 9; // how far from a handle the pointer takes hold of it
const CLICK_PX = 4; // what moves less was a click
const NUDGE = 0.005; // of the film's longer side
const WINDOW_STEP = 0.02;
const DRAWN = ["box", "ellipse", "ruler"];
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export class Gestures {
  constructor(film) {
    this.film = film;
    this.now = null;
  }

  /** Begin what a pressed button or finger does. */
  press(event, at, stage) {
    const { film } = this;
    const place = film.placeOf(at);
    this.now = { kind: this.kindOf(event, place, stage), at, place, stage, hasMoved: false };
    if (this.now.kind === "point") this.now.index = this.handleAt(place, stage);
    if (this.now.kind === "point" || this.now.kind === "thing") this.now.thing = film.held;
  }

  kindOf(event, place, stage) {
    const { film } = this;
    if (event.button === 2 || (event.button === 0 && (event.shiftKey || film.tool === "window"))) {
      return film.viewer.isInputView ? "none" : "window"; // the network's input is shown as it is
    }
    if (event.button !== 0) return "none";
    if (film.tool === "polygon") return "vertex";
    if (this.handleAt(place, stage) >= 0) return "point";
    // With the ruler as the tool a new one may begin on another one's line.
    if (film.tool !== "ruler" && film.held && this.isOn(film.held, place, stage)) return "thing";
    return DRAWN.includes(film.tool) ? "draw" : "pan";
  }

  /** Go on with it; false leaves the movement to the viewer, which pans. */
  drag(at, before) {
    const { film, now } = this;
    if (!now) return false;
    now.hasMoved ||= this.pixels(at, now.at, now.stage) >= CLICK_PX;
    if (now.kind === "pan" || now.kind === "vertex") return !now.hasMoved;
    if (now.kind === "none") return true;
    if (now.kind === "window") {
      film.viewer.moveWindow(at[0] - before[0], at[1] - before[1]);
      return true;
    }
    if (!now.hasMoved) return true;
    const place = film.clamped(film.placeOf(at));
    const from = film.clamped(now.place);
    if (now.kind === "draw") film.draft = { kind: film.tool, points: [from, place] };
    else if (now.kind === "point") film.change((points) => points.map((each, i) => (i === now.index ? place : each)));
    else film.replace(shifted(now.thing, place[0] - from[0], place[1] - from[1], film.size));
    film.refresh();
    return true;
  }

  /** End it: what was made is told. */
  release() {
    const { film, now } = this;
    this.now = null;
    if (!now) return;
    if (now.kind === "window") {
      film.viewer.windowIsSet();
    } else if (!now.hasMoved) {
      if (now.kind === "vertex") this.addVertex(film.clamped(now.place), now.stage);
      else if (now.kind !== "none") film.choose(this.thingAt(now.place, now.stage));
    } else if (now.kind === "draw" && film.draft) {
      const thing = film.draft;
      film.draft = null;
      film.add(thing);
    }
    film.refresh();
    film.viewer.answer();
  }

  /** Drop what was begun, as where a second finger comes to zoom. */
  cancel() {
    const { film, now } = this;
    this.now = null;
    if (now?.kind === "draw") film.draft = null;
    if (now?.thing) film.replace(now.thing);
    if (now) film.refresh();
  }

  /** Let the open end of a polygon follow the pointer. */
  hover(at) {
    const { film } = this;
    if (film.draft?.kind !== "polygon") return;
    film.loose = film.clamped(film.placeOf(at));
    film.refresh();
  }

  addVertex(place, stage) {
    const { film } = this;
    const points = film.draft?.points ?? [];
    const isNear = (other) => other && this.between(place, other, stage) < NEAR_PX;
    if (points.length >= 3 && isNear(points[0])) this.close();
    else if (!isNear(points.at(-1))) film.draft = { kind: "polygon", points: [...points, place] };
  }

  /** Close the polygon that is being drawn; false where there is none. */
  close() {
    const { film } = this;
    if (film.draft?.kind !== "polygon") return film.tool === "polygon";
    const region = film.draft;
    if (region.points.length >= 3) {
      film.draft = film.loose = null;
      film.add(region);
    }
    film.refresh();
    film.viewer.answer();
    return true;
  }

  /** What a key does; false leaves it to the viewer. */
  key(event) {
    const { film } = this;
    if (event.key === "Escape") return film.escape();
    if (event.key === "Delete" || event.key === "Backspace") return film.remove();
    if (event.key === "Enter") return film.draft ? this.close() : film.addInMiddle();
    const step = ARROWS[event.key];
    return step ? this.arrow(step, event.shiftKey) : false;
  }

  arrow([down, right], isShift) {
    const { film } = this;
    const { chosen } = film;
    const by = Math.max(1, NUDGE * Math.max(...film.size));
    const moved = ([row, column]) => film.clamped([row + down * by, column + right * by]);
    if (film.tool === "window" && !film.viewer.isInputView) {
      film.viewer.moveWindow(right * WINDOW_STEP, down * WINDOW_STEP);
    } else if (chosen?.kind === "ruler") {
      film.change((ends) => ends.map((each, i) => (i === Number(!isShift) ? moved(each) : each)));
    } else if (chosen && isShift && chosen.kind !== "polygon") {
      const [top, left, bottom, last] = bounds(chosen);
      film.change(() => [[top, left], moved([bottom, last])]);
    } else if (chosen) {
      film.replace(shifted(chosen, down * by, right * by, film.size));
    } else {
      return false;
    }
    film.refresh();
    return true;
  }

  /** The point of the chosen thing that the pointer takes hold of, -1 for none. */
  handleAt(place, stage) {
    const points = this.film.held?.points ?? [];
    return points.findIndex((each) => this.between(place, each, stage) < NEAR_PX);
  }

  /** Whether a place lies in a region or on a ruler. */
  isOn(thing, place, stage) {
    if (thing.kind !== "ruler") return contains(thing, place);
    return this.between(place, nearest(thing.points, place), stage) < NEAR_PX;
  }

  /** Where the topmost thing at a place stands, null for none; rulers lie over regions. */
  thingAt(place, stage) {
    for (const list of ["rulers", "regions"]) {
      const index = this.film.reading[list].findLastIndex((each) => this.isOn(each, place, stage));
      if (index >= 0) return { list, index };
    }
    return null;
  }

  /** How far two shares of a stage lie apart on the screen. */
  pixels(a, b, stage) {
    const box = stage.getBoundingClientRect();
    return Math.hypot((a[0] - b[0]) * box.width, (a[1] - b[1]) * box.height);
  }

  /** How far two places lie apart on the screen. */
  between(a, b, stage) {
    const [, , wide] = this.film.box;
    const scale = (stage.getBoundingClientRect().width * this.film.viewer.view.zoom) / wide;
    return Math.hypot(a[0] - b[0], a[1] - b[1]) * scale;
  }
}

/** The place of a line between two ends that is nearest to another place. */
function nearest([from, to], place) {
  const along = [0, 1].map((axis) => to[axis] - from[axis]);
  const length = along[0] ** 2 + along[1] ** 2;
  const share = along.reduce((sum, each, axis) => sum + each * (place[axis] - from[axis]), 0) / length;
  return from.map((each, axis) => each + Math.min(1, Math.max(0, share)) * along[axis]);
}
