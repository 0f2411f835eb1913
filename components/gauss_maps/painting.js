// A Gaussian map over the gray picture, pixel by pixel, as `gaussian_map` in the core.

const OPACITY = 0.6;

export const bytesOf = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));

/** The map's values, row by row, in (0, 1]; centre and width in percent of the side. */
export function gaussianValues([across, down, width], [height, wide]) {
  const values = new Float32Array(height * wide);
  for (let row = 0; row < height; row += 1)
    for (let column = 0; column < wide; column += 1) {
      const square = (((row + 0.5) / height) * 100 - down) ** 2 + (((column + 0.5) / wide) * 100 - across) ** 2;
      values[row * wide + column] = Math.exp(-square / (2 * width ** 2));
    }
  return values;
}

export function paint(canvas, gaussian, { picture, colours, size }) {
  const [height, wide] = size;
  if (canvas.width !== wide || canvas.height !== height) Object.assign(canvas, { width: wide, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(wide, height);
  gaussianValues(gaussian, size).forEach((value, index) => {
    const level = 3 * Math.round(value * 255);
    for (let channel = 0; channel < 3; channel += 1)
      image.data[4 * index + channel] = (1 - OPACITY) * picture[index] + OPACITY * colours[level + channel];
    image.data[4 * index + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}

export function rampOf(colours) {
  const stops = [0, 64, 128, 192, 255].map((level) => `rgb(${colours.slice(3 * level, 3 * level + 3).join(" ")})`);
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}
