// The page begins: what can be chosen, the state of its address, and each part that listens.

import { changed, listen } from "./controls.js";
import { player } from "./player.js";
import { steer } from "./pointer.js";
import { $, choices, say, state, take } from "./state.js";
import { exports } from "./taking.js";

async function chosenFrom() {
  try {
    const answer = await fetch("choices");
    if (answer.ok) return await answer.json();
  } catch {
    // Said below, for either reason.
  }
  return null;
}

async function begin() {
  const found = await chosenFrom();
  if (!found) {
    say("address", "The lab does not say what can be chosen. Reload the page; if that does not help, start it again "
      + "with: steepest lab");
    return;
  }
  Object.assign(choices, found);
  for (const [group, names] of Object.entries(choices.problems)) {
    const part = Object.assign(document.createElement("optgroup"), { label: group });
    part.append(...names.map((name) => new Option(name.replaceAll("_", " "), name)));
    $("problem").append(part);
  }
  $("method").append(...choices.methods.map((name) => new Option(name, name)));
  $("schedule").append(...choices.schedules.map((name) => new Option(name, name)));
  $("preset").append(...choices.presets.map((preset, place) => new Option(preset.name, place)));
  Object.assign(state, choices.defaults);
  const complaints = take(location.search);
  listen();
  steer();
  player();
  exports();
  changed();
  say("address", complaints.join(" "));
}

begin();
