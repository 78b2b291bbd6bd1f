// The page "See yourself": from a camera or a film to joints, glimpses, attention and answers, and their drawing.
// The rules of joints and squares are in body.js. Nothing is sent anywhere: every file comes from the book.

import * as body from "./body.js";

const root = document.getElementById("see-yourself");
const part = (name) => root.querySelector(`.sy-${name}`);
const home = (name) => new URL(name, import.meta.url).href;
const video = document.createElement("video");
const TOP = 5; // classes shown
const SPEAK = 3000; // milliseconds between two sentences that a screen reader reads
const RATE = 30; // frames a second of a film: J-HMDB's

const WORDS = {
  wasm: "This browser has no WebAssembly, which the model needs: open the page in a current Firefox, Chrome, Edge or Safari.",
  model: "The model is not beside this page: it is made after the other pages, so wait until `pcsta book` says that it is done, then reload this page.",
  estimator: "The pose estimator (BlazePose, a download of 41 MB) is not beside this page: `pcsta book` fetches it after the other pages, with a network connection, so wait until it is done, then reload this page.",
  start: "The pose estimator could not start in this browser: it needs WebGL 2.",
  none: "This browser gives no camera to a page at this address: choose a video file.",
  NotFoundError: "No camera was found: connect one, or choose a video file.",
  NotAllowedError: "The camera was not allowed: allow it for this page in your browser, or choose a video file.",
  NotReadableError: "The camera could not be read: close any other program that uses it, or choose a video file.",
  film: "Your browser cannot play this file: choose a video in MP4 (H.264) or WebM.",
  nobody: "Nobody is seen: show one person from head to hips, with both hands, in good light.",
  hidden: "Stopped, because the page was hidden.",
  ended: "The camera was disconnected, or its permission was withdrawn.",
};

let about, runtime, sensor, model, pose, loading; // once they are loaded
let found; // what BlazePose says of the frame just sent
let records = []; // frames of the window: context, joints; squares and V once they are cut
const spare = []; // contexts to use again
let size, epoch, spoken, clock = 0;
let turn = 0; // numbers the starts and stops: what belongs to an earlier one ends
let busy = Promise.resolve(), sentence = ""; // the look that is under way, and what the last one told

function say(text, trouble = false) {
  part("status").classList.toggle("sy-trouble", trouble);
  part("status").setAttribute("role", trouble ? "alert" : "status");
  part("status").textContent = text;
}

// `work`, or the sentence in place of its error.
const or = (sentence, work) => work.catch((error) => { throw new Error(sentence, { cause: error }); });

// ---------------------------------------------------------------- what is loaded, once, when first wanted

async function load() {
  if (typeof WebAssembly !== "object") throw new Error(WORDS.wasm);
  const shared = await or(WORDS.model, import("../playground/model.js"));
  const read = (name) => or(WORDS.model, shared.bytes(home(name)));
  about = JSON.parse(new TextDecoder().decode(await read("about.json")));
  root.querySelectorAll(".sy-swatch").forEach((one, hand) => { one.style.background = about.colours[hand]; });
  pose ??= await estimator();
  runtime ??= await shared.runtime(() => {});
  [sensor, model] = await Promise.all(["sensor.onnx", "model.onnx"].map(async (name) =>
    runtime.InferenceSession.create(new Uint8Array(await read(name)))));
}

async function estimator() {
  await or(WORDS.estimator, new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src: home("estimator/pose.js"), onload: resolve, onerror: reject });
    document.head.append(script);
  }));
  const made = new window.Pose({ locateFile: (name) => home(`estimator/${name}`) });
  // as `pcsta pose` sets it; on the processor, as there
  made.setOptions({ modelComplexity: 1, smoothLandmarks: true, minDetectionConfidence: 0.3,
    minTrackingConfidence: 0.3, useCpuInference: true });
  made.onResults((results) => { found = results; });
  await or(WORDS.start, made.initialize());
  return made;
}

// ---------------------------------------------------------------- one frame

const blank = () => Object.assign(document.createElement("canvas"), { width: size[0], height: size[1] })
  .getContext("2d", { willReadFrequently: true });

// Look at the picture on show, at time t in seconds, and at the window that ends with it; draw what is still wanted.
async function look(t, wanted) {
  const began = performance.now();
  const context = spare.pop() ?? blank();
  context.drawImage(video, 0, 0, ...size);
  epoch ??= clock + 1000 - 1000 * t;
  clock = epoch + 1000 * t; // which BlazePose wants to grow, whatever is looked at next
  found = null;
  await pose.send({ image: context.canvas }, clock);
  const record = { t, context, found, joints: body.kinect(found, size, about) };
  records.push(record);
  while (records[0].t <= t - about.seconds) spare.push(records.shift().context);
  const joints = body.bridge(records.map((one) => one.joints), about);
  const side = joints.some(Boolean) ? body.cropSide(joints, size, about) : 0;
  const out = side ? await answer(joints, side) : null;
  if (wanted()) draw(record, joints.at(-1), side, out, 1000 / (performance.now() - began));
}

// What the model says of the window: one sub-sequence of it.
async function answer(joints, side) {
  const { steps, features, hand_joints: hands } = about;
  const chosen = body.segments(records.length, steps);
  const fresh = [...new Set(chosen)].filter((i) => joints[i] && !records[i].V);
  if (fresh.length) {
    const squares = fresh.flatMap((i) => hands.map((hand) => body.crop(records[i].context, joints[i][hand], side)));
    const pixels = new Uint8Array(squares.length * side * side * 4);
    squares.forEach((one, k) => pixels.set(one, k * one.length));
    const { glimpses } = await sensor.run({ squares: new runtime.Tensor("uint8", pixels, [squares.length, side, side, 4]) });
    fresh.forEach((i, k) => {
      records[i].V = glimpses.data.slice(2 * k * features, 2 * (k + 1) * features);
      records[i].squares = { side, pixels: squares.slice(2 * k, 2 * k + 2) };
    });
  }
  const places = body.placed(joints, size, about);
  const x = new Float32Array(steps * 2 * about.joints.length * 3); // person 2 is nobody: zero
  const V = new Float32Array(steps * 4 * features);
  const present = new Uint8Array(steps * 4);
  chosen.forEach((i, step) => {
    if (!joints[i]) return;
    x.set(places[i].flat(), step * 2 * about.joints.length * 3);
    V.set(records[i].V, step * 4 * features);
    present.fill(1, step * 4, step * 4 + 2);
  });
  const tensor = (type, values, ...shape) => new runtime.Tensor(type, values, [1, steps, ...shape]);
  const said = await model.run({ joints: tensor("float32", x, 2, about.joints.length, 3),
    glimpses: tensor("float32", V, 4, features), present: tensor("bool", present, 4) });
  const values = Object.fromEntries(Object.entries(said).map(([name, output]) => [name, Array.from(output.data)]));
  return { ...values, chosen, inputs: { x: Array.from(x), present: Array.from(present) } };
}

// ---------------------------------------------------------------- drawing

const percent = (share) => `${Math.round(100 * share)} %`;

function bar(side, share) {
  const made = document.createElement("i");
  made.style[side] = `${100 * (share || 0)}%`;
  return made;
}

function softmax(logits) {
  const powers = logits.map((value) => Math.exp(value - Math.max(...logits)));
  return powers.map((value) => value / powers.reduce((a, b) => a + b));
}

function draw(record, joints, side, out, rate) {
  const canvas = part("picture");
  [canvas.width, canvas.height] = size;
  const context = canvas.getContext("2d");
  context.drawImage(record.context.canvas, 0, 0);
  root.classList.add("sy-live");
  const { steps } = about;
  const p = out ? out.spatial_attention.slice(4 * (steps - 1), 4 * (steps - 1) + 2) : [0, 0]; // of the newest step
  about.hand_joints.forEach((joint, hand) => {
    part("weights").children[hand].lastElementChild.textContent = out ? p[hand].toFixed(2) : "–";
    if (!out || !joints) return;
    const stroke = (1.5 + 9 * p[hand]) * (size[0] / 480);
    const [x, y] = joints[joint].map((value) => value - side / 2 - stroke / 2);
    Object.assign(context, { strokeStyle: about.colours[hand], lineWidth: stroke });
    context.strokeRect(x, y, side + stroke, side + stroke);
  });
  const q = out?.temporal_attention ?? [];
  const top = Math.max(...q);
  part("time").replaceChildren(...Array.from({ length: steps }, (_, step) => bar("height", (q[step] ?? 0) / top)));
  const share = out ? softmax(out.logits) : [];
  const order = share.map((_, k) => k).sort((a, b) => share[b] - share[a]).slice(0, TOP);
  [...part("classes").children].forEach((line, i) => {
    const k = order[i];
    line.querySelector(".sy-name").textContent = out ? about.classes[k].replaceAll("_", " ") : "–";
    line.querySelector(".sy-share").textContent = out ? percent(share[k]) : "";
    line.lastElementChild.replaceChildren(bar("width", out ? share[k] : 0));
  });
  const most = about.hands[p[1] > p[0] ? 1 : 0].replace(" 1", "");
  const latest = q.indexOf(top);
  sentence = out ? `Most weight on the ${most} hand (${Math.max(...p).toFixed(2)}), most on step ${latest + 1} of ${steps}; ` +
    `answer: ${about.classes[order[0]].replaceAll("_", " ")}, ${percent(share[order[0]])}. ${rate.toFixed(1)} frames a second.` : WORDS.nobody;
  if (performance.now() - spoken > SPEAK) {
    spoken = performance.now();
    say(sentence);
    canvas.setAttribute("aria-label", `Your picture with a box around each hand; the more weight, the thicker the box. ${sentence}`);
    part("time").setAttribute("aria-label", out ? `Temporal attention, largest at step ${latest + 1} of ${steps}` : "Temporal attention");
  }
  window.seeYourself = { records, out, rate, size, looked: (window.seeYourself?.looked ?? 0) + 1 };
}


// ---------------------------------------------------------------- camera, film, and their end

async function camera(wanted) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error(WORDS.none);
  const asked = { audio: false, video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } };
  const stream = await navigator.mediaDevices.getUserMedia(asked).catch((error) => {
    throw new Error(WORDS[error.name] ?? WORDS.NotReadableError, { cause: error });
  });
  if (!wanted()) return stream.getTracks().forEach((track) => track.stop());
  stream.getVideoTracks()[0].addEventListener("ended", () => wanted() && stop(WORDS.ended, true));
  video.srcObject = stream;
  await video.play();
  const next = (then) => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(then) : requestAnimationFrame(then));
  return async function* () {
    for (; ; yield performance.now() / 1000) await new Promise(next);
  };
}

// A film is looked at frame by frame, however long that takes: its time is its own.
async function film(file) {
  const event = (name) => new Promise((resolve, reject) => Object.assign(video, { [`on${name}`]: resolve, onerror: reject }));
  video.src = URL.createObjectURL(file);
  await or(WORDS.film, event("loadeddata"));
  if (!video.videoWidth) throw new Error(WORDS.film);
  return async function* () {
    for (let k = 0; ; k++) {
      const seeked = event("seeked");
      video.currentTime = (k + 0.5) / RATE;
      await or(WORDS.film, seeked);
      if (video.ended || video.currentTime < k / RATE) return;
      yield k / RATE;
    }
  };
}

async function start(open, mirrored) {
  stop("Loading the pose estimator and the model.");
  const mine = ++turn;
  const wanted = () => mine === turn;
  part("stop").disabled = false;
  try {
    await (loading ??= load().catch((error) => { loading = null; throw error; }));
    await busy.catch(() => {});
    if (!wanted()) return;
    say("Waiting for a picture.");
    const frames = await open(wanted);
    if (!wanted()) return;
    root.classList.toggle("sy-mirror", mirrored);
    const fine = Math.min(1, 640 / Math.max(video.videoWidth, video.videoHeight));
    size = [video.videoWidth, video.videoHeight].map((side) => Math.round(side * fine));
    [records, epoch, spoken, sentence] = [[], null, -SPEAK, ""];
    spare.length = 0;
    pose.reset();
    for await (const t of frames()) {
      if (!wanted()) return;
      await (busy = look(t, wanted));
    }
    if (wanted()) stop(`The film has ended. ${sentence}`);
  } catch (error) {
    console.warn(error.cause ?? error);
    if (wanted()) stop(error.message, true);
  }
}

function release() {
  if (video.srcObject) [records, window.seeYourself] = [[], { looked: window.seeYourself?.looked ?? 0 }]; // no picture is kept
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.pause();
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.srcObject = null;
}

function stop(text, trouble = false) {
  turn++;
  release();
  part("stop").disabled = true;
  say(text, trouble);
}

part("still").src = document.querySelector(".sy-twin img")?.src ?? "data:,"; // none before the page's cells have run
part("camera").addEventListener("click", () => start(camera, true));
part("file").addEventListener("change", ({ target: { files: [file] } }) => file && start(() => film(file), false));
part("file").addEventListener("click", ({ target }) => { target.value = ""; }); // the same one may be chosen again
part("stop").addEventListener("click", () => stop("Stopped."));
document.addEventListener("visibilitychange", () => document.hidden && video.srcObject && stop(WORDS.hidden));
window.addEventListener("pagehide", release);
Object.assign(video, { muted: true, playsInline: true });
for (const name of ["camera", "file"]) part(name).disabled = false;
say("Nothing is filmed before you press the button.");
