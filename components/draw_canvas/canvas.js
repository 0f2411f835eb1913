// A canvas to draw a digit on: light strokes on dark, undo, clear. It answers with a PNG data URL
// when a stroke ends. As a sketch it has an eraser, too, may begin with a picture, and answers
// while a stroke is drawn. Streamlit calls the default export again on every rerun of the page.

const SIDE = 280;
const PEN = 22;
const ERASER = 30;
const LIVE_MS = 250;

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".canvas-root");
  root.drawing ??= new Drawing(root);
  root.drawing.send = setStateValue;
  root.drawing.take(data);
}

class Drawing {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.strokes = [];
    this.current = null;
    this.background = null;
    this.isBackgroundDrawn = false;
    this.isSketch = false;
    this.start = null;
    this.tool = "pen";
    this.number = 0;
    this.answered = 0;
    this.sentAt = 0;
    this.listen();
    this.show();
  }

  // ---- what the server says ------------------------------------------------------------------

  take(data) {
    this.isSketch = Boolean(data?.sketch);
    if (!this.isSketch) {
      if (this.start !== null) return;
      this.start = "";
      if (data?.drawing) this.load(data.drawing, "");
      return;
    }
    const { start, picture, kept, answered } = data.sketch;
    this.answered = Math.max(this.answered, answered);
    this.picture = picture;
    this.root.querySelector(".canvas-tools").hidden = false;
    this.button("restart").hidden = !picture;
    if (this.start === start) return;
    this.start = start;
    this.number = this.answered;
    this.isBackgroundDrawn = Boolean(kept?.is_drawn);
    if (kept) this.load(kept.before || kept.now, kept.before ? kept.now : "");
    else this.load(picture, "");
  }

  /** Put pictures there, the second as what the eraser left of the first. */
  async load(first, second) {
    this.current = null;
    this.strokes = [];
    this.background = null;
    this.show();
    const start = this.start;
    const [background, left] = await Promise.all([first, second].map(pictureOf));
    if (this.start !== start) return;
    this.background = background;
    if (left) this.strokes.unshift({ tool: "eraser", picture: left });
    this.show();
  }

  answer(isDrawing = false) {
    const isEmpty = this.strokes.length === 0 && !this.background;
    const now = isEmpty ? "" : this.canvas.toDataURL("image/png");
    if (!this.isSketch) {
      this.send("drawing", now);
      return;
    }
    this.number += 1;
    this.sentAt = performance.now();
    this.send("sketch", {
      start: this.start,
      now,
      before: this.before(),
      is_drawn: this.isBackgroundDrawn || this.strokes.some((each) => each.tool === "pen"),
      is_drawing: isDrawing,
      number: this.number,
    });
  }

  /** While a stroke is drawn: now and then, and never before the last answer has been read. */
  answerMeanwhile() {
    const isDue = performance.now() - this.sentAt >= LIVE_MS;
    if (this.isSketch && isDue && this.answered >= this.number) this.answer(true);
  }

  /** What stood there before the eraser took the last strokes; empty where it did not. */
  before() {
    let count = this.strokes.length;
    while (count > 0 && this.strokes[count - 1].tool === "eraser") count -= 1;
    if (count === this.strokes.length || (count === 0 && !this.background)) return "";
    const copy = document.createElement("canvas");
    copy.width = copy.height = SIDE;
    this.paint(copy.getContext("2d"), this.strokes.slice(0, count));
    return copy.toDataURL("image/png");
  }

  // ---- painting ------------------------------------------------------------------------------

  paint(context, strokes) {
    context.fillStyle = "#000";
    context.fillRect(0, 0, SIDE, SIDE);
    if (this.background) context.drawImage(this.background, 0, 0);
    context.lineCap = context.lineJoin = "round";
    for (const { tool, points, picture } of strokes) {
      if (picture) {
        context.drawImage(picture, 0, 0);
        continue;
      }
      context.strokeStyle = tool === "pen" ? "#fff" : "#000";
      context.lineWidth = tool === "pen" ? PEN : ERASER;
      context.beginPath();
      context.moveTo(...points[0]);
      for (const point of points.slice(1)) context.lineTo(...point);
      if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
      context.stroke();
    }
  }

  show() {
    this.paint(this.context, this.strokes);
    const isEmpty = this.strokes.length === 0 && !this.background;
    this.button("undo").disabled = this.strokes.length === 0;
    this.button("clear").disabled = isEmpty;
    this.root.classList.toggle("is-empty", isEmpty);
  }

  // ---- what a person does --------------------------------------------------------------------

  button(action) {
    return this.root.querySelector(`[data-action=${action}]`);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * SIDE,
      ((event.clientY - box.top) / box.height) * SIDE,
    ];
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.current = { tool: this.tool, points: [this.place(event)] };
      this.strokes.push(this.current);
      this.show();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.current) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.current.points.push(this.place(each));
      this.show();
      this.answerMeanwhile();
    });
    const finish = () => {
      if (!this.current) return;
      this.current = null;
      this.answer();
    };
    canvas.addEventListener("pointerup", finish);
    canvas.addEventListener("pointercancel", finish);
    this.button("undo").addEventListener("click", () => {
      this.strokes.pop();
      this.show();
      this.answer();
    });
    this.button("clear").addEventListener("click", () => {
      this.strokes = [];
      this.background = null;
      this.isBackgroundDrawn = false;
      this.use("pen");
      this.show();
      this.answer();
    });
    this.button("restart").addEventListener("click", async () => {
      this.isBackgroundDrawn = false;
      await this.load(this.picture, "");
      this.answer();
    });
    for (const each of this.root.querySelectorAll("[data-tool]"))
      each.addEventListener("click", () => this.use(each.dataset.tool));
  }

  use(tool) {
    this.tool = tool;
    for (const each of this.root.querySelectorAll("[data-tool]"))
      each.setAttribute("aria-pressed", String(each.dataset.tool === tool));
  }
}

async function pictureOf(url) {
  if (!url) return null;
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return picture;
}
