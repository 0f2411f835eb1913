// What each arrow says, in words. Vectors are [reading, writing].

const SCORES = ["reading", "writing"];
const ALIKE = 0.75; // from this ratio on, both scores matter
const LITTLE = 0.4;
const HARDLY = 0.2;

/** Which scores matter in a direction, most first, and how much the other one does. */
function parts(vector) {
  const sizes = vector.map(Math.abs);
  const main = sizes[1] >= sizes[0] ? 1 : 0;
  const ratio = sizes[1 - main] / sizes[main];
  const other = SCORES[1 - main];
  if (ratio >= ALIKE) return { named: [main, 1 - main], rest: "" };
  const how = ratio < HARDLY ? "hardly matters" : ratio < LITTLE ? "matters little" : "matters less";
  return { named: [main], rest: `; ${other} ${how}` };
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

export function gradCamWords(weight) {
  const { named, rest } = parts(weight);
  const raise = named.map((each) => `${weight[each] > 0 ? "raise" : "lower"} ${SCORES[each]}`);
  return `${capital(raise.join(" and "))}${rest}.`;
}

export function diffcamWords(towards) {
  if (!towards) return "No students to compare with: draw a loop around some.";
  if (!Math.hypot(...towards)) return "x stands in the middle of the group: no difference.";
  const { named, rest } = parts(towards);
  const apart = named.map((each) => `${towards[each] > 0 ? "low" : "high"} ${SCORES[each]}`);
  return `${capital(apart.join(" and "))} set${named.length > 1 ? "" : "s"} x apart${rest}.`;
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;

export function counterfactualWords(step) {
  const steps = SCORES.map((score, index) => `${score} ${signed(step[index])}`).join(", ");
  return `${Math.hypot(...step).toFixed(1)} points to the boundary: ${steps}.`;
}

export function angleWords(angle) {
  if (angle === null) return "There are not two arrows to compare.";
  const degrees = `${Math.round(angle)}°`;
  if (angle < 10) return `Grad-CAM and DiffCAM nearly agree: they differ by ${degrees}.`;
  if (angle > 170) return `Grad-CAM and DiffCAM point opposite ways: they differ by ${degrees}.`;
  return `Grad-CAM and DiffCAM differ by ${degrees}.`;
}

export function predictionWords(odds) {
  const share = 1 / (1 + Math.exp(-odds));
  return `The model says ${odds > 0 ? "Pass" : "Fail"} (${Math.round(100 * share)}% for Pass).`;
}
