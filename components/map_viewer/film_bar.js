// The tools of a film, above the pictures.

import { make } from "./elements.js";

const TOOLS = {
  move: ["Move", "Drag to move the zoomed film; click a region to choose it."],
  window: ["Window", "Drag across for the width, up and down for the centre; the arrow keys do the same. Shift and dragging, or the right mouse button, does so with every tool. The maps stay as they are."],
  ruler: ["Ruler", "Drag a line to measure it. Enter puts one into the middle; the arrow keys move its end, with Shift its beginning."],
  box: ["Box", "Drag a box; every map tells how much of it lies inside. Enter puts one into the middle."],
  ellipse: ["Ellipse", "Drag an ellipse; every map tells how much of it lies inside. Enter puts one into the middle."],
  polygon: ["Polygon", "Click its corners; a double-click or Enter closes it, Esc drops it. Enter alone puts one into the middle."],
};
const CHOSEN_HINT = "Drag it or its corners, or use the arrow keys (with Shift they change its size); Delete removes it.";
const FULL_HINT = "There are as many regions as can be told apart: delete one before you draw another.";

export class FilmBar {
  constructor(film) {
    this.film = film;
    this.tools = Object.fromEntries(Object.entries(TOOLS).map(([tool, [name, help]]) => [tool, button(name, help, () => film.setTool(tool))]));
    this.regions = make("div", { className: "group" });
    this.regions.setAttribute("role", "group");
    this.regions.setAttribute("aria-label", "Regions");
    this.regions.addEventListener("keydown", (event) => /^(Arrow|Delete|Backspace|Escape)/.test(event.key) && film.gestures.key(event) && event.preventDefault());
    this.regions.addEventListener("keyup", () => film.viewer.answer());
    this.hint = make("p", { className: "hint" });
    this.hint.setAttribute("aria-live", "polite");
    this.first = make("div", { className: "tool-line" });
    this.first.append(group("Tool", Object.values(this.tools)), group("Window", this.windowParts()));
    this.second = make("div", { className: "tool-line" });
    this.second.append(this.regions, ...this.switches());
    this.elements = [this.first, this.second, this.hint];
    this.names = "";
  }

  windowParts() {
    const { film } = this;
    const { viewer } = film;
    this.preset = make("select", {});
    this.preset.setAttribute("aria-label", "Preset of the window");
    viewer.gray.presets.forEach((each, i) => this.preset.append(make("option", { value: i, textContent: presetName(each) })));
    this.asDragged = make("option", { value: "own", textContent: "as dragged", hidden: true });
    this.preset.append(this.asDragged);
    this.preset.addEventListener("change", () => viewer.setWindow(Number(this.preset.value) ? { preset: Number(this.preset.value) } : null));
    this.invert = button("Invert", "Turn black and white round; the maps stay as they are.", () => {
      film.reading.isInverted = !film.reading.isInverted;
      viewer.windowIsSet();
    });
    this.reset = button("Reset window", "As the film was at first.", () => {
      film.reading.isInverted = false;
      viewer.setWindow(null);
    });
    this.reset.removeAttribute("aria-pressed");
    this.window = make("output", { className: "window" });
    return [this.preset, this.invert, this.reset, this.window];
  }

  /** What may be hidden: peaks and the known annotation, which has its legend here. */
  switches() {
    const { film } = this;
    const parts = [this.shown("peak", "Peaks", "A ring at each map's largest value.", "ring")];
    if (film.known) parts.push(this.shown("known", "Known annotation", "The outline of what is known of this film.", "dash"));
    return parts;
  }

  shown(name, text, title, sign) {
    const { look } = this.film.viewer.state;
    const row = make("label", { className: "shown", title });
    const box = make("input", { type: "checkbox", checked: look[name] });
    box.addEventListener("change", () => {
      look[name] = box.checked;
      this.film.refresh();
    });
    row.append(box, make("span", { className: `sign ${sign}` }), make("span", { textContent: text }));
    return row;
  }

  /** Show what is set. */
  tell() {
    const { film } = this;
    for (const [tool, each] of Object.entries(this.tools)) each.setAttribute("aria-pressed", String(tool === film.tool));
    this.tellWindow();
    this.tellRegions();
    this.hint.textContent = this.hintText;
  }

  tellWindow() {
    const { window, isInverted } = this.film.reading;
    const isOwn = Boolean(window) && window.preset === undefined;
    this.asDragged.hidden = !isOwn;
    this.preset.value = isOwn ? "own" : String(window?.preset ?? 0);
    this.invert.setAttribute("aria-pressed", String(isInverted));
    this.window.textContent = this.film.windowText;
    this.film.panel.subtitle.textContent = this.windowInWords;
  }

  get windowInWords() {
    return `${this.film.windowText}${this.film.reading.isInverted ? ", inverted" : ""}`;
  }

  /** The regions as buttons, made anew only where their number changes: one may have the focus. */
  tellRegions() {
    const { film } = this;
    const { regions } = film.reading;
    const names = regions.map(({ kind }, i) => `${i + 1} ${kind}`);
    if (names.join() !== this.names) {
      this.names = names.join();
      this.chips = names.map((name, i) => button(name, "Choose this region.", () => film.choose(film.chosen === i ? -1 : i)));
      this.delete = button("Delete region", "The key Delete does so too.", () => film.remove());
      this.delete.removeAttribute("aria-pressed");
      this.regions.replaceChildren(...(regions.length ? [...this.chips, this.delete] : []));
    }
    this.chips?.forEach((each, i) => each.setAttribute("aria-pressed", String(i === film.chosen)));
    if (this.delete) this.delete.disabled = film.chosen < 0;
  }

  get hintText() {
    const { film } = this;
    const isDrawing = film.tool === "box" || film.tool === "ellipse" || film.tool === "polygon";
    if (isDrawing && film.isFull) return FULL_HINT;
    return film.chosenRegion && (isDrawing || film.tool === "move") ? CHOSEN_HINT : TOOLS[film.tool][1];
  }
}

function presetName({ name, is_relative: isRelative }) {
  return isRelative && (name === "lung" || name === "bone") ? `${name} (relative to this film)` : name;
}

function button(textContent, title, press) {
  const made = make("button", { type: "button", textContent, title });
  made.setAttribute("aria-pressed", "false");
  made.addEventListener("click", press);
  return made;
}

function group(name, parts) {
  const made = make("div", { className: "group" });
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", name);
  made.append(...parts);
  return made;
}
