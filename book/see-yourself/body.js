// From BlazePose's joints to what the model reads: the rules of pcsta/data/estimated.py and crop_size.py.
//
// A frame's joints are Kinect's 25, each [x, y] in pixels of the image and [x, y, z] in metres, y up, from
// any origin: [px, py, x, y, z]. Nobody is null: BlazePose gives all joints of a person or none.

// Joints are means of the estimator's.
export function kinect(found, [width, height], { parts }) {
  if (!found?.poseLandmarks) return null;
  const mean = (points, part, axis) => part.reduce((sum, [joint, weight]) => sum + weight * points[joint][axis], 0);
  const { poseLandmarks: image, poseWorldLandmarks: world } = found;
  return parts.map((part) => [
    width * mean(image, part, "x"), height * mean(image, part, "y"),
    mean(world, part, "x"), -mean(world, part, "y"), mean(world, part, "z"),
  ]);
}

// Frames without a person, at most `flicker` between two with one, are interpolated from both sides.
export function bridge(frames, { flicker }) {
  const there = frames.flatMap((joints, t) => (joints ? [t] : []));
  const whole = frames.slice();
  there.slice(1).forEach((b, i) => {
    const a = there[i];
    if (b - a > flicker + 1) return;
    for (let t = a + 1; t < b; t++) {
      const weight = (t - a) / (b - a);
      whole[t] = frames[a].map((joint, j) => joint.map((value, k) => (1 - weight) * value + weight * frames[b][j][k]));
    }
  });
  return whole;
}

const apart = (joints, first, second) =>
  Math.hypot(joints[first][0] - joints[second][0], joints[first][1] - joints[second][1]);

function median(values) {
  const [sorted, middle] = [values.slice().sort((a, b) => a - b), (values.length - 1) / 2];
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

// To the nearest whole number, of two to the even one.
const rint = (value) => (value % 1 === 0.5 && Math.floor(value) % 2 === 0 ? Math.floor(value) : Math.round(value));

// Joints in camera space, metres: a torso has one length, so there is one distance for the whole window.
export function placed(frames, [width, height], about) {
  const at = (name) => about.joints.indexOf(name);
  const torso = [at("spine shoulder"), at("spine base")];
  const shoulders = [at("left shoulder"), at("right shoulder")];
  const longer = Math.max(width, height);
  const looks = frames.filter(Boolean).map((joints) =>
    Math.max(apart(joints, ...torso) / about.torso, apart(joints, ...shoulders) / about.shoulders));
  const scale = median(looks.filter((pixels) => pixels > 0)); // pixels a metre
  const [near, far] = about.distance;
  const distance = Math.min(Math.max(longer / scale, near), far);
  return frames.map((joints) => {
    if (!joints) return null;
    const centre = [0, 1, 2, 3, 4].map((k) => joints.reduce((sum, joint) => sum + joint[k], 0) / joints.length);
    const place = [(centre[0] - width / 2) / longer * distance, (height / 2 - centre[1]) / longer * distance, distance];
    return joints.map((joint) => place.map((value, k) => joint[2 + k] - centre[2 + k] + value));
  });
}

// The side of the square around a hand: a share of the torso in the image, the same in all of these frames.
export function cropSide(frames, [width, height], about) {
  const at = (name) => about.joints.indexOf(name);
  const torsos = frames.filter(Boolean).map((joints) =>
    ["left", "right"].reduce((sum, side) => sum + apart(joints, at(`${side} shoulder`), at(`${side} hip`)), 0) / 2);
  return rint(Math.min(about.crop * median(torsos), Math.max(width, height)));
}

// The square itself, RGBA; beyond the image a canvas is black.
export function crop(context, [x, y], side) {
  const [left, top] = [x, y].map((value) => rint(value) - Math.floor(side / 2));
  return context.getImageData(left, top, side, side).data;
}

// One frame from each of `steps` equal segments of the time from the first to the last: the middle one.
export const segments = (length, steps) =>
  Array.from({ length: steps }, (_, k) => Math.floor(((k + 0.5) * length) / steps));
