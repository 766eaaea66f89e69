// The loss as a surface that can be turned: quadrangles drawn from the back to the front.

import { RUNS, prepared, shade, style, upTo } from "./drawing.js";

const FINEST = 41;

export function surface(canvas, landscape, high, runs, angle, share) {
  const { pen, width, height } = prepared(canvas);
  const n = high.length, stride = Math.max(1, Math.floor((n - 1) / (FINEST - 1)));
  const places = [];
  for (let k = 0; k < n; k += stride) places.push(k);
  const project = projection(width, height, angle);
  const facets = [];
  for (let a = 0; a + 1 < places.length; a++) for (let b = 0; b + 1 < places.length; b++) {
    const corners = [[a, b], [a, b + 1], [a + 1, b + 1], [a + 1, b]].map(([i, j]) => [places[j] / (n - 1), places[i] / (n - 1), high[places[i]][places[j]]]);
    if (corners.some((corner) => corner[2] === null)) continue;
    const seen = corners.map((corner) => project(...corner));
    facets.push({ seen, depth: seen.reduce((sum, point) => sum + point[2], 0), level: corners.reduce((sum, corner) => sum + corner[2], 0) / 4 });
  }
  facets.sort((one, other) => other.depth - one.depth);
  for (const { seen, level } of facets) {
    pen.fillStyle = pen.strokeStyle = `rgb(${shade(1 - level, 0.85).join(" ")})`;
    pen.lineWidth = 0.7;
    pen.beginPath();
    seen.forEach((point, place) => (place ? pen.lineTo : pen.moveTo).call(pen, point[0], point[1]));
    pen.closePath();
    pen.fill();
    pen.stroke();
  }
  const [[a, b], [c, d]] = landscape.window;
  runs.forEach((run, place) => {
    const points = run.path.slice(0, upTo(run, share));
    for (const [tone, thick] of [[style("--paper"), 4], [RUNS[place % RUNS.length], 2]]) {
      pen.strokeStyle = tone;
      pen.lineWidth = thick;
      pen.beginPath();
      let down = false;
      for (const point of points) {
        const x = point[0] === null ? -1 : (point[0] - a) / (b - a), y = point[1] === null ? -1 : (point[1] - c) / (d - c);
        const level = x >= 0 && x <= 1 && y >= 0 && y <= 1 ? between(high, x, y) : null;
        if (level === null) { down = false; continue; }
        const seen = project(x, y, level + 0.01);
        (down ? pen.lineTo : pen.moveTo).call(pen, seen[0], seen[1]);
        down = true;
      }
      pen.stroke();
    }
  });
}

function projection(width, height, [turn, tilt]) {
  const size = Math.min(width * 0.6, height * 0.8), ct = Math.cos(turn), st = Math.sin(turn), cu = Math.cos(tilt), su = Math.sin(tilt);
  return (x, y, z) => {
    const u = (x - 0.5) * ct - (y - 0.5) * st, v = (x - 0.5) * st + (y - 0.5) * ct, w = (z - 0.5) * 0.55;
    return [width / 2 + size * u, height / 2 - size * (w * cu + v * su), v * cu - w * su];
  };
}

function between(high, x, y) {
  const n = high.length - 1, j = Math.min(n - 1, Math.floor(x * n)), i = Math.min(n - 1, Math.floor(y * n)), v = x * n - j, u = y * n - i;
  const corners = [high[i][j], high[i][j + 1], high[i + 1][j], high[i + 1][j + 1]];
  return corners.includes(null) ? null : (1 - u) * ((1 - v) * corners[0] + v * corners[1]) + u * ((1 - v) * corners[2] + v * corners[3]);
}
