// Regions of the film and how much of a map lies inside, as explain_core/regions.py counts it.
// Places are [row, column] in pixels of the film, from its upper left corner.

const SUB_POINTS = 4; // each way, in every pixel of the model's input

/** Top, left, bottom and right of what encloses a region. */
export function bounds({ points }) {
  const [rows, columns] = [0, 1].map((axis) => points.map((each) => each[axis]));
  return [Math.min(...rows), Math.min(...columns), Math.max(...rows), Math.max(...columns)];
}

/** The columns, rising, at which a line along `row` enters and leaves a region in turn. */
export function crossings(region, row, [top, left, bottom, right] = bounds(region)) {
  if (row < top || row > bottom) return [];
  if (region.kind === "box") return row < bottom ? [left, right] : [];
  if (region.kind === "ellipse") {
    const away = (row - (top + bottom) / 2) / ((bottom - top) / 2);
    const half = ((right - left) / 2) * Math.sqrt(Math.max(0, 1 - away * away));
    return [(left + right) / 2 - half, (left + right) / 2 + half];
  }
  const found = [];
  let [r, c] = region.points.at(-1);
  for (const [nextR, nextC] of region.points) {
    if (r > row !== nextR > row) found.push(c + ((row - r) * (nextC - c)) / (nextR - r));
    [r, c] = [nextR, nextC];
  }
  return found.sort((a, b) => a - b);
}

export function contains(region, [row, column]) {
  return crossings(region, row).filter((each) => each <= column).length % 2 === 1;
}

/** The share of each pixel of the model's input that lies inside: Float32Array of its size. */
export function coverage(region, { scale, offset_px: offset, input_size: [height, width] }) {
  const values = new Float32Array(height * width);
  const box = bounds(region);
  const [top, left, bottom, right] = box;
  const toInput = (place, axis) => place * scale[axis] - offset[axis];
  const toFilm = (pixel, sub, axis) => (pixel + (sub + 0.5) / SUB_POINTS + offset[axis]) / scale[axis];
  const from = Math.max(0, Math.floor(toInput(left, 1)));
  const to = Math.min(width, Math.ceil(toInput(right, 1)));
  const last = Math.min(height, Math.ceil(toInput(bottom, 0)));
  for (let i = Math.max(0, Math.floor(toInput(top, 0))); i < last; i++) {
    for (let k = 0; k < SUB_POINTS; k++) {
      const crossed = crossings(region, toFilm(i, k, 0), box);
      for (let j = from, at = 0; j < to; j++) {
        for (let m = 0; m < SUB_POINTS; m++) {
          const column = toFilm(j, m, 1);
          while (at < crossed.length && crossed[at] <= column) at++;
          if (at % 2) values[i * width + j] += 1 / SUB_POINTS ** 2;
        }
      }
    }
  }
  return values;
}

const coverages = new WeakMap();

/** The same, made once for a region and a geometry: neither is ever written to. */
export function coverageOf(region, geometry) {
  if (!coverages.has(region)) coverages.set(region, new Map());
  const known = coverages.get(region);
  if (!known.has(geometry)) known.set(geometry, coverage(region, geometry));
  return known.get(geometry);
}

/** The share of a map's positive evidence inside a region; null where there is none at all. */
export function regionShare(map, inside) {
  let all = 0;
  let within = 0;
  for (let i = 0; i < map.length; i++) {
    if (!(map[i] > 0)) continue;
    all += map[i];
    within += map[i] * inside[i];
  }
  return all > 0 ? within / all : null;
}

/** The share of what the network looks at that lies inside a region. */
export function areaShare(inside, { seen_box: [top, left, bottom, right], scale }) {
  let sum = 0;
  for (let i = 0; i < inside.length; i++) sum += inside[i];
  return sum / ((bottom - top) * scale[0] * (right - left) * scale[1]);
}

/** A region's outline as an SVG path in pixels of the film. */
export function outline(region) {
  const [top, left, bottom, right] = bounds(region);
  if (region.kind === "box") return `M${left} ${top}H${right}V${bottom}H${left}Z`;
  if (region.kind === "ellipse") {
    const arc = `A${(right - left) / 2} ${(bottom - top) / 2} 0 1 0`;
    const middle = (top + bottom) / 2;
    return `M${left} ${middle}${arc} ${right} ${middle}${arc} ${left} ${middle}Z`;
  }
  return `${track(region.points)}Z`;
}

/** Joined places as an SVG path that is left open. */
export function track(points) {
  return points.map(([row, column], i) => `${i ? "L" : "M"}${column} ${row}`).join("");
}

/** A region moved by rows and columns, as far as it stays on a film of a size. */
export function shifted(region, rows, columns, [height, width]) {
  const [top, left, bottom, right] = bounds(region);
  const down = Math.min(height - bottom, Math.max(-top, rows));
  const across = Math.min(width - right, Math.max(-left, columns));
  return { ...region, points: region.points.map(([r, c]) => [r + down, c + across]) };
}
