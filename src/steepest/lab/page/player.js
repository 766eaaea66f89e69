// Playing a run: all at once, step by step, or by the slider.

import { draw } from "./pictures.js";
import { $, shown } from "./state.js";

let playing = 0;
function play(wanted) {
  cancelAnimationFrame(playing);
  playing = 0;
  $("play").textContent = wanted ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(wanted));
  if (!wanted) return;
  if (shown.share >= 1) shown.share = 0;
  const begun = performance.now() - shown.share * 5000;
  const go = (now) => {
    scrub((now - begun) / 5000);
    if (shown.share < 1) playing = requestAnimationFrame(go); else play(false);
  };
  playing = requestAnimationFrame(go);
}

function scrub(share) {
  shown.share = Math.max(0, Math.min(1, share));
  $("shown").value = Math.round(1000 * shown.share);
  draw();
}

function records() { return Math.max(1, ...shown.runs.map((run) => run.step.length)); }

export function player() {
  $("play").addEventListener("click", () => play(!playing));
  $("shown").addEventListener("input", () => { play(false); scrub(Number($("shown").value) / 1000); });
  $("back").addEventListener("click", () => { play(false); scrub((Math.round(shown.share * records()) - 1) / records()); });
  $("forward").addEventListener("click", () => { play(false); scrub((Math.round(shown.share * records()) + 1) / records()); });
}
