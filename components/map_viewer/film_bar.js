// The tools of a film, above the pictures.

import { namesOf } from "./annotations.js";
import { make } from "./elements.js";
import { letter, lengthText, planeText } from "./lengths.js";

const TOOLS = {
  move: ["Move", "Drag to move the zoomed film; click a region to choose it."],
  window: ["Window", "Drag across for the width, up and down for the centre, or use the arrow keys. Every tool does so with Shift or the right mouse button."],
  ruler: ["Ruler", "Drag a line to measure it, or press Enter for one in the middle. Two rulers tell their ratio."],
  box: ["Box", "Drag a box; every map tells how much of it lies inside. Enter puts one into the middle."],
  ellipse: ["Ellipse", "Drag an ellipse; every map tells how much of it lies inside. Enter puts one into the middle."],
  polygon: ["Polygon", "Click its corners; a double-click or Enter closes it, Esc drops it."],
};
const CHOSEN_HINTS = {
  regions: "Drag it or its corners, or use the arrow keys; with Shift they change its size.",
  rulers: "Drag it or its ends; the arrow keys move its end, with Shift its beginning.",
};
const FULL_HINT = "There are as many as can be told apart: delete one before you draw another.";

export class FilmBar {
  constructor(film) {
    this.film = film;
    this.tools = Object.fromEntries(Object.entries(TOOLS).map(([tool, [name, help]]) => [tool, button(name, help, () => film.setTool(tool))]));
    this.things = group("Regions and rulers", []);
    this.things.classList.add("things");
    this.things.addEventListener("keydown", (event) => /^(Arrow|Delete|Backspace|Escape)/.test(event.key) && film.gestures.key(event) && event.preventDefault());
    this.things.addEventListener("keyup", () => film.viewer.answer());
    this.hint = make("p", { className: "hint" });
    this.hint.setAttribute("aria-live", "polite");
    this.first = make("div", { className: "tool-line" });
    const tools = group("Tool", Object.values(this.tools));
    tools.classList.add("joined");
    this.first.append(tools, group("Window", this.windowParts()), this.shown("peak", "Peaks", "A ring at each map's largest value.", "ring"));
    this.second = make("div", { className: "told-line" });
    this.second.append(this.things, this.hint, ...this.legend());
    this.elements = [this.first, this.second];
    this.kinds = "";
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
    this.reset = button("Reset", "As the film was at first.", () => {
      film.reading.isInverted = false;
      viewer.setWindow(null);
    });
    this.reset.removeAttribute("aria-pressed");
    this.reset.setAttribute("aria-label", "Reset window");
    this.window = make("output", { className: "window" });
    return [this.preset, this.invert, this.reset, this.window];
  }

  /** The legend of the known annotations, with which they can be hidden. */
  legend() {
    const { known } = this.film;
    if (!known.length) return [];
    const text = legendOf(known);
    return [this.shown("known", text, `Dashed, where it is known to lie. ${text}.`, "dash")];
  }

  shown(name, text, title, sign) {
    const { look } = this.film.viewer.state;
    const row = make("label", { className: "shown", title });
    const box = make("input", { type: "checkbox", checked: look[name] });
    box.addEventListener("change", () => {
      look[name] = box.checked;
      this.film.refresh();
    });
    row.append(box, make("span", { className: `sign ${sign}` }), make("span", { className: "shown-name", textContent: text }));
    return row;
  }

  /** Show what is set. */
  tell() {
    const { film } = this;
    for (const [tool, each] of Object.entries(this.tools)) each.setAttribute("aria-pressed", String(tool === film.tool));
    this.tellWindow();
    this.tellThings();
    this.hint.textContent = this.hint.title = this.hintText;
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

  /** What is drawn as buttons, made anew only where it is something else: one may have the focus. */
  tellThings() {
    const { film } = this;
    const { regions, rulers } = film.reading;
    const { spacing } = film.about;
    const things = [
      ...regions.map(({ kind }, index) => ({ list: "regions", index, kind, text: `${index + 1} ${kind}`, title: "Choose this region." })),
      ...rulers.map(({ kind, points }, index) => {
        const length = lengthText(points, spacing);
        return { list: "rulers", index, kind, text: `${letter(index)} ${length}`, title: `Choose this ruler: ${length}${planeText(spacing)}.` };
      }),
    ];
    const kinds = things.map(({ kind }) => kind).join();
    if (kinds !== this.kinds) {
      this.kinds = kinds;
      this.chips = things.map(({ list, index }) => button("", "", () => film.choose(film.isChosen(list, index) ? null : { list, index })));
      this.delete = button("Delete", "Deletes what is chosen; the key Delete does so too.", () => film.remove());
      this.delete.removeAttribute("aria-pressed");
      this.things.replaceChildren(...(things.length ? [...this.chips, this.delete] : []));
    }
    things.forEach(({ list, index, text, title }, i) => {
      Object.assign(this.chips[i], { textContent: text, title });
      this.chips[i].setAttribute("aria-pressed", String(film.isChosen(list, index)));
    });
    if (this.delete) this.delete.disabled = !film.chosen;
  }

  get hintText() {
    const { film } = this;
    if (film.isFull) return FULL_HINT;
    return film.held && film.tool !== "window" ? CHOSEN_HINTS[film.reading.chosen.list] : TOOLS[film.tool][1];
  }
}

/** The legend of the dashed outlines: what is known, by name where it has one of its own. */
function legendOf(known) {
  const names = namesOf(known);
  return names === "known annotation" ? "Known annotation" : `Known annotation: ${names}`;
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
