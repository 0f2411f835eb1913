// A canvas to draw a digit on: light strokes on dark, undo, clear. It answers with a PNG data URL
// when a stroke ends. Streamlit calls the default export again on every rerun of the page.

const SIDE = 280;
const PEN = 22;

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".canvas-root");
  if (root.dataset.ready) return;
  root.dataset.ready = "yes";

  const canvas = root.querySelector("canvas");
  const undo = root.querySelector("[data-action=undo]");
  const clear = root.querySelector("[data-action=clear]");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const strokes = [];
  let current = null;
  let background = null;

  function paint() {
    context.fillStyle = "#000";
    context.fillRect(0, 0, SIDE, SIDE);
    if (background) context.drawImage(background, 0, 0);
    context.strokeStyle = context.fillStyle = "#fff";
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const point of stroke.slice(1)) context.lineTo(...point);
      if (stroke.length === 1) context.lineTo(stroke[0][0] + 0.01, stroke[0][1]);
      context.stroke();
    }
    const isEmpty = strokes.length === 0 && !background;
    undo.disabled = strokes.length === 0;
    clear.disabled = isEmpty;
    root.classList.toggle("is-empty", isEmpty);
  }

  function answer() {
    const isEmpty = strokes.length === 0 && !background;
    setStateValue("drawing", isEmpty ? "" : canvas.toDataURL("image/png"));
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * SIDE,
      ((event.clientY - box.top) / box.height) * SIDE,
    ];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    current = [place(event)];
    strokes.push(current);
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!current) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) current.push(place(each));
    paint();
  });
  const finish = () => {
    if (!current) return;
    current = null;
    answer();
  };
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);

  undo.addEventListener("click", () => {
    strokes.pop();
    paint();
    answer();
  });
  clear.addEventListener("click", () => {
    strokes.length = 0;
    background = null;
    paint();
    answer();
  });

  paint();
  if (data?.drawing) {
    const kept = new Image();
    kept.onload = () => {
      background = kept;
      paint();
    };
    kept.src = data.drawing;
  }
}
