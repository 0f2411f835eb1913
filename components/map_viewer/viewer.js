// The viewer: panels over one picture, drawn from bases while a slider is dragged. Streamlit calls
// the default export on every rerun of the page; the viewer is made once per mounted component and
// takes new data only when they differ. Nothing is sent to the server before a control is released.

import { Cell, tableLines, tableSheet, tellCommon } from "./cells.js";
import { choice, colourTable, dropdown, make, number, slide } from "./elements.js";
import { save, sheet } from "./export.js";
import { Film } from "./film.js";
import { CONTOUR_LEVELS, Panel } from "./panel.js";
import { unpack } from "./render.js";
import { Swipe } from "./swipe.js";
import { GrayPicture } from "./windowing.js";

// What a person set, by viewer, for as long as the page is loaded: this module is not, for switching
// pages and coming back loads it anew.
const remembered = (window.whynotViewers ??= new Map());
const MAX_ZOOM = 16;

const LOOK = {
  opacity: 60,
  drawing: "Heat map",
  levels: "25,50,75",
  top: 100,
  scale: "Own",
  colours: "Cividis",
  evidence: "For",
  view: "Whole",
  peak: true,
  known: true,
};

const SCALE_HELP = "Own: colours span each map's own range. Shared: the same colour is the same value in every map.";
const PER_METHOD_HELP = " Per method: in all maps of one method.";

export default function (component) {
  const root = component.parentElement.querySelector(".viewer");
  root.viewer ??= new Viewer(root);
  root.viewer.send = component.setStateValue;
  root.viewer.take(component.data);
  return () => root.viewer.stop();
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.controls = root.querySelector(".controls");
    this.looks = root.querySelector(".looks");
    this.note = root.querySelector(".note");
    this.message = root.querySelector(".message");
    this.filmTools = root.querySelector(".film-tools");
    this.grid = root.querySelector(".grid");
    this.common = root.querySelector(".common");
    this.view = { zoom: 1, x: 0, y: 0 };
    this.panels = [];
    this.film = null;
    this.listeners = new AbortController();
    this.listenForHiding();
  }

  stop() {
    this.listeners.abort();
  }

  /** Take the server's message; the same message again changes nothing. */
  take(data) {
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data ?? 0);
    const fresh = signature(bytes);
    if (fresh === this.signature) return;
    this.signature = fresh;
    try {
      const { header, arrays } = unpack(bytes);
      this.header = header;
      this.arrays = arrays;
      this.state = stateOf(header.viewer, header.look);
      this.message.hidden = true;
      this.build();
    } catch (error) {
      this.panels = [];
      this.film = null;
      this.filmTools.hidden = true;
      this.grid.replaceChildren();
      this.common.replaceChildren();
      this.say(`The maps did not arrive whole (${error.message}). Ask the question again.`);
    }
  }

  say(text) {
    this.message.textContent = text;
    this.message.hidden = false;
  }

  // ---- building ------------------------------------------------------------------------------

  build() {
    const { parameters, panels, grid, picture } = this.header;
    this.swipe = null;
    this.film = null;
    this.gray = picture.gray ? new GrayPicture(picture.gray, this.arrays) : null;
    for (const parameter of parameters) this.state.values[parameter.name] ??= parameter.default;
    this.tables = Object.fromEntries(
      Object.entries(this.header.colours).map(([name, index]) => [name, colourTable(this.arrays[index].values)]),
    );
    const rank = (each) => (each.is_switch ? 2 : each.choices?.length ? 1 : 0);
    const switchesLast = [...parameters].sort((a, b) => rank(a) - rank(b));
    this.controls.replaceChildren(...switchesLast.map((each) => this.control(each, this.state.values)));
    this.buildLooks();
    this.panels = panels.map((panel) => (grid ? new Cell(this, panel) : new Panel(this, panel)));
    this.buildFilm();
    this.grid.replaceChildren(...(grid ? tableLines(grid, this.panels) : this.pictures.map((each) => each.element)));
    this.grid.style.setProperty("--count", this.pictures.length);
    this.buildTable(grid);
    this.tellFollowed();
    this.loadPicture();
    this.draw();
    this.answer();
  }

  buildFilm() {
    const { film } = this.header;
    if (film && film.name !== this.filmName) this.resetView();
    this.filmName = film?.name;
    this.film = film ? new Film(this) : null;
    this.root.classList.toggle("is-film", Boolean(this.film));
    this.arrange();
    this.filmTools.hidden = !this.film;
    this.filmTools.replaceChildren(...(this.film?.bar.elements ?? []));
  }

  /** Sliders stand above the pictures; of a film below them: there the picture comes first. */
  arrange() {
    const isFirst = this.root.firstElementChild === this.controls;
    if (this.film && isFirst) this.looks.before(this.note, this.controls);
    if (!this.film && !isFirst) {
      this.root.prepend(this.controls);
      this.message.before(this.note);
    }
  }

  /** All looks at the picture: the film alone, where it is one, and the maps. */
  get pictures() {
    return this.film ? [this.film.panel, ...this.panels] : this.panels;
  }

  buildTable(grid) {
    this.grid.classList.toggle("is-table", Boolean(grid));
    this.common.replaceChildren();
    if (!grid) {
      this.grid.removeAttribute("role");
      return;
    }
    this.grid.setAttribute("role", "table");
    this.grid.setAttribute("aria-label", this.header.question);
    this.grid.style.setProperty("--columns", grid.columns.length);
  }

  /** A slider, a switch or a choice; `target` holds its value. */
  control(parameter, target, redraw = () => this.draw(parameter.name)) {
    if (parameter.choices?.length) {
      const chosen = () => {
        redraw();
        this.answer();
      };
      const box = choice(parameter.label, parameter.choices, target, parameter.name, chosen, parameter.help);
      box.dataset.parameter = parameter.name;
      return box;
    }
    const row = make("label", { className: parameter.is_switch ? "control switch" : "control", title: parameter.help });
    const name = make("span", { className: "name", textContent: parameter.label });
    if (parameter.is_switch) {
      const box = make("input", { type: "checkbox", checked: target[parameter.name] });
      box.dataset.parameter = parameter.name;
      box.addEventListener("change", () => {
        target[parameter.name] = box.checked;
        redraw();
        this.answer();
      });
      row.append(box, name);
      return row;
    }
    const { places, toValue, toPlace, toText } = slide(parameter);
    const shown = make("output", { className: "value" });
    const range = make("input", { type: "range", min: 0, max: places, step: 1, value: toPlace(target[parameter.name]) });
    range.dataset.parameter = parameter.name;
    range.setAttribute("aria-label", parameter.label);
    const tell = () => {
      shown.textContent = toText(target[parameter.name]);
      range.setAttribute("aria-valuetext", shown.textContent);
      range.style.setProperty("--at", `${(100 * range.value) / places}%`);
    };
    range.addEventListener("input", () => {
      target[parameter.name] = toValue(Number(range.value));
      tell();
      redraw();
    });
    range.addEventListener("change", () => this.answer());
    tell();
    row.append(name, shown, range);
    return row;
  }

  buildLooks() {
    const look = this.state.look;
    const change = () => {
      this.repaint();
      this.answer();
    };
    const redraw = () => {
      this.draw();
      this.answer();
    };
    const signed = this.header.panels.some((panel) => panel.can_be_signed);
    const view = this.canShowInput && choice("View", ["Whole", "Network's input"], look, "view", () => {
      this.resetView();
      this.unpoint();
      this.loadPicture();
      change();
    });
    const evidence = signed && choice("Evidence", ["For", "For and against"], look, "evidence", redraw, "For and against: blue shows what speaks against, or what the picture has less of.");
    const ofMaps = [
      this.control({ name: "opacity", label: "Opacity", min: 0, max: 100, step: 1, unit: "%", help: "Of the map over the picture." }, look, () => this.repaint()),
      this.control({ name: "top", label: "Show top", min: 1, max: 100, step: 1, unit: "%", help: "Only the pixels with the largest values." }, look, () => this.repaint()),
      choice("Drawing", ["Heat map", "Contours", "Both"], look, "drawing", () => {
        this.root.classList.toggle("has-lines", look.drawing !== "Heat map");
        change();
      }),
      choice("Scale", this.header.grid ? ["Own", "Per method", "Shared"] : ["Own", "Shared"], look, "scale", change, SCALE_HELP + (this.header.grid ? PER_METHOD_HELP : "")),
      dropdown("Colours", this.header.labels, look, "colours", change),
      evidence,
      view,
      Object.assign(dropdown("Contours", CONTOUR_LEVELS, look, "levels", change), { className: "control levels" }),
    ];
    const isPlain = Boolean(this.header.is_plain);
    const items = isPlain ? [evidence] : [...(this.header.panels.length ? ofMaps : [view]), this.buttons()];
    this.root.classList.toggle("is-plain", isPlain);
    this.looks.replaceChildren(...items.filter(Boolean));
    this.root.classList.toggle("has-lines", look.drawing !== "Heat map");
  }

  buttons() {
    const row = make("div", { className: "buttons" });
    const hide = make("button", { type: "button", textContent: "Hold to hide", title: "Hold this, or the key H, to see the bare picture." });
    hide.addEventListener("pointerdown", () => this.hide(true));
    for (const type of ["pointerup", "pointerleave", "pointercancel", "blur"]) hide.addEventListener(type, () => this.hide(false));
    hide.addEventListener("keydown", (event) => (event.key === " " || event.key === "Enter") && this.hide(true));
    hide.addEventListener("keyup", () => this.hide(false));
    const reset = make("button", { type: "button", textContent: "Reset zoom" });
    reset.addEventListener("click", () => this.resetView());
    const swipe = (this.swipeButton = make("button", { type: "button", textContent: "Swipe two", title: "Lay the first two maps over each other with a divider to drag." }));
    swipe.setAttribute("aria-pressed", "false");
    swipe.addEventListener("click", () => this.toggleSwipe());
    const save = make("button", { type: "button", textContent: "PNG of all", title: "All maps with legends, question and parameters." });
    save.addEventListener("click", () => this.saveAll());
    const canSwipe = this.header.panels.length > (this.header.film ? 0 : 1) && !this.header.grid;
    row.append(hide, reset, ...(canSwipe ? [swipe] : []), save);
    if (this.gray && !this.header.film) row.append(...this.windowButtons());
    return row;
  }

  windowButtons() {
    const drag = make("button", { type: "button", textContent: "Window by dragging", title: "Dragging across changes the contrast, up and down the brightness; Shift and dragging does so too. The map stays as it is." });
    drag.setAttribute("aria-pressed", "false");
    drag.addEventListener("click", () => {
      this.isWindowing = !this.isWindowing;
      drag.setAttribute("aria-pressed", String(this.isWindowing));
    });
    const reset = make("button", { type: "button", textContent: "Reset window" });
    reset.addEventListener("click", () => this.setWindow(null));
    return [drag, reset];
  }

  // ---- the picture ---------------------------------------------------------------------------

  /** Whether all maps are of one input: two networks may look at different parts. */
  get canShowInput() {
    return !this.header.panels.some((panel) => panel.geometry);
  }

  get isInputView() {
    return this.canShowInput && this.state.look.view === "Network's input";
  }

  /** Decode the picture once and paint it into every panel. */
  async loadPicture() {
    const wanted = this.isInputView;
    const { picture, input } = this.header;
    this.aspect = wanted ? input.size : picture.shown_size;
    this.grid.style.setProperty("--ratio", this.aspect[1] / this.aspect[0]);
    this.grid.style.setProperty("--aspect", `${this.aspect[1]} / ${this.aspect[0]}`);
    if (!wanted && this.gray) {
      this.base = this.windowed();
    } else {
      const file = this.arrays[wanted ? input.file : picture.file].values;
      try {
        this.base = await createImageBitmap(new Blob([file]));
      } catch {
        this.say("The picture did not arrive whole. Choose it again.");
        return;
      }
    }
    if (wanted !== this.isInputView) return;
    this.paintPictures();
    this.film?.tellRule();
    this.film?.refresh();
  }

  /** What holds the window that was set: of a film its own, else of the picture shown. */
  get reading() {
    if (this.film) return this.film.reading;
    const known = `${this.header.picture.size} ${this.gray.high}`;
    if (this.state.windowOf !== known) Object.assign(this.state, { windowOf: known, window: null });
    return this.state;
  }

  /** How values become gray: a window or a VOI LUT. */
  get voi() {
    const { window } = this.reading;
    const { presets } = this.gray;
    return window === null || window.preset !== undefined ? presets[window?.preset ?? 0] ?? presets[0] : window;
  }

  /** How many pixels the longer side of the gray picture needs on this screen. */
  get neededPx() {
    if (!this.film) return Infinity;
    const sides = [...this.pictures, ...(this.swipe ? [this.swipe] : [])].flatMap(({ stage }) => [stage.clientWidth, stage.clientHeight]);
    return Math.max(...sides) * this.view.zoom * window.devicePixelRatio;
  }

  /** The gray picture through its window; the map is not touched. */
  windowed(sidePx = this.neededPx) {
    return this.gray.painted(this.voi, Boolean(this.reading.isInverted), sidePx);
  }

  /** Set the window, null for the one at first, and tell. */
  setWindow(voi) {
    this.reading.window = voi;
    this.windowIsSet();
  }

  moveWindow(dx, dy) {
    this.reading.window = this.gray.moved(this.voi, dx, dy);
    this.base = this.windowed(this.film ? 0 : Infinity); // as few pixels as do while it moves
    this.paintPictures();
    this.film?.bar.tellWindow();
    this.tellNote();
  }

  /** Paint the picture as it is to stay, and tell. */
  windowIsSet() {
    if (!this.isInputView) {
      this.base = this.windowed();
      this.paintPictures();
    }
    this.film?.bar.tell();
    this.tellNote();
    this.answer();
  }

  paintPictures() {
    for (const each of this.pictures) each.paintPicture();
    this.swipe?.refresh();
  }

  // ---- drawing -------------------------------------------------------------------------------

  /** Draw the panels that a parameter changes, or all. */
  draw(parameter) {
    const begin = performance.now();
    const changed = this.panels.filter((panel) => parameter === undefined || panel.knows(parameter));
    for (const panel of changed) panel.render();
    this.repaint(changed, begin);
  }

  /** Disable the sliders that no panel follows, because the ones that know them have their own. */
  tellFollowed() {
    for (const { name } of this.header.parameters) {
      const input = this.controls.querySelector(`[data-parameter="${name}"]`);
      input.disabled = !this.panels.some((panel) => panel.knows(name));
      (input.closest("label") ?? input).classList.toggle("is-off", input.disabled);
    }
  }

  /** Paint maps that are rendered already; with a shared scale one change moves them all. */
  repaint(changed = this.panels, begin = performance.now()) {
    const { scale } = this.state.look;
    const endOf = (panel) => (scale === "Shared" ? "all" : panel.about.method);
    const ends = new Map();
    if (scale !== "Own") for (const panel of this.panels) ends.set(endOf(panel), Math.max(0, panel.high, ends.get(endOf(panel)) ?? 0));
    const moved = new Set(changed.map(endOf));
    for (const panel of ends.size ? this.panels.filter((each) => moved.has(endOf(each))) : changed) panel.paint(ends.get(endOf(panel)) ?? null);
    if (this.header.grid) tellCommon(this, this.common);
    this.swipe?.refresh();
    if (this.pointed) this.point(...this.pointed);
    this.sharedEnd = ends.get("all") ?? null;
    this.tellNote();
    this.root.dataset.drawMs = (performance.now() - begin).toFixed(3);
    this.root.dataset.draws = Number(this.root.dataset.draws ?? 0) + 1;
  }

  tellNote() {
    const { center, width: wide } = this.gray && !this.film ? this.voi : {};
    const isCropped = this.panels.some(({ geometry }) => {
      const [top, left, bottom, right] = geometry.seen_box;
      const [height, width] = geometry.original_size;
      return top > 0.5 || left > 0.5 || bottom < height - 0.5 || right < width - 0.5;
    });
    const widest = this.panels.find((panel) => panel.high === this.sharedEnd);
    const parts = [
      wide && !this.isInputView && `Window ${number(center - wide / 2)} to ${number(center + wide / 2)}.`,
      isCropped && !this.isInputView && "Dimmed: outside what the network looks at.",
      this.sharedEnd !== null && this.panels.length > 1 && widest && `Shared scale: its end is set by ${widest.about.title}; methods have different units.`,
    ];
    this.note.textContent = parts.filter(Boolean).join(" ");
  }

  /** Tell Python what is set, once a control is released. */
  answer() {
    const film = this.film ? { film: this.film.told() } : {};
    const text = JSON.stringify({ values: this.state.values, own: this.state.own, look: this.state.look, ...film });
    if (text === this.answered) return;
    this.answered = text;
    this.send?.("settings", JSON.parse(text));
  }

  // ---- looking -------------------------------------------------------------------------------

  resetView() {
    this.view = { zoom: 1, x: 0, y: 0 };
    this.applyView();
  }

  /** Zoom about a point of the stage, given as shares of its width and height. */
  zoomAt(factor, x, y) {
    const zoom = Math.min(MAX_ZOOM, Math.max(1, this.view.zoom * factor));
    const real = zoom / this.view.zoom;
    this.view = { zoom, x: x - (x - this.view.x) * real, y: y - (y - this.view.y) * real };
    this.applyView();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.applyView();
  }

  applyView() {
    const least = 1 - this.view.zoom;
    this.view.x = Math.min(0, Math.max(least, this.view.x));
    this.view.y = Math.min(0, Math.max(least, this.view.y));
    const { zoom, x, y } = this.view;
    this.grid.style.setProperty("--zoom", zoom);
    this.grid.style.setProperty("--view", `translate(${x * 100}%, ${y * 100}%) scale(${zoom})`);
    this.grid.classList.toggle("is-zoomed", zoom > 1);
    if (!this.film) return;
    this.film.tellRule();
    if (!this.isInputView && this.gray.levelFor(this.neededPx) !== this.gray.shown) this.windowIsSet();
  }

  /** Show the cross-hair at a share of the picture in every panel, with every panel's value. */
  point(x, y) {
    this.pointed = [x, y];
    for (const each of this.pictures) each.point(x, y);
  }

  /** Forget the cross-hair: its place means another one in another view. */
  unpoint() {
    this.pointed = null;
    for (const each of this.pictures) each.unpoint();
  }

  hide(isHidden) {
    this.isBare = isHidden;
    this.grid.classList.toggle("is-bare", isHidden);
    this.swipe?.refresh();
  }

  listenForHiding() {
    const { signal } = this.listeners;
    const isTyping = (event) => /^(INPUT|TEXTAREA|SELECT)$/.test(event.composedPath()[0]?.tagName ?? "") && event.composedPath()[0].type !== "range";
    document.addEventListener("keydown", (event) => event.key.toLowerCase() === "h" && !event.ctrlKey && !event.metaKey && !isTyping(event) && this.hide(true), { signal });
    document.addEventListener("keyup", (event) => event.key.toLowerCase() === "h" && this.hide(false), { signal });
  }

  toggleSwipe() {
    if (this.swipe) {
      this.swipe.element.remove();
      this.swipe = null;
      this.swipeButton.focus({ preventScroll: true });
    } else {
      this.swipe = new Swipe(this);
      this.grid.prepend(this.swipe.element);
    }
    this.swipeButton.setAttribute("aria-pressed", String(Boolean(this.swipe)));
    if (this.film) this.applyView();
  }

  enlarge(panel) {
    const isLarge = panel.element.classList.toggle("is-large");
    panel.enlarge.textContent = isLarge ? "Smaller" : "Larger";
    for (const other of this.pictures) other.element.hidden = isLarge && other !== panel;
    if (this.film) this.applyView();
  }

  saveAll() {
    if (this.header.grid) save(tableSheet(this), "whynot-grid.png");
    else save(sheet(this.pictures.filter((panel) => !panel.failure).map((panel) => panel.sheet())), "whynot-maps.png");
  }
}

/** What was set in a viewer before, else the defaults. */
function stateOf(viewer, look) {
  if (!remembered.has(viewer)) {
    remembered.set(viewer, { values: {}, own: {}, look: { ...LOOK, ...look }, window: null });
  }
  return remembered.get(viewer);
}

/** Length and a hash of all bytes (FNV-1a), to tell two messages of one page apart. */
function signature(bytes) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return `${bytes.length}:${hash}`;
}
