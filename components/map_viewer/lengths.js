// Lengths on the film: in millimetres where the file gives the distance of its pixels. A ruler has
// two ends, [row, column] in pixels of the film.

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** The distance of two places and what it is counted in. */
export function distance([from, to], spacing) {
  const [rows, columns] = [to[0] - from[0], to[1] - from[1]];
  if (!spacing) return { length: Math.hypot(rows, columns), unit: "px" };
  return { length: Math.hypot(rows * spacing.rows_mm, columns * spacing.columns_mm), unit: spacing.unit };
}

export function lengthText(ends, spacing) {
  const { length, unit } = distance(ends, spacing);
  return `${length.toFixed(length < 100 ? 1 : 0)} ${unit}`;
}

/** Of which plane lengths are, to be said beside them: nothing where they are the patient's. */
export function planeText(spacing) {
  return spacing?.plane_in_words ? ` ${spacing.plane_in_words}` : "";
}

/** A ruler's name, by its place among them. */
export function letter(index) {
  return LETTERS[index];
}

/** What is to be said of all rulers: their lengths, and of two of them the ratio. */
export function rulerLines(rulers, spacing) {
  if (!rulers.length) return [];
  const lengths = rulers.map(({ points }, i) => `${letter(i)} ${lengthText(points, spacing)}`);
  const lines = [`${lengths.join(" · ")}${planeText(spacing)}`];
  if (rulers.length === 2) {
    const [a, b] = rulers.map(({ points }) => distance(points, spacing).length);
    lines.push(`a / b = ${(a / b).toFixed(2)}`);
  }
  return lines;
}

/** The longest of 1, 2, 5, 10 ... that is no more than `most`. */
export function roundLength(most) {
  const unit = 10 ** Math.floor(Math.log10(most));
  return unit * [5, 2, 1].find((each) => each * unit <= most);
}
