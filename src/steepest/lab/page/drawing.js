// Pictures on a canvas: contours with paths, curves, and maps of cells. Nothing here knows of controls or of the server.

export const RUNS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C510A", "#7F7F7F"];
export const VERDICTS = { "converged": "#0072B2", "out of steps": "#F0E442", "diverged": "#D55E00", "interrupted": "#999999" };
const LADDER = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const BANDS = 22;
const SPACE = { left: 58, right: 20, top: 10, bottom: 34 };

export function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A canvas as sharp as the screen, in CSS pixels, cleared to the paper's colour.
export function prepared(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const wide = Math.round(width * ratio), high = Math.round(height * ratio);
  if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = style("--paper");
  pen.fillRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  return { pen, width, height };
}

export function frame(width, height, window_, logarithmic = [false, false]) {
  const box = { x: SPACE.left, y: SPACE.top, w: width - SPACE.left - SPACE.right, h: height - SPACE.top - SPACE.bottom };
  const bend = (value, axis) => (logarithmic[axis] ? Math.log10(value) : value);
  const unbend = (value, axis) => (logarithmic[axis] ? 10 ** value : value);
  const [a, b] = window_[0].map((v) => bend(v, 0)), [c, d] = window_[1].map((v) => bend(v, 1));
  return {
    box, window: window_, logarithmic,
    x: (value) => box.x + ((bend(value, 0) - a) / (b - a)) * box.w,
    y: (value) => box.y + box.h - ((bend(value, 1) - c) / (d - c)) * box.h,
    inverse: (x, y) => [unbend(a + ((x - box.x) / box.w) * (b - a), 0), unbend(c + ((box.y + box.h - y) / box.h) * (d - c), 1)],
  };
}

function ticks(low, high, logarithmic, most) {
  if (logarithmic) {
    const from = Math.ceil(Math.log10(low) - 1e-9), to = Math.floor(Math.log10(high) + 1e-9);
    const stride = Math.max(1, Math.ceil((to - from + 1) / most));
    const found = [];
    for (let power = from; power <= to; power += stride) found.push(10 ** power);
    return found.length > 1 ? found : [low, high];
  }
  const rough = (high - low) / most, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((size) => size >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  return found;
}

export function number(value, digits = 4) {
  if (value === null || value === undefined) return "—";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) return value.toExponential(Math.max(0, digits - 2)).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

export function axes(pen, plane, titles) {
  const { box, window: window_, logarithmic } = plane;
  pen.strokeStyle = style("--line");
  pen.fillStyle = style("--ink");
  pen.lineWidth = 1;
  pen.strokeRect(box.x, box.y, box.w, box.h);
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const value of ticks(...window_[0], logarithmic[0], Math.max(2, Math.floor(box.w / 80)))) pen.fillText(number(value, 3), plane.x(value), box.y + box.h + 4);
  pen.fillText(titles[0], box.x + box.w / 2, box.y + box.h + 18);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const value of ticks(...window_[1], logarithmic[1], Math.max(2, Math.floor(box.h / 45)))) pen.fillText(number(value, 3), box.x - 5, plane.y(value));
  pen.save();
  pen.translate(9, box.y + box.h / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText(titles[1], 0, 0);
  pen.restore();
}

export function shade(share, fade = 0.72) {
  const paper = rgb(style("--paper")), place = Math.max(0, Math.min(1, share)) * (LADDER.length - 1);
  const low = rgb(LADDER[Math.floor(place)]), high = rgb(LADDER[Math.ceil(place)]), part = place - Math.floor(place);
  return low.map((value, k) => Math.round(fade * (value + part * (high[k] - value)) + (1 - fade) * paper[k]));
}

function rgb(hex) { return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)); }

// Heights from 0 to 1 on a logarithmic scale above the lowest; what is not finite is null.
export function heights(grid) {
  const flat = grid.flat().filter((value) => value !== null);
  if (!flat.length) return grid.map((line) => line.map(() => null));
  const low = flat.reduce((a, b) => Math.min(a, b)), high = flat.reduce((a, b) => Math.max(a, b));
  const middle = flat.sort((a, b) => a - b)[Math.floor(flat.length / 8)] - low || 1;
  const most = Math.log1p((high - low) / middle) || 1;
  return grid.map((line) => line.map((value) => (value === null ? null : Math.log1p((value - low) / middle) / most)));
}

// The bands of a landscape, once for all pictures of it: an image of so many pixels.
export function bands(high, size = 320) {
  const image = document.createElement("canvas");
  image.width = image.height = size;
  const pen = image.getContext("2d"), picture = pen.createImageData(size, size), n = high.length;
  const colours = Array.from({ length: BANDS + 1 }, (_, k) => shade(1 - k / BANDS)), line = rgb(style("--paper"));
  const level = new Float64Array(size * size);
  for (let row = 0; row < size; row++) for (let column = 0; column < size; column++) {
    const y = ((size - 1 - row) / (size - 1)) * (n - 1), x = (column / (size - 1)) * (n - 1);
    const i = Math.min(n - 2, Math.floor(y)), j = Math.min(n - 2, Math.floor(x)), u = y - i, v = x - j;
    const corners = [high[i][j], high[i][j + 1], high[i + 1][j], high[i + 1][j + 1]];
    level[row * size + column] = corners.includes(null) ? NaN : (1 - u) * ((1 - v) * corners[0] + v * corners[1]) + u * ((1 - v) * corners[2] + v * corners[3]);
  }
  for (let place = 0; place < level.length; place++) {
    const band = Math.floor(level[place] * BANDS), at = place * 4;
    if (Number.isNaN(band)) continue;
    const right = Math.floor(level[place + 1] * BANDS), below = Math.floor(level[place + size] * BANDS);
    const edge = (right !== band && (place + 1) % size !== 0 && !Number.isNaN(right)) || (below !== band && !Number.isNaN(below));
    const colour = edge ? colours[band].map((value, k) => Math.round(0.55 * value + 0.45 * line[k])) : colours[band];
    picture.data.set([...colour, 255], at);
  }
  pen.putImageData(picture, 0, 0);
  return image;
}

export function contour(canvas, landscape, image, runs, starts, chosen, share) {
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
  runs.forEach((run, place) => drawPath(pen, plane, run, RUNS[place % RUNS.length], share));
  starts.forEach((start, place) => knob(pen, plane.x(start[0]), plane.y(start[1]), RUNS[place % RUNS.length], place === chosen));
  pen.restore();
  axes(pen, plane, ["w1", "w2"]);
  return plane;
}

export function upTo(run, share) { return Math.max(1, Math.round(share * run.path.length)); }

function drawPath(pen, plane, run, colour, share) {
  const points = run.path.slice(0, upTo(run, share)).filter((point) => point[0] !== null && point[1] !== null);
  if (!points.length) return;
  for (const [tone, thick] of [[style("--paper"), 4.5], [colour, 2.2]]) {
    pen.strokeStyle = tone;
    pen.lineWidth = thick;
    pen.lineJoin = "round";
    pen.beginPath();
    points.forEach((point, place) => (place ? pen.lineTo : pen.moveTo).call(pen, bounded(plane.x(point[0])), bounded(plane.y(point[1]))));
    pen.stroke();
  }
  if (points.length <= 60) {
    pen.fillStyle = colour;
    for (const point of points) disc(pen, plane.x(point[0]), plane.y(point[1]), 2.4);
  }
  const last = points[points.length - 1];
  pen.fillStyle = colour;
  pen.strokeStyle = style("--paper");
  pen.lineWidth = 1.5;
  pen.fillRect(bounded(plane.x(last[0])) - 4, bounded(plane.y(last[1])) - 4, 8, 8);
  pen.strokeRect(bounded(plane.x(last[0])) - 4, bounded(plane.y(last[1])) - 4, 8, 8);
}

// Canvases draw nothing at coordinates beyond what they can hold.
function bounded(value) { return Math.max(-1e5, Math.min(1e5, value)); }

function disc(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(bounded(x), bounded(y), radius, 0, 2 * Math.PI);
  pen.fill();
}

function knob(pen, x, y, colour, chosen) {
  pen.fillStyle = style("--paper");
  disc(pen, x, y, chosen ? 9 : 7);
  pen.fillStyle = colour;
  disc(pen, x, y, chosen ? 6.5 : 5);
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

export function curves(canvas, runs, share) {
  const { pen, width, height } = prepared(canvas);
  const all = runs.flatMap((run) => run.loss).filter((value) => value !== null);
  const last = Math.max(1, ...runs.map((run) => run.step[run.step.length - 1] || 0));
  if (!all.length) return;
  const positive = all.filter((value) => value > 0);
  let low = all.reduce((a, b) => Math.min(a, b)), high = all.reduce((a, b) => Math.max(a, b));
  const logarithmic = low >= 0 && positive.length > 0 && high > 30 * Math.max(positive.reduce((a, b) => Math.min(a, b)), 1e-300);
  if (logarithmic) {
    low = Math.max(positive.reduce((a, b) => Math.min(a, b)), high * 1e-24);
    low /= 1.5;
    high *= 1.5;
  } else {
    const room = (high - low || Math.abs(high) || 1) * 0.05;
    low -= room;
    high += room;
  }
  const plane = frame(width, height, [[0, last], [low, high]], [false, logarithmic]);
  pen.save();
  pen.beginPath();
  pen.rect(plane.box.x, plane.box.y, plane.box.w, plane.box.h);
  pen.clip();
  runs.forEach((run, place) => {
    pen.strokeStyle = RUNS[place % RUNS.length];
    pen.lineWidth = 2;
    for (const [alpha, until] of [[0.25, run.loss.length], [1, upTo(run, share)]]) {
      pen.globalAlpha = alpha;
      pen.beginPath();
      let down = false;
      for (let k = 0; k < until; k++) {
        const value = run.loss[k];
        if (value === null || (logarithmic && value <= 0)) continue;
        (down ? pen.lineTo : pen.moveTo).call(pen, plane.x(run.step[k]), plane.y(value));
        down = true;
      }
      pen.stroke();
    }
    pen.globalAlpha = 1;
  });
  pen.restore();
  axes(pen, plane, ["step", logarithmic ? "loss (log)" : "loss"]);
}

// Cells of colours over two axes, a line over them, and a cell that is chosen. Returns where a point of the screen falls.
export function cells(canvas, colours, plane, line, chosen) {
  const { pen } = canvas, { box } = plane, rows = colours.length, columns = colours[0].length;
  const wide = box.w / columns, high = box.h / rows;
  colours.forEach((row, i) => row.forEach((colour, j) => {
    pen.fillStyle = colour;
    pen.fillRect(box.x + j * wide, box.y + box.h - (i + 1) * high, wide + 0.6, high + 0.6);
  }));
  if (line) {
    pen.save();
    pen.beginPath();
    pen.rect(box.x, box.y, box.w, box.h);
    pen.clip();
    pen.strokeStyle = style("--ink");
    pen.lineWidth = 2.5;
    pen.setLineDash([6, 4]);
    pen.beginPath();
    line.forEach(([x, y], place) => (place ? pen.lineTo : pen.moveTo).call(pen, plane.x(x), plane.y(y)));
    pen.stroke();
    pen.restore();
  }
  if (chosen) {
    pen.lineWidth = 3;
    pen.strokeStyle = "#000000";
    pen.strokeRect(box.x + chosen[1] * wide, box.y + box.h - (chosen[0] + 1) * high, wide, high);
    pen.lineWidth = 1.2;
    pen.strokeStyle = "#ffffff";
    pen.strokeRect(box.x + chosen[1] * wide, box.y + box.h - (chosen[0] + 1) * high, wide, high);
  }
  return (x, y) => {
    const j = Math.floor((x - box.x) / wide), i = Math.floor((box.y + box.h - y) / high);
    return i >= 0 && i < rows && j >= 0 && j < columns ? [i, j] : null;
  };
}
