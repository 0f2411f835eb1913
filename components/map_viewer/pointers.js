// Wheel, pinch, drag and keys on a stage.

/** Wheel and pinch zoom, dragging pans (or moves the window with Shift), double-click resets. */
export function watch(stage, viewer) {
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
    if (pointers.size === 1) viewer.film?.gestures.press(event, share(event), stage);
    else viewer.film?.gestures.cancel();
  });
  stage.addEventListener("pointermove", (event) => {
    const [x, y] = share(event);
    const { zoom, x: left, y: top } = viewer.view;
    viewer.point((x - left) / zoom, (y - top) / zoom);
    const before = pointers.get(event.pointerId);
    if (!before) {
      viewer.film?.gestures.hover([x, y]);
      return;
    }
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const distance = ([a, b]) => Math.hypot(a - other[0], b - other[1]) || 1e-6;
      viewer.zoomAt(distance([x, y]) / distance(before), (x + other[0]) / 2, (y + other[1]) / 2);
    } else if (viewer.film) {
      if (!viewer.film.gestures.drag([x, y], before)) viewer.pan(x - before[0], y - before[1]);
    } else if ((event.shiftKey || viewer.isWindowing) && viewer.gray && !viewer.isInputView) {
      viewer.moveWindow(x - before[0], y - before[1]);
    } else {
      viewer.pan(x - before[0], y - before[1]);
    }
    pointers.set(event.pointerId, [x, y]);
  });
  stage.addEventListener("pointerup", () => viewer.film?.gestures.release());
  stage.addEventListener("pointercancel", () => viewer.film?.gestures.cancel());
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) stage.addEventListener(type, (event) => pointers.delete(event.pointerId));
  stage.addEventListener("dblclick", () => viewer.film?.gestures.close() || viewer.resetView());
  stage.addEventListener("contextmenu", (event) => viewer.film && event.preventDefault());
  stage.addEventListener("keyup", () => viewer.film && viewer.answer());
  stage.addEventListener("keydown", (event) => {
    if (viewer.film?.gestures.key(event)) {
      event.preventDefault();
      return;
    }
    const steps = { ArrowLeft: [0.05, 0], ArrowRight: [-0.05, 0], ArrowUp: [0, 0.05], ArrowDown: [0, -0.05] };
    if (event.key === "+" || event.key === "=") viewer.zoomAt(1.25, 0.5, 0.5);
    else if (event.key === "-") viewer.zoomAt(0.8, 0.5, 0.5);
    else if (event.key === "0") viewer.resetView();
    else if (steps[event.key]) viewer.pan(...steps[event.key]);
    else return;
    event.preventDefault();
  });
}
