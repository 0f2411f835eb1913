// From a basis and slider values to a map: the formulas of explain_core/methods/rendering.py and
// explain_core/maps.py, as pure functions. Sums run in double precision.

const TYPES = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };

/** Decode the message of packing.py: a JSON header, then the arrays it describes. */
export function unpack(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return { header, arrays: header.arrays.map((each) => unpackArray(bytes, 4 + length, each)) };
}

function unpackArray(bytes, start, { type, shape, offset, num_bytes, steps, lows }) {
  const from = bytes.byteOffset + start + offset;
  const stored = new TYPES[type](bytes.buffer.slice(from, from + num_bytes)); // aligned by copying
  const count = shape.reduce((product, side) => product * side, 1);
  if (stored.length !== count) {
    throw new Error(`an array has ${stored.length} numbers, but its shape is ${shape.join(" × ")}`);
  }
  if (!steps) return { shape, values: stored };
  const values = new Float32Array(count); // quantised per slice: value = low + step * stored
  const size = count / steps.length;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i];
    const low = lows[i];
    for (let j = i * size; j < (i + 1) * size; j++) values[j] = low + step * stored[j];
  }
  return { shape, values };
}

function renderStatic({ map }) {
  return Float64Array.from(map.values);
}

/** How target and reference are mixed: `t - γ r`, reversed `r - γ t`. */
function shares({ gamma, reverse }) {
  return reverse ? [-gamma, 1] : [1, -gamma];
}

function renderLinear({ maps, weights }, parameters) {
  const size = maps.values.length / maps.shape[0];
  const [forTarget, forReference] = shares(parameters);
  const out = new Float64Array(size);
  for (let j = 0; j < size; j++) out[j] = forTarget * maps.values[j];
  for (let r = 0; r < weights.values.length; r++) {
    const weight = forReference * weights.values[r];
    for (let j = 0; j < size; j++) out[j] += weight * maps.values[(r + 1) * size + j];
  }
  return out;
}

function renderLayer({ activations, target_gradient, reference_gradient }, parameters) {
  const [channels, height, width] = activations.shape;
  const size = height * width;
  const [forTarget, forReference] = shares(parameters);
  const a = activations.values;
  const t = target_gradient.values;
  const r = reference_gradient.values;
  const out = new Float64Array(size);
  for (let k = 0, i = 0; k < channels; k++) {
    for (let j = 0; j < size; j++, i++) {
      const gradient = forTarget * t[i] + forReference * r[i];
      if (gradient > 0) out[j] += gradient * a[i];
    }
  }
  return out;
}

function renderScore({ activations, target_scores, reference_scores, is_softmax }, parameters) {
  const [channels, height, width] = activations.shape;
  const size = height * width;
  const [forTarget, forReference] = shares(parameters);
  let weights = Float64Array.from(
    target_scores.values,
    (score, k) => forTarget * score + forReference * reference_scores.values[k],
  );
  if (is_softmax) {
    const peak = weights.reduce((a, b) => Math.max(a, b), -Infinity);
    weights = weights.map((weight) => Math.exp(weight - peak));
    const sum = weights.reduce((a, b) => a + b, 0);
    weights = weights.map((weight) => weight / sum);
  }
  const out = new Float64Array(size);
  for (let k = 0, i = 0; k < channels; k++) {
    for (let j = 0; j < size; j++, i++) out[j] += weights[k] * activations.values[i];
  }
  return out;
}

function renderSpectral({ eigenvalues, coefficients, projections, rest, lam_unit }, { lam }) {
  const size = rest.values.length;
  const absolute = lam * lam_unit;
  const out = Float64Array.from(rest.values, (value) => value / absolute);
  for (let i = 0, at = 0; i < eigenvalues.values.length; i++) {
    const weight = coefficients.values[i] / (eigenvalues.values[i] + absolute);
    for (let j = 0; j < size; j++, at++) out[j] += weight * projections.values[at];
  }
  return out;
}

// The guide compares a pixel's variance with a percentile, which jumps. So that rounding cannot
// move a pixel across, `ranks` says per channel how many pixels vary less; `sorted_ranks` has them
// in order. The percentile lies between two places of that order, and passing it is passing the
// rank at the upper one.
function renderGuided({ mean_absolute, variance, ranks }, { p }) {
  const [channels, height, width] = mean_absolute.shape;
  const size = height * width;
  const sorted = sortedRanks(ranks, size);
  const out = new Float64Array(size);
  for (let c = 0, i = 0; c < channels; c++) {
    const place = Math.ceil((p / 100) * (size - 1) - 1e-9);
    const bound = sorted[c * size + place];
    for (let j = 0; j < size; j++, i++) {
      const absolute = mean_absolute.values[i];
      out[j] += ranks.values[i] >= bound ? absolute : absolute * variance.values[i];
    }
  }
  return out;
}

const sortedOnce = new WeakMap();

function sortedRanks(ranks, size) {
  if (!sortedOnce.has(ranks)) {
    const sorted = ranks.values.slice();
    for (let start = 0; start < sorted.length; start += size) {
      sorted.subarray(start, start + size).sort();
    }
    sortedOnce.set(ranks, sorted);
  }
  return sortedOnce.get(ranks);
}

const RENDERERS = {
  static: renderStatic,
  linear: renderLinear,
  layer: renderLayer,
  score: renderScore,
  spectral: renderSpectral,
  guided: renderGuided,
};

/** The size (h, w) of a basis's own maps. */
export function basisSize(kind, basis) {
  const array = { static: "map", linear: "maps", layer: "activations", score: "activations",
    spectral: "projections", guided: "mean_absolute" }[kind];
  const shape = basis[array]?.shape;
  if (!shape) throw new Error(`the data of a ${kind} map lack “${array}”`);
  return kind === "spectral" ? basis.rest.shape : shape.slice(-2);
}

/**
 * Render a basis: mix, ReLU unless signed, upsample to the model's input.
 * Returns Float32Array of size[0] * size[1]; throws where the map has NaN or infinity.
 */
export function renderMap(kind, basis, parameters, isSigned, size) {
  const mixed = RENDERERS[kind](basis, parameters);
  const own = basisSize(kind, basis);
  if (mixed.length !== own[0] * own[1]) throw new Error("the map's shape does not fit its data");
  for (let j = 0; j < mixed.length; j++) {
    if (!Number.isFinite(mixed[j])) throw new Error("the map holds NaN or infinity");
    if (!isSigned && mixed[j] < 0) mixed[j] = 0;
  }
  return upsample(mixed, own, size);
}

const axisOnce = new Map();

/** Where each of `to` places lies among `from`, with half-pixel centres: low, high, share. */
function axis(from, to) {
  const key = `${from}>${to}`;
  if (!axisOnce.has(key)) {
    const low = new Int32Array(to);
    const high = new Int32Array(to);
    const share = new Float64Array(to);
    for (let i = 0; i < to; i++) {
      const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
      low[i] = Math.min(Math.floor(at), from - 1);
      high[i] = Math.min(low[i] + 1, from - 1);
      share[i] = at - low[i];
    }
    axisOnce.set(key, { low, high, share });
  }
  return axisOnce.get(key);
}

/** Stretch `values` (h, w) bilinearly to (H, W), as `align_corners=False` does. */
export function upsample(values, [h, w], [height, width]) {
  const out = new Float32Array(height * width);
  if (h === height && w === width) return Float32Array.from(values);
  const across = axis(w, width);
  const down = axis(h, height);
  const wide = new Float64Array(h * width);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < width; x++) {
      const left = values[y * w + across.low[x]];
      wide[y * width + x] = left + across.share[x] * (values[y * w + across.high[x]] - left);
    }
  }
  for (let y = 0; y < height; y++) {
    const top = down.low[y] * width;
    const bottom = down.high[y] * width;
    const share = down.share[y];
    for (let x = 0, i = y * width; x < width; x++, i++) {
      const above = wide[top + x];
      out[i] = above + share * (wide[bottom + x] - above);
    }
  }
  return out;
}

/** The largest value, of signed maps the largest size; 0 where there is no evidence. */
export function peak(values, isSigned) {
  let bound = 0;
  for (let i = 0; i < values.length; i++) {
    const value = isSigned ? Math.abs(values[i]) : values[i];
    if (value > bound) bound = value;
  }
  return bound;
}

/** The value that the top `q` percent of pixels reach (by size, for signed maps). */
export function topBound(values, q, isSigned) {
  if (q >= 100) return -Infinity;
  const sorted = isSigned ? values.map(Math.abs) : values.slice();
  sorted.sort();
  const kept = Math.max(1, Math.round((q / 100) * sorted.length));
  return sorted[sorted.length - kept];
}

/**
 * Paint values into RGBA pixels (Uint32, little-endian). `table` has 256 colours as Uint32 with
 * full alpha. Signed maps fade towards zero; what is below `bound` is transparent.
 */
export function paint(pixels, values, { table, high, isSigned, bound }) {
  const toLevel = isSigned ? 127.5 / high : 255 / high;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const size = isSigned ? Math.abs(value) : value;
    if (size < bound || high <= 0) {
      pixels[i] = 0;
      continue;
    }
    let level = isSigned ? 127.5 + value * toLevel : value * toLevel;
    level = level < 0 ? 0 : level > 255 ? 255 : level;
    const colour = table[(level + 0.5) | 0];
    if (isSigned) {
      const alpha = Math.min(255, (size / high) * 255 + 0.5) | 0;
      pixels[i] = (colour & 0x00ffffff) | (alpha << 24);
    } else {
      pixels[i] = colour;
    }
  }
}

/** Contour lines of `values` (H, W) at a level, as an SVG path in pixels of the map. */
export function contour(values, [height, width], level) {
  const parts = [];
  const cross = (a, b) => (level - a) / (b - a);
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0, i = y * width; x + 1 < width; x++, i++) {
      const a = values[i];
      const b = values[i + 1];
      const c = values[i + width + 1];
      const d = values[i + width];
      const code = (a >= level) | ((b >= level) << 1) | ((c >= level) << 2) | ((d >= level) << 3);
      if (code === 0 || code === 15) continue;
      const top = () => [x + cross(a, b), y];
      const right = () => [x + 1, y + cross(b, c)];
      const bottom = () => [x + cross(d, c), y + 1];
      const left = () => [x, y + cross(a, d)];
      for (const [from, to] of SEGMENTS[code]) {
        const ends = { top, right, bottom, left };
        const [x1, y1] = ends[from]();
        const [x2, y2] = ends[to]();
        parts.push(
          `M${(x1 + 0.5).toFixed(2)} ${(y1 + 0.5).toFixed(2)}L${(x2 + 0.5).toFixed(2)} ${(y2 + 0.5).toFixed(2)}`,
        );
      }
    }
  }
  return parts.join("");
}

const SEGMENTS = {
  1: [["left", "top"]],
  2: [["top", "right"]],
  3: [["left", "right"]],
  4: [["right", "bottom"]],
  5: [["left", "top"], ["right", "bottom"]],
  6: [["top", "bottom"]],
  7: [["left", "bottom"]],
  8: [["bottom", "left"]],
  9: [["bottom", "top"]],
  10: [["top", "right"], ["bottom", "left"]],
  11: [["bottom", "right"]],
  12: [["right", "left"]],
  13: [["right", "top"]],
  14: [["top", "left"]],
};

/** The map's value at a place of the model's input (half-pixel centres), bilinear. */
export function valueAt(values, [height, width], y, x) {
  const row = Math.min(Math.max(y - 0.5, 0), height - 1);
  const column = Math.min(Math.max(x - 0.5, 0), width - 1);
  const top = Math.floor(row);
  const left = Math.floor(column);
  const bottom = Math.min(top + 1, height - 1);
  const right = Math.min(left + 1, width - 1);
  const s = row - top;
  const t = column - left;
  const above = values[top * width + left] * (1 - t) + values[top * width + right] * t;
  const below = values[bottom * width + left] * (1 - t) + values[bottom * width + right] * t;
  return above * (1 - s) + below * s;
}
