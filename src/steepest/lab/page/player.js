// Playing a run: all at once, record by record, or by the slider.

import { draw, longest } from "./pictures.js";
import { $, shown } from "./state.js";

const DURATION = 5000;

let playing = 0;
function play(wanted) {
  cancelAnimationFrame(playing);
  playing = 0;
  $("play").textContent = wanted ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(wanted));
  if (!wanted) return;
  const last = Math.max(1, records() - 1), from = shown.until >= records() ? 0 : shown.until - 1;
  const begun = performance.now() - (from / last) * DURATION;
  const go = (now) => {
    show(1 + Math.floor(((now - begun) / DURATION) * last));
    if (shown.until < records()) playing = requestAnimationFrame(go);
    else play(false);
  };
  playing = requestAnimationFrame(go);
}

// All records stay all of them, however many the next runs have.
function show(until) {
  shown.until = until >= records() ? Infinity : Math.max(1, until);
  draw();
}

function records() { return longest().step.length; }

function present() { return Math.min(shown.until, records()); }

export function rewind() {
  play(false);
  shown.until = Infinity;
}

export function player() {
  $("play").addEventListener("click", () => play(!playing));
  $("shown").addEventListener("input", () => {
    play(false);
    show(Number($("shown").value) + 1);
  });
  for (const [id, way] of [["back", -1], ["forward", 1]]) $(id).addEventListener("click", () => {
    play(false);
    show(present() + way);
  });
}
