// The plane as SVG: writing to the right, reading upwards, one unit a point.

const NAMESPACE = "http://www.w3.org/2000/svg";
const FAR = 400;

export function svg(name, attributes = {}, text = null) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

/** Where a place [reading, writing] is drawn. */
export const at = ([reading, writing]) => [writing, 100 - reading];

function axes() {
  const ticks = [0, 25, 50, 75, 100].flatMap((each) => [
    svg("line", { class: "grid", x1: each, x2: each, y1: 0, y2: 100 }),
    svg("line", { class: "grid", x1: 0, x2: 100, y1: each, y2: each }),
    svg("text", { class: "tick", x: each, y: 104.5, "text-anchor": "middle" }, String(each)),
    svg("text", { class: "tick", x: -1.5, y: 101.3 - each, "text-anchor": "end" }, String(each)),
  ]);
  return [
    ...ticks,
    svg("text", { class: "axis", x: 50, y: 109.5, "text-anchor": "middle" }, "Writing"),
    svg("text", { class: "axis", x: -50, y: -9, "text-anchor": "middle", transform: "rotate(-90)" }, "Reading"),
  ];
}

/** The boundary as a line through the plane, and the half of it where the model says Pass. */
function boundary({ weight, bias }) {
  const size = Math.hypot(...weight);
  const unit = weight.map((each) => each / size);
  const middle = unit.map((each) => 50 - each * ((50 * (weight[0] + weight[1]) + bias) / size));
  const along = [-unit[1], unit[0]];
  const point = (side, depth) =>
    at(middle.map((each, index) => each + side * FAR * along[index] + depth * FAR * unit[index]));
  const [from, to] = [point(-1, 0), point(1, 0)];
  const half = [from, to, point(1, 1), point(-1, 1)].map((each) => each.join(",")).join(" ");
  return [
    svg("polygon", { class: "pass-side", points: half }),
    svg("line", { class: "boundary", x1: from[0], y1: from[1], x2: to[0], y2: to[1] }),
  ];
}

function student(place, hasPassed, isMember) {
  const [x, y] = at(place);
  const kind = `student ${hasPassed ? "pass" : "fail"}${isMember ? " member" : ""}`;
  if (hasPassed) return svg("circle", { class: kind, cx: x, cy: y, r: 1.4 });
  return svg("path", { class: kind, d: `M${x - 1.2} ${y - 1.2}l2.4 2.4m0 -2.4l-2.4 2.4` });
}

/** The middle of a group: its sign, large, in a ring. */
function middleOf(place, name) {
  const [x, y] = at(place);
  const group = svg("g", { class: `middle ${name}` });
  const sign =
    name === "pass"
      ? svg("circle", { cx: x, cy: y, r: 1.7 })
      : svg("path", { d: `M${x - 1.5} ${y - 1.5}l3 3m0 -3l-3 3` });
  group.append(svg("circle", { class: "ring", cx: x, cy: y, r: 3.4 }), sign);
  return group;
}

/** All that does not move with x. */
export function drawClass(layer, data) {
  const members = new Set(data.members);
  const inside = svg("g", { "clip-path": "url(#exam-plane-box)" });
  inside.append(...boundary(data.boundary));
  const students = data.scores.map((place, index) => student(place, data.hasPassed[index], members.has(index)));
  const middles = Object.entries(data.means).map(([name, place]) => middleOf(place, name));
  const sides = [
    svg("text", { class: "side", x: 99, y: 4.5, "text-anchor": "end" }, "the model says Pass"),
    svg("text", { class: "side", x: 1, y: 98.5 }, "the model says Fail"),
  ];
  layer.replaceChildren(...axes(), inside, ...students, ...middles, ...sides);
}

/** Draw an arrow from a place along a step, both in points; its numbers stay readable on it. */
export function drawArrow(arrow, place, step, vector) {
  const isShown = Boolean(step && Math.hypot(...step) > 0);
  arrow.toggleAttribute("hidden", !isShown);
  if (!isShown) return;
  const [from, to] = [at(place), at(place.map((each, index) => each + step[index]))];
  const length = Math.hypot(...step);
  const [ux, uy] = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
  const head = Math.min(3.2, length / 2);
  const base = [to[0] - head * ux, to[1] - head * uy];
  const wing = head * 0.55;
  const corners = [to, [base[0] - wing * uy, base[1] + wing * ux], [base[0] + wing * uy, base[1] - wing * ux]];
  const line = arrow.querySelector("line");
  for (const [key, value] of Object.entries({ x1: from[0], y1: from[1], x2: base[0], y2: base[1] }))
    line.setAttribute(key, value);
  arrow.querySelector("polygon").setAttribute("points", corners.map((each) => each.join(",")).join(" "));
  arrow.dataset.vector = JSON.stringify(vector);
}

/** Whether a place lies inside a loop of places: an odd number of crossings to one side. */
export function isInside([reading, writing], loop) {
  let isIn = false;
  loop.forEach(([r, w], index) => {
    const [before, beside] = loop[(index + loop.length - 1) % loop.length];
    if (r > reading !== before > reading && writing < w + ((reading - r) * (beside - w)) / (before - r)) isIn = !isIn;
  });
  return isIn;
}
