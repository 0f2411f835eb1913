// Maps with their legends, question and parameters as one PNG.

import { make } from "./elements.js";

const CAUTION_FONT = "600 13px system-ui, sans-serif";

/** A canvas with every panel, its legend, question and parameters. */
export function sheet(panels) {
  const side = panels.length === 1 ? 900 : 480;
  const margin = 24;
  const line = 20;
  const columns = Math.min(panels.length, 4);
  const picture = panels.map(({ aspect: [h, w] }) => [side * Math.min(1, w / h), side * Math.min(1, h / w)]);
  const doubts = panels.map(({ doubt }) => (doubt ? wrapped(`Caution: ${doubt}`, side) : []));
  const heads = 1 + Math.max(...doubts.map((each) => each.length));
  const feet = (panels.some(({ rule }) => rule) ? 6 : 5) + Math.max(...panels.map(({ lines }) => lines.length));
  const tall = Math.max(...picture.map(([, h]) => h)) + (heads + feet) * line;
  const rows = Math.ceil(panels.length / columns);
  const canvas = make("canvas", { width: columns * (side + margin) + margin, height: rows * (tall + margin) + margin });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  panels.forEach((panel, i) => {
    const [wide, high] = picture[i];
    context.save();
    context.translate(margin + (i % columns) * (side + margin), margin + Math.floor(i / columns) * (tall + margin));
    context.fillStyle = "#111";
    context.font = "600 15px system-ui, sans-serif";
    context.fillText(panel.title, 0, 14, side);
    context.font = CAUTION_FONT;
    context.fillStyle = "#8a4200";
    doubts[i].forEach((text, row) => context.fillText(text, 0, 14 + (1 + row) * line));
    context.fillStyle = "#111";
    context.translate(0, heads * line + 4);
    panel.paint(context, wide, high);
    context.translate(0, high + 8);
    if (panel.rule) {
      drawRule(context, panel.rule, wide);
      context.translate(0, line);
    }
    context.font = "600 15px system-ui, sans-serif";
    if (panel.none) {
      context.fillText(panel.none, 0, 14, side);
    } else if (panel.table) {
      for (let x = 0; x < wide; x++) {
        const colour = panel.table[Math.floor((x / wide) * 256)];
        context.fillStyle = `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
        context.fillRect(x, 0, 1, 10);
      }
    }
    context.fillStyle = "#111";
    context.font = "13px system-ui, sans-serif";
    panel.legend.forEach(([left, middle, right], row) => {
      const y = 26 + row * line;
      context.textAlign = "left";
      context.fillText(left, 0, y);
      context.textAlign = "center";
      context.fillText(middle, wide / 2, y);
      context.textAlign = "right";
      context.fillText(right, wide, y);
    });
    context.textAlign = "left";
    panel.lines.forEach((text, row) => context.fillText(text, 0, 30 + (2 + row) * line, side));
    context.restore();
  });
  return canvas;
}

/** A bar of a share of the width and what its length is, below a picture. */
function drawRule(context, { share, text }, width) {
  context.strokeStyle = "#111";
  context.lineWidth = 1;
  context.strokeRect(0.5, 0.5, Math.max(2, share * width - 1), 4);
  context.font = "12px system-ui, sans-serif";
  context.fillText(text, share * width + 8, 8);
}

/** A text in lines no wider than `width`. */
function wrapped(text, width) {
  const context = make("canvas", {}).getContext("2d");
  context.font = CAUTION_FONT;
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export function save(canvas, name) {
  canvas.toBlob((blob) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");
}
