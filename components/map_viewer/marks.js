// What is marked on a film: outlines, labels, handles and peaks, on the stage and in exports. Places
// are [row, column] in pixels of the film.

import { make, svg } from "./elements.js";

// Okabe and Ito's colours, each over a black line; lines of contours are white, those against blue.
const STYLES = {
  known: { colour: "#f08cc4", width: 2, dash: [6, 4] },
  region: { colour: "#e69f00", width: 1.6, dash: [] },
  chosen: { colour: "#ffc83d", width: 2.6, dash: [] },
  draft: { colour: "#ffc83d", width: 1.6, dash: [3, 3] },
  ruler: { colour: "#f0e442", width: 1.6, dash: [] },
};
const NEAR_EDGE = 0.07; // of the picture's height: a label there stands on the other side
const HALO = 1.6;
const PEAK_PX = 9;

export class Marks {
  constructor(world) {
    this.svg = svg("svg", { class: "marks", preserveAspectRatio: "none" });
    this.labels = make("div", { className: "labels" });
    world.append(this.svg, this.labels);
    this.items = [];
  }

  /** Show items where `box` ([left, top, width, height] of the film) fills the stage. */
  show(items, box) {
    this.box = box;
    this.svg.setAttribute("viewBox", box.join(" "));
    const isSame = items.length === this.items.length && items.every((each, i) => each === this.items[i]);
    if (isSame && this.shownIn === box.join(" ")) return;
    this.shownIn = box.join(" ");
    this.items = items;
    this.svg.replaceChildren(...items.filter((each) => each.d).flatMap((each) => this.lines(each)));
    this.labels.replaceChildren(...items.flatMap((each) => this.texts(each)));
  }

  lines({ kind, d, matrix }) {
    const { colour, width, dash } = STYLES[kind];
    const shared = { d, class: kind, ...(matrix ? { transform: `matrix(${matrix.join(" ")})` } : {}) };
    // Divided by the zoom: lines stay as thin as they are.
    const onScreen = (px) => `calc(${px}px / var(--zoom, 1))`;
    const halo = svg("path", { ...shared, stroke: "#000", style: `stroke-width: ${onScreen(width + HALO)}` });
    const style = `stroke-width: ${onScreen(width)}; stroke-dasharray: ${dash.map(onScreen).join(" ") || "none"}`;
    return [halo, svg("path", { ...shared, stroke: colour, style })];
  }

  texts({ kind, label, at, title, handles = [] }) {
    const found = handles.map((each) => this.placed(make("span", { className: "handle" }), each));
    if (kind === "peak") found.push(this.placed(make("span", { className: "peak-ring", title }), at));
    else if (label) found.push(this.placed(make("span", { className: `tag ${kind}`, textContent: label }), at));
    if (kind === "ruler" || kind === "known") this.lean(found.at(-1), kind, at);
    return found;
  }

  /** Keep a label inside the picture: a ruler's below its end, an annotation's above its outline. */
  lean(tag, kind, [row, column]) {
    const [left, top, width, height] = this.box;
    const down = (row - top) / height;
    const isAbove = kind === "ruler" ? down > 1 - NEAR_EDGE : down > NEAR_EDGE;
    tag.style.setProperty("--back", `${(-100 * (column - left)) / width}%`);
    tag.style.setProperty("--down", isAbove ? "calc(-100% - 3px)" : "4px");
  }

  placed(element, [row, column]) {
    const [left, top, width, height] = this.box;
    element.style.left = `${(100 * (column - left)) / width}%`;
    element.style.top = `${(100 * (row - top)) / height}%`;
    return element;
  }

  /** Draw the same onto a canvas whose (width, height) show the box. */
  paintInto(context, width, height) {
    if (!this.box) return;
    const [left, top, wide, tall] = this.box;
    const toCanvas = new DOMMatrix([width / wide, 0, 0, height / tall, (-left * width) / wide, (-top * height) / tall]);
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    for (const { kind, d, matrix, label, at } of this.items) {
      if (d) {
        const path = new Path2D();
        path.addPath(new Path2D(d), matrix ? toCanvas.multiply(new DOMMatrix(matrix)) : toCanvas);
        strokeTwice(context, path, STYLES[kind]);
      }
      if (!at) continue;
      const place = toCanvas.transformPoint(new DOMPoint(at[1], at[0]));
      if (kind === "peak") {
        const ring = new Path2D();
        ring.arc(place.x, place.y, PEAK_PX - 2, 0, 2 * Math.PI);
        strokeTwice(context, ring, { colour: "#fff", width: 2, dash: [] });
      } else if (label) {
        writeTag(context, label, place.x, place.y, width);
      }
    }
    context.restore();
  }
}

/** Pairs of places, as `contour` writes them, joined into whole lines: dashes then run on. */
export function chained(path) {
  const pairs = path.split("M").slice(1).map((each) => each.split("L"));
  const ends = new Map();
  pairs.forEach((pair, i) => pair.forEach((end) => ends.set(end, [...(ends.get(end) ?? []), i])));
  const isDone = new Uint8Array(pairs.length);
  let out = "";
  for (let i = 0; i < pairs.length; i++) {
    if (isDone[i]) continue;
    const [start, second] = pairs[i];
    isDone[i] = 1;
    out += `M${start}L${second}`;
    for (let at = second, next; (next = ends.get(at).find((each) => !isDone[each])) !== undefined; ) {
      isDone[next] = 1;
      at = pairs[next][0] === at ? pairs[next][1] : pairs[next][0];
      out += `L${at}`;
    }
  }
  return out;
}

function strokeTwice(context, path, { colour, width, dash }) {
  context.strokeStyle = "#000";
  context.lineWidth = width + HALO;
  context.stroke(path);
  context.setLineDash(dash);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
  context.setLineDash([]);
}

/** A label on dark ground whose lower left corner lies at a place, moved inside the picture. */
function writeTag(context, text, x, y, width) {
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "left";
  const wide = context.measureText(text).width + 6;
  const [left, bottom] = [Math.max(0, Math.min(x, width - wide)), Math.max(16, y)];
  context.fillStyle = "rgb(0 0 0 / 70%)";
  context.fillRect(left, bottom - 16, wide, 16);
  context.fillStyle = "#fff";
  context.fillText(text, left + 3, bottom - 4);
}

/** Write what marks a picture, such as a phantom, small at the middle of its upper edge. */
export function writeMark(context, mark, width) {
  if (!mark) return; // corners are where films carry their own markers
  const size = Math.max(10, Math.min(14, width / 50));
  context.save();
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textAlign = "center";
  const wide = context.measureText(mark).width + size;
  context.fillStyle = "rgb(0 0 0 / 40%)";
  context.fillRect((width - wide) / 2, 2, wide, 1.4 * size);
  context.fillStyle = "rgb(255 255 255 / 85%)";
  context.fillText(mark, width / 2, 2 + 1.05 * size);
  context.restore();
}
