// Lengths on the film: in millimetres where the file gives the distance of its pixels.

/** The distance of two places [row, column] and what it is counted in. */
export function distance([from, to], spacing) {
  const [rows, columns] = [to[0] - from[0], to[1] - from[1]];
  if (!spacing) return { length: Math.hypot(rows, columns), unit: "px" };
  return { length: Math.hypot(rows * spacing.rows_mm, columns * spacing.columns_mm), unit: spacing.unit };
}

export function lengthText(ends, spacing) {
  const { length, unit } = distance(ends, spacing);
  return `${length.toFixed(length < 100 ? 1 : 0)} ${unit}`;
}

/** The longest of 1, 2, 5, 10 ... that is no more than `most`. */
export function roundLength(most) {
  const unit = 10 ** Math.floor(Math.log10(most));
  return unit * [5, 2, 1].find((each) => each * unit <= most);
}
