// The page begins: what can be chosen, the state of its address, and each part that listens.

import { changed, listen } from "./controls.js";
import { player } from "./player.js";
import { steer } from "./pointer.js";
import { $, choices, take } from "./state.js";
import { exports } from "./taking.js";

async function begin() {
  Object.assign(choices, await (await fetch("choices")).json());
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
