// From controls to state, from a state that has changed to what is asked, and back to the controls.

import { RUNS, bands, heights, number } from "./drawing.js";
import { draw, drawBasins, drawSweep, nearestCell, tell } from "./pictures.js";
import { $, ask, choices, query, shown, state, take } from "./state.js";

export function changed({ landscape = false } = {}) {
  history.replaceState(null, "", `?${query()}`);
  fill();
  if (landscape) ask("landscape", tookLandscape);
  else askRuns();
}

function askRuns() {
  ask("runs", (found) => {
    shown.runs = found.runs;
    shown.theory = found.theory;
    draw();
    tell();
    performance.mark("drawn");
    document.body.dataset.answers = Number(document.body.dataset.answers || 0) + 1;
  });
  later();
}

function tookLandscape(found) {
  shown.landscape = found;
  shown.high = heights(found.grid);
  shown.image = bands(shown.high);
  shown.chosen = 0;
  if (!state.starts.length) state.starts = [[...found.start]];
  // A rate of the problem before says nothing about this one.
  if (shown.rateOfStart) state.learning_rate = found.learning_rate || 0.01;
  shown.rateOfStart = false;
  const most = found.rows ? Math.ceil(Math.log2(found.rows)) : 0;
  $("batch").max = most;
  shown.runs = [];
  history.replaceState(null, "", `?${query()}`);
  fill();
  askRuns();
}

let waiting = 0;
function later() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if ($("sweep-panel").open) ask("sweep", (found) => { shown.sweep = found; shown.sweepCell = nearestCell(found); drawSweep(); });
    if ($("basins-panel").open) ask("basins", (found) => { shown.basins = found; drawBasins(); });
  }, 250);
}

// The controls themselves

export function fill() {
  for (const name of ["problem", "method", "schedule", "seed", "formula"]) if ($(name) !== document.activeElement || name !== "formula") $(name).value = state[name];
  $("formula-field").hidden = state.problem !== "formula";
  $("words").textContent = shown.landscape ? shown.landscape.words : "";
  $("rate").value = Math.log10(state.learning_rate);
  $("rate-value").textContent = number(state.learning_rate);
  $("momentum").value = state.momentum;
  $("momentum-value").textContent = state.momentum.toFixed(2);
  $("momentum-field").hidden = state.method === "gradient descent";
  $("batch-field").hidden = !(shown.landscape && shown.landscape.rows);
  $("batch").value = state.batch_size ? Math.round(Math.log2(state.batch_size)) + 1 : 0;
  $("batch-value").textContent = state.batch_size || "all rows";
  $("noise").value = state.noise ? Math.round(((Math.log10(state.noise) + 3) / 5) * 59) + 1 : 0;
  $("noise-value").textContent = number(state.noise, 2);
  $("steps").value = Math.log10(state.steps);
  $("steps-value").textContent = state.steps;
  $("data-csv").hidden = !(shown.landscape && shown.landscape.rows);
  fillStarts();
}

function fillStarts() {
  const list = $("start-list");
  while (list.children.length > state.starts.length) list.lastChild.remove();
  state.starts.forEach((start, place) => {
    if (!list.children[place]) list.append(startLine(place));
    const inputs = list.children[place].querySelectorAll("input[type=number]");
    start.forEach((value, axis) => { if (inputs[axis] !== document.activeElement) inputs[axis].value = Number(value.toPrecision(5)); });
    list.children[place].querySelector("input[type=radio]").checked = place === shown.chosen;
  });
  $("add-start").disabled = state.starts.length >= choices.most_starts;
}

function startLine(place) {
  const line = document.createElement("li");
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "chosen", ariaLabel: `Choose start ${place + 1}` });
  radio.style.accentColor = RUNS[place % RUNS.length];
  radio.addEventListener("change", () => { shown.chosen = place; draw(); });
  line.append(radio);
  ["w1", "w2"].forEach((name, axis) => {
    const input = Object.assign(document.createElement("input"), { type: "number", step: "any", ariaLabel: `${name} of start ${place + 1}` });
    input.addEventListener("input", () => {
      const value = Number(input.value);
      if (input.value === "" || !Number.isFinite(value)) return;
      state.starts[place][axis] = value;
      changed();
    });
    line.append(input);
  });
  const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "×", ariaLabel: `Remove start ${place + 1}` });
  remove.addEventListener("click", () => {
    if (state.starts.length === 1) return;
    state.starts.splice(place, 1);
    shown.chosen = Math.min(shown.chosen, state.starts.length - 1);
    changed();
  });
  line.append(remove);
  return line;
}

function on(id, event, change, options) {
  $(id).addEventListener(event, () => { change($(id).value); changed(options); });
}

export function listen() {
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("problem").addEventListener("change", () => {
    state.problem = $("problem").value;
    if (state.problem === "formula" && !state.formula) state.formula = "w1^2 + 10*w2^2";
    state.starts = [];
    shown.preset = "";
    $("preset").value = "";
    shown.rateOfStart = true;
    changed({ landscape: true });
  });
  let typing = 0;
  $("formula").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { state.formula = $("formula").value; changed({ landscape: true }); }, 300);
  });
  on("method", "change", (value) => { state.method = value; });
  on("schedule", "change", (value) => { state.schedule = value; });
  on("rate", "input", (value) => { state.learning_rate = Number((10 ** Number(value)).toPrecision(4)); });
  on("momentum", "input", (value) => { state.momentum = Number(value); });
  on("batch", "input", (value) => { state.batch_size = Number(value) ? 2 ** (Number(value) - 1) : 0; });
  on("noise", "input", (value) => { state.noise = Number(value) ? Number((10 ** (-3 + ((Number(value) - 1) / 59) * 5)).toPrecision(2)) : 0; });
  on("steps", "input", (value) => { state.steps = Math.max(1, Math.min(20000, Math.round(10 ** Number(value)))); });
  $("seed").addEventListener("input", () => { if (/^\d{1,10}$/.test($("seed").value)) { state.seed = Number($("seed").value); changed(); } });
  $("add-start").addEventListener("click", () => {
    if (!shown.landscape || state.starts.length >= choices.most_starts) return;
    const [[a, b], [c, d]] = shown.landscape.window, turn = state.starts.length * 2.4;
    state.starts.push([(a + b) / 2 + 0.35 * (b - a) * Math.cos(turn), (c + d) / 2 + 0.35 * (d - c) * Math.sin(turn)]);
    shown.chosen = state.starts.length - 1;
    changed();
  });
  $("preset").addEventListener("change", () => {
    const preset = choices.presets[Number($("preset").value)];
    if ($("preset").value === "" || !preset) return;
    take(preset.query);
    changed({ landscape: true });
    shown.preset = preset.words;
  });
  for (const id of ["sweep-panel", "basins-panel"]) $(id).addEventListener("toggle", () => { if ($(id).open) later(); });
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (shown.high) shown.image = bands(shown.high); draw(); });
  window.addEventListener("popstate", () => { take(location.search); changed({ landscape: true }); });
}
