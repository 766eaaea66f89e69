// The pictures and words of the page, from what is shown.

import { RUNS, VERDICTS, axes, cells, contour, curves, frame, number, prepared, style } from "./drawing.js";
import { $, shown, state } from "./state.js";
import { surface } from "./surface.js";

export function draw() {
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

export function tell() {
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

export function nearestCell(found) {
  const near = (values, wanted, bend) => values.reduce((best, value, place) => (Math.abs(bend(value) - bend(wanted)) < Math.abs(bend(values[best]) - bend(wanted)) ? place : best), 0);
  const momentum = state.method === "gradient descent" ? 0 : state.momentum;
  return [near(found.momentum, momentum, (v) => v), near(found.learning_rate, state.learning_rate, Math.log)];
}

export function drawSweep() {
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

export function drawBasins() {
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
