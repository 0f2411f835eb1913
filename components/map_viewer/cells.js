// Maps in rows and columns with headings: small, without tools of their own, under one legend.

import { gradient, inWords, make, number, spread } from "./elements.js";
import { Panel } from "./panel.js";

const SCALES = {
  Own: "each map by its own largest value, which stands below it",
  "Per method": "maps of one method up to their common largest value",
  Shared: "all maps up to one largest value; methods have different units",
};
const CELL_PX = 260;
const HEAD_PX = 190;
const GAP_PX = 14;
const LINE_PX = 19;

/** One map of the table. */
export class Cell extends Panel {
  build() {
    this.element = make("figure", { className: "cell" });
    this.element.setAttribute("role", "cell");
    this.element.dataset.panel = this.about.name;
    this.subtitle = make("span", {});
    this.foot = make("p", {});
    this.buildMap();
    this.readout.textContent = "";
    this.legend = make("div", { className: "peak" });
    const below = make("div", { className: "below" });
    below.append(this.legend, this.readout);
    this.element.append(this.stage, below);
  }

  get leastOverlayPx() {
    return 112;
  }

  get mostPicturePx() {
    return 400;
  }

  get values() {
    return { ...super.values, ...this.about.fixed };
  }

  knows(parameter) {
    return super.knows(parameter) && !(parameter in this.about.fixed);
  }

  paintLegend(_name, high, isSigned) {
    const none = isSigned ? "no evidence" : "no positive evidence";
    this.legend.textContent = high > 0 ? `up to ${number(this.high)}` : none;
  }

  tellValue(_where, value) {
    this.readout.textContent = value;
  }

  unpoint() {
    super.unpoint();
    this.readout.textContent = "";
  }
}

/** The table's lines: headings of the columns, then each row's heading with its cells. */
export function tableLines({ rows, columns }, cells) {
  const corner = make("span", {});
  corner.setAttribute("role", "cell");
  const lines = [line([corner, ...columns.map((each) => heading(each, "columnheader"))])];
  rows.forEach((row, y) => {
    const places = columns.map((_, x) => cells.find(({ about }) => about.row === y && about.column === x)?.element ?? absent());
    lines.push(line([heading(row, "rowheader"), ...places]));
  });
  return lines;
}

function line(children) {
  const element = make("div", { className: "table-line" });
  element.setAttribute("role", "row");
  element.append(...children);
  return element;
}

function heading({ title, note }, role) {
  const element = make("div", { className: "heading" });
  element.setAttribute("role", role);
  element.append(make("strong", { textContent: title }), make("span", { className: "subtitle", textContent: note }));
  return element;
}

function absent() {
  const element = make("span", { className: "absent", textContent: "–" });
  element.setAttribute("role", "cell");
  return element;
}

/** What the colours of the table mean: a bar for each table of colours in use. */
function bars(viewer) {
  const { look } = viewer.state;
  const shown = viewer.panels.filter((each) => !each.failure);
  return [false, true].flatMap((isSigned) => {
    const meanings = shown.filter((each) => each.isSigned === isSigned).map(({ about }) => about.meaning[isSigned ? "signed" : "unsigned"]);
    if (!meanings.length) return [];
    return {
      table: viewer.tables[isSigned ? viewer.header.diverging : look.colours],
      ends: [0, 1].map((end) => [...new Set(meanings.map((each) => each[end]))].join(" / ")),
    };
  });
}

function settings(viewer) {
  const { parameters } = viewer.header;
  const followed = parameters.filter(({ name }) => viewer.panels.some((each) => each.knows(name)));
  return followed
    .filter((each) => !each.is_switch || viewer.state.values[each.name])
    .map((each) => inWords(each, viewer.state.values[each.name]))
    .join(" · ");
}

/** What took effect besides the sliders, and for which methods. */
function feet(viewer) {
  const methods = new Map();
  for (const { about } of viewer.panels) methods.set(about.foot, (methods.get(about.foot) ?? new Set()).add(about.method_title));
  return [...methods].map(([foot, titles]) => `${[...titles].join(", ")}: ${foot}`);
}

/** Fill the one legend, with what else there is to say of all cells, where it is not there yet. */
export function tellCommon(viewer, box) {
  const scale = SCALES[viewer.state.look.scale];
  const scales = bars(viewer);
  const told = JSON.stringify([scale, scales.map(({ ends }) => ends), viewer.state.look.colours]);
  if (box.childElementCount && box.dataset.told === told) return;
  box.dataset.told = told;
  const parts = scales.map(({ table, ends }) => {
    const bar = make("div", { className: "bar" });
    bar.style.background = gradient(table);
    const legend = make("div", { className: "scale" });
    legend.append(bar, spread([ends[0], scale, ends[1]]));
    legend.setAttribute("role", "img");
    legend.setAttribute("aria-label", `Colours from ${ends[0]} to ${ends[1]}; ${scale}`);
    return legend;
  });
  box.replaceChildren(...parts, make("p", { className: "foot", textContent: feet(viewer).join("; ") }));
}

/** A canvas with the whole table, its headings, legend, question and parameters. */
export function tableSheet(viewer) {
  const { grid, question, source } = viewer.header;
  const [high, wide] = viewer.aspect.map((side) => (CELL_PX * side) / Math.max(...viewer.aspect));
  const column = Math.max(wide, 150) + GAP_PX;
  const row = high + LINE_PX + GAP_PX;
  const said = [settings(viewer), viewer.panels[0].looks(), ...feet(viewer), source].filter(Boolean);
  const scales = bars(viewer);
  const top = 5 * LINE_PX;
  const bottom = scales.length * 2.5 * LINE_PX + said.length * LINE_PX;
  const canvas = make("canvas", {
    width: HEAD_PX + grid.columns.length * column + 2 * GAP_PX,
    height: Math.ceil(top + grid.rows.length * row + bottom + 3 * GAP_PX),
  });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#111";
  context.translate(GAP_PX, GAP_PX);
  write(context, question, [0, 16], 600, 17);
  grid.columns.forEach((each, x) => head(context, each, [HEAD_PX + x * column, 3 * LINE_PX], column - GAP_PX));
  grid.rows.forEach((each, y) => head(context, each, [0, top + y * row + 14], HEAD_PX - GAP_PX));
  for (const cell of viewer.panels) {
    context.save();
    context.translate(HEAD_PX + cell.about.column * column, top + cell.about.row * row);
    if (!cell.failure) cell.paintInto(context, wide, high);
    write(context, cell.legend.textContent, [0, high + 15], 400, 13, column - GAP_PX);
    context.restore();
  }
  let y = top + grid.rows.length * row + LINE_PX;
  for (const { table, ends } of scales) {
    const length = Math.min(canvas.width - 2 * GAP_PX, 480);
    for (let x = 0; x < length; x++) {
      const colour = table[Math.floor((x / length) * 256)];
      context.fillStyle = `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
      context.fillRect(x, y, 1, 10);
    }
    context.fillStyle = "#111";
    write(context, `from ${ends[0]} to ${ends[1]}: ${SCALES[viewer.state.look.scale]}`, [0, y + 26], 400, 13, canvas.width - 2 * GAP_PX);
    y += 2.5 * LINE_PX;
  }
  said.forEach((text, at) => write(context, text, [0, y + at * LINE_PX], 400, 13, canvas.width - 2 * GAP_PX));
  return canvas;
}

function head(context, { title, note }, [x, y], width) {
  write(context, title, [x, y], 600, 14, width);
  write(context, note, [x, y + LINE_PX - 2], 400, 12, width);
}

function write(context, text, [x, y], weight, size, width = undefined) {
  context.font = `${weight} ${size}px system-ui, sans-serif`;
  context.fillText(text, x, y, width);
}
