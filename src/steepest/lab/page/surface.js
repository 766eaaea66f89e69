// The loss as colours and as a surface that can be turned: quadrangles drawn from the back to the front.

import { RUNS, number, prepared, style } from "./drawing.js";

// The map of the library's own figures, cividis, from the lowest loss to the highest.
const LADDER = [
  "#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838",
];
const BANDS = 22;
const FINEST = 41, FINEST_RUGGED = 81;
const HUGE = 1e300;

function shade(share, fade) {
  const paper = rgb(style("--paper")), place = Math.max(0, Math.min(1, share)) * (LADDER.length - 1);
  const low = rgb(LADDER[Math.floor(place)]), high = rgb(LADDER[Math.ceil(place)]), part = place - Math.floor(place);
  return low.map((value, k) => Math.round(fade * (value + part * (high[k] - value)) + (1 - fade) * paper[k]));
}

function rgb(hex) { return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)); }

// Heights from 0 to 1 on a logarithmic scale above the lowest; what is not finite is null.
export function heights(grid) {
  const known = grid.flat().filter((value) => value !== null);
  if (!known.length) return grid.map((line) => line.map(() => null));
  // Differences of what is almost too large for a number would be too large.
  const unit = known.some((value) => Math.abs(value) > HUGE) ? 1e-10 : 1;
  const flat = known.map((value) => value * unit).sort((a, b) => a - b);
  const low = flat[0], high = flat[flat.length - 1];
  const middle = flat[Math.floor(flat.length / 8)] - low || 1;
  const most = Math.log1p((high - low) / middle) || 1;
  const share = (value) => Math.log1p((value * unit - low) / middle) / most;
  return grid.map((line) => line.map((value) => (value === null ? null : share(value))));
}

// Between the points of the grid, along one line of four: the cubic of Catmull and Rom.
function cubic(a, b, c, d, part) {
  const slope = c - a, bend = 2 * a - 5 * b + 4 * c - d, twist = 3 * (b - c) + d - a;
  return b + 0.5 * part * (slope + part * (bend + part * twist));
}

// The height at a place of the window, both from 0 to 1; null beside points that have none.
export function between(high, x, y, isSmooth = false) {
  const rows = high.length - 1, columns = high[0].length - 1;
  const j = Math.min(columns - 1, Math.floor(x * columns)), i = Math.min(rows - 1, Math.floor(y * rows));
  const v = x * columns - j, u = y * rows - i;
  const [a, b, c, d] = [high[i][j], high[i][j + 1], high[i + 1][j], high[i + 1][j + 1]];
  if (a === null || b === null || c === null || d === null) return null;
  if (isSmooth && i > 0 && j > 0 && i + 2 <= rows && j + 2 <= columns) {
    const lines = [];
    for (let k = i - 1; k <= i + 2; k++) {
      const line = high[k];
      if (line[j - 1] === null || line[j] === null || line[j + 1] === null || line[j + 2] === null) break;
      lines.push(cubic(line[j - 1], line[j], line[j + 1], line[j + 2], v));
    }
    if (lines.length === 4) return Math.max(0, Math.min(1, cubic(...lines, u)));
  }
  return (1 - u) * ((1 - v) * a + v * b) + u * ((1 - v) * c + v * d);
}

// The bands of a landscape, once for all pictures of it: an image of so many pixels.
export function bands(high, size = 400) {
  const image = document.createElement("canvas");
  image.width = image.height = size;
  const pen = image.getContext("2d"), picture = pen.createImageData(size, size), line = rgb(style("--ink"));
  const colours = Array.from({ length: BANDS + 1 }, (_, k) => shade(k / BANDS, 0.5));
  const band = new Float64Array(size * size);
  for (let row = 0; row < size; row++) for (let column = 0; column < size; column++) {
    const level = between(high, column / (size - 1), (size - 1 - row) / (size - 1), true);
    band[row * size + column] = level === null ? NaN : Math.floor(level * BANDS);
  }
  const differs = (one, other) => one !== other && !Number.isNaN(other);
  for (let place = 0; place < band.length; place++) {
    if (Number.isNaN(band[place])) continue;
    const isLast = (place + 1) % size === 0, isLowest = place + size >= band.length;
    const isEdge = (!isLast && differs(band[place], band[place + 1]))
      || (!isLowest && differs(band[place], band[place + size]));
    const colour = colours[band[place]];
    picture.data.set(isEdge ? colour.map((value, k) => Math.round(0.7 * value + 0.3 * line[k])) : colour, place * 4);
    picture.data[place * 4 + 3] = 255;
  }
  pen.putImageData(picture, 0, 0);
  return image;
}

// Whether the loss rises and falls so often that a coarse surface would be another one.
function isRugged(high) {
  let turns = 0;
  for (const line of high) for (let k = 1; k + 1 < line.length; k++) {
    if (line[k - 1] !== null && line[k + 1] !== null && (line[k] - line[k - 1]) * (line[k + 1] - line[k]) < 0) turns++;
  }
  return turns > 4 * high.length;
}

export function surface(canvas, landscape, high, runs, angle, until) {
  const { pen, width, height } = prepared(canvas);
  const project = projection(width, height, angle);
  const behind = hillsOf(canvas, width, high, angle, project);
  pen.drawImage(behind.image, 0, 0, width, height);
  pen.lineJoin = pen.lineCap = "round";
  const parts = runs.flatMap((run, place) => (
    parted(landscape.window, high, run.path.slice(0, until), project, behind).map((part) => ({ ...part, place }))
  ));
  // What hills hide is seen through them, dimly.
  for (const { points, isHidden, place } of parts) if (isHidden) stroke(pen, points, RUNS[place % RUNS.length], 2, 0.4);
  for (const { points, isHidden, place } of parts) {
    if (isHidden) continue;
    stroke(pen, points, style("--halo"), 4, 1);
    stroke(pen, points, RUNS[place % RUNS.length], 2, 1);
  }
  edges(pen, project, landscape.window);
}

// The surface without its runs, kept until it is turned: its picture, and how near it is at each place of that.
let kept = { key: null, high: null };
function hillsOf(canvas, width, high, angle, project) {
  const key = [canvas.width, canvas.height, width, ...angle, style("--paper")].join(" ");
  if (kept.key === key && kept.high === high) return kept;
  const image = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  const pen = image.getContext("2d"), scale = canvas.width / width, wide = Math.ceil(width / PLACE) + 1;
  pen.scale(scale, scale);
  const all = facets(high, project), near = new Map();
  all.sort((one, other) => other.depth - one.depth);
  for (const one of all) {
    facet(pen, one);
    fillNear(near, wide, one.seen);
  }
  kept = { key, high, image, near: (x, y) => near.get(placeOf(x, y, wide)) ?? Infinity };
  return kept;
}

const PLACE = 3, MOST_SAMPLES = 16, ON_IT = 0.06;
function placeOf(x, y, wide) { return Math.floor(y / PLACE) * wide + Math.floor(x / PLACE); }

function fillNear(near, wide, [a, b, c, d]) {
  const span = Math.max(...[0, 1].map((axis) => (
    Math.max(a[axis], b[axis], c[axis], d[axis]) - Math.min(a[axis], b[axis], c[axis], d[axis])
  )));
  const count = Math.min(MOST_SAMPLES, Math.ceil(span / PLACE) + 1);
  const at = (axis, u, v) => (1 - u) * ((1 - v) * a[axis] + v * b[axis]) + u * ((1 - v) * d[axis] + v * c[axis]);
  for (let i = 0; i <= count; i++) for (let j = 0; j <= count; j++) {
    const u = i / count, v = j / count, place = placeOf(at(0, u, v), at(1, u, v), wide), depth = at(2, u, v);
    if (!(near.get(place) <= depth)) near.set(place, depth);
  }
}

function facets(high, project) {
  const rows = high.length, columns = high[0].length, finest = isRugged(high) ? FINEST_RUGGED : FINEST;
  const places = (count) => {
    const stride = Math.max(1, Math.floor((count - 1) / (finest - 1))), found = [];
    for (let k = 0; k < count - 1; k += stride) found.push(k);
    return [...found, count - 1];
  };
  const down = places(rows), across = places(columns), found = [];
  const points = down.map((i) => across.map((j) => (
    high[i][j] === null ? null : [...project(j / (columns - 1), i / (rows - 1), high[i][j]), high[i][j]]
  )));
  for (let a = 0; a + 1 < down.length; a++) for (let b = 0; b + 1 < across.length; b++) {
    const seen = [points[a][b], points[a][b + 1], points[a + 1][b + 1], points[a + 1][b]];
    if (seen.includes(null)) continue;
    const mean = (k) => (seen[0][k] + seen[1][k] + seen[2][k] + seen[3][k]) / 4;
    found.push({ seen, depth: mean(2), level: mean(3) });
  }
  return found;
}

const tones = new Map();
function facet(pen, { seen, level }) {
  const key = `${Math.round(level * 100)} ${style("--paper")}`;
  if (!tones.has(key)) tones.set(key, `rgb(${shade(level, 0.75).join(" ")})`);
  pen.fillStyle = pen.strokeStyle = tones.get(key);
  pen.lineWidth = 0.7;
  pen.beginPath();
  for (const point of seen) pen.lineTo(point[0], point[1]);
  pen.closePath();
  pen.fill();
  pen.stroke();
}

function stroke(pen, points, tone, thick, alpha) {
  pen.globalAlpha = alpha;
  pen.strokeStyle = tone;
  pen.lineWidth = thick;
  pen.beginPath();
  for (const point of points) pen.lineTo(point[0], point[1]);
  pen.stroke();
  pen.globalAlpha = 1;
}

// A path in parts that are seen and parts that are hidden; points that fall together on the screen are one.
function parted([[a, b], [c, d]], high, path, project, { near }) {
  const found = [];
  let before = null;
  for (const point of path) {
    const x = point[0] === null ? -1 : (point[0] - a) / (b - a);
    const y = point[1] === null ? -1 : (point[1] - c) / (d - c);
    const level = x >= 0 && x <= 1 && y >= 0 && y <= 1 ? between(high, x, y) : null;
    const seen = level === null ? null : project(x, y, level + 0.01);
    if (before && seen && Math.hypot(seen[0] - before[0], seen[1] - before[1]) < 1) continue;
    if (before && seen) {
      const middle = [0, 1, 2].map((axis) => (before[axis] + seen[axis]) / 2), last = found[found.length - 1];
      const isHidden = near(middle[0], middle[1]) < middle[2] - ON_IT;
      if (last && last.isHidden === isHidden && last.points[last.points.length - 1] === before) last.points.push(seen);
      else found.push({ isHidden, points: [before, seen] });
    }
    before = seen;
  }
  return found;
}

const CORNERS = [[0, 0], [1, 0], [1, 1], [0, 1]];

// The names of the axes, along the two lower edges in front and the upright one to the left.
function edges(pen, project, window_) {
  pen.strokeStyle = style("--quiet");
  pen.fillStyle = style("--ink");
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  const line = (from, to) => {
    pen.beginPath();
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0], to[1]);
    pen.stroke();
  };
  const centre = project(0.5, 0.5, 0);
  const sides = CORNERS.map((from, k) => ({ from, to: CORNERS[(k + 1) % 4], axis: k % 2 }));
  const middle = ({ from, to }) => project((from[0] + to[0]) / 2, (from[1] + to[1]) / 2, 0);
  sides.sort((one, other) => middle(one)[2] - middle(other)[2]);
  for (const side of sides.slice(0, 2)) {
    line(project(...side.from, 0), project(...side.to, 0));
    const at = middle(side), isLeft = at[0] < centre[0];
    pen.textAlign = isLeft ? "right" : "left";
    const range = window_[side.axis].map((value) => number(value, 3)).join(" to ");
    pen.fillText(`w${side.axis + 1}: ${range}`, at[0] + (isLeft ? -8 : 8), at[1] + 10);
  }
  const left = CORNERS.reduce((best, corner) => (project(...corner, 0)[0] < project(...best, 0)[0] ? corner : best));
  const foot = project(...left, 0), head = project(...left, 1);
  line(foot, head);
  pen.textAlign = "right";
  pen.fillText("loss (log)", foot[0] - 6, (foot[1] + head[1]) / 2);
}

// To the screen, so that all corners of the surface's box are on it and in its middle; third comes the depth.
function projection(width, height, [turn, tilt]) {
  const ct = Math.cos(turn), st = Math.sin(turn), cu = Math.cos(tilt), su = Math.sin(tilt);
  const flat = (x, y, z) => {
    const u = (x - 0.5) * ct - (y - 0.5) * st, v = (x - 0.5) * st + (y - 0.5) * ct, w = (z - 0.5) * 0.55;
    return [u, -(w * cu + v * su), v * cu - w * su];
  };
  const corners = CORNERS.flatMap(([x, y]) => [flat(x, y, 0), flat(x, y, 1)]);
  const [left, right, top, bottom] = [0, 0, 1, 1].map((axis, k) => (
    Math[k % 2 ? "max" : "min"](...corners.map((corner) => corner[axis]))
  ));
  const size = Math.min((width - 150) / (right - left), (height - 34) / (bottom - top));
  return (x, y, z) => {
    const [across, down, depth] = flat(x, y, z);
    return [
      width / 2 + size * (across - (left + right) / 2), height / 2 - 6 + size * (down - (top + bottom) / 2), depth,
    ];
  };
}
