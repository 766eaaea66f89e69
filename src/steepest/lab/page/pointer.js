// The pointer and the keys on pictures.

import { changed, fill } from "./controls.js";
import { draw, drawSweep, tell } from "./pictures.js";
import { $, ask, choices, query, shown, state } from "./state.js";
import { surface } from "./surface.js";

export function steer() {
  const canvas = $("contour");
  let dragged = false;
  const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const move = (event) => {
    const point = shown.plane.inverse(...at(event)).map((value) => Number(value.toPrecision(6)));
    if (point.every(Number.isFinite)) { state.starts[shown.chosen] = point; draw(); changed(); }
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!shown.plane || event.button !== 0) return;
    const [x, y] = at(event), { box } = shown.plane;
    if (x < box.x || x > box.x + box.w || y < box.y || y > box.y + box.h) return;
    const near = state.starts.findIndex((start) => Math.hypot(shown.plane.x(start[0]) - x, shown.plane.y(start[1]) - y) < 14);
    if (near >= 0) shown.chosen = near;
    else if (event.shiftKey && state.starts.length < choices.most_starts) { state.starts.push([0, 0]); shown.chosen = state.starts.length - 1; }
    dragged = true;
    canvas.setPointerCapture(event.pointerId);
    if (near < 0) move(event); else draw();
  });
  canvas.addEventListener("pointermove", (event) => { if (dragged) move(event); });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { dragged = false; });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way || !shown.landscape) return;
    event.preventDefault();
    const size = event.shiftKey ? 0.002 : 0.02;
    state.starts[shown.chosen] = state.starts[shown.chosen].map((value, axis) => value + way[axis] * size * (shown.landscape.window[axis][1] - shown.landscape.window[axis][0]));
    changed();
  });
  turning($("surface"));
  const map = $("sweep");
  map.addEventListener("click", (event) => { const box = map.getBoundingClientRect(); if (shown.cellAt) choose(shown.cellAt(event.clientX - box.left, event.clientY - box.top)); });
  map.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] }[event.key];
    if (!way || !shown.sweep) return;
    event.preventDefault();
    choose([Math.max(0, Math.min(shown.sweep.momentum.length - 1, shown.sweepCell[0] + way[0])), Math.max(0, Math.min(shown.sweep.learning_rate.length - 1, shown.sweepCell[1] + way[1]))]);
  });
}

function turning(canvas) {
  let from = null;
  const turn = (x, y) => {
    shown.angle = [shown.angle[0] + x, Math.max(0.15, Math.min(1.4, shown.angle[1] + y))];
    if (shown.landscape) surface(canvas, shown.landscape, shown.high, shown.runs, shown.angle, shown.share);
  };
  canvas.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => { if (from) { turn((event.clientX - from[0]) / 120, (event.clientY - from[1]) / 160); from = [event.clientX, event.clientY]; } });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { from = null; });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.07], ArrowDown: [0, -0.07] }[event.key];
    if (way) { event.preventDefault(); turn(...way); }
  });
}

function choose(cell) {
  if (!cell || !shown.sweep) return;
  const found = shown.sweep;
  shown.sweepCell = cell;
  state.learning_rate = found.learning_rate[cell[1]];
  state.momentum = Math.min(0.999, found.momentum[cell[0]]);
  if (state.method === "gradient descent" && state.momentum > 0) state.method = "heavy ball";
  history.replaceState(null, "", `?${query()}`);
  fill();
  drawSweep();
  ask("runs", (answer) => { shown.runs = answer.runs; shown.theory = answer.theory; draw(); tell(); });
}
