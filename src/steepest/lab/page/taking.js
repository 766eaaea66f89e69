// Taking it away: the address, pictures, code.

import { number, style } from "./drawing.js";
import { $, fileOf, say, state } from "./state.js";

function keep(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
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

// What a picture shows, in words: whoever finds it in a file has no controls beside it.
export function caption() {
  const parts = [
    state.problem === "formula" ? `loss ${state.formula}` : state.problem.replaceAll("_", " "),
    state.method,
    `learning rate ${number(state.learning_rate)}`,
  ];
  parts.push(state.method === "gradient descent" ? "no momentum" : `momentum ${number(state.momentum)}`);
  parts.push(state.schedule === "constant" ? "constant schedule" : `schedule ${state.schedule}`);
  if (state.batch_size) parts.push(`batches of ${state.batch_size}`);
  if (state.noise) parts.push(`noise ${number(state.noise)}`);
  parts.push(`${state.steps} steps`);
  return parts;
}

// Words in lines that are no wider than the picture.
function lines(pen, parts, width) {
  const found = [""];
  for (const part of parts) {
    const last = found[found.length - 1], longer = last ? `${last}, ${part}` : part;
    if (last && pen.measureText(longer).width > width) {
      found[found.length - 1] = `${last},`;
      found.push(part);
    } else found[found.length - 1] = longer;
  }
  return found;
}

function picture() {
  const ratio = window.devicePixelRatio || 1, size = 15 * ratio, font = `${size}px system-ui, sans-serif`;
  const pictures = ["contour", "curves", "surface"].map($), wide = Math.max(...pictures.map((one) => one.width));
  const whole = document.createElement("canvas"), pen = whole.getContext("2d");
  pen.font = font;
  const words = lines(pen, caption(), wide - 2 * size), head = (words.length + 0.8) * 1.4 * size;
  whole.width = wide;
  whole.height = head + pictures.reduce((sum, one) => sum + one.height, 0);
  pen.fillStyle = style("--paper");
  pen.fillRect(0, 0, whole.width, whole.height);
  pen.fillStyle = style("--ink");
  pen.font = font;
  words.forEach((line, place) => pen.fillText(line, size, (place + 1.2) * 1.4 * size));
  let down = head;
  for (const one of pictures) {
    pen.drawImage(one, 0, down);
    down += one.height;
  }
  return whole;
}

export function exports() {
  $("share").addEventListener("click", () => copy(location.href, $("share"), "Copy it from the address bar"));
  $("png").addEventListener("click", () => picture().toBlob((blob) => {
    if (blob) keep(`${state.problem}-lab.png`, blob);
    else say("taking", "The browser cannot make a picture of this size.");
  }));
  for (const button of document.querySelectorAll("[data-export]")) button.addEventListener("click", async () => {
    const answer = await fileOf(button.dataset.export);
    if (answer) keep(`${state.problem}-${button.dataset.export}`, await answer.blob());
  });
  $("show-code").addEventListener("click", async () => {
    const answer = await fileOf("code");
    if (!answer) return;
    $("code").textContent = await answer.text();
    $("code-dialog").showModal();
  });
  $("copy-code").addEventListener("click", () => copy($("code").textContent, $("copy-code"), "Select it and copy"));
  $("close-code").addEventListener("click", () => $("code-dialog").close());
}
