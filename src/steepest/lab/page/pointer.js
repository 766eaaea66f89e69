// The pointer and the keys on pictures.

import { changed, moved } from "./controls.js";
import { knobAt } from "./drawing.js";
import { draw, drawSurface } from "./pictures.js";
import { $, choices, isCurrent, shown, state } from "./state.js";

const NEAR = 14, NEAR_FINGER = 24, STILL = 10;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function within(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

// The start whose knob is under a point of the contour, or -1.
function knobUnder(x, y, reach) {
  if (!shown.plane || !isCurrent()) return -1;
  const far = state.starts.map((start) => {
    const knob = knobAt(shown.plane, start);
    return Math.hypot(knob.x - x, knob.y - y);
  });
  const near = far.indexOf(Math.min(...far));
  return far[near] < reach ? near : -1;
}

function moveTo(x, y) {
  const { box } = shown.plane;
  const inside = [Math.max(box.x, Math.min(box.x + box.w, x)), Math.max(box.y, Math.min(box.y + box.h, y))];
  const point = shown.plane.inverse(...inside).map((value) => Number(value.toPrecision(6)));
  if (!point.every(Number.isFinite)) return;
  state.starts[shown.chosen] = point;
  moved();
}

function steerContour(canvas) {
  let isDragged = false, pressed = null;
  // A finger on a knob moves it; anywhere else it scrolls the page, and sets the start where it only taps.
  const touched = (event) => {
    const [x, y] = within(canvas, event.touches[0]);
    if (event.touches.length === 1 && knobUnder(x, y, NEAR_FINGER) >= 0) event.preventDefault();
  };
  canvas.addEventListener("touchstart", touched, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (!shown.plane || !isCurrent() || event.button !== 0) return;
    const [x, y] = within(canvas, event), { box } = shown.plane, isFinger = event.pointerType === "touch";
    const near = knobUnder(x, y, isFinger ? NEAR_FINGER : NEAR);
    if (near < 0 && (x < box.x || x > box.x + box.w || y < box.y || y > box.y + box.h)) return;
    if (near >= 0) shown.chosen = near;
    else if (isFinger) {
      pressed = [x, y];
      return;
    } else if (event.shiftKey && state.starts.length < choices.most_starts) {
      shown.chosen = state.starts.push([0, 0]) - 1;
    }
    isDragged = true;
    canvas.setPointerCapture(event.pointerId);
    if (near < 0) moveTo(x, y);
    else draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (isDragged && isCurrent()) moveTo(...within(canvas, event));
  });
  canvas.addEventListener("pointerup", (event) => {
    const [x, y] = within(canvas, event);
    if (pressed && isCurrent() && Math.hypot(x - pressed[0], y - pressed[1]) < STILL) moveTo(x, y);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => {
    isDragged = false;
    pressed = null;
  });
  canvas.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (!way || !isCurrent()) return;
    event.preventDefault();
    const size = event.shiftKey ? 0.002 : 0.02, { window: ranges } = shown.landscape;
    state.starts[shown.chosen] = state.starts[shown.chosen].map((value, axis) => {
      const step = way[axis] * size * (ranges[axis][1] - ranges[axis][0]);
      return step ? Number((value + step).toPrecision(6)) : value;
    });
    moved();
  });
}

function steerSurface(canvas) {
  let from = null;
  const turn = (x, y) => {
    shown.angle = [shown.angle[0] + x, Math.max(0.15, Math.min(1.4, shown.angle[1] + y))];
    drawSurface();
  };
  canvas.addEventListener("pointerdown", (event) => {
    from = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    // Upwards and downwards a finger scrolls the page.
    const down = event.pointerType === "touch" ? 0 : event.clientY - from[1];
    turn((event.clientX - from[0]) / 120, down / 160);
    from = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { from = null; });
  canvas.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    turn(0.1 * way[0], 0.07 * way[1]);
  });
}

function steerMap(canvas) {
  canvas.addEventListener("click", (event) => { if (shown.cellAt) choose(shown.cellAt(...within(canvas, event))); });
  canvas.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (!way || !shown.sweep || !shown.sweepCell) return;
    event.preventDefault();
    const { momentum, learning_rate: rates } = shown.sweep, [i, j] = shown.sweepCell;
    choose([
      Math.max(0, Math.min(momentum.length - 1, i + way[1])), Math.max(0, Math.min(rates.length - 1, j + way[0])),
    ]);
  });
}

function choose(cell) {
  if (!cell || !shown.sweep || !isCurrent()) return;
  state.learning_rate = shown.sweep.learning_rate[cell[1]];
  state.momentum = Math.min(0.999, shown.sweep.momentum[cell[0]]);
  if (state.method === "gradient descent" && state.momentum > 0) state.method = "heavy ball";
  changed();
}

export function steer() {
  steerContour($("contour"));
  steerSurface($("surface"));
  steerMap($("sweep"));
}
