// From a basis and slider values to a map: the formulas of explain_core/methods/rendering.py and
// explain_core/maps.py, as pure functions. Sums run in double precision.

const TYPES = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };

/**
 * Decode the message of packing.py: a JSON header, then the arrays it describes.
 * Throws where it was cut short or does not fit its own description.
 */
export function unpack(bytes) {
  if (bytes.length < 4) throw new Error("the message is empty");
  const start = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (bytes.length < start) throw new Error("the header is cut short");
  let header;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, start)));
  } catch {
    throw new Error("the header cannot be read");
  }
  const arrays = [];
  for (const each of header.arrays ?? []) arrays.push(unpackArray(bytes, start, each, arrays));
  return { header, arrays };
}

function unpackArray(bytes, start, described, arrays) {
  const { type, shape, offset, num_bytes, steps, lows, is_flat: isFlat } = described;
  const from = bytes.byteOffset + start + offset;
  const Type = TYPES[type];
  if (!Type) throw new Error(`an array has the unknown type “${type}”`);
  if (start + offset + num_bytes > bytes.length) throw new Error("an array is cut short");
  const count = shape.reduce((product, side) => product * side, 1);
  if (num_bytes !== (isFlat ? 0 : count * Type.BYTES_PER_ELEMENT)) {
    throw new Error(`an array has ${num_bytes} bytes, but its shape is ${shape.join(" × ")}`);
  }
  const stored = new Type(bytes.buffer.slice(from, from + num_bytes)); // aligned by copying
  if (steps === undefined) return { shape, values: stored };
  const values = new Float32Array(count); // quantised per slice: value = low + step * stored
  const slices = arrays[steps].values.length;
  const size = count / slices;
  for (let i = 0, j = 0; i < slices; i++) {
    const step = arrays[steps].values[i];
    const low = arrays[lows].values[i];
    for (const end = j + size; j < end; j++) values[j] = low + step * (isFlat ? 0 : stored[j]);
  }
  return { shape, values };
}

function renderStatic({ map }) {
  return new Float64Array(map.values);
}

/** How target and reference are mixed: `t - γ r`, reversed `r - γ t`. */
function shares({ gamma, reverse }) {
  return reverse ? [-gamma, 1] : [1, -gamma];
}

/**
 * One map of several references. `mix` makes the map before its ReLU from the references' weights;
 * other aggregations than the average before the ReLU take the map of each reference alone.
 */
function aggregated(weights, mix, { aggregation = "average before ReLU" }) {
  if (aggregation === "average before ReLU" || !weights.length) return mix(weights);
  const isMaximum = aggregation === "maximum before ReLU";
  let out;
  for (let r = 0; r < weights.length; r++) {
    const single = mix(weights.map((_, other) => Number(other === r)));
    out ??= new Float64Array(single.length).fill(isMaximum ? -Infinity : 0);
    for (let j = 0; j < out.length; j++) {
      if (isMaximum) out[j] = Math.max(out[j], single[j]);
      else out[j] += weights[r] * Math.max(single[j], 0);
    }
  }
  return out;
}

/** The slices of `values` along its first axis but for the first `skipped`, weighed and added. */
function weighed(weights, values, size, skipped = 0) {
  const out = new Float64Array(size);
  for (let r = 0; r < weights.length; r++) {
    const weight = weights[r];
    if (weight === 0) continue;
    for (let j = 0, i = (r + skipped) * size; j < size; j++, i++) out[j] += weight * values[i];
  }
  return out;
}

function renderLinear({ maps, weights }, parameters) {
  const size = maps.values.length / maps.shape[0];
  const [forTarget, forReference] = shares(parameters);
  const mix = (each) => {
    const out = weighed(each, maps.values, size, 1);
    for (let j = 0; j < size; j++) out[j] = forTarget * maps.values[j] + forReference * out[j];
    return out;
  };
  return aggregated(weights.values, mix, parameters);
}

function renderLayer({ activations, target_gradient, reference_gradients, weights }, parameters) {
  const [channels, height, width] = activations.shape;
  const size = height * width;
  const [forTarget, forReference] = shares(parameters);
  const a = activations.values;
  const t = target_gradient.values;
  const mix = (each) => {
    const r = weighed(each, reference_gradients.values, t.length);
    const out = new Float64Array(size);
    for (let k = 0, i = 0; k < channels; k++) {
      for (let j = 0; j < size; j++, i++) {
        const gradient = forTarget * t[i] + forReference * r[i];
        if (gradient > 0) out[j] += gradient * a[i];
      }
    }
    return out;
  };
  return aggregated(weights.values, mix, parameters);
}

function renderScore({ activations, scores, baselines, weights }, parameters) {
  const [channels, height, width] = activations.shape;
  const [forTarget, forReference] = weights.values.length ? shares(parameters) : [1, 0];
  const mix = (each) => {
    const alpha = weighed(each, scores.values, channels, 1);
    const [above] = weighed(each, baselines.values, 1, 1);
    const baseline = parameters.reverse && each.length ? above : baselines.values[0];
    for (let k = 0; k < channels; k++) {
      alpha[k] = forTarget * scores.values[k] + forReference * alpha[k] - baseline;
    }
    if (parameters.softmax) softmax(alpha);
    return weighed(alpha, activations.values, height * width);
  };
  return aggregated(weights.values, mix, parameters);
}

function softmax(numbers) {
  const peak = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (let k = 0; k < numbers.length; k++) sum += numbers[k] = Math.exp(numbers[k] - peak);
  for (let k = 0; k < numbers.length; k++) numbers[k] /= sum;
}

function renderSpectral({ eigenvalues, coefficients, projections, rest, lam_unit }, { lam }) {
  const size = rest.values.length;
  const absolute = lam * lam_unit;
  if (!(absolute > 0)) throw new Error("the map holds NaN or infinity");
  const out = new Float64Array(size);
  for (let j = 0; j < size; j++) out[j] = rest.values[j] / absolute;
  for (let i = 0, at = 0; i < eigenvalues.values.length; i++) {
    const weight = coefficients.values[i] / (eigenvalues.values[i] + absolute);
    for (let j = 0; j < size; j++, at++) out[j] += weight * projections.values[at];
  }
  return out;
}

// A pixel whose variance reaches the percentile jumps, so variances come exact, and the percentile
// is interpolated and rounded as numpy does.
function renderGuided({ mean_absolute, variance }, { p }) {
  if (!(p >= 0 && p <= 100)) throw new Error(`p must be between 0 and 100, not ${p}`);
  const [channels, height, width] = mean_absolute.shape;
  const size = height * width;
  const sorted = sortedPerChannel(variance, size);
  const absolute = mean_absolute.values;
  const spread = variance.values;
  const out = new Float64Array(size);
  for (let c = 0, i = 0; c < channels; c++) {
    const bound = percentile(sorted.subarray(c * size, (c + 1) * size), p);
    for (let j = 0; j < size; j++, i++) {
      out[j] += spread[i] >= bound ? absolute[i] : absolute[i] * spread[i];
    }
  }
  return out;
}

/** The p-th percentile of sorted numbers, between two of them linearly. */
function percentile(sorted, p) {
  const last = sorted.length - 1;
  const place = Math.min((p / 100) * last, last);
  const low = sorted[Math.floor(place)];
  const high = sorted[Math.min(Math.floor(place) + 1, last)];
  const share = place - Math.floor(place);
  // From the nearer end, so that a place on a number gives exactly that number.
  const between = share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share);
  return sorted instanceof Float32Array ? Math.fround(between) : between;
}

const sortedOnce = new WeakMap();

function sortedPerChannel(array, size) {
  if (!sortedOnce.has(array)) {
    const sorted = array.values.slice();
    for (let start = 0; start < sorted.length; start += size) {
      sorted.subarray(start, start + size).sort();
    }
    sortedOnce.set(array, sorted);
  }
  return sortedOnce.get(array);
}

const RENDERERS = {
  static: renderStatic,
  linear: renderLinear,
  layer: renderLayer,
  score: renderScore,
  spectral: renderSpectral,
  guided: renderGuided,
};

// A letter stands for one length throughout a basis.
const SHAPES = {
  static: { map: "hw" },
  linear: { maps: "nhw", weights: "r" },
  layer: { activations: "khw", target_gradient: "khw", reference_gradients: "rkhw", weights: "r" },
  score: { activations: "khw", scores: "nk", baselines: "n", weights: "r" },
  spectral: { projections: "ihw", eigenvalues: "i", coefficients: "i", rest: "hw" },
  guided: { mean_absolute: "chw", variance: "chw" },
};

/** The size (h, w) of a basis's own maps; throws where its arrays are absent or do not fit. */
export function basisSize(kind, basis) {
  if (!SHAPES[kind]) throw new Error(`maps of the kind “${kind}” are unknown`);
  const lengths = {};
  for (const [name, letters] of Object.entries(SHAPES[kind])) {
    const shape = basis[name]?.shape;
    if (!shape) throw new Error(`the data of a ${kind} map lack “${name}”`);
    const fits = shape.length === letters.length &&
      shape.every((side, axis) => side === (lengths[letters[axis]] ??= side));
    if (!fits) throw new Error(`“${name}” of shape ${shape.join(" × ")} does not fit the other data`);
  }
  if (lengths.n !== undefined && lengths.n !== lengths.r + 1) {
    throw new Error(`${lengths.n} classes do not fit ${lengths.r} weights`);
  }
  if (lengths.h === 0 || lengths.w === 0) throw new Error("the data are empty");
  return [lengths.h, lengths.w];
}

/**
 * Render a basis: mix, ReLU unless signed, upsample to the model's input.
 * Returns Float32Array of size[0] * size[1]; throws where the map has NaN or infinity.
 */
export function renderMap(kind, basis, parameters, isSigned, size) {
  const own = basisSize(kind, basis);
  const mixed = RENDERERS[kind](basis, parameters);
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
  if (h === height && w === width) return new Float32Array(values);
  const out = new Float32Array(height * width);
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
  const among = isSigned ? values.map(Math.abs) : values.slice();
  const kept = Math.max(1, Math.round((q / 100) * among.length));
  return select(among, among.length - kept);
}

/** The number that would stand at a place if `numbers` were sorted; it changes their order. */
function select(numbers, place) {
  let from = 0;
  let to = numbers.length - 1;
  while (from < to) {
    const pivot = numbers[(from + to) >> 1];
    let low = from;
    let high = to;
    while (low <= high) {
      while (numbers[low] < pivot) low++;
      while (numbers[high] > pivot) high--;
      if (low > high) break;
      const held = numbers[low];
      numbers[low++] = numbers[high];
      numbers[high--] = held;
    }
    if (place <= high) to = high;
    else if (place >= low) from = low;
    else break;
  }
  return numbers[place];
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
  let path = "";
  const share = (a, b) => 0.5 + (level - a) / (b - a); // of pixel centres' distance, from an edge
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0, i = y * width; x + 1 < width; x++, i++) {
      const a = values[i];
      const b = values[i + 1];
      const c = values[i + width + 1];
      const d = values[i + width];
      const code = (a >= level) | ((b >= level) << 1) | ((c >= level) << 2) | ((d >= level) << 3);
      if (code === 0 || code === 15) continue;
      const sides = SIDES[code];
      for (let s = 0; s < sides.length; s++) {
        path += s % 2 ? "L" : "M";
        if (sides[s] === TOP) path += `${short(x + share(a, b))} ${y}.5`;
        else if (sides[s] === RIGHT) path += `${x + 1}.5 ${short(y + share(b, c))}`;
        else if (sides[s] === BOTTOM) path += `${short(x + share(d, c))} ${y + 1}.5`;
        else path += `${x}.5 ${short(y + share(a, d))}`;
      }
    }
  }
  return path;
}

/** A place as text with two decimals, put together from whole numbers: several times faster. */
function short(place) {
  const hundredths = Math.round(place * 100);
  const whole = (hundredths / 100) | 0;
  return `${whole}${FRACTIONS[hundredths - 100 * whole]}`;
}

const FRACTIONS = Array.from({ length: 100 }, (_, i) => (i / 100).toFixed(2).slice(1));

const [TOP, RIGHT, BOTTOM, LEFT] = [0, 1, 2, 3];

// By which corners of a square reach the level: the sides that a line joins, in pairs.
const SIDES = {
  1: [LEFT, TOP],
  2: [TOP, RIGHT],
  3: [LEFT, RIGHT],
  4: [RIGHT, BOTTOM],
  5: [LEFT, TOP, RIGHT, BOTTOM],
  6: [TOP, BOTTOM],
  7: [LEFT, BOTTOM],
  8: [BOTTOM, LEFT],
  9: [BOTTOM, TOP],
  10: [TOP, RIGHT, BOTTOM, LEFT],
  11: [BOTTOM, RIGHT],
  12: [RIGHT, LEFT],
  13: [RIGHT, TOP],
  14: [TOP, LEFT],
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
