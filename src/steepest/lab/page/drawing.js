// Pictures on a canvas: axes, contours with paths, and curves. Nothing here knows of controls or of the server.

export const RUNS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C510A", "#7F7F7F"];
const SPACE = { left: 62, right: 20, top: 10, bottom: 34 };
const MOST_TICKS = 60;
const LARGEST = 1.7e308, LARGEST_DIFFERENCE = 4e307;

export function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A canvas as sharp as the screen, in CSS pixels, cleared to the paper's colour.
export function prepared(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const wide = Math.round(width * ratio), high = Math.round(height * ratio);
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = style("--paper");
  pen.fillRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  return { pen, width, height };
}

export function frame(width, height, window_, logarithmic = [false, false]) {
  const box = {
    x: SPACE.left, y: SPACE.top, w: width - SPACE.left - SPACE.right, h: height - SPACE.top - SPACE.bottom,
  };
  const bend = (value, axis) => (logarithmic[axis] ? Math.log10(value) : value);
  const unbend = (value, axis) => (logarithmic[axis] ? 10 ** value : value);
  const [a, b] = window_[0].map((value) => bend(value, 0)), [c, d] = window_[1].map((value) => bend(value, 1));
  return {
    box, window: window_, logarithmic,
    x: (value) => box.x + ((bend(value, 0) - a) / (b - a)) * box.w,
    y: (value) => box.y + box.h - ((bend(value, 1) - c) / (d - c)) * box.h,
    inverse: (x, y) => [
      unbend(a + ((x - box.x) / box.w) * (b - a), 0),
      unbend(c + ((box.y + box.h - y) / box.h) * (d - c), 1),
    ],
  };
}

function ticks(low, high, logarithmic, most) {
  if (!Number.isFinite(low) || !Number.isFinite(high) || !(high > low)) return [];
  const found = [];
  if (logarithmic) {
    const from = Math.ceil(Math.log10(low) - 1e-9), to = Math.floor(Math.log10(high) + 1e-9);
    const stride = Math.max(1, Math.ceil((to - from + 1) / most));
    for (let power = from; power <= to && found.length < MOST_TICKS; power += stride) found.push(10 ** power);
    return found.length > 1 ? found : [low, high];
  }
  const rough = (high - low) / most, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((size) => size >= rough) || rough;
  const first = Math.ceil(low / step);
  for (let k = 0; k < MOST_TICKS; k++) {
    const value = (first + k) * step;
    if (!(value <= high + step * 1e-9)) break;
    found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  }
  return found;
}

export function number(value, digits = 4) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "string") return value;
  const isPlain = value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5);
  if (isPlain) return String(Number(value.toPrecision(digits)));
  return value.toExponential(Math.max(0, digits - 2)).replace(/\.?0+e/, "e").replace("e+", "e");
}

export function axes(pen, plane, titles) {
  const { box, window: window_, logarithmic } = plane;
  pen.strokeStyle = style("--line");
  pen.fillStyle = style("--ink");
  pen.lineWidth = 1;
  pen.strokeRect(box.x, box.y, box.w, box.h);
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const value of ticks(...window_[0], logarithmic[0], Math.max(2, Math.floor(box.w / 80)))) {
    pen.fillText(number(value, 3), plane.x(value), box.y + box.h + 4);
  }
  pen.fillText(titles[0], box.x + box.w / 2, box.y + box.h + 18);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const value of ticks(...window_[1], logarithmic[1], Math.max(2, Math.floor(box.h / 45)))) {
    pen.fillText(number(value, 3), box.x - 5, plane.y(value));
  }
  pen.save();
  pen.translate(9, box.y + box.h / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText(titles[1], 0, 0);
  pen.restore();
}

export function contour(canvas, landscape, image, runs, starts, chosen, until) {
  const { pen, width, height } = prepared(canvas);
  const plane = frame(width, height, landscape.window);
  const { box } = plane;
  pen.imageSmoothingEnabled = true;
  pen.drawImage(image, box.x, box.y, box.w, box.h);
  pen.save();
  pen.beginPath();
  pen.rect(box.x, box.y, box.w, box.h);
  pen.clip();
  for (const point of landscape.minimisers) star(pen, plane.x(point[0]), plane.y(point[1]));
  runs.forEach((run, place) => drawPath(pen, plane, run, RUNS[place % RUNS.length], until));
  starts.forEach((start, place) => {
    const { x, y, isOutside } = knobAt(plane, start);
    if (!isOutside) knob(pen, x, y, RUNS[place % RUNS.length], place === chosen);
  });
  pen.restore();
  axes(pen, plane, ["w1", "w2"]);
  starts.forEach((start, place) => {
    const { x, y, isOutside, way } = knobAt(plane, start);
    if (isOutside) arrow(pen, x, y, way, RUNS[place % RUNS.length], place === chosen);
  });
  return plane;
}

// Where a start is held: at its place or, outside the window, at the edge on the way to it.
export function knobAt(plane, start) {
  const { box } = plane, x = bounded(plane.x(start[0])), y = bounded(plane.y(start[1]));
  const inside = [Math.max(box.x, Math.min(box.x + box.w, x)), Math.max(box.y, Math.min(box.y + box.h, y))];
  const isOutside = Math.hypot(inside[0] - x, inside[1] - y) > 0.5;
  return { x: inside[0], y: inside[1], isOutside, way: Math.atan2(y - inside[1], x - inside[0]) };
}

function drawPath(pen, plane, run, colour, until) {
  const points = run.path.slice(0, until).filter((point) => point[0] !== null && point[1] !== null);
  if (!points.length) return;
  for (const [tone, thick] of [[style("--halo"), 4.5], [colour, 2.2]]) {
    pen.strokeStyle = tone;
    pen.lineWidth = thick;
    pen.lineJoin = "round";
    pen.beginPath();
    for (const point of points) pen.lineTo(bounded(plane.x(point[0])), bounded(plane.y(point[1])));
    pen.stroke();
  }
  if (points.length <= 60) {
    pen.fillStyle = colour;
    for (const point of points) disc(pen, plane.x(point[0]), plane.y(point[1]), 2.4);
  }
  const last = points[points.length - 1], x = bounded(plane.x(last[0])), y = bounded(plane.y(last[1]));
  pen.fillStyle = colour;
  pen.strokeStyle = style("--halo");
  pen.lineWidth = 1.5;
  pen.fillRect(x - 4, y - 4, 8, 8);
  pen.strokeRect(x - 4, y - 4, 8, 8);
}

// Canvases draw nothing at coordinates beyond what they can hold.
function bounded(value) { return Math.max(-1e5, Math.min(1e5, value)); }

function disc(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(bounded(x), bounded(y), radius, 0, 2 * Math.PI);
  pen.fill();
}

function knob(pen, x, y, colour, chosen) {
  pen.fillStyle = style("--halo");
  disc(pen, x, y, chosen ? 9 : 7);
  pen.fillStyle = colour;
  disc(pen, x, y, chosen ? 6.5 : 5);
}

function arrow(pen, x, y, way, colour, chosen) {
  const size = chosen ? 11 : 9;
  pen.save();
  pen.translate(x, y);
  pen.rotate(way);
  pen.beginPath();
  pen.moveTo(0, 0);
  pen.lineTo(-size * 1.7, -size * 0.8);
  pen.lineTo(-size * 1.7, size * 0.8);
  pen.closePath();
  pen.fillStyle = colour;
  pen.strokeStyle = style("--halo");
  pen.lineWidth = 2;
  pen.fill();
  pen.stroke();
  pen.restore();
}

function star(pen, x, y) {
  pen.fillStyle = "#ffffff";
  pen.strokeStyle = "#000000";
  pen.lineWidth = 1;
  pen.beginPath();
  for (let k = 0; k < 10; k++) {
    const radius = k % 2 ? 3.2 : 8, angle = -Math.PI / 2 + (k * Math.PI) / 5;
    pen.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  pen.closePath();
  pen.fill();
  pen.stroke();
}

// The range of losses that a curve is drawn in, and whether by their logarithms.
function rangeOf(losses) {
  let low = losses.reduce((a, b) => Math.min(a, b)), high = losses.reduce((a, b) => Math.max(a, b));
  const least = losses.reduce((a, b) => (b > 0 && b < a ? b : a), Infinity);
  const isLogarithmic = low >= 0 && high / 30 > Math.max(least, 1e-300);
  if (isLogarithmic) return [Math.max(least, high * 1e-24) / 1.5, Math.min(high * 1.5, LARGEST), true];
  low = Math.max(low, -LARGEST_DIFFERENCE);
  high = Math.min(high, LARGEST_DIFFERENCE);
  const room = (high - low || Math.abs(high) || 1) * 0.05;
  return [low - room, high + room, false];
}

export function curves(canvas, runs, until) {
  const { pen, width, height } = prepared(canvas);
  const all = runs.flatMap((run) => run.loss).filter((value) => value !== null);
  const last = Math.max(1, ...runs.map((run) => run.step[run.step.length - 1] || 0));
  if (!all.length) return;
  const [low, high, isLogarithmic] = rangeOf(all);
  const plane = frame(width, height, [[0, last], [low, high]], [false, isLogarithmic]);
  pen.save();
  pen.beginPath();
  pen.rect(plane.box.x, plane.box.y, plane.box.w, plane.box.h);
  pen.clip();
  runs.forEach((run, place) => {
    pen.strokeStyle = RUNS[place % RUNS.length];
    pen.lineWidth = 2;
    for (const [alpha, end] of [[0.25, run.loss.length], [1, Math.min(until, run.loss.length)]]) {
      pen.globalAlpha = alpha;
      pen.beginPath();
      for (let k = 0; k < end; k++) {
        const value = run.loss[k];
        if (value === null || (isLogarithmic && value <= 0)) continue;
        pen.lineTo(plane.x(run.step[k]), bounded(plane.y(value)));
      }
      pen.stroke();
    }
    pen.globalAlpha = 1;
    // A single record makes no line.
    pen.fillStyle = pen.strokeStyle;
    if (run.loss.length === 1) disc(pen, plane.x(run.step[0]), plane.y(run.loss[0]), 4);
  });
  pen.restore();
  axes(pen, plane, ["step", isLogarithmic ? "loss (log)" : "loss"]);
}
