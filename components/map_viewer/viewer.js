// The viewer: panels over one picture, drawn from bases while a slider is dragged. Streamlit calls
// the default export on every rerun of the page; the viewer is made once per mounted component and
// takes new data only when they differ. Nothing is sent to the server before a control is released.

// What a person set, by viewer, for as long as the page is loaded: this module is not, for switching
// pages and coming back loads it anew.
const remembered = (window.whynotViewers ??= new Map());
const MAX_ZOOM = 16;
const CONTOUR_LEVELS = {
  "50": "at 50 %",
  "25,50,75": "at 25, 50, 75 %",
  "10,20,30,40,50,60,70,80,90": "every 10 %",
};
const LEAST_OVERLAY_PX = 224;
const POINT_HINT = "Point at the map to read it.";

const LOOK = {
  opacity: 60,
  drawing: "Heat map",
  levels: "25,50,75",
  top: 100,
  scale: "Own",
  colours: "Cividis",
  evidence: "For",
  view: "Whole",
};

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
    this.grid = root.querySelector(".grid");
    this.view = { zoom: 1, x: 0, y: 0 };
    this.panels = [];
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
      this.state = stateOf(header.viewer);
      this.message.hidden = true;
      this.build();
    } catch (error) {
      this.panels = [];
      this.grid.replaceChildren();
      this.say(`The maps did not arrive whole (${error.message}). Ask the question again.`);
    }
  }

  say(text) {
    this.message.textContent = text;
    this.message.hidden = false;
  }

  // ---- building ------------------------------------------------------------------------------

  build() {
    const { parameters, panels } = this.header;
    this.swipe = null;
    for (const parameter of parameters) this.state.values[parameter.name] ??= parameter.default;
    this.tables = Object.fromEntries(
      Object.entries(this.header.colours).map(([name, index]) => [name, colourTable(this.arrays[index].values)]),
    );
    const switchesLast = [...parameters].sort((a, b) => a.is_switch - b.is_switch);
    this.controls.replaceChildren(...switchesLast.map((each) => this.control(each, this.state.values)));
    this.buildLooks();
    this.panels = panels.map((panel) => new Panel(this, panel));
    this.grid.replaceChildren(...this.panels.map((panel) => panel.element));
    this.grid.style.setProperty("--count", panels.length);
    this.tellFollowed();
    this.loadPicture();
    this.draw();
    this.answer();
  }

  /** A slider or a switch; `target` holds its value. */
  control(parameter, target, redraw = () => this.draw(parameter.name)) {
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
    const items = [
      this.control({ name: "opacity", label: "Opacity", min: 0, max: 100, step: 1, unit: "%", help: "Of the map over the picture." }, look, () => this.repaint()),
      this.control({ name: "top", label: "Show top", min: 1, max: 100, step: 1, unit: "%", help: "Only the pixels with the largest values." }, look, () => this.repaint()),
      choice("Drawing", ["Heat map", "Contours", "Both"], look, "drawing", () => {
        this.root.classList.toggle("has-lines", look.drawing !== "Heat map");
        change();
      }),
      choice("Scale", ["Own", "Shared"], look, "scale", change, "Own: colours span each map's own range. Shared: the same colour is the same value in every map."),
      dropdown("Colours", this.header.labels, look, "colours", change),
      signed && choice("Evidence", ["For", "For and against"], look, "evidence", redraw, "For and against: blue shows what speaks against, or what the picture has less of."),
      choice("View", ["Whole", "Network's input"], look, "view", () => {
        this.resetView();
        this.unpoint();
        this.loadPicture();
        change();
      }),
      Object.assign(dropdown("Contours", CONTOUR_LEVELS, look, "levels", change), { className: "control levels" }),
      this.buttons(),
    ];
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
    const swipe = make("button", { type: "button", textContent: "Swipe two", title: "Lay the first two maps over each other with a divider to drag." });
    swipe.setAttribute("aria-pressed", "false");
    swipe.addEventListener("click", () => this.toggleSwipe(swipe));
    const save = make("button", { type: "button", textContent: "PNG of all", title: "All maps with legends, question and parameters." });
    save.addEventListener("click", () => this.saveAll());
    row.append(hide, reset, ...(this.header.panels.length > 1 ? [swipe] : []), save);
    if (this.header.picture.is_deep) row.append(...this.windowButtons());
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
    reset.addEventListener("click", () => {
      this.state.window = null;
      this.loadPicture();
    });
    return [drag, reset];
  }

  // ---- the picture ---------------------------------------------------------------------------

  get isInputView() {
    return this.state.look.view === "Network's input";
  }

  /** Decode the picture once and paint it into every panel. */
  async loadPicture() {
    const wanted = this.isInputView;
    const { picture, input } = this.header;
    this.aspect = wanted ? input.size : picture.shown_size;
    this.grid.style.setProperty("--ratio", this.aspect[1] / this.aspect[0]);
    this.grid.style.setProperty("--aspect", `${this.aspect[1]} / ${this.aspect[0]}`);
    if (!wanted && picture.is_deep) {
      const known = `${picture.size} ${picture.white}`;
      if (this.state.window?.known !== known) {
        this.state.window = { known, centre: picture.white / 2, width: picture.white };
      }
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
    if (wanted === this.isInputView) this.paintPictures();
  }

  /** The deep gray picture through its window; the map is not touched. */
  windowed() {
    const { values, shape } = this.arrays[this.header.picture.pixels];
    const { centre, width } = this.state.window;
    const low = centre - width / 2;
    const gain = 255 / Math.max(width, 1);
    const canvas = make("canvas", { width: shape[1], height: shape[0] });
    const context = canvas.getContext("2d");
    const data = context.createImageData(shape[1], shape[0]);
    const pixels = new Uint32Array(data.data.buffer);
    for (let i = 0; i < values.length; i++) {
      const gray = Math.min(255, Math.max(0, (values[i] - low) * gain)) | 0;
      pixels[i] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
    }
    context.putImageData(data, 0, 0);
    return canvas;
  }

  moveWindow(dx, dy) {
    const { white } = this.header.picture;
    const { centre, width } = this.state.window;
    this.state.window = {
      ...this.state.window,
      centre: Math.min(white, Math.max(0, centre + dy * white)),
      width: Math.min(2 * white, Math.max(1, width + dx * white)),
    };
    this.base = this.windowed();
    this.paintPictures();
    this.tellNote();
  }

  paintPictures() {
    for (const panel of this.panels) panel.paintPicture();
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
      input.closest("label").classList.toggle("is-off", input.disabled);
    }
  }

  /** Paint maps that are rendered already; with a shared scale one change moves them all. */
  repaint(changed = this.panels, begin = performance.now()) {
    const isShared = this.state.look.scale === "Shared";
    const shared = isShared ? Math.max(0, ...this.panels.map((panel) => panel.high)) : null;
    for (const panel of isShared ? this.panels : changed) panel.paint(shared);
    this.swipe?.refresh();
    if (this.pointed) this.point(...this.pointed);
    this.sharedEnd = shared;
    this.tellNote();
    this.root.dataset.drawMs = (performance.now() - begin).toFixed(3);
    this.root.dataset.draws = Number(this.root.dataset.draws ?? 0) + 1;
  }

  tellNote() {
    const { geometry, picture } = this.header;
    const { centre, width: wide } = this.state.window ?? {};
    const [top, left, bottom, right] = geometry.seen_box;
    const [height, width] = geometry.original_size;
    const isCropped = top > 0.5 || left > 0.5 || bottom < height - 0.5 || right < width - 0.5;
    const widest = this.panels.find((panel) => panel.high === this.sharedEnd);
    const parts = [
      picture.is_deep && wide && !this.isInputView && `Window ${number(centre - wide / 2)} to ${number(centre + wide / 2)}.`,
      isCropped && !this.isInputView && "Dimmed: outside what the network looks at.",
      this.sharedEnd !== null && this.panels.length > 1 && widest && `Shared scale: its end is set by ${widest.about.title}; methods have different units.`,
    ];
    this.note.textContent = parts.filter(Boolean).join(" ");
  }

  /** Tell Python what is set, once a control is released. */
  answer() {
    const text = JSON.stringify({ values: this.state.values, own: this.state.own, look: this.state.look });
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
  }

  /** Show the cross-hair at a share of the picture in every panel, with every panel's value. */
  point(x, y) {
    this.pointed = [x, y];
    for (const panel of this.panels) panel.point(x, y);
  }

  /** Forget the cross-hair: its place means another one in another view. */
  unpoint() {
    this.pointed = null;
    for (const panel of this.panels) panel.unpoint();
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

  toggleSwipe(button) {
    if (this.swipe) {
      this.swipe.element.remove();
      this.swipe = null;
    } else {
      this.swipe = new Swipe(this);
      this.grid.prepend(this.swipe.element);
    }
    button.setAttribute("aria-pressed", String(Boolean(this.swipe)));
  }

  enlarge(panel) {
    const isLarge = panel.element.classList.toggle("is-large");
    panel.enlarge.textContent = isLarge ? "Smaller" : "Larger";
    for (const other of this.panels) other.element.hidden = isLarge && other !== panel;
  }

  saveAll() {
    save(sheet(this.panels.filter((panel) => !panel.failure).map((panel) => panel.sheet())), "whynot-maps.png");
  }
}

class Panel {
  constructor(viewer, about) {
    this.viewer = viewer;
    this.about = about;
    this.own = viewer.state.own[about.name] ?? null;
    this.high = 0;
    this.build();
    try {
      this.basis = { ...about.numbers };
      for (const [name, index] of Object.entries(about.fields)) {
        if (!viewer.arrays[index]) throw new Error(`the data lack “${name}”`);
        this.basis[name] = viewer.arrays[index];
      }
      basisSize(about.kind, this.basis);
      if (!about.size.every((side) => side > 0)) throw new Error(`its size is ${about.size.join(" × ")}`);
    } catch (error) {
      this.broken = error.message;
    }
  }

  build() {
    const { name, title, subtitle } = this.about;
    this.element = make("figure", { className: "panel" });
    this.element.dataset.panel = name;
    const head = make("figcaption", {});
    this.subtitle = make("span", { className: "subtitle", textContent: subtitle });
    head.append(make("strong", { textContent: title }), this.subtitle);
    this.stage = make("div", { className: "stage", tabIndex: 0 });
    this.stage.setAttribute("role", "img");
    this.world = make("div", { className: "world" });
    this.picture = make("canvas", { className: "picture" });
    this.overlay = make("canvas", { className: "overlay" });
    this.lines = svg("svg", { class: "lines", preserveAspectRatio: "none" });
    this.cross = make("div", { className: "cross" });
    this.world.append(this.picture, this.overlay, this.lines, this.cross);
    this.stage.append(this.world);
    this.readout = make("output", { className: "readout", textContent: POINT_HINT });
    this.legend = make("div", { className: "legend" });
    this.foot = make("p", { className: "foot" });
    this.ownControls = make("div", { className: "own" });
    this.element.append(head, this.stage, this.readout, this.legend, this.foot, this.ownControls, this.tools());
    watch(this.stage, this.viewer);
    if (this.own) this.buildOwn();
  }

  tools() {
    const row = make("div", { className: "tools" });
    const png = make("button", { type: "button", textContent: "PNG", title: "This map with legend, question and parameters." });
    png.addEventListener("click", () => save(sheet([this.sheet()]), `whynot-${this.about.name}.png`));
    this.enlarge = make("button", { type: "button", textContent: "Larger" });
    this.enlarge.addEventListener("click", () => this.viewer.enlarge(this));
    row.append(png, this.enlarge);
    if (this.about.knows.length) {
      this.link = make("button", { type: "button", textContent: "Own sliders", title: "Give this panel sliders of its own." });
      this.link.setAttribute("aria-pressed", String(Boolean(this.own)));
      this.link.addEventListener("click", () => this.toggleLink());
      row.append(this.link);
    }
    return row;
  }

  toggleLink() {
    const { state } = this.viewer;
    this.own = this.own ? null : { ...state.values };
    if (this.own) state.own[this.about.name] = this.own;
    else delete state.own[this.about.name];
    this.link.setAttribute("aria-pressed", String(Boolean(this.own)));
    this.ownControls.replaceChildren();
    if (this.own) this.buildOwn();
    this.viewer.tellFollowed();
    this.viewer.draw();
    this.viewer.answer();
  }

  buildOwn() {
    const mine = this.viewer.header.parameters.filter((each) => this.about.knows.includes(each.name));
    const redraw = () => {
      this.render();
      this.viewer.repaint([this]);
    };
    this.ownControls.replaceChildren(...mine.map((each) => this.viewer.control(each, this.own, redraw)));
  }

  knows(parameter) {
    return !this.own && this.about.knows.includes(parameter);
  }

  get values() {
    return this.own ?? this.viewer.state.values;
  }

  get knowsReverse() {
    return this.about.knows.includes("reverse");
  }

  get isSigned() {
    return this.about.can_be_signed && this.viewer.state.look.evidence === "For and against";
  }

  /** From basis and values to the map at the model's input; what fails is told when painting. */
  render() {
    this.failure = this.broken ?? null;
    this.high = 0;
    if (this.failure) return;
    try {
      this.map = renderMap(this.about.kind, this.basis, this.values, this.isSigned, this.about.size);
      this.high = peak(this.map, this.isSigned);
    } catch (error) {
      this.failure = error.message;
    }
  }

  paintFailure() {
    this.legend.replaceChildren(make("p", { className: "none", textContent: `This map cannot be drawn: ${this.failure}.` }));
    this.overlay.width = this.overlay.height = 1;
    this.lines.replaceChildren();
    this.readout.textContent = "";
    this.stage.setAttribute("aria-label", `${this.about.title}: cannot be drawn`);
  }

  /** From the map to pixels, lines and legend; `shared` is the common upper end or null. */
  paint(shared) {
    if (this.failure) {
      this.paintFailure();
      return;
    }
    const { look } = this.viewer.state;
    const { title, size } = this.about;
    const subtitle = this.values.reverse && this.knowsReverse ? this.about.reversed_subtitle : this.about.subtitle;
    this.subtitle.textContent = subtitle;
    const isSigned = this.isSigned;
    const high = this.high > 0 ? (shared ?? this.high) : 0;
    const name = isSigned ? this.viewer.header.diverging : look.colours;
    const factor = Math.max(1, Math.ceil(LEAST_OVERLAY_PX / Math.min(...size)));
    const [height, width] = size.map((side) => side * factor);
    const values = factor === 1 ? this.map : upsample(this.map, size, [height, width]);
    if (this.overlay.width !== width || this.overlay.height !== height) {
      this.overlay.width = width;
      this.overlay.height = height;
      this.image = new ImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    const isHeat = look.drawing !== "Contours";
    const bound = topBound(values, look.top, isSigned);
    paint(this.pixels, values, { table: this.viewer.tables[name], high: isHeat ? high : 0, isSigned, bound });
    this.overlay.getContext("2d").putImageData(this.image, 0, 0);
    this.overlay.style.opacity = look.opacity / 100;
    this.place(this.overlay);
    this.paintLines(values, [height, width], high, isSigned, look.drawing !== "Heat map");
    this.paintLegend(name, high, isSigned, shared !== null);
    this.foot.textContent = [this.settings(), this.about.foot].filter(Boolean).join(" · ");
    this.stage.setAttribute("aria-label", `${title}, ${subtitle}: ${high > 0 ? `values up to ${number(high)}` : "no positive evidence"}`);
  }

  /** Lay an element over the part of the picture that the network looked at. */
  place(element) {
    const { geometry } = this.viewer.header;
    const [height, width] = geometry.original_size;
    const [inputHeight, inputWidth] = geometry.input_size;
    let box = [0, 0, 1, 1];
    if (!this.viewer.isInputView) {
      const top = geometry.offset_px[0] / geometry.scale[0] / height;
      const left = geometry.offset_px[1] / geometry.scale[1] / width;
      box = [top, left, inputHeight / geometry.scale[0] / height, inputWidth / geometry.scale[1] / width];
    }
    const [top, left, tall, wide] = box.map((share) => `${share * 100}%`);
    Object.assign(element.style, { top, left, height: tall, width: wide });
  }

  /** Contour lines of the map's `values` at the overlay's own size (height, width). */
  paintLines(values, [height, width], high, isSigned, isShown) {
    this.lines.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.lines.replaceChildren();
    if (!isShown || high <= 0) return;
    const chosen = this.viewer.state.look.levels.split(",").map((percent) => percent / 100);
    const against = isSigned ? values.map((value) => -value) : null;
    for (const share of chosen.flatMap((each) => (isSigned ? [each, -each] : [each]))) {
      const d = contour(share > 0 ? values : against, [height, width], Math.abs(share) * high);
      for (const kind of ["halo", share > 0 ? "line" : "line against"]) this.lines.append(svg("path", { d, class: kind }));
    }
    this.place(this.lines);
  }

  paintLegend(name, high, isSigned, isShared) {
    if (high <= 0) {
      this.legend.replaceChildren(make("p", { className: "none", textContent: isSigned ? "No evidence" : "No positive evidence" }));
      return;
    }
    const [low, most] = isSigned ? this.about.meaning.signed : this.about.meaning.unsigned;
    const scale = isShared ? `one scale for all, here up to ${number(this.high)}` : "own scale";
    const note = `${scale}${isSigned ? ", clear at 0" : ""}`;
    const bar = make("div", { className: "bar" });
    bar.style.background = gradient(this.viewer.tables[name]);
    const ends = isSigned ? [number(-high), "0", number(high)] : ["0", "", number(high)];
    this.legend.replaceChildren(bar, spread(ends), spread([low, note, most]));
    this.legend.setAttribute("role", "img");
    this.legend.setAttribute("aria-label", `Colours from ${ends[0]}, ${low}, to ${ends[2]}, ${most}; ${note}`);
  }

  settings() {
    const about = this.viewer.header.parameters.filter((each) => this.about.knows.includes(each.name));
    return about
      .filter((each) => !each.is_switch || this.values[each.name])
      .map((each) => (each.is_switch ? each.label.toLowerCase() : `${each.label.split(" ")[0]} = ${slide(each).toText(this.values[each.name])}`))
      .join(" · ");
  }

  paintPicture() {
    const { base, header, isInputView } = this.viewer;
    if (!base) return;
    this.picture.width = base.width;
    this.picture.height = base.height;
    const context = this.picture.getContext("2d");
    context.drawImage(base, 0, 0);
    if (!isInputView) {
      const [height, width] = header.geometry.original_size;
      const [top, left, bottom, right] = header.geometry.seen_box;
      const x = base.width / width;
      const y = base.height / height;
      context.fillStyle = "rgb(0 0 0 / 65%)";
      context.beginPath();
      context.rect(0, 0, base.width, base.height);
      context.rect(left * x, top * y, (right - left) * x, (bottom - top) * y);
      context.fill("evenodd");
    }
    this.place(this.overlay);
    this.place(this.lines);
  }

  /** Show the cross at a share of the picture, and the map's value there. */
  point(x, y) {
    this.cross.style.left = `${x * 100}%`;
    this.cross.style.top = `${y * 100}%`;
    const { geometry } = this.viewer.header;
    const size = this.viewer.isInputView ? geometry.input_size : geometry.original_size;
    const at = [y * size[0], x * size[1]];
    const inside = this.viewer.isInputView ? at : at.map((each, axis) => each * geometry.scale[axis] - geometry.offset_px[axis]);
    const isSeen = inside.every((each, axis) => each >= 0 && each <= geometry.input_size[axis]);
    const where = `x ${Math.floor(at[1])}, y ${Math.floor(at[0])}`;
    if (this.failure) return;
    this.readout.textContent = isSeen ? `${where}: ${number(valueAt(this.map, this.about.size, ...inside))}` : `${where}: not looked at`;
  }

  unpoint() {
    this.cross.style.left = this.cross.style.top = "";
    this.readout.textContent = POINT_HINT;
  }

  /** What an export needs of this panel. */
  sheet() {
    return {
      title: this.about.title,
      lines: [this.viewer.header.question, this.subtitle.textContent, this.foot.textContent, this.looks(), this.viewer.header.source],
      legend: [...this.legend.querySelectorAll(".row")].map((row) => [...row.children].map((each) => each.textContent)),
      none: this.legend.querySelector(".none")?.textContent,
      table: this.viewer.tables[this.isSigned ? this.viewer.header.diverging : this.viewer.state.look.colours],
      paint: (context, width, height) => this.paintInto(context, width, height),
      aspect: this.viewer.aspect,
    };
  }

  /** How the map is drawn, in words. */
  looks() {
    const { opacity, drawing, levels, top, view } = this.viewer.state.look;
    const parts = [
      `opacity ${opacity} %`,
      drawing !== "Heat map" && `contours ${CONTOUR_LEVELS[levels]}`,
      top < 100 && `top ${top} %`,
      view === "Whole" ? "dimmed: not looked at" : "the network's input",
    ];
    return parts.filter(Boolean).join(" · ");
  }

  paintInto(context, width, height, isBare = false) {
    const box = (element) => ["left", "top", "width", "height"].map((side, i) => (parseFloat(element.style[side]) / 100) * (i % 2 ? height : width));
    context.drawImage(this.picture, 0, 0, width, height);
    if (isBare) return;
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    context.globalAlpha = this.viewer.state.look.opacity / 100;
    context.drawImage(this.overlay, ...box(this.overlay));
    context.globalAlpha = 1;
    if (this.lines.childElementCount) {
      const [left, top, wide, tall] = box(this.lines);
      const [, , w, h] = this.lines.getAttribute("viewBox").split(" ").map(Number);
      for (const path of this.lines.children) {
        const scaled = new Path2D();
        scaled.addPath(new Path2D(path.getAttribute("d")), new DOMMatrix([wide / w, 0, 0, tall / h, left, top]));
        const isHalo = path.classList.contains("halo");
        context.strokeStyle = isHalo ? "#000" : path.classList.contains("against") ? "#7cc0ea" : "#fff";
        context.lineWidth = isHalo ? 3 : 1.2;
        context.stroke(scaled);
      }
    }
    context.restore();
  }
}

/** Two panels over each other, with a divider to drag. */
class Swipe {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = make("figure", { className: "panel swipe" });
    this.pick = [0, 1].map((at) => this.chooser(at));
    const head = make("figcaption", {});
    head.append(...this.pick);
    this.stage = make("div", { className: "stage", tabIndex: 0 });
    this.stage.setAttribute("role", "img");
    this.stage.setAttribute("aria-label", "Two maps over each other");
    this.canvas = make("canvas", { className: "whole" });
    this.world = make("div", { className: "world" });
    this.world.append(this.canvas);
    this.stage.append(this.world);
    this.divider = make("input", { type: "range", min: 0, max: 100, value: 50, className: "divider" });
    this.divider.setAttribute("aria-label", "Divider between the two maps");
    this.divider.addEventListener("input", () => this.refresh());
    this.element.append(head, this.stage, this.divider);
    watch(this.stage, viewer);
    this.refresh();
  }

  chooser(at) {
    const list = make("select", {});
    list.setAttribute("aria-label", at ? "Right map" : "Left map");
    this.viewer.panels.forEach((panel, i) => list.append(make("option", { value: i, textContent: panel.about.title, selected: i === at })));
    list.addEventListener("change", () => this.refresh());
    return list;
  }

  refresh() {
    const [height, width] = this.viewer.aspect;
    const scale = Math.max(1, 800 / Math.max(height, width));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const context = this.canvas.getContext("2d");
    const cut = (this.divider.value / 100) * this.canvas.width;
    this.pick.forEach((list, side) => {
      context.save();
      context.beginPath();
      context.rect(side ? cut : 0, 0, side ? this.canvas.width - cut : cut, this.canvas.height);
      context.clip();
      this.viewer.panels[list.value]?.paintInto(context, this.canvas.width, this.canvas.height, this.viewer.isBare);
      context.restore();
    });
    context.fillStyle = "#fff";
    context.fillRect(cut - 1, 0, 2, this.canvas.height);
  }
}

// ---- pointers ----------------------------------------------------------------------------------

/** Wheel and pinch zoom, dragging pans (or moves the window with Shift), double-click resets. */
function watch(stage, viewer) {
  const pointers = new Map();
  const share = (event) => {
    const box = stage.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  stage.addEventListener("wheel", (event) => {
    if (viewer.view.zoom === 1 && event.deltaY > 0) return; // nothing to zoom out of: scroll
    event.preventDefault();
    viewer.zoomAt(Math.exp(-event.deltaY / 400), ...share(event));
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, share(event));
  });
  stage.addEventListener("pointermove", (event) => {
    const [x, y] = share(event);
    const { zoom, x: left, y: top } = viewer.view;
    viewer.point((x - left) / zoom, (y - top) / zoom);
    const before = pointers.get(event.pointerId);
    if (!before) return;
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const distance = ([a, b]) => Math.hypot(a - other[0], b - other[1]) || 1e-6;
      viewer.zoomAt(distance([x, y]) / distance(before), (x + other[0]) / 2, (y + other[1]) / 2);
    } else if ((event.shiftKey || viewer.isWindowing) && viewer.state.window && !viewer.isInputView) {
      viewer.moveWindow(x - before[0], y - before[1]);
    } else {
      viewer.pan(x - before[0], y - before[1]);
    }
    pointers.set(event.pointerId, [x, y]);
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) stage.addEventListener(type, (event) => pointers.delete(event.pointerId));
  stage.addEventListener("dblclick", () => viewer.resetView());
  stage.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [0.05, 0], ArrowRight: [-0.05, 0], ArrowUp: [0, 0.05], ArrowDown: [0, -0.05] };
    if (event.key === "+" || event.key === "=") viewer.zoomAt(1.25, 0.5, 0.5);
    else if (event.key === "-") viewer.zoomAt(0.8, 0.5, 0.5);
    else if (event.key === "0") viewer.resetView();
    else if (steps[event.key]) viewer.pan(...steps[event.key]);
    else return;
    event.preventDefault();
  });
}

/** What was set in a viewer before, else the defaults. */
function stateOf(viewer) {
  if (!remembered.has(viewer)) {
    remembered.set(viewer, { values: {}, own: {}, look: { ...LOOK }, window: null });
  }
  return remembered.get(viewer);
}

// ---- small parts ---------------------------------------------------------------------------------

function make(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function spread(texts) {
  const row = make("div", { className: "row" });
  row.append(...texts.map((textContent) => make("span", { textContent })));
  return row;
}

/** A row of radio buttons that looks like one segmented control. */
function choice(label, options, target, name, change, help = "") {
  const box = make("fieldset", { className: "choice", title: help });
  box.append(make("legend", { textContent: label }));
  const group = `${name}-${Math.random().toString(36).slice(2)}`;
  for (const option of options) {
    const row = make("label", {});
    const input = make("input", { type: "radio", name: group, value: option, checked: target[name] === option });
    input.addEventListener("change", () => {
      target[name] = option;
      change();
    });
    row.append(input, make("span", { textContent: option }));
    box.append(row);
  }
  return box;
}

function dropdown(label, options, target, name, change) {
  const row = make("label", { className: "control" });
  const list = make("select", {});
  for (const [value, text] of Object.entries(options)) list.append(make("option", { value, textContent: text, selected: target[name] === value }));
  list.addEventListener("change", () => {
    target[name] = list.value;
    change();
  });
  row.append(make("span", { className: "name", textContent: label }), list);
  return row;
}

/** How a parameter's values lie on a slider of whole places. */
function slide({ min, max, step, is_log: isLog, unit }) {
  const [from, to] = isLog ? [Math.log10(min), Math.log10(max)] : [min, max];
  const places = Math.round((to - from) / step);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return {
    places,
    toValue: (place) => {
      const at = place >= places ? to : from + place * step;
      const value = isLog ? 10 ** at : Number(at.toFixed(digits + 2));
      return Math.min(max, Math.max(min, value));
    },
    toPlace: (value) => Math.round(((isLog ? Math.log10(value) : value) - from) / step),
    toText: (value) => (isLog ? (value < 0.01 ? scientific(value) : number(value)) : `${value.toFixed(digits)}${unit ? ` ${unit}` : ""}`),
  };
}

function scientific(value) {
  const [mantissa, exponent] = value.toExponential(1).split("e");
  const raised = [...exponent.replace("+", "")].map((each) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(each)]).join("");
  return mantissa === "1.0" ? `10${raised}` : `${mantissa.replace("-", "−")} · 10${raised}`;
}

function number(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e5) return scientific(value);
  return (size < 1000 ? value.toPrecision(3) : value.toFixed(0)).replace("-", "−");
}

function colourTable(rgb) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) table[i] = (0xff000000 | (rgb[3 * i + 2] << 16) | (rgb[3 * i + 1] << 8) | rgb[3 * i]) >>> 0;
  return table;
}

function gradient(table) {
  const stops = Array.from({ length: 16 }, (_, i) => table[i * 17]).map((c) => `rgb(${c & 255} ${(c >> 8) & 255} ${(c >> 16) & 255})`);
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}

/** Length and a hash of all bytes (FNV-1a), to tell two messages of one page apart. */
function signature(bytes) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return `${bytes.length}:${hash}`;
}

// ---- export ------------------------------------------------------------------------------------

/** A canvas with every panel, its legend, question and parameters. */
function sheet(panels) {
  const side = panels.length === 1 ? 900 : 480;
  const margin = 24;
  const line = 20;
  const columns = Math.min(panels.length, 4);
  const picture = panels.map(({ aspect: [h, w] }) => [side * Math.min(1, w / h), side * Math.min(1, h / w)]);
  const tall = Math.max(...picture.map(([, h]) => h)) + 11 * line;
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
    context.translate(0, line + 4);
    panel.paint(context, wide, high);
    context.translate(0, high + 8);
    if (panel.none) {
      context.fillText(panel.none, 0, 14, side);
    } else {
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

function save(canvas, name) {
  canvas.toBlob((blob) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");
}
