// The playground page: what the reader chooses, and what is then drawn. The model is in model.js.

import { bytes, loadClip, loadModels, run, shown } from "./model.js";

const root = document.getElementById("playground");
const part = (name) => root.querySelector(`.pg-${name}`);
const form = root.querySelector("form");
const slider = root.querySelector("[name=step]");
const MARKS = ["●", "■", "◆", "▲"]; // the book's marker of each hand
const DASHES = ["", "7 4", "7 3 2 3", "2 3"]; // and its line style
const SVG = "http://www.w3.org/2000/svg";

let about; // playground.json
let clip; // the clip on show
let models = null; // once they are loaded
let out = null; // the outputs on show

function choices() {
  const { when, freeze, conditioned } = form.elements;
  return {
    hands: about.hands.map((_, hand) => form.elements[`hand-${hand}`]?.value ?? "filmed"),
    when: when.value, freeze: freeze.value, conditioned: conditioned.checked, step: Number(slider.value),
  };
}

const changed = (now) => now.freeze !== "nothing" || now.hands.some((choice) => choice !== "filmed");

// What PyTorch said about the clip as filmed, when the book was built.
const filmed = (now) => clip.filmed[now.conditioned ? "conditioned" : "unconditioned"];

const isThere = (hand) => clip.present.some((step) => step[hand]);

const largest = (values) => values.indexOf(Math.max(...values));

const percent = (share) => `${Math.round(100 * share)} %`;

function softmax(logits) {
  const top = Math.max(...logits);
  const powers = logits.map((value) => Math.exp(value - top));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((value) => value / sum);
}

// The largest difference of what is on show to what PyTorch said.
function difference(now) {
  const flat = (o) => [o.logits, o.pose_logits, o.rgb_logits, o.spatial_attention, o.temporal_attention].flat(2);
  const ours = flat(out);
  return Math.max(...flat(filmed(now)).map((value, i) => Math.abs(value - ours[i])));
}

// ---------------------------------------------------------------- drawing

const say = (text, trouble = false) => {
  const status = part("status");
  status.textContent = text;
  status.classList.toggle("pg-trouble", trouble);
  status.setAttribute("role", trouble ? "alert" : "note");
};

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function cropOnto(context, now, step, hand, x, y, side) {
  const { source, variant, there } = shown(clip, now, step, hand);
  if (there) {
    const { crop, hands } = about.shape;
    context.drawImage(clip.sprite, source * crop, (variant * hands + hand) * crop, crop, crop, x, y, side, side);
    return;
  }
  context.fillStyle = "#777";
  context.fillRect(x, y, side, side);
  context.strokeStyle = "#fff";
  context.lineWidth = side / 16;
  context.beginPath(); // crossed out
  for (const [a, b] of [[0, side], [side, 0]]) {
    context.moveTo(x, y + a);
    context.lineTo(x + side, y + b);
  }
  context.stroke();
}

function drawFrame(now) {
  const canvas = part("frame");
  const [width, height] = clip.picture;
  const fine = 2; // crops stay legible on sharp screens
  canvas.width = width * fine;
  canvas.height = height * fine;
  const context = canvas.getContext("2d");
  context.scale(fine, fine);
  const [row, column] = [Math.floor(now.step / about.columns), now.step % about.columns];
  context.drawImage(clip.sheet, column * width, row * height, width, height, 0, 0, width, height);
  about.hands.forEach((_, hand) => {
    if (!clip.present[now.step][hand]) return;
    const [x, y] = clip.boxes[now.step][hand];
    const half = clip.half;
    cropOnto(context, now, now.step, hand, x - half, y - half, 2 * half);
    const stroke = 1 + 5 * out.spatial_attention[now.step][hand];
    context.strokeStyle = about.colours[hand];
    context.lineWidth = stroke;
    context.strokeRect(x - half - stroke / 2, y - half - stroke / 2, 2 * half + stroke, 2 * half + stroke);
  });
  const weights = about.hands.map((name, hand) => `${name} ${out.spatial_attention[now.step][hand].toFixed(2)}`);
  canvas.setAttribute("aria-label", `Frame ${clip.frames[now.step]} with the skeleton and a box around each hand; ` +
    `the more weight, the thicker the box: ${weights.join(", ")}`);
}

function drawHands(now) {
  const before = filmed(now).spatial_attention[now.step];
  for (const card of part("hands").children) {
    const hand = Number(card.dataset.hand);
    const context = card.querySelector("canvas").getContext("2d");
    context.imageSmoothingEnabled = false;
    cropOnto(context, now, now.step, hand, 0, 0, 64);
    const weight = out.spatial_attention[now.step][hand];
    card.querySelector(".pg-weight").textContent = weight.toFixed(2);
    card.querySelector(".pg-bar").replaceWith(bar(weight, before[hand]));
    const decides = clip.deciding[now.step][hand] ? ", deciding" : "";
    card.querySelector(".pg-held").textContent = holding(now, hand) + decides;
  }
}

function holding(now, hand) {
  const { source, variant, there } = shown(clip, now, now.step, hand);
  if (!there) return "hidden";
  return (variant ? about.things[variant - 1] : clip.held[source][hand]) || "empty";
}

function bar(value, before) {
  const made = element("span", { class: "pg-bar", "aria-hidden": "true" });
  made.append(element("i", { style: `width: ${100 * value}%` }), element("b", { style: `left: ${100 * before}%` }));
  return made;
}

// One chart over the steps: yellow ground where the evidence is, then whatever `paint` adds.
function chart(svg, height, label, paint) {
  const width = Math.max(svg.clientWidth, 240);
  const left = 28;
  const add = (tag, attributes, text) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    svg.append(made);
  };
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.setAttribute("aria-label", label);
  const column = (width - left) / about.shape.steps;
  const x = (t) => left + t * column; // left edge of a step
  const informative = clip.deciding.map((hands) => hands.includes(true));
  informative.forEach((inside, t) => {
    if (!inside) return;
    add("rect", { x: x(t), y: 12, width: column + 0.5, height: height - 12, fill: "#F7EFA0" });
    const edge = (at) => add("path", { d: `M${at} 12V4`, stroke: "#222", fill: "none" });
    add("path", { d: `M${x(t)} 4H${x(t + 1)}`, stroke: "#222", fill: "none" });
    if (!informative[t - 1]) edge(x(t));
    if (!informative[t + 1]) edge(x(t + 1));
  });
  const text = { fill: "#222", "font-size": 12, "text-anchor": "end" };
  paint({ add, x, column, width, left, text });
}

function drawTime(now) {
  const before = filmed(now).temporal_attention;
  const { steps } = about.shape;
  const [tall, low] = [150, 90];
  const most = about.hands[largest(about.hands.map((_, hand) =>
    out.spatial_attention.reduce((sum, p) => sum + p[hand], 0)))];
  chart(part("spatial"), tall, `Spatial attention over ${steps} steps; on average most weight on ${most}`, ({ add, x, column, width, left, text }) => {
    const y = (weight) => tall - 4 - weight * (tall - 20);
    for (const level of [0, 0.5, 1]) {
      add("path", { d: `M${left} ${y(level)}H${width}`, stroke: "#bbb", "stroke-width": 0.7 });
      add("text", { ...text, x: left - 5, y: y(level) + 4 }, level);
    }
    add("path", { d: `M${x(now.step) + column / 2} 12V${tall}`, stroke: "#222", "stroke-width": 1.2 });
    about.hands.forEach((_, hand) => {
      if (!isThere(hand)) return;
      const points = out.spatial_attention.map((p, t) => [x(t) + column / 2, y(p[hand])]);
      add("polyline", { points: points.join(" "), fill: "none", stroke: about.colours[hand], "stroke-width": 2, "stroke-dasharray": DASHES[hand] });
      for (const [a, b] of points)
        add("text", { x: a, y: b + 4, fill: about.colours[hand], "font-size": 11, "text-anchor": "middle" }, MARKS[hand]);
    });
  });
  const p = out.temporal_attention;
  const top = Math.max(...p, ...before);
  chart(part("temporal"), low, `Temporal attention, largest at step ${largest(p)}`, ({ add, x, column, text, left }) => {
    add("text", { ...text, x: left - 5, y: 22 }, top.toFixed(2));
    p.forEach((weight, t) => {
      const height = (value) => Math.max((value / top) * (low - 16), 1);
      add("rect", { x: x(t) + 1, y: low - height(weight), width: column - 2, height: height(weight), fill: t === now.step ? "#222" : "#8899AA" });
      const outline = height(before[t]);
      add("rect", { x: x(t) + 1, y: low - outline, width: column - 2, height: outline, fill: "none", stroke: "#222", "stroke-width": 0.8 });
    });
  });
}

function drawClasses(now) {
  const streams = [["pose_logits", "Pose stream"], ["rgb_logits", "RGB stream"], ["logits", "Fused"]];
  part("classes").replaceChildren(...streams.map(([field, title]) => {
    const share = softmax(out[field]);
    const before = softmax(filmed(now)[field]);
    const order = share.map((_, k) => k).sort((a, b) => share[b] - share[a]);
    const list = order.slice(0, 5);
    if (!list.includes(clip.label)) list.push(clip.label);
    return element("div", {}, element("p", {}, title), element("ol", {}, ...list.map((k) =>
      element("li", { class: k === clip.label ? "pg-truth" : "" },
        element("span", { class: "pg-line" },
          element("span", {}, about.classes[k] + (k === clip.label ? " ✓" : "")), element("span", {}, percent(share[k]))),
        bar(share[k], before[k])))));
  }));
}

function summary(now) {
  const p = out.spatial_attention[now.step];
  const share = softmax(out.logits);
  const best = largest(share);
  const before = softmax(filmed(now).logits)[clip.label];
  const truth = about.classes[clip.label];
  return `Step ${now.step}: most weight on ${about.hands[largest(p)]} (${Math.max(...p).toFixed(2)}). ` +
    `Fused answer: ${about.classes[best]} (${percent(share[best])}). ` +
    `True action: ${truth}, given ${percent(share[clip.label])} (as filmed ${percent(before)}).`;
}

function draw(now) {
  slider.nextElementSibling.textContent = now.step;
  drawFrame(now);
  drawHands(now);
  drawTime(now);
  drawClasses(now);
  part("summary").textContent = summary(now);
  if (models)
    say("Computed in your browser" + (changed(now) ? "." : `; largest difference from PyTorch on this clip: ${difference(now).toExponential(0)}.`));
}

// ---------------------------------------------------------------- the page

let running = null;
let again = false;

// Compute and draw. While one run is under way, later changes are gathered into one more.
function update() {
  again = true;
  root.setAttribute("aria-busy", "true");
  running ??= (async () => {
    while (again) {
      again = false;
      const name = form.elements.clip.value;
      if (clip?.name !== name) {
        clip = await loadClip(about.clips.find((entry) => entry.name === name), about.shape);
        offerHands();
      }
      const now = choices();
      out = models ? await run(models, clip, now, about.shape) : filmed(now);
      draw(now);
      window.playground = { ...now, clip: clip.name, outputs: out, computed: Boolean(models) };
    }
  })()
    .catch((error) => say(error.message, true))
    .finally(() => {
      running = null;
      root.setAttribute("aria-busy", "false");
    });
  return running;
}

// A card for each hand of the clip on show, with its choice; all of them as filmed.
function offerHands() {
  const offered = [["filmed", "as filmed"], ["hidden", "hidden (absent)"],
    ...about.things.map((thing, index) => [index, thing || "nothing"])];
  part("hands").replaceChildren(...about.hands.flatMap((name, hand) => {
    if (!isThere(hand)) return [];
    const colour = about.colours[hand];
    const crop = element("canvas", { width: 64, height: 64, style: `border-color: ${colour}`, "aria-hidden": "true" });
    const mark = element("span", { class: "pg-swatch", style: `background: ${colour}`, "aria-hidden": "true" }, MARKS[hand]);
    const choice = element("select", { id: `pg-hand-${hand}`, name: `hand-${hand}`, "data-model": "" },
      ...offered.map(([value, text]) => element("option", { value }, text)));
    const title = element("div", { class: "pg-line" }, element("label", { for: choice.id }, mark, name),
      element("span", { class: "pg-weight" }));
    return [element("li", { "data-hand": hand }, crop,
      element("div", {}, title, bar(0, 0), element("div", { class: "pg-held" }), choice))];
  }));
  enable();
}

// What needs the model waits for it.
function enable() {
  for (const control of form.querySelectorAll("[data-model]")) control.disabled = !models;
}

function undo() {
  for (const control of form.querySelectorAll("select[data-model]")) control.selectedIndex = 0;
  form.elements.conditioned.checked = true;
  update();
}

async function start() {
  about = JSON.parse(new TextDecoder().decode(await bytes("playground.json")));
  const options = about.clips.map((entry) =>
    element("option", { value: entry.name }, about.classes[entry.label]));
  form.elements.clip.append(...options);
  slider.max = about.shape.steps - 1; // counted from 0, as in the chapters
  slider.value = Math.floor(slider.max / 2);
  form.hidden = part("result").hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  part("undo").addEventListener("click", undo);
  new ResizeObserver(() => out && drawTime(choices())).observe(part("time"));
  await update();
  models = await loadModels((what) => say(`Loading ${what}. Until then you see PyTorch's answers for the clips as filmed.`));
  enable();
  await update();
}

start().catch((error) => say(error.message, true));
