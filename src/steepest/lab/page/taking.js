// Taking it away: the address, pictures, code.

import { style } from "./drawing.js";
import { $, query, say, state } from "./state.js";

function keep(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// What the server answers to a question about the state on the screen; null where it is a complaint, which is shown.
async function answered(kind) {
  try {
    const answer = await fetch(`${kind}?${query()}`);
    if (answer.ok) return answer;
    say((await answer.json()).error);
  } catch {
    say("The server does not answer. Was it stopped? Start it again with: steepest lab");
  }
  return null;
}

async function copy(text, button, otherwise) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = otherwise;
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

export function exports() {
  $("share").addEventListener("click", () => copy(location.href, $("share"), "Copy it from the address bar"));
  $("png").addEventListener("click", () => {
    const pictures = ["contour", "curves", "surface"].map($), wide = Math.max(...pictures.map((picture) => picture.width));
    const whole = Object.assign(document.createElement("canvas"), { width: wide, height: pictures.reduce((sum, picture) => sum + picture.height, 0) });
    const pen = whole.getContext("2d");
    pen.fillStyle = style("--paper");
    pen.fillRect(0, 0, whole.width, whole.height);
    let down = 0;
    for (const picture of pictures) { pen.drawImage(picture, 0, down); down += picture.height; }
    whole.toBlob((blob) => keep("steepest-lab.png", blob));
  });
  for (const button of document.querySelectorAll("[data-export]")) button.addEventListener("click", async () => {
    const answer = await answered(button.dataset.export);
    if (answer) keep(`${state.problem}-${button.dataset.export}`, await answer.blob());
  });
  $("show-code").addEventListener("click", async () => {
    const answer = await answered("code");
    if (!answer) return;
    $("code").textContent = await answer.text();
    $("code-dialog").showModal();
  });
  $("copy-code").addEventListener("click", () => copy($("code").textContent, $("copy-code"), "Select it and copy"));
  $("close-code").addEventListener("click", () => $("code-dialog").close());
}
