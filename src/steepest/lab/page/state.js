// What is set and what is shown, its address, and how the server is asked.

export const $ = (id) => document.getElementById(id);

export const state = {
  problem: "rosenbrock", formula: "", starts: [], method: "gradient descent", learning_rate: 0.001, momentum: 0.9,
  schedule: "constant", batch_size: 0, noise: 0, steps: 1000, seed: 0,
};

// `until` is how many records of a run are shown; `landscapeOf`, `sweepOf` and `basinsOf` say what a picture is of.
export const shown = {
  landscape: null, landscapeOf: null, high: null, image: null, runs: [], theory: null, until: Infinity, chosen: 0,
  angle: [0.7, 0.65], plane: null, preset: "", rateOfStart: false,
  sweep: null, sweepOf: null, sweepCell: null, cellAt: null, basins: null, basinsOf: null,
};

export const choices = { most_starts: 8, most_steps: 20000, least_rate: 1e-12, most_rate: 1e6, presets: [] };

// State and address

export function query(without = []) {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (without.includes(name) || (name === "formula" && state.problem !== "formula")) continue;
    fields.set(name, name === "starts" ? value.map((point) => point.join(",")).join(";") : value);
  }
  return fields.toString();
}

export function problemKey() {
  return state.problem === "formula" ? `formula ${state.formula}` : state.problem;
}

// Whether the landscape on the screen is that of the problem that is set.
export function isCurrent() {
  return shown.landscape !== null && shown.landscapeOf === problemKey() && state.starts.length > 0;
}

// Take the fields of an address; what cannot be read stays as it was, and a sentence about each is returned.
export function take(text) {
  const complaints = [];
  for (const [name, value] of new URLSearchParams(text)) {
    if (!(name in state)) complaints.push(`The address has a field '${name.slice(0, 40)}', which is unknown.`);
    else if (name === "starts") complaints.push(...takeStarts(value));
    else if (typeof state[name] !== "number") state[name] = value;
    else if (value.trim() !== "" && Number.isFinite(Number(value))) state[name] = Number(value);
    else complaints.push(`${name} must be a number, got '${value.slice(0, 40)}'; ${state[name]} is used instead.`);
  }
  return complaints;
}

function takeStarts(text) {
  const points = text.split(";").filter(Boolean);
  const pairs = points.map((point) => (/^[^,]+,[^,]+$/.test(point) ? point.split(",").map(Number) : [NaN]));
  state.starts = pairs.filter((pair) => pair.every(Number.isFinite));
  const wrong = points.filter((_, place) => !pairs[place].every(Number.isFinite));
  return wrong.map((point) => `A start must be two numbers, w1,w2, got '${point.slice(0, 40)}'; it is left out.`);
}

// Asking: one question of a kind at a time, and then the newest. An answer goes to `then`, a complaint to `refused`;
// what goes wrong in there is an error of the page, and none of the server.

const SILENT = "The server does not answer. Was it stopped? Start it again with: steepest lab";
const asking = {};

export async function ask(kind, then, refused) {
  if (asking[kind]) {
    asking[kind].again = [then, refused];
    return;
  }
  asking[kind] = {};
  const asked = query(), of = problemKey();
  try {
    const found = await answerTo(kind, asked);
    const isLate = Boolean(asking[kind].again);
    if (of !== problemKey()) return;
    if (found.error) {
      if (!isLate) refused(found.error);
    } else if (!isLate || kind === "runs") {
      // What the server made of the state is the state, unless it has changed meanwhile.
      if (found.query && asked === query()) take(found.query);
      then(found);
    }
  } finally {
    const next = asking[kind].again;
    delete asking[kind];
    if (next) ask(kind, ...next);
  }
}

async function answerTo(kind, asked) {
  try {
    const answer = await fetch(`${kind}?${asked}`);
    if ((answer.headers.get("content-type") || "").includes("json")) return await answer.json();
    return { error: `The server answers with status ${answer.status} and without a sentence.` };
  } catch {
    return { error: SILENT };
  }
}

// A file of the state on the screen; null where it is refused, which is said.
export async function fileOf(kind) {
  try {
    const answer = await fetch(`${kind}?${query()}`);
    if (answer.ok) return answer;
    const isJson = (answer.headers.get("content-type") || "").includes("json");
    say("taking", isJson ? (await answer.json()).error : `The server answers with status ${answer.status}.`);
  } catch {
    say("taking", SILENT);
  }
  return null;
}

// Messages are kept by what they are about, so that one that is settled leaves the others standing.

const messages = {};
const TAKEN_AWAY = ["png", "show-code", "runs-nc", "runs-csv", "data-csv"];

export function say(kind, sentence) {
  messages[kind] = sentence;
  const text = [...new Set(Object.values(messages).filter(Boolean))].join(" ");
  if ($("message").textContent !== text) $("message").textContent = text;
  $("message").hidden = !text;
  document.body.classList.toggle("refused", isRefused());
  for (const id of TAKEN_AWAY) $(id).disabled = isRefused();
}

// Whether there is no answer to the state that is set: what is on the screen is of another.
export function isRefused() { return Boolean(messages.landscape || messages.runs); }
