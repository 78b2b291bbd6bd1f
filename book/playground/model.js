// The two-stream model in the browser: its inputs, and its run. No drawing here.
//
// Three ONNX files do the work of section 3. pose.onnx turns X into s and the pose logits; one of two
// RGB streams turns (s, V, present) into p_t, p' and the RGB logits. What a reader changes is changed
// in X, V and `present`, before the model sees them; nothing is changed inside the model.

const home = new URL(".", import.meta.url);
const FILES = { pose: "pose.onnx", true: "rgb-conditioned.onnx", false: "rgb-unconditioned.onnx" };

// The content of a file beside this one, unpacked. progress(share) is told how far it has come.
export async function bytes(name, progress = () => {}) {
  const response = await fetch(new URL(name, home));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  const total = Number(response.headers.get("Content-Length"));
  const chunks = [];
  let done = 0;
  const reader = response.body.getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    chunks.push(piece.value);
    done += piece.value.length;
    if (total) progress(done / total);
  }
  const blob = new Blob(chunks);
  const [first, second] = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  const packed = first === 0x1f && second === 0x8b; // some servers unpack .gz on the way
  if (!packed) return blob.arrayBuffer();
  return new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function picture(name) {
  const image = new Image();
  image.src = new URL(name, home);
  await image.decode();
  return image;
}

// One clip: its entry in playground.json with X, V, the crops behind V and the frames.
export async function loadClip(entry, shape) {
  const [data, crops, frames] = await Promise.all([
    bytes(`${entry.name}.bin.gz`),
    picture(`${entry.name}-crops.webp`),
    picture(`${entry.name}-frames.webp`),
  ]);
  const values = new Float32Array(data);
  const size = shape.channels * shape.steps * shape.width;
  return { ...entry, X: values.subarray(0, size), V: values.subarray(size), sprite: crops, sheet: frames };
}

// ONNX Runtime Web, which computes on this page and on "See yourself".
export async function runtime(progress) {
  let ort, wasm;
  try {
    ort = await import(new URL("runtime/ort.mjs", home));
    wasm = await bytes("runtime/ort.wasm.gz", (share) => progress(`ONNX Runtime, ${Math.round(100 * share)} %`));
  } catch (error) {
    throw new Error("ONNX Runtime Web could not be fetched when this book was built, so nothing can be computed here: " +
      "build the book again with a network connection.", { cause: error });
  }
  ort.env.wasm.numThreads = 1; // threads need headers that a plain file server does not send
  ort.env.wasm.wasmBinary = wasm;
  return ort;
}

// The runtime and a session for each file. progress(text) is told what is being loaded.
export async function loadModels(progress) {
  const ort = await runtime(progress).catch((error) => {
    throw new Error(`${error.message} PyTorch's answers for the clips are shown below. (${error.cause.message})`);
  });
  const sessions = { ort };
  for (const [key, file] of Object.entries(FILES)) {
    progress(file);
    sessions[key] = await ort.InferenceSession.create(new Uint8Array(await bytes(file)));
  }
  return sessions;
}

const frozen = (choice, what) => choice.freeze === what || choice.freeze === "both";

// What a hand shows at a step: the step it is taken from, the variant of V (0: as filmed), whether it is there.
export function shown(clip, choice, step, hand) {
  const source = frozen(choice, "hands") ? choice.step : step;
  const inside = clip.deciding[step].includes(true);
  const holds = { always: true, inside, outside: !inside, now: step === choice.step };
  const what = holds[choice.when] ? choice.hands[hand] : "filmed";
  const there = Boolean(clip.present[source][hand]) && what !== "hidden";
  const variant = what === "filmed" || what === "hidden" ? 0 : Number(what) + 1;
  return { source, variant, there };
}

// X, V and `present` as the model sees them.
export function inputs(clip, choice, shape) {
  const { channels, steps, width, hands, features } = shape;
  const X = clip.X.slice();
  if (frozen(choice, "body")) {
    const still = X.slice(choice.step * width, (choice.step + 1) * width);
    X.fill(0, steps * width, channels * steps * width); // a body that stands has no velocity, no acceleration
    for (let t = 0; t < steps; t++) X.set(still, t * width);
  }
  const V = new Float32Array(steps * hands * features); // an absent hand's glimpse is zero
  const present = new Uint8Array(steps * hands);
  for (let t = 0; t < steps; t++) {
    for (let hand = 0; hand < hands; hand++) {
      const { source, variant, there } = shown(clip, choice, t, hand);
      if (!there) continue;
      const at = ((variant * steps + source) * hands + hand) * features;
      V.set(clip.V.subarray(at, at + features), (t * hands + hand) * features);
      present[t * hands + hand] = 1;
    }
  }
  return { X, V, present };
}

// Logits and both attentions, from one pass.
export async function run(sessions, clip, choice, shape) {
  const { X, V, present } = inputs(clip, choice, shape);
  const { channels, steps, width, hands, features } = shape;
  const tensor = (type, values, ...size) => new sessions.ort.Tensor(type, values, [1, ...size]);
  const pose = await sessions.pose.run({ pose_tensor: tensor("float32", X, channels, steps, width) });
  const rgb = await sessions[choice.conditioned].run({
    pose_features: pose.pose_features,
    glimpses: tensor("float32", V, steps, hands, features),
    present: tensor("bool", present, steps, hands),
  });
  const [pose_logits, rgb_logits, p, temporal_attention] = [
    pose.pose_logits, rgb.rgb_logits, rgb.spatial_attention, rgb.temporal_attention,
  ].map((output) => Array.from(output.data));
  const logits = pose_logits.map((value, k) => value + rgb_logits[k]); // fusion, section 3.4
  const spatial_attention = Array.from({ length: steps }, (_, t) => p.slice(t * hands, (t + 1) * hands));
  return { logits, pose_logits, rgb_logits, spatial_attention, temporal_attention };
}
