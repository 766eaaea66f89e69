// The page: controls to state, state to requests, answers to pictures. What is drawn, and how, is in drawing.js.

import { RUNS, VERDICTS, axes, bands, cells, contour, curves, frame, heights, number, prepared, style } from "./drawing.js";
import { surface } from "./surface.js";

const $ = (id) => document.getElementById(id);
const state = { problem: "rosenbrock", formula: "", starts: [], method: "gradient descent", learning_rate: 0.001, momentum: 0.9, schedule: "constant", batch_size: 0, noise: 0, steps: 1000, seed: 0 };
const shown = { landscape: null, high: null, image: null, runs: [], theory: null, share: 1, chosen: 0, angle: [0.7, 0.75], plane: null, sweep: null, sweepCell: null, cellAt: null, basins: null };
let choices = { most_starts: 8, presets: [] };

// State and address

function query() {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (name === "starts") fields.set(name, value.map((point) => point.join(",")).join(";"));
    else if (name !== "formula" || value) fields.set(name, value);
  }
  return fields.toString();
}

function take(text) {
  const fields = new URLSearchParams(text);
  for (const name of Object.keys(state)) {
    if (!fields.has(name)) continue;
    const value = fields.get(name);
    if (name === "starts") state.starts = value.split(";").filter(Boolean).map((point) => point.split(",").map(Number)).filter((point) => point.length === 2 && point.every(Number.isFinite));
    else state[name] = typeof state[name] === "number" ? Number(value) : value;
  }
}

// Asking: one question of a kind at a time, and then the newest.

const asking = {};
async function ask(kind, then) {
  if (asking[kind]) { asking[kind].again = then; return; }
  asking[kind] = {};
  const asked = query();
  try {
    const answer = await fetch(`${kind}?${asked}`);
    const found = await answer.json();
    if (!answer.ok) say(found.error);
    else if (!asking[kind].again) { say(""); then(found); } else if (kind === "runs") then(found);
  } catch (error) {
    say("The server does not answer. Was it stopped? Start it again with: steepest lab");
  }
  const next = asking[kind].again;
  delete asking[kind];
  if (next) ask(kind, next);
}

function say(sentence) {
  $("message").textContent = sentence;
  $("message").hidden = !sentence;
}

function changed({ landscape = false } = {}) {
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

// Controls

function fill() {
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
  $("dataset").hidden = !(shown.landscape && shown.landscape.rows);
  $("dataset").href = `dataset.csv?${query()}`;
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

function listen() {
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("problem").addEventListener("change", () => {
    state.problem = $("problem").value;
    if (state.problem === "formula" && !state.formula) state.formula = "w1^2 + 10*w2^2";
    state.starts = [];
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

// Pictures

function draw() {
  if (!shown.landscape) return;
  shown.plane = contour($("contour"), shown.landscape, shown.image, shown.runs, state.starts, shown.chosen, shown.share);
  surface($("surface"), shown.landscape, shown.high, shown.runs, shown.angle, shown.share);
  if (shown.runs.length) curves($("curves"), shown.runs, shown.share);
  const longest = shown.runs.reduce((most, run) => (run.step.length > most.step.length ? run : most), { step: [0] });
  const place = Math.max(0, Math.round(shown.share * longest.step.length) - 1);
  $("shown-value").textContent = longest.step[Math.min(place, longest.step.length - 1)] ?? 0;
  if ($("sweep-panel").open) drawSweep();
  if ($("basins-panel").open) drawBasins();
}

function tell() {
  const list = $("runs");
  list.replaceChildren(...shown.runs.map((run, place) => {
    const line = document.createElement("li"), mark = document.createElement("span");
    mark.textContent = "■ ";
    mark.style.color = RUNS[place % RUNS.length];
    line.append(mark, run.words);
    return line;
  }));
  const { start, end, measured } = shown.theory;
  const lines = [
    ["largest curvature", start.largest, end && end.largest],
    ["smallest curvature", start.smallest, end && end.smallest],
    ["limit of the learning rate", start.limit, end && end.limit],
    ["best for plain descent", start.best, end && end.best],
    ["contraction a step, predicted", start.contraction, end && end.contraction],
    ["contraction a step, measured", null, measured],
  ];
  $("theory").tBodies[0].replaceChildren(...lines.map(([name, ...values]) => {
    const row = document.createElement("tr"), head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head, ...values.map((value) => Object.assign(document.createElement("td"), { textContent: number(value, 6) })));
    return row;
  }));
  const sentences = shown.preset ? [shown.preset, ...shown.theory.words] : shown.theory.words;
  $("verdict").replaceChildren(...sentences.map((words) => Object.assign(document.createElement("p"), { textContent: words })));
  tellMarks(start);
}

function tellMarks(start) {
  const low = Number($("rate").min), high = Number($("rate").max), marks = $("marks"), words = [];
  marks.replaceChildren();
  let taken = Infinity;
  for (const [name, value] of [["limit", start.limit], ["best", start.best]]) {
    if (!value) continue;
    words.push(`${name} ${number(value)}`);
    const share = (Math.log10(value) - low) / (high - low);
    if (share < 0 || share > 1) continue;
    const mark = document.createElement("span");
    mark.className = name === "best" || share > 0.85 ? `${name} left` : name;
    // Beside a label that stands to the left there is no room for another.
    mark.textContent = Math.abs(taken - share) < 0.2 ? "" : name;
    if (share > 0.85) taken = share;
    mark.style.left = `${100 * share}%`;
    marks.append(mark);
  }
  $("marks-words").textContent = words.length ? `At the start: ${words.join(", ")}` : "No limit is known at the start.";
}

function nearestCell(found) {
  const near = (values, wanted, bend) => values.reduce((best, value, place) => (Math.abs(bend(value) - bend(wanted)) < Math.abs(bend(values[best]) - bend(wanted)) ? place : best), 0);
  const momentum = state.method === "gradient descent" ? 0 : state.momentum;
  return [near(found.momentum, momentum, (v) => v), near(found.learning_rate, state.learning_rate, Math.log)];
}

function drawSweep() {
  if (!shown.sweep) return;
  const { width, height } = prepared($("sweep")), found = shown.sweep, pen = $("sweep").getContext("2d");
  const rates = found.learning_rate, momenta = found.momentum;
  const plane = frame(width, height, [[rates[0], rates[rates.length - 1]], [momenta[0], momenta[momenta.length - 1]]], [true, false]);
  const colours = found.verdict.map((row) => row.map((verdict) => VERDICTS[verdict]));
  const line = found.limit && found.limit.map((limit, place) => [limit, momenta[place]]);
  const canvas = { pen };
  shown.cellAt = cells(canvas, colours, plane, line, shown.sweepCell);
  axes(pen, plane, ["learning rate", "momentum"]);
  const [i, j] = shown.sweepCell, loss = found.final_loss[i][j];
  $("sweep-words").textContent = `Blue converged, yellow out of steps, orange diverged, each run after at most ${found.steps} steps${line ? "; dashed, the limit at the start" : ""}. Chosen: ${found.method}, learning rate ${number(rates[j])}, momentum ${number(momenta[i], 2)}: ${found.verdict[i][j]}, loss ${number(loss)}.`;
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

function drawBasins() {
  if (!shown.basins || !shown.landscape) return;
  const { width, height } = prepared($("basins")), pen = $("basins").getContext("2d"), found = shown.basins;
  const plane = frame(width, height, shown.landscape.window);
  const colour = (number_) => (number_ === -2 ? VERDICTS.diverged : number_ === -1 ? style("--line") : ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442", "#8C510A"][number_ % 7]);
  cells({ pen }, found.basin.map((row) => row.map(colour)), plane, null, null);
  pen.fillStyle = "#ffffff";
  pen.strokeStyle = "#000000";
  for (const point of found.minimisers) {
    pen.beginPath();
    pen.arc(plane.x(point[0]), plane.y(point[1]), 5, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  }
  axes(pen, plane, ["w1", "w2"]);
  $("basins-words").textContent = found.words;
}

// The pointer and the keys on pictures

function steer() {
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

// Playing a run

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

function player() {
  $("play").addEventListener("click", () => play(!playing));
  $("shown").addEventListener("input", () => { play(false); scrub(Number($("shown").value) / 1000); });
  $("back").addEventListener("click", () => { play(false); scrub((Math.round(shown.share * records()) - 1) / records()); });
  $("forward").addEventListener("click", () => { play(false); scrub((Math.round(shown.share * records()) + 1) / records()); });
}

// Taking it away

function download(name, address) {
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copy it from the address bar";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

function exports() {
  $("share").addEventListener("click", () => copy(location.href, $("share")));
  $("png").addEventListener("click", () => {
    const pictures = ["contour", "curves", "surface"].map($), wide = Math.max(...pictures.map((picture) => picture.width));
    const whole = Object.assign(document.createElement("canvas"), { width: wide, height: pictures.reduce((sum, picture) => sum + picture.height, 0) });
    const pen = whole.getContext("2d");
    pen.fillStyle = style("--paper");
    pen.fillRect(0, 0, whole.width, whole.height);
    let down = 0;
    for (const picture of pictures) { pen.drawImage(picture, 0, down); down += picture.height; }
    whole.toBlob((blob) => { const address = URL.createObjectURL(blob); download("steepest-lab.png", address); setTimeout(() => URL.revokeObjectURL(address), 10000); });
  });
  $("show-code").addEventListener("click", async () => {
    try {
      const answer = await fetch(`code?${query()}`);
      if (!answer.ok) { say((await answer.json()).error); return; }
      $("code").textContent = await answer.text();
      $("code-dialog").showModal();
    } catch {
      say("The server does not answer. Was it stopped? Start it again with: steepest lab");
    }
  });
  $("copy-code").addEventListener("click", () => copy($("code").textContent, $("copy-code")));
  $("close-code").addEventListener("click", () => $("code-dialog").close());
}

async function begin() {
  choices = await (await fetch("choices")).json();
  for (const [group, names] of Object.entries(choices.problems)) {
    const part = Object.assign(document.createElement("optgroup"), { label: group });
    part.append(...names.map((name) => new Option(name.replaceAll("_", " "), name)));
    $("problem").append(part);
  }
  $("method").append(...choices.methods.map((name) => new Option(name, name)));
  $("schedule").append(...choices.schedules.map((name) => new Option(name, name)));
  $("preset").append(...choices.presets.map((preset, place) => new Option(preset.name, place)));
  take(location.search);
  listen();
  steer();
  player();
  exports();
  changed({ landscape: true });
}

begin();
