// The pictures and words of the page, from what is shown.

import { RUNS, axes, contour, curves, frame, number, prepared, style } from "./drawing.js";
import { $, choices, isCurrent, shown, state } from "./state.js";
import { surface } from "./surface.js";

const VERDICTS = { "converged": "#0072B2", "out of steps": "#F0E442", "diverged": "#D55E00", "interrupted": "#999999" };
const BASINS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442", "#8C510A"];

export function draw() {
  if (!shown.landscape) return;
  const starts = isCurrent() ? state.starts : [];
  shown.plane = contour($("contour"), shown.landscape, shown.image, shown.runs, starts, shown.chosen, shown.until);
  drawSurface();
  curves($("curves"), shown.runs, shown.until);
  tellShown();
  if ($("sweep-panel").open) drawSweep();
  if ($("basins-panel").open) drawBasins();
}

export function drawSurface() {
  if (shown.landscape) surface($("surface"), shown.landscape, shown.high, shown.runs, shown.angle, shown.until);
}

// The run of which most records are kept; the others end before it.
export function longest() {
  return shown.runs.reduce((most, run) => (run.step.length > most.step.length ? run : most), { step: [0] });
}

function tellShown() {
  const { step } = longest(), place = Math.max(0, Math.min(shown.until, step.length) - 1);
  $("shown").max = step.length - 1;
  $("shown").value = place;
  $("shown").setAttribute("aria-valuetext", `step ${step[place]}`);
  $("shown-value").textContent = step[place];
}

function marked(tag, colour, words) {
  const line = document.createElement(tag), mark = document.createElement("span");
  mark.textContent = "■ ";
  mark.style.color = colour;
  line.append(mark, words);
  return line;
}

export function tell() {
  $("runs").replaceChildren(...shown.runs.map((run, place) => marked("li", RUNS[place % RUNS.length], run.words)));
  announce(shown.runs.map((run, place) => `Run ${place + 1}: ${run.words}.`).join(" "));
  const { start, end, measured, words } = shown.theory;
  const at = (name) => [start && start[name], end && end[name]];
  const lines = [
    ["largest curvature", ...at("largest")],
    ["smallest curvature", ...at("smallest")],
    ["kind of point", ...at("kind")],
    ["limit of the learning rate", ...at("limit")],
    ["best for plain descent", ...at("best")],
    ["contraction a step, predicted", ...at("contraction")],
    ["contraction a step, measured", null, measured],
  ];
  $("theory").tBodies[0].replaceChildren(...lines.map(([name, ...values]) => {
    const row = document.createElement("tr"), head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    const field = (value) => Object.assign(document.createElement("td"), { textContent: number(value, 6) });
    row.append(head, ...values.map(field));
    return row;
  }));
  const sentences = [shown.preset, ...(words || [])].filter(Boolean);
  const paragraph = (text) => Object.assign(document.createElement("p"), { textContent: text });
  $("verdict").replaceChildren(...sentences.map(paragraph));
  tellMarks(start || {}, end || {});
}

// For those who listen: how the runs ended, once nothing has moved for a moment.
let speaking = 0;
function announce(words) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    if ($("announced").textContent !== words) $("announced").textContent = words;
  }, 1000);
}

// The limit where the first run starts; where nothing curves upwards there, the one where it ended.
function tellMarks(start, end) {
  const [there, where] = start.limit || !end.limit ? [start, "At the start"] : [end, "Where the first run ended"];
  const low = Number($("rate").min), high = Number($("rate").max), marks = $("marks"), words = [];
  marks.replaceChildren();
  let taken = Infinity;
  for (const [name, value] of [["limit", there.limit], ["best", there.best]]) {
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
  const known = words.join(", ").replaceAll("-", "\u2011");
  $("marks-words").textContent = known ? `${where}: ${known}` : "No limit is known.";
}

// Maps

function nearestCell(found) {
  const near = (values, wanted, bend) => {
    const far = values.map((value) => Math.abs(bend(value) - bend(wanted)));
    return far.indexOf(Math.min(...far));
  };
  const momentum = state.method === "gradient descent" ? 0 : state.momentum;
  return [near(found.momentum, momentum, (value) => value), near(found.learning_rate, state.learning_rate, Math.log)];
}

// From the middle of the first cell to that of the last, and half a cell more on either side.
function widened([first, last], count, isLogarithmic = false) {
  if (isLogarithmic) {
    const half = (last / first) ** (0.5 / Math.max(1, count - 1));
    return [first / half, last * half];
  }
  const half = (last - first) / Math.max(1, count - 1) / 2;
  return [first - half, last + half];
}

const ends = (values) => [values[0], values[values.length - 1]];

export function drawSweep() {
  if (!shown.sweep) return;
  const { pen, width, height } = prepared($("sweep")), found = shown.sweep;
  const rates = found.learning_rate, momenta = found.momentum;
  const window_ = [widened(ends(rates), rates.length, true), widened(ends(momenta), momenta.length)];
  const plane = frame(width, height, window_, [true, false]);
  const line = found.limit && found.limit.map((limit, place) => [limit, momenta[place]]);
  shown.sweepCell = nearestCell(found);
  const colours = found.verdict.map((row) => row.map((name) => VERDICTS[name]));
  shown.cellAt = cells(pen, colours, plane, line, shown.sweepCell);
  axes(pen, plane, ["learning rate", "momentum"]);
  const there = new Set(found.verdict.flat()), [i, j] = shown.sweepCell;
  const kinds = (choices.verdicts || Object.keys(VERDICTS)).filter((name) => there.has(name));
  $("sweep-legend").replaceChildren(...kinds.map((name) => marked("li", VERDICTS[name], name)));
  $("sweep-words").textContent = `Each run of ${found.method} from the first start has ${found.steps} steps at most`
    + `${line ? "; dashed is the limit at the start" : ""}. Nearest cell: learning rate ${number(rates[j])}, momentum `
    + `${number(momenta[i], 2)}: ${found.verdict[i][j]}, loss ${number(found.final_loss[i][j])}.`;
}

export function drawBasins() {
  if (!shown.basins || !shown.landscape) return;
  const { pen, width, height } = prepared($("basins")), found = shown.basins, count = found.basin.length;
  const plane = frame(width, height, shown.landscape.window.map((range) => widened(range, count)));
  const colour = (basin) => {
    if (basin < 0) return basin === -2 ? VERDICTS.diverged : style("--line");
    return BASINS[basin % BASINS.length];
  };
  cells(pen, found.basin.map((row) => row.map(colour)), plane, null, null);
  pen.fillStyle = "#ffffff";
  pen.strokeStyle = "#000000";
  for (const point of found.minimisers) {
    pen.beginPath();
    pen.arc(plane.x(point[0]), plane.y(point[1]), 5, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  }
  axes(pen, plane, ["w1", "w2"]);
  const there = new Set(found.basin.flat());
  const legend = (found.legend || []).filter(({ basin }) => there.has(basin));
  $("basins-legend").replaceChildren(...legend.map(({ basin, words }) => marked("li", colour(basin), words)));
  $("basins-words").textContent = found.words;
}

// A map that there is none of: an empty picture, and a sentence in its place.
export function blank(name, sentence) {
  shown[name] = shown[`${name}Of`] = null;
  if (name === "sweep") shown.cellAt = null;
  if ($(`${name}-panel`).open) prepared($(name));
  $(`${name}-legend`).replaceChildren();
  $(`${name}-words`).textContent = sentence;
}

// Cells of colours over two axes, a line over them, and one outlined. Returns in which cell a point of the screen is.
function cells(pen, colours, plane, line, outlined) {
  const { box } = plane, rows = colours.length, columns = colours[0].length;
  const wide = box.w / columns, high = box.h / rows;
  // A picture of a point a cell, enlarged: cells drawn side by side leave seams between them.
  const small = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const dots = small.getContext("2d");
  colours.forEach((row, i) => row.forEach((colour, j) => {
    dots.fillStyle = colour || "#999999";
    dots.fillRect(j, rows - 1 - i, 1, 1);
  }));
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, box.x, box.y, box.w, box.h);
  pen.imageSmoothingEnabled = true;
  if (line) {
    pen.save();
    pen.beginPath();
    pen.rect(box.x, box.y, box.w, box.h);
    pen.clip();
    for (const [tone, thick, dashes] of [["#ffffff", 5, []], ["#000000", 2.5, [7, 5]]]) {
      pen.strokeStyle = tone;
      pen.lineWidth = thick;
      pen.setLineDash(dashes);
      pen.beginPath();
      for (const [x, y] of line) if (x !== null) pen.lineTo(plane.x(x), plane.y(y));
      pen.stroke();
    }
    pen.restore();
  }
  if (outlined) for (const [tone, thick] of [["#ffffff", 4.5], ["#000000", 2]]) {
    pen.lineWidth = thick;
    pen.strokeStyle = tone;
    pen.strokeRect(box.x + outlined[1] * wide, box.y + box.h - (outlined[0] + 1) * high, wide, high);
  }
  return (x, y) => {
    const j = Math.floor((x - box.x) / wide), i = Math.floor((box.y + box.h - y) / high);
    return i >= 0 && i < rows && j >= 0 && j < columns ? [i, j] : null;
  };
}
