// Taking it away: the address, pictures, code.

import { style } from "./drawing.js";
import { $, query, say } from "./state.js";

function download(name, address) {
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copy it from the address bar";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

export function exports() {
  $("share").addEventListener("click", () => copy(location.href, $("share")));
  $("png").addEventListener("click", () => {
    const pictures = ["contour", "curves", "surface"].map($), wide = Math.max(...pictures.map((picture) => picture.width));
    const whole = Object.assign(document.createElement("canvas"), { width: wide, height: pictures.reduce((sum, picture) => sum + picture.height, 0) });
    const pen = whole.getContext("2d");
    pen.fillStyle = style("--paper");
    pen.fillRect(0, 0, whole.width, whole.height);
    let down = 0;
    for (const picture of pictures) { pen.drawImage(picture, 0, down); down += picture.height; }
    whole.toBlob((blob) => { const address = URL.createObjectURL(blob); download("steepest-lab.png", address); setTimeout(() => URL.revokeObjectURL(address), 10000); });
  });
  $("show-code").addEventListener("click", async () => {
    try {
      const answer = await fetch(`code?${query()}`);
      if (!answer.ok) { say((await answer.json()).error); return; }
      $("code").textContent = await answer.text();
      $("code-dialog").showModal();
    } catch {
      say("The server does not answer. Was it stopped? Start it again with: steepest lab");
    }
  });
  $("copy-code").addEventListener("click", () => copy($("code").textContent, $("copy-code")));
  $("close-code").addEventListener("click", () => $("code-dialog").close());
}
