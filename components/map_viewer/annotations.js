// What is known to lie where on a film: an outline with its name for each annotation.

import { chained } from "./marks.js";
import { outline } from "./regions.js";
import { contour } from "./render.js";

/** The outlines, as `Marks` shows them; `size` is the film's. */
export function knownItems(annotations, arrays, size) {
  return annotations.map(({ label, boxes, mask }) => {
    const found = mask === null ? aroundBoxes(boxes) : aroundMask(arrays[mask], size);
    return { kind: "known", label, ...found };
  });
}

function aroundBoxes(boxes) {
  const highest = boxes.reduce((best, each) => (each[0] < best[0] ? each : best));
  const box = ([top, left, bottom, right]) => outline({ kind: "box", points: [[top, left], [bottom, right]] });
  return { d: boxes.map(box).join(""), at: highest.slice(0, 2) };
}

function aroundMask({ values, shape: [height, width] }, size) {
  const framed = new Uint8Array((height + 2) * (width + 2)); // so that outlines close at the edge
  for (let y = 0; y < height; y++) framed.set(values.subarray(y * width, (y + 1) * width), (y + 1) * (width + 2) + 1);
  const [x, y] = [size[1] / width, size[0] / height];
  const first = Math.max(0, values.findIndex((each) => each > 127));
  return {
    d: chained(contour(framed, [height + 2, width + 2], 127.5)),
    matrix: [x, 0, 0, y, -x, -y],
    at: [Math.floor(first / width) * y, (first % width) * x],
  };
}

/** Their names, for a legend. */
export function namesOf(items) {
  return items.map(({ label }) => label).join(", ");
}
