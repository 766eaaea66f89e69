// From controls to state, from a state that has changed to what is asked, and back to the controls.

import { RUNS, number } from "./drawing.js";
import { blank, draw, drawBasins, drawSweep, tell } from "./pictures.js";
import { rewind } from "./player.js";
import { $, ask, choices, isRefused, problemKey, query, say, shown, state, take } from "./state.js";
import { bands, heights } from "./surface.js";

// The state has changed. With `push` it is one that the browser's Back returns from.
export function changed({ push = false } = {}) {
  performance.mark("changed");
  for (const kind of ["address", "taking"]) say(kind, "");
  remember(push);
  fill();
  // Without a landscape of this problem nothing can be drawn, whatever it was that failed before.
  if (shown.landscapeOf !== problemKey()) {
    ask("landscape", tookLandscape, (sentence) => {
      shown.landscapeOf = null;
      say("landscape", sentence);
    });
  } else {
    say("landscape", "");
    askRuns();
  }
}

// The starts have moved: what was said of a preset need not be true of them.
export function moved() {
  shown.preset = "";
  changed();
}

function remember(push = false) {
  const address = `?${query()}`;
  if (push) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

function askRuns() {
  ask("runs", (found) => {
    say("runs", "");
    shown.runs = found.runs;
    shown.theory = found.theory;
    remember();
    fill();
    draw();
    tell();
    performance.mark("drawn");
    document.body.dataset.answers = Number(document.body.dataset.answers || 0) + 1;
  }, (sentence) => say("runs", sentence));
  later();
}

function tookLandscape(found) {
  say("landscape", "");
  shown.landscape = found;
  shown.landscapeOf = problemKey();
  shown.high = heights(found.grid);
  shown.image = bands(shown.high);
  shown.chosen = 0;
  shown.runs = [];
  rewind();
  if (!state.starts.length) state.starts = [[...found.start]];
  // A rate of the problem before says nothing about this one.
  if (shown.rateOfStart) state.learning_rate = found.learning_rate || choices.defaults.learning_rate;
  shown.rateOfStart = false;
  $("batch").max = found.rows ? Math.ceil(Math.log2(found.rows)) : 0;
  for (const name of ["sweep", "basins"]) blank(name, "");
  remember();
  fill();
  draw();
  askRuns();
}

// What a map depends on: rates and momenta are the axes of the verdict map, and starts those of the basins.
function sweepKey() {
  const method = state.method === "gradient descent" ? "heavy ball" : state.method;
  return `${query(["learning_rate", "momentum", "starts", "method"])} ${method} ${state.starts[0]}`;
}

function basinsKey() { return query(["starts", "seed"]); }

let waiting = 0;
function later() {
  clearTimeout(waiting);
  for (const [name, key] of [["sweep", sweepKey], ["basins", basinsKey]]) {
    $(`${name}-panel`).classList.toggle("stale", shown[name] !== null && shown[`${name}Of`] !== key());
  }
  waiting = setTimeout(() => {
    askMap("sweep", sweepKey, drawSweep);
    askMap("basins", basinsKey, drawBasins);
  }, 250);
}

function askMap(name, key, show) {
  const panel = $(`${name}-panel`), of = key();
  if (!panel.open || shown[`${name}Of`] === of) return;
  if (!shown[name]) $(`${name}-words`).textContent = "";
  const done = () => panel.classList.remove("stale", "waiting");
  panel.classList.add("waiting");
  ask(name, (found) => {
    done();
    shown[name] = found;
    shown[`${name}Of`] = of;
    show();
  }, (sentence) => {
    done();
    blank(name, sentence);
  });
}

// The controls themselves

function tellValue(id, words, spoken = words) {
  $(`${id}-value`).textContent = words;
  $(id).setAttribute("aria-valuetext", spoken);
}

export function fill() {
  for (const name of ["problem", "method", "schedule"]) $(name).value = state[name];
  for (const name of ["seed", "formula"]) if ($(name) !== document.activeElement) $(name).value = state[name];
  if (!shown.preset) $("preset").value = "";
  $("formula-field").hidden = state.problem !== "formula";
  const isOfIt = shown.landscapeOf === problemKey(), rows = isOfIt && shown.landscape.rows;
  $("words").textContent = isOfIt ? shown.landscape.words : "";
  $("rate").value = Math.log10(state.learning_rate);
  tellValue("rate", number(state.learning_rate));
  $("momentum").value = state.momentum;
  tellValue("momentum", state.momentum.toFixed(2));
  $("momentum-field").hidden = state.method === "gradient descent";
  $("batch-field").hidden = $("data-csv").hidden = !rows;
  $("batch").value = state.batch_size ? Math.round(Math.log2(state.batch_size)) + 1 : 0;
  tellValue("batch", state.batch_size || "all rows", state.batch_size ? `${state.batch_size} rows` : "all rows");
  $("noise").value = state.noise ? Math.round(((Math.log10(state.noise) + 3) / 5) * 59) + 1 : 0;
  tellValue("noise", number(state.noise, 2));
  $("steps").max = Math.log10(choices.most_steps);
  $("steps").value = Math.log10(state.steps);
  tellValue("steps", state.steps, `${state.steps} steps`);
  fillStarts();
}

function fillStarts() {
  const list = $("start-list");
  while (list.children.length > state.starts.length) list.lastChild.remove();
  state.starts.forEach((start, place) => {
    if (!list.children[place]) list.append(startLine(place));
    const inputs = list.children[place].querySelectorAll("input[type=number]");
    start.forEach((value, axis) => {
      if (inputs[axis] !== document.activeElement) inputs[axis].value = number(value, 5);
    });
    list.children[place].querySelector("input[type=radio]").checked = place === shown.chosen;
  });
  $("add-start").disabled = state.starts.length >= choices.most_starts;
}

function made(tag, properties) { return Object.assign(document.createElement(tag), properties); }

function startLine(place) {
  const line = document.createElement("li");
  const radio = made("input", { type: "radio", name: "chosen", ariaLabel: `Choose start ${place + 1}` });
  radio.style.accentColor = RUNS[place % RUNS.length];
  radio.addEventListener("change", () => {
    shown.chosen = place;
    draw();
  });
  line.append(radio);
  ["w1", "w2"].forEach((name, axis) => {
    const input = made("input", { type: "number", step: "any", ariaLabel: `${name} of start ${place + 1}` });
    input.addEventListener("input", () => {
      const value = Number(input.value);
      if (input.value === "" || !Number.isFinite(value)) return;
      state.starts[place][axis] = value;
      moved();
    });
    line.append(input);
  });
  const remove = made("button", { type: "button", textContent: "×", ariaLabel: `Remove start ${place + 1}` });
  remove.addEventListener("click", () => {
    if (state.starts.length === 1) return;
    state.starts.splice(place, 1);
    shown.chosen = Math.min(shown.chosen, state.starts.length - 1);
    moved();
  });
  line.append(remove);
  return line;
}

function addStart() {
  if (shown.landscapeOf !== problemKey() || state.starts.length >= choices.most_starts) return;
  const turn = state.starts.length * 2.4;
  const [one, other] = shown.landscape.window.map(([low, high], axis) => (
    (low + high) / 2 + 0.35 * (high - low) * (axis ? Math.sin(turn) : Math.cos(turn))
  ));
  shown.chosen = state.starts.push([one, other]) - 1;
  moved();
}

function chooseProblem() {
  // What was refused of another problem, be it a field without a control, is not carried to the next.
  if (isRefused()) Object.assign(state, choices.defaults, { formula: state.formula });
  state.problem = $("problem").value;
  if (state.problem === "formula" && !state.formula) state.formula = "w1^2 + 10*w2^2";
  begun();
  state.starts = [];
  shown.preset = "";
  shown.rateOfStart = true;
  changed({ push: true });
}

function choosePreset() {
  const preset = choices.presets[Number($("preset").value)];
  if ($("preset").value === "" || !preset) return;
  begun();
  take(preset.query);
  shown.preset = preset.words;
  changed({ push: true });
}

// Another state altogether: nothing of the one before goes on.
function begun() {
  shown.landscapeOf = null;
  shown.rateOfStart = false;
  shown.chosen = 0;
}

function came() {
  begun();
  shown.preset = "";
  take(location.search);
  changed();
}

function on(id, event, change) {
  $(id).addEventListener(event, () => {
    change($(id).value);
    changed();
  });
}

export function listen() {
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("problem").addEventListener("change", chooseProblem);
  $("preset").addEventListener("change", choosePreset);
  let typing = 0;
  $("formula").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      state.formula = $("formula").value;
      moved();
    }, 300);
  });
  on("method", "change", (value) => {
    state.method = value;
    shown.preset = "";
  });
  on("schedule", "change", (value) => { state.schedule = value; });
  on("rate", "input", (value) => { state.learning_rate = Number((10 ** Number(value)).toPrecision(4)); });
  on("momentum", "input", (value) => { state.momentum = Number(value); });
  on("batch", "input", (value) => { state.batch_size = Number(value) ? 2 ** (Number(value) - 1) : 0; });
  on("noise", "input", (value) => {
    state.noise = Number(value) ? Number((10 ** (-3 + ((Number(value) - 1) / 59) * 5)).toPrecision(2)) : 0;
    shown.preset = "";
  });
  on("steps", "input", (value) => {
    const wanted = Math.round(10 ** Number(value)), before = state.steps;
    // Among few steps the next number is farther away than an arrow key goes.
    const next = wanted === before ? before + Math.sign(Number(value) - Math.log10(before)) : wanted;
    state.steps = Math.max(1, Math.min(choices.most_steps, next));
  });
  $("seed").addEventListener("input", () => {
    if (!/^\d{1,10}$/.test($("seed").value)) return;
    state.seed = Number($("seed").value);
    changed();
  });
  $("add-start").addEventListener("click", addStart);
  for (const name of ["sweep", "basins"]) $(`${name}-panel`).addEventListener("toggle", () => {
    if (!$(`${name}-panel`).open) return;
    draw();
    later();
  });
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (shown.high) shown.image = bands(shown.high);
    draw();
  });
  window.addEventListener("popstate", came);
}
