// What is set and what is shown, its address, and how the server is asked.

export const $ = (id) => document.getElementById(id);
export const state = { problem: "rosenbrock", formula: "", starts: [], method: "gradient descent", learning_rate: 0.001, momentum: 0.9, schedule: "constant", batch_size: 0, noise: 0, steps: 1000, seed: 0 };
export const shown = { landscape: null, high: null, image: null, runs: [], theory: null, share: 1, chosen: 0, angle: [0.7, 0.75], plane: null, sweep: null, sweepCell: null, cellAt: null, basins: null };
export const choices = { most_starts: 8, presets: [] };

// State and address

export function query() {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (name === "starts") fields.set(name, value.map((point) => point.join(",")).join(";"));
    else if (name !== "formula" || value) fields.set(name, value);
  }
  return fields.toString();
}

export function take(text) {
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
export async function ask(kind, then) {
  if (asking[kind]) { asking[kind].again = then; return; }
  asking[kind] = {};
  const asked = query();
  try {
    const answer = await fetch(`${kind}?${asked}`);
    const found = await answer.json();
    if (!answer.ok) say(found.error);
    else if (!asking[kind].again) { say(""); then(found); } else if (kind === "runs") then(found);
  } catch {
    say("The server does not answer. Was it stopped? Start it again with: steepest lab");
  }
  const next = asking[kind].again;
  delete asking[kind];
  if (next) ask(kind, next);
}

export function say(sentence) {
  $("message").textContent = sentence;
  $("message").hidden = !sentence;
}
