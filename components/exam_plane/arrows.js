// The three directions of the lesson, in points of [reading, writing]. Grad-CAM's is the boundary's
// weight itself: the gradient of the log-odds of Pass, the same wherever x is.

const dot = (a, b) => a.reduce((sum, each, index) => sum + each * b[index], 0);

/** The log-odds of Pass. */
export function logOdds(place, { weight, bias }) {
  return dot(weight, place) + bias;
}

/** The shortest way from x to the boundary: -(w.x + b) / |w|^2 w. */
export function nearestCounterfactual(place, boundary) {
  const share = -logOdds(place, boundary) / dot(boundary.weight, boundary.weight);
  return boundary.weight.map((each) => share * each);
}

/** DiffCAM's weights (S_v + lambda I)^-1 (x - mean), eq. 6, from the scatter's eigenpairs. */
export function diffcam(place, { mean, eigenvalues, vectors, lamUnit }, lam) {
  const lambda = lam * lamUnit;
  const delta = place.map((each, index) => each - mean[index]);
  const along = vectors.map((vector) => dot(vector, delta));
  return delta.map((each, index) => {
    const spanned = along.reduce((sum, a, i) => sum + a * vectors[i][index], 0);
    const weighed = along.reduce((sum, a, i) => sum + (a / (eigenvalues[i] + lambda)) * vectors[i][index], 0);
    return weighed + (each - spanned) / lambda;
  });
}

/** The angle of two directions in degrees, 0 to 180; null where one of them is nought. */
export function angleBetween(a, b) {
  const sizes = Math.hypot(...a) * Math.hypot(...b);
  if (!(sizes > 0)) return null;
  return (Math.acos(Math.max(-1, Math.min(1, dot(a, b) / sizes))) * 180) / Math.PI;
}

export function scaled(vector, length) {
  const size = Math.hypot(...vector);
  return size > 0 ? vector.map((each) => (each / size) * length) : vector.map(() => 0);
}
