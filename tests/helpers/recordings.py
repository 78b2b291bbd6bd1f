"""Small recordings for the readers' tests: a plausible person, and the text of each format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcsta.data.ntu import write_skeleton
from pcsta.data.video import write_video
from pcsta.skeletons import KINECT_V1, KINECT_V2, Skeleton

# A standing person in metres around the middle of the spine, x to the actor's left.
_POSE = {
    "spine base": (0, -0.25, 0), "spine middle": (0, 0, 0), "spine shoulder": (0, 0.25, 0),
    "neck": (0, 0.33, 0), "head": (0, 0.48, 0),
    "shoulder": (0.18, 0.22, 0), "elbow": (0.22, -0.03, 0), "wrist": (0.24, -0.25, -0.05),
    "hand": (0.24, -0.32, -0.06), "hand tip": (0.24, -0.4, -0.06), "thumb": (0.2, -0.34, -0.08),
    "hip": (0.08, -0.27, 0), "knee": (0.09, -0.68, 0), "ankle": (0.1, -1.05, 0),
    "foot": (0.1, -1.1, -0.1),
    "hip centre": (0, -0.25, 0), "spine": (0, 0, 0), "shoulder centre": (0, 0.25, 0),
    "torso": (0, 0, 0),
}  # fmt: skip


def person(frames: int, at=(0.0, 0.0, 3.0), skeleton: Skeleton = KINECT_V2, wave=0.3, seed=0):
    """(frames, J, 3): a person who stands at `at` and waves the right arm by `wave` metres."""
    sign = {"left": 1, "right": -1}
    pose = []
    for joint in skeleton.joints:
        side, _, part = joint.partition(" ")
        x, y, z = _POSE[part] if side in sign else _POSE[joint]
        pose.append((x * sign.get(side, 1), y, z))
    joints = np.array(at) + np.tile(np.array(pose), (frames, 1, 1))
    swing = wave * np.sin(np.linspace(0, 6, frames))
    for i, joint in enumerate(skeleton.joints):
        if joint.startswith("right ") and joint.split()[1] in ("elbow", "wrist", "hand", "thumb"):
            joints[:, i, 1] += swing
    rng = np.random.default_rng(seed)
    return joints + rng.normal(0, 0.01 if wave else 0.001, joints.shape)


def pixels(joints: np.ndarray) -> np.ndarray:
    """(…, 2): a pinhole camera of 1060 pixels focal length, 1920 x 1080."""
    x, y, z = np.moveaxis(joints, -1, 0)
    return np.stack([960 + 1060 * x / z, 540 - 1060 * y / z], -1)


def ntu_text(length: int, bodies: list[tuple[int, int, np.ndarray]]) -> str:
    """A `.skeleton` file of (id, first frame, joints (n, 25, 3)) tracks."""
    lines = [f"{length}"]
    for t in range(length):
        here = [(i, j[t - first]) for i, first, j in bodies if 0 <= t - first < len(j)]
        lines.append(f"{len(here)}")
        for ident, joints in here:
            lines += [f"{ident} 0 1 1 1 1 0 0.1 -0.2 2", f"{len(joints)}"]
            for (x, y, z), (u, v) in zip(joints, pixels(joints), strict=True):
                lines.append(f"{x:.6f} {y:.6f} {z:.6f} 200 150 {u:.4f} {v:.4f} 0.1 0 0.9 0 2")
    return "\n".join(lines) + "\n"


def write_ntu(root: Path, name: str, text: str) -> Path:
    """`text` as a sample of an NTU dataset under `root`."""
    path = root / "nturgb+d_skeletons" / f"{name}.skeleton"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def sbu_text(a: np.ndarray, b: np.ndarray, first: int = 180) -> str:
    """A `skeleton_pos.txt` of two people in metres, undoing the dataset's own conversion."""
    rows = []
    for t, pair in enumerate(zip(a, b, strict=True)):
        numbers = []
        for x, y, z in np.concatenate(pair):
            numbers += [(1.28 - x) / 2.56, (0.96 - y) / 1.92, z / 1.28]
        rows.append(",".join([str(first + t), *(f"{n:.6f}" for n in numbers)]))
    return "\r\n".join(rows) + "\r\n"


def msr_text(frames: list[list[np.ndarray]]) -> str:
    """The original form: per frame a list of skeletons (20, 3)."""
    lines = [f"{len(frames)} {len(KINECT_V1)}"]
    for bodies in frames:
        lines.append(str(2 * len(KINECT_V1) * len(bodies)))
        for joints in bodies:
            for x, y, z in joints:
                lines.append(f"{x:.6f} {y:.6f} {z:.6f} 1")
                lines.append(f"{0.5 + 0.9 * x / z:.6f} {0.5 - 1.2 * y / z:.6f} {1000 * z:.1f} 1")
    return "\n".join(lines) + "\n"


def msr_converted(joints: np.ndarray) -> str:
    """The converted form: `frame joint x y z`, counted from 1."""
    return "".join(
        f"{t + 1} {j + 1} {x:.6f} {y:.6f} {z:.6f}\n"
        for t, frame in enumerate(joints)
        for j, (x, y, z) in enumerate(frame)
    )


__all__ = [
    "msr_converted", "msr_text", "ntu_text", "person", "pixels", "sbu_text", "write_ntu",
]  # fmt: skip


def write_own(root: Path, people="ann bob cleo dan") -> Path:
    """Four people who stir and wave, on skeletons alone; two of them train."""
    root.mkdir(exist_ok=True)
    lines = ["skeleton,action,subject,side"]
    for i, name in enumerate(people.split()):
        for action, wave in (("摇", 0.4), ("stir", 0.1)):
            joints = person(24, (0, 0, 3), wave=wave, seed=i)[:, None]
            write_skeleton(root / f"{name}-{action}.skeleton", joints, pixels(joints))
            lines.append(f"{name}-{action}.skeleton,{action},{name},{'test' if i > 1 else 'train'}")
    (root / "recordings.csv").write_text("\n".join(lines), "utf-8")
    return root


TITLES = (
    "Drink_@18_-_Apple!(Martini)",
    "Kurt Kr mer, the 2nd",
    "BIG_FISH",
    "100%_#1_[full]",
    "x+y&z",
)


def write_jhmdb(root: Path) -> None:
    """Two classes of J-HMDB, two clips of each of five sources; the first two sources test in split 1.

    Of these, a clip of the first class has no skeleton, and one of the second has one without anybody.
    """
    image = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    for action in ("pour", "wave"):
        names = [f"{title}_{action}_u_nm_np1_fr_med_{i}" for title in TITLES for i in (0, 11)]
        for split in range(3):
            tested = names[4 * split : 4 * split + 4]
            path = root / f"splits/{action}_test_split{split + 1}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{name}.avi {1 + (name in tested)}\n" for name in names))
        for i, name in enumerate(names):
            film = [image.repeat(20, 0).repeat(20, 1)] * 22
            write_video(root / f"ReCompress_Videos/{action}/{name}.avi", film)
            joints = person(22, wave=0.4 if action == "wave" else 0.1, seed=i)[:, None]
            places = pixels(joints) / (6, 4.5)  # of 1920 x 1080 to 320 x 240
            if i != 3 or action == "wave":
                path = root / f"poses/{action}/{name}.skeleton"
                write_skeleton(path, joints * (i != 3), places)
